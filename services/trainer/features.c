#include "trainer/features.h"

#include "base/rng.h"
#include "trainer/terms.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	PROJECTION_ENTRIES = 16,
	RARE_FROM_TEXTS = 100,	    /* fewer texts keep the terms of one text */
	TEXTS_PER_DF_STEP = 200000, /* each so many texts raise the least frequency by one */
};

struct features {
	struct vocabulary *vocabulary; /* a reference */
	size_t row_count;
	uint64_t *starts; /* (row_count + 1) */
	size_t term_capacity;
	uint32_t *columns; /* buckets until weighed */
	float *values;	   /* counts until weighed */
};

void features_free(struct features *f)
{
	if (!f)
		return;
	vocabulary_unref(f->vocabulary);
	free(f->starts);
	free(f->columns);
	free(f->values);
	free(f);
}

static enum err features_reserve(struct features *f, size_t need)
{
	if (need <= f->term_capacity)
		return ERR_OK;
	/* A quarter more: at a million texts, doubling could cost a gigabyte. */
	size_t capacity = need + need / 4 + 1024;
	uint32_t *columns = realloc(f->columns, capacity * sizeof(*columns));
	if (columns)
		f->columns = columns;
	float *values = realloc(f->values, capacity * sizeof(*values));
	if (values)
		f->values = values;
	if (!columns || !values)
		return ERR_NO_MEMORY;
	f->term_capacity = capacity;
	return ERR_OK;
}

static enum err features_add(struct features *f, const struct terms *terms)
{
	uint64_t start = f->starts[f->row_count];
	enum err err = features_reserve(f, start + terms->size);
	if (err)
		return err;
	if (terms->size) {
		memcpy(f->columns + start, terms->buckets, terms->size * sizeof(uint32_t));
		memcpy(f->values + start, terms->counts, terms->size * sizeof(float));
	}
	f->starts[++f->row_count] = start + terms->size;
	return ERR_OK;
}

/* Rows of counts by bucket. */
static enum err features_count(const char *const *texts, const size_t *sizes, size_t count,
			       uint32_t bits, const atomic_bool *cancel, struct features **ret)
{
	struct features *f = calloc(1, sizeof(*f));
	struct terms terms;
	terms_init(&terms, bits);
	enum err err = ERR_NO_MEMORY;
	if (f)
		f->starts = calloc(count + 1, sizeof(*f->starts));
	if (f && f->starts)
		err = ERR_OK;
	for (size_t i = 0; !err && i < count; i++) {
		if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) {
			err = ERR_CANCELLED;
			break;
		}
		err = terms_extract(&terms, texts[i], sizes[i]);
		if (!err)
			err = features_add(f, &terms);
	}
	terms_done(&terms);
	if (err) {
		features_free(f);
		return err;
	}
	*ret = f;
	return ERR_OK;
}

static enum err features_fit(struct features *f, uint32_t bits)
{
	uint32_t *text_counts = calloc((size_t)2 << bits, sizeof(*text_counts));
	if (!text_counts)
		return ERR_NO_MEMORY;
	for (uint64_t i = 0; i < f->starts[f->row_count]; i++)
		text_counts[f->columns[i]]++;
	uint32_t df_min = f->row_count < RARE_FROM_TEXTS ? 1 : 2;
	df_min += (uint32_t)(f->row_count / TEXTS_PER_DF_STEP);
	enum err err = vocabulary_new(bits, text_counts, f->row_count, df_min, &f->vocabulary);
	free(text_counts);
	return err;
}

static void values_normalize(float *values, size_t count, double square_sum)
{
	if (square_sum <= 0.0)
		return;
	float scale = (float)(1.0 / sqrt(square_sum));
	for (size_t i = 0; i < count; i++)
		values[i] *= scale;
}

/*
 * Counts by bucket become TF-IDF by column. Terms only ever move down, so the
 * arrays are rewritten in place.
 */
static void features_apply(struct features *f)
{
	const struct vocabulary *vocabulary = f->vocabulary;
	uint64_t out = 0;
	uint64_t in = 0;
	uint32_t words_end = 1u << vocabulary->bits;
	for (size_t r = 0; r < f->row_count; r++) {
		uint64_t end = f->starts[r + 1];
		/* Words first, then characters: buckets ascend. */
		for (uint32_t part = 1; part <= 2; part++) {
			uint64_t start = out;
			double square_sum = 0.0;
			for (; in < end && f->columns[in] < part * words_end; in++) {
				uint32_t column = vocabulary->columns[f->columns[in]];
				if (column == VOCABULARY_NONE)
					continue;
				float tf = 1.0f + logf(f->values[in]);
				f->columns[out] = column;
				f->values[out] = tf * vocabulary->idf[column];
				square_sum += (double)f->values[out] * f->values[out];
				out++;
			}
			values_normalize(f->values + start, out - start, square_sum);
		}
		assert(in == end);
		f->starts[r + 1] = out;
	}
}

static enum err features_make(struct vocabulary *vocabulary, const char *const *texts,
			      const size_t *sizes, size_t count, const atomic_bool *cancel,
			      struct features **ret, struct err_msg *msg)
{
	struct features *f = NULL;
	uint32_t bits = vocabulary ? vocabulary->bits : TERMS_BITS_DEFAULT;
	enum err err = features_count(texts, sizes, count, bits, cancel, &f);
	if (!err && vocabulary)
		f->vocabulary = vocabulary_ref(vocabulary);
	else if (!err)
		err = features_fit(f, bits);
	if (err) {
		features_free(f);
		return err_set(msg, err, "features of %zu texts: %s", count, err_str(err));
	}
	features_apply(f);
	*ret = f;
	return ERR_OK;
}

enum err features_new(const char *const *texts, const size_t *sizes, size_t count,
		      const atomic_bool *cancel, struct features **ret, struct err_msg *msg)
{
	return features_make(NULL, texts, sizes, count, cancel, ret, msg);
}

enum err features_weigh(struct vocabulary *vocabulary, const char *const *texts,
			const size_t *sizes, size_t count, const atomic_bool *cancel,
			struct features **ret, struct err_msg *msg)
{
	assert(vocabulary);
	return features_make(vocabulary, texts, sizes, count, cancel, ret, msg);
}

enum err features_like(const struct features *fitted, const char *const *texts, const size_t *sizes,
		       size_t count, struct features **ret, struct err_msg *msg)
{
	return features_make(fitted->vocabulary, texts, sizes, count, NULL, ret, msg);
}

size_t features_row_count(const struct features *f)
{
	return f->row_count;
}

struct vocabulary *features_vocabulary(const struct features *f)
{
	return f->vocabulary;
}

struct csr features_rows(const struct features *f)
{
	return (struct csr){.row_count = f->row_count,
			    .column_count = f->vocabulary->column_count,
			    .starts = f->starts,
			    .columns = f->columns,
			    .values = f->values};
}

/* Entry e of the bucket's projection falls into block e of the dimensions. */
static void row_project(const struct features *f, size_t r, float *ret)
{
	enum { BLOCK = EMBED_DIMENSIONS / PROJECTION_ENTRIES };
	static_assert(BLOCK == 16, "four bits choose a place in a block");
	for (uint64_t i = f->starts[r]; i < f->starts[r + 1]; i++) {
		uint32_t bucket = f->vocabulary->buckets[f->columns[i]];
		uint64_t places = hash_mix(0x70726f6a, bucket);
		uint64_t signs = hash_mix(places, bucket);
		float value = f->values[i];
		for (size_t e = 0; e < PROJECTION_ENTRIES; e++) {
			ret[e * BLOCK + (places & 15)] += signs & 1 ? value : -value;
			places >>= 4;
			signs >>= 1;
		}
	}
}

void features_embed(const struct features *f, size_t first, size_t count, float *ret)
{
	assert(first + count <= f->row_count);
	memset(ret, 0, count * EMBED_DIMENSIONS * sizeof(*ret));
	for (size_t n = 0; n < count; n++) {
		float *vector = ret + n * EMBED_DIMENSIONS;
		row_project(f, first + n, vector);
		double square_sum = 0.0;
		for (size_t d = 0; d < EMBED_DIMENSIONS; d++)
			square_sum += (double)vector[d] * vector[d];
		values_normalize(vector, EMBED_DIMENSIONS, square_sum);
	}
}
