#include "table.h"

#include <time.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("no memory");
	return p;
}

double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void table_add(struct table *t, const char *line)
{
	size_t n = t->count + 1;
	const char *clean = strchr(line, '\t');
	const char *text = clean ? strchr(clean + 1, '\t') : NULL;
	const char *second = text ? strchr(text + 1, '\t') : NULL;
	if (!second)
		die("a line has too few columns");
	if ((n & (n - 1)) == 0) {
		t->labels = grow(t->labels, 2 * n * sizeof *t->labels);
		t->clean = grow(t->clean, 2 * n * sizeof *t->clean);
		t->texts = grow(t->texts, 2 * n * sizeof *t->texts);
		t->sizes = grow(t->sizes, 2 * n * sizeof *t->sizes);
		t->seconds = grow(t->seconds, 2 * n * sizeof *t->seconds);
		t->second_sizes = grow(t->second_sizes, 2 * n * sizeof *t->second_sizes);
	}
	t->labels[t->count] = (int32_t)strtol(line, NULL, 10);
	t->clean[t->count] = clean[1] == '1';
	t->sizes[t->count] = (size_t)(second - text - 1);
	t->texts[t->count] = strndup(text + 1, t->sizes[t->count]);
	t->seconds[t->count] = strdup(second + 1);
	if (!t->texts[t->count] || !t->seconds[t->count])
		die("no memory");
	t->second_sizes[t->count] = strlen(second + 1);
	t->any_second |= t->second_sizes[t->count] > 0;
	if (t->labels[t->count] >= (int32_t)t->class_count)
		t->class_count = (size_t)t->labels[t->count] + 1;
	t->count = n;
}

struct table table_read(const char *path)
{
	struct table t = {.class_count = 2};
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	if (!file)
		die("cannot open the input");
	while ((size = getline(&line, &capacity, file)) > 0) {
		if (line[size - 1] == '\n')
			line[size - 1] = '\0';
		table_add(&t, line);
	}
	fclose(file);
	free(line);
	return t;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->texts[i]);
		free(t->seconds[i]);
	}
	free(t->labels);
	free(t->clean);
	free(t->texts);
	free(t->sizes);
	free(t->seconds);
	free(t->second_sizes);
}

void write_floats(const char *path, const float *values, size_t count)
{
	FILE *file = fopen(path, "w");
	if (!file || fwrite(values, sizeof *values, count, file) != count || fclose(file))
		die("cannot write the output");
}
