/*
 * Ids of texts, for test_tokenizer.py: reads (u32 size, bytes) records from standard input and
 * writes (u32 count, u32 ids) records. Says on standard error how long encoding took.
 * Usage: tokenizer_ids FOLDER IDS_MAX
 */
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TEXT_BYTES_MAX (16u << 20)

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int encode_all(const struct tokenizer *t, size_t ids_max)
{
	char *text = malloc(TEXT_BYTES_MAX);
	uint32_t *ids = malloc(ids_max * sizeof *ids), size;
	size_t texts = 0, total = 0, longest = 0;
	double seconds = 0;
	while (text && ids && fread(&size, sizeof size, 1, stdin) == 1) {
		if (size > TEXT_BYTES_MAX || fread(text, 1, size, stdin) != size)
			return 1;
		size_t count;
		double begin = now();
		if (tokenizer_encode(t, text, size, ids, ids_max, &count))
			return 1;
		seconds += now() - begin;
		uint32_t count32 = (uint32_t)count;
		fwrite(&count32, sizeof count32, 1, stdout);
		fwrite(ids, sizeof *ids, count, stdout);
		texts++;
		total += count;
		longest = size > longest ? size : longest;
	}
	fprintf(stderr, "%zu texts, %zu ids, the longest of %zu bytes: %.3f s\n", texts, total,
		longest, seconds);
	free(text);
	free(ids);
	return 0;
}

int main(int argc, char **argv)
{
	struct err_msg msg = {""};
	struct tokenizer *t;
	if (argc != 3) {
		fprintf(stderr, "usage: %s FOLDER IDS_MAX\n", argv[0]);
		return 2;
	}
	double begin = now();
	enum err e = tokenizer_load(argv[1], &t, &msg);
	if (e) {
		fprintf(stderr, "%s: %s\n", err_str(e), msg.text);
		return 1;
	}
	fprintf(stderr, "loaded in %.3f s\n", now() - begin);
	int rc = encode_all(t, (size_t)strtoull(argv[2], NULL, 10));
	tokenizer_free(t);
	return rc;
}
