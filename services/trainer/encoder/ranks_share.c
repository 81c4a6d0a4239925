#ifdef FREEAL_MPI

#include "trainer/encoder/ranks_share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 26) /* floats of one message; MPI counts in int */

enum err share_init(struct share *s, struct network *n, struct optimizer *o)
{
	const struct parameters *p = network_parameters(n);
	const struct network_limits *limits = network_limits(n);
	size_t rows =
	    p->config.vocabulary < limits->tokens_max ? p->config.vocabulary : limits->tokens_max;
	*s = (struct share){.network = n, .optimizer = o, .words_max = rows};
	MPI_Comm_size(MPI_COMM_WORLD, &s->count);
	MPI_Comm_rank(MPI_COMM_WORLD, &s->number);
	MPI_Type_contiguous((int)p->config.hidden, MPI_FLOAT, &s->row);
	MPI_Type_commit(&s->row);
	s->own_offsets = calloc(limits->texts_max + 1, sizeof *s->own_offsets);
	s->counts = calloc((size_t)s->count, sizeof *s->counts);
	s->starts = calloc((size_t)s->count, sizeof *s->starts);
	if (limits->frozen == 0)
		s->words = malloc(rows * p->config.hidden * sizeof *s->words);
	if (s->own_offsets && s->counts && s->starts && (s->words || limits->frozen > 0))
		return ERR_OK;
	share_done(s);
	return ERR_NO_MEMORY;
}

void share_done(struct share *s)
{
	if (s->count > 0)
		MPI_Type_free(&s->row);
	free(s->own_offsets);
	free(s->words);
	free(s->counts);
	free(s->starts);
	*s = (struct share){0};
}

/* ---- what all have the same of ---- */

static void floats_copy(float *x, size_t count)
{
	for (size_t at = 0; at < count; at += BLOCK)
		MPI_Bcast(x + at, (int)(count - at < BLOCK ? count - at : BLOCK), MPI_FLOAT, 0,
			  MPI_COMM_WORLD);
}

static void floats_sum(float *x, size_t count)
{
	for (size_t at = 0; at < count; at += BLOCK)
		MPI_Allreduce(MPI_IN_PLACE, x + at, (int)(count - at < BLOCK ? count - at : BLOCK),
			      MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

void share_sync(struct share *s)
{
	size_t size = network_parameters(s->network)->size;
	size_t first = network_trained(s->network);
	struct optimizer_state state = optimizer_state(s->optimizer);
	floats_copy(network_weights(s->network), size);
	floats_copy(state.first + first, size - first);
	floats_copy(state.second + first, size - first);
	MPI_Bcast(state.steps, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
	network_weights_changed(s->network);
}

/* ---- shares ---- */

/* Shares are of whole texts and about as many tokens each. */
static size_t text_first(const struct batch *b, int rank, int count)
{
	size_t token = b->token_count * (size_t)rank / (size_t)count, text = 0;
	while (text < b->text_count && b->offsets[text] < token)
		text++;
	return rank == count ? b->text_count : text;
}

static void own_make(struct share *s, const struct batch *b)
{
	size_t first = text_first(b, s->number, s->count);
	size_t end = text_first(b, s->number + 1, s->count);
	s->whole = *b;
	s->text_first = first;
	s->token_first = b->offsets[first];
	for (size_t i = first; i <= end; i++)
		s->own_offsets[i - first] = b->offsets[i] - b->offsets[first];
	s->own = (struct batch){.text_count = end - first,
				.token_count = b->offsets[end] - b->offsets[first],
				.ids = b->ids + b->offsets[first],
				.offsets = s->own_offsets,
				.keys = b->keys ? b->keys + first : NULL,
				.sentences_only = b->sentences_only};
}

/* Rows of each rank: of its texts, or of its tokens. */
static void rows_count(struct share *s, bool are_tokens)
{
	for (int i = 0; i < s->count; i++) {
		size_t first = text_first(&s->whole, i, s->count);
		size_t end = text_first(&s->whole, i + 1, s->count);
		if (are_tokens) {
			first = s->whole.offsets[first];
			end = s->whole.offsets[end];
		}
		s->starts[i] = (int)first;
		s->counts[i] = (int)(end - first);
	}
}

/* From rank 0, whose share comes first and stays where it is. */
static void rows_scatter(struct share *s, float *rows, bool are_tokens)
{
	rows_count(s, are_tokens);
	if (s->number == 0)
		MPI_Scatterv(rows, s->counts, s->starts, s->row, MPI_IN_PLACE, 0, s->row, 0,
			     MPI_COMM_WORLD);
	else
		MPI_Scatterv(NULL, NULL, NULL, s->row, rows, s->counts[s->number], s->row, 0,
			     MPI_COMM_WORLD);
}

static void rows_gather(struct share *s, float *rows)
{
	rows_count(s, false);
	if (s->number == 0)
		MPI_Gatherv(MPI_IN_PLACE, 0, s->row, rows, s->counts, s->starts, s->row, 0,
			    MPI_COMM_WORLD);
	else
		MPI_Gatherv(rows, s->counts[s->number], s->row, NULL, NULL, NULL, s->row, 0,
			    MPI_COMM_WORLD);
}

void share_forward(struct share *s, const struct batch *b, float *states,
		   const struct dropout_step *d, float *sentences)
{
	own_make(s, b);
	if (states)
		rows_scatter(s, states, true);
	if (s->own.text_count > 0) {
		network_forward_from(s->network, &s->own, states, d);
		network_sentences(s->network, &s->own, sentences);
	}
	rows_gather(s, sentences);
}

/* The word table's gradients: of the rows that any rank has touched. */
static void words_sum(struct share *s)
{
	const struct parameter *word =
	    parameters_single(network_parameters(s->network), PARAMETER_WORD);
	float *table = network_gradients(s->network) + word->offset;
	size_t count, bytes = word->columns * sizeof *table;
	network_touch(s->network, s->whole.ids, s->whole.token_count);
	const uint32_t *touched = network_touched(s->network, &count);
	assert(count <= s->words_max);
	for (size_t i = 0; i < count; i++)
		memcpy(s->words + i * word->columns, table + touched[i] * word->columns, bytes);
	floats_sum(s->words, count * word->columns);
	for (size_t i = 0; i < count; i++)
		memcpy(table + touched[i] * word->columns, s->words + i * word->columns, bytes);
}

void share_backward(struct share *s, float *dsentences)
{
	const struct parameters *p = network_parameters(s->network);
	const struct parameter *word = parameters_single(p, PARAMETER_WORD);
	size_t first = network_trained(s->network);
	rows_scatter(s, dsentences, false);
	if (s->own.text_count > 0)
		network_backward(s->network, &s->own, dsentences);
	if (first == 0) {
		assert(word->offset == 0);
		words_sum(s);
		first = word->rows * word->columns;
	}
	floats_sum(network_gradients(s->network) + first, p->size - first);
}

#else

typedef int ranks_share_is_for_mpi;

#endif
