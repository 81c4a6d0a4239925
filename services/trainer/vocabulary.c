#include "trainer/vocabulary.h"

#include "trainer/terms.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct vocabulary *vocabulary_alloc(uint32_t bits, uint32_t column_count)
{
	size_t bucket_count = (size_t)2 << bits;
	struct vocabulary *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	atomic_init(&v->references, 1);
	v->bits = bits;
	v->column_count = column_count;
	v->columns = malloc(bucket_count * sizeof(*v->columns));
	v->buckets = malloc((column_count + 1u) * sizeof(*v->buckets));
	v->idf = malloc((column_count + 1u) * sizeof(*v->idf));
	if (!v->columns || !v->buckets || !v->idf) {
		vocabulary_unref(v);
		return NULL;
	}
	memset(v->columns, 0xff, bucket_count * sizeof(*v->columns));
	return v;
}

struct vocabulary *vocabulary_ref(struct vocabulary *v)
{
	atomic_fetch_add(&v->references, 1);
	return v;
}

void vocabulary_unref(struct vocabulary *v)
{
	if (!v || atomic_fetch_sub(&v->references, 1) > 1)
		return;
	free(v->columns);
	free(v->buckets);
	free(v->idf);
	free(v);
}

enum err vocabulary_new(uint32_t bits, const uint32_t *text_counts, uint64_t text_count,
			uint32_t df_min, struct vocabulary **ret)
{
	assert(bits >= 1 && bits <= TERMS_BITS_MAX && df_min >= 1);
	size_t bucket_count = (size_t)2 << bits;
	uint32_t column_count = 0;
	for (size_t b = 0; b < bucket_count; b++)
		column_count += text_counts[b] >= df_min;
	struct vocabulary *v = vocabulary_alloc(bits, column_count);
	if (!v)
		return ERR_NO_MEMORY;
	uint32_t column = 0;
	for (size_t b = 0; b < bucket_count; b++) {
		if (text_counts[b] < df_min)
			continue;
		v->columns[b] = column;
		v->buckets[column] = (uint32_t)b;
		v->idf[column] =
		    (float)(log((1.0 + (double)text_count) / (1.0 + (double)text_counts[b])) + 1.0);
		column++;
	}
	assert(column == column_count);
	*ret = v;
	return ERR_OK;
}

enum err vocabulary_restore(uint32_t bits, uint32_t column_count, const uint32_t *buckets,
			    const float *idf, struct vocabulary **ret)
{
	if (bits < 1 || bits > TERMS_BITS_MAX || column_count > (uint64_t)2 << bits)
		return ERR_CORRUPT;
	struct vocabulary *v = vocabulary_alloc(bits, column_count);
	if (!v)
		return ERR_NO_MEMORY;
	for (uint32_t c = 0; c < column_count; c++) {
		bool ordered = c == 0 || buckets[c] > buckets[c - 1];
		if (!ordered || buckets[c] >= (uint64_t)2 << bits || !isfinite(idf[c])) {
			vocabulary_unref(v);
			return ERR_CORRUPT;
		}
		v->columns[buckets[c]] = c;
		v->buckets[c] = buckets[c];
		v->idf[c] = idf[c];
	}
	*ret = v;
	return ERR_OK;
}
