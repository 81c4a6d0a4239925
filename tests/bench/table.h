/*
 * What the drivers of the benchmarks read and write: lines of label (-1: none), clean (0 or 1),
 * text, second view (may be empty), separated by tabs. Whatever is wrong ends the program.
 */
#ifndef FREEAL_BENCH_TABLE_H
#define FREEAL_BENCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	size_t count;
	size_t class_count; /* labels are below it; at least 2 */
	int32_t *labels;
	bool *clean;
	char **texts;
	size_t *sizes;
	char **seconds;
	size_t *second_sizes;
	bool any_second;
};

__attribute__((noreturn)) void die(const char *what);
void *grow(void *p, size_t size);
double seconds_now(void);

struct table table_read(const char *path);
void table_free(struct table *t);
void write_floats(const char *path, const float *values, size_t count);

#endif
