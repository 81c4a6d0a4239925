/* libs: freeal-trainer-lib m */
/* AdamW against PyTorch's (tests/golden/make_optimizer.py), on a network that is arrays alone. */
#include "trainer/encoder/kernels.h"
#include "trainer/encoder/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/optimizer.inc"

enum { STEPS = 10, WARMUP = 3, SIZE_MAX_FLOATS = 4096 };
static const double RATE = 1e-2;

/* The optimiser's view of a network. */
struct network {
	struct parameters p;
	struct team *team;
	size_t trained, half_first;
	bool halves;
	float weights[SIZE_MAX_FLOATS], gradients[SIZE_MAX_FLOATS];
	bf16 half[SIZE_MAX_FLOATS];
	uint32_t touched[128];
	size_t touched_count;
};

const struct parameters *network_parameters(const struct network *n)
{
	return &n->p;
}

struct team *network_team(struct network *n)
{
	return n->team;
}

size_t network_trained(const struct network *n)
{
	return n->trained;
}

float *network_weights(struct network *n)
{
	return n->weights;
}

float *network_gradients(struct network *n)
{
	return n->gradients;
}

bf16 *network_half(struct network *n, size_t *ret_first)
{
	*ret_first = n->half_first;
	return n->halves ? n->half : NULL;
}

const uint32_t *network_touched(const struct network *n, size_t *ret_count)
{
	*ret_count = n->touched_count;
	return n->touched;
}

void network_gradients_cleared(struct network *n)
{
	n->touched_count = 0;
}

void network_gradients_clear(struct network *n)
{
	memset(n->gradients, 0, sizeof n->gradients);
	network_gradients_cleared(n);
}

static struct network *network_make(size_t workers, uint32_t frozen, bool halves)
{
	const struct encoder_config config = {.family = ENCODER_BERT,
					      .hidden = 6,
					      .layers = 1,
					      .heads = 2,
					      .intermediate = 8,
					      .vocabulary = 70,
					      .positions = 9,
					      .types = 2};
	struct network *n = calloc(1, sizeof *n);
	assert_non_null(n);
	assert_int_equal(parameters_init(&n->p, &config, 3), ERR_OK);
	assert_int_equal(team_new(workers, &n->team), ERR_OK);
	assert_true(n->p.size <= SIZE_MAX_FLOATS);
	n->trained = parameters_trained(&n->p, frozen);
	n->half_first = parameters_layer(&n->p, 0, PARAMETER_QKV_WEIGHT)->offset;
	n->halves = halves;
	for (size_t i = 0; i < n->p.count; i++) {
		const struct parameter *each = &n->p.list[i];
		for (size_t k = 0; k < each->rows * each->columns; k++)
			n->weights[each->offset + k] =
			    ((float)((each->offset + k) * 37 % 101) - 50.0f) / 64.0f;
	}
	return n;
}

static void network_end(struct network *n)
{
	parameters_done(&n->p);
	team_free(n->team);
	free(n);
}

/* The gradients of make_optimizer.py. */
static void gradients_make(struct network *n, size_t step)
{
	const struct parameter *word = parameters_single(&n->p, PARAMETER_WORD);
	for (size_t i = 0; i < n->p.count; i++) {
		const struct parameter *each = &n->p.list[i];
		for (size_t k = 0; k < each->rows * each->columns; k++) {
			size_t at = each->offset + k, row = k / each->columns;
			if (each == word && (row % 5 != step % 5 || row % 3 == 0))
				continue;
			n->gradients[at] =
			    ((float)((at * 53 + step * 29 + at * step % 7) % 113) - 56.0f) /
			    (step < 6 ? 512.0f : 512.0f * 16.0f);
		}
	}
	for (uint32_t row = 0; row < word->rows; row++)
		if (row % 5 == step % 5 && row % 3 != 0)
			n->touched[n->touched_count++] = row;
}

static struct optimizer *optimizer_make(struct network *n)
{
	struct optimizer_config config = optimizer_config_default();
	struct optimizer *o;
	assert_int_equal(optimizer_new(n, &config, &o), ERR_OK);
	return o;
}

static double step_make(struct network *n, struct optimizer *o, size_t step)
{
	gradients_make(n, step);
	return optimizer_step(o, optimizer_rate(RATE, step, WARMUP, STEPS));
}

static void steps_are_pytorchs(void **state)
{
	(void)state;
	for (size_t k = 0; k < 6; k++) {
		struct network *n = network_make(1 + k / 2, 0, k % 2);
		struct optimizer *o = optimizer_make(n);
		size_t found = 0;
		for (size_t step = 0; step < STEPS; step++) {
			double norm = step_make(n, o, step);
			assert_true(fabs(norm / optimizer_norms[step] - 1.0) < 1e-6);
			assert_int_equal(n->touched_count, 0);
			for (size_t i = 0; i < n->p.size; i++)
				assert_true(n->gradients[i] == 0.0f);
		}
		for (size_t i = 0; i < n->p.count; i++) {
			const struct parameter *each = &n->p.list[i];
			const float *w = n->weights + each->offset;
			size_t count = each->rows * each->columns, next = (count + 15) / 16 * 16;
			for (size_t j = 0; j < count; j++, found++)
				assert_true(fabs((double)w[j] - optimizer_weights[found]) < 5e-7);
			for (size_t j = count; j < next; j++)
				assert_true(w[j] == 0.0f);
		}
		assert_int_equal(found, sizeof optimizer_weights / sizeof *optimizer_weights);
		for (size_t i = n->half_first; n->halves && i < n->p.size; i++) {
			bf16 expected;
			kernel_half(n->weights + i, 1, &expected);
			assert_int_equal(n->half[i - n->half_first], expected);
		}
		optimizer_free(o);
		network_end(n);
	}
}

static void rates_are_transformers(void **state)
{
	(void)state;
	for (size_t step = 0; step < STEPS; step++)
		assert_true(fabs(optimizer_rate(RATE, step, WARMUP, STEPS) -
				 optimizer_rates[step]) < 1e-10);
	assert_true(optimizer_rate(2.0, 0, 0, 4) == 2.0);
	assert_true(optimizer_rate(2.0, 3, 0, 4) == 0.5);
	assert_true(optimizer_rate(2.0, 4, 0, 4) == 0.0);
	assert_true(optimizer_rate(2.0, 9, 2, 4) == 0.0);
	assert_true(optimizer_rate(2.0, 1, 4, 2) == 0.5); /* warm-up that is longer than all */
	assert_true(optimizer_rate(2.0, 0, 0, 0) == 0.0);
}

static void frozen_parameters_stay(void **state)
{
	(void)state;
	struct network *n = network_make(2, 1, true), *before = network_make(1, 1, true);
	struct optimizer *o = optimizer_make(n);
	size_t head = parameters_single(&n->p, PARAMETER_HEAD_DENSE_WEIGHT)->offset, moved = 0;
	assert_int_equal(n->trained, head);
	assert_true(optimizer_bytes(&n->p, 1) < optimizer_bytes(&n->p, 0));
	for (size_t step = 0; step < 4; step++) {
		gradients_make(n, step);
		memset(n->gradients, 0, head * sizeof(float));
		n->touched_count = 0;
		assert_true(optimizer_step(o, RATE) > 0.1);
	}
	assert_memory_equal(n->weights, before->weights, head * sizeof(float));
	for (size_t i = 0; i < head; i++)
		assert_true(optimizer_state(o).first[i] == 0.0f);
	for (size_t i = head; i < n->p.size; i++)
		moved += n->weights[i] != before->weights[i];
	assert_true(moved >= 6 * 6 + 6);
	optimizer_free(o);
	network_end(n);
	network_end(before);
}

static void what_is_not_finite_changes_nothing(void **state)
{
	(void)state;
	const float bad[] = {NAN, INFINITY, -INFINITY};
	for (size_t k = 0; k < 3; k++) {
		struct network *n = network_make(2, 0, true);
		struct optimizer *o = optimizer_make(n);
		(void)step_make(n, o, 1);
		struct network *kept = malloc(sizeof *kept);
		float *first = malloc(n->p.size * sizeof(float));
		assert_true(kept && first);
		memcpy(kept, n, sizeof *kept);
		memcpy(first, optimizer_state(o).first, n->p.size * sizeof(float));
		gradients_make(n, 2);
		n->gradients[parameters_single(&n->p, k ? PARAMETER_HEAD_OUT_BIAS : PARAMETER_TYPE)
				 ->offset] = bad[k];
		assert_false(isfinite(optimizer_step(o, RATE)));
		assert_memory_equal(n->weights, kept->weights, sizeof n->weights);
		assert_memory_equal(n->half, kept->half, sizeof n->half);
		assert_memory_equal(optimizer_state(o).first, first, n->p.size * sizeof(float));
		assert_int_equal(*optimizer_state(o).steps, 1);
		for (size_t i = 0; i < n->p.size; i++)
			assert_true(n->gradients[i] == 0.0f);
		free(kept);
		free(first);
		optimizer_free(o);
		network_end(n);
	}
}

/* From a state that was kept everything goes on to the bit. */
static void a_state_is_all_there_is(void **state)
{
	(void)state;
	struct network *n = network_make(2, 0, false), *again = network_make(2, 0, false);
	struct optimizer *o = optimizer_make(n), *next = optimizer_make(again);
	for (size_t step = 0; step < 3; step++)
		(void)step_make(n, o, step);
	struct optimizer_state from = optimizer_state(o), to = optimizer_state(next);
	memcpy(to.first, from.first, n->p.size * sizeof(float));
	memcpy(to.second, from.second, n->p.size * sizeof(float));
	*to.steps = *from.steps;
	memcpy(again->weights, n->weights, sizeof n->weights);
	for (size_t step = 3; step < STEPS; step++)
		assert_true(step_make(n, o, step) == step_make(again, next, step));
	assert_memory_equal(n->weights, again->weights, sizeof n->weights);
	optimizer_free(o);
	optimizer_free(next);
	network_end(n);
	network_end(again);
}

static void clipping_and_decay_can_be_off(void **state)
{
	(void)state;
	struct network *n = network_make(1, 0, false), *before = network_make(1, 0, false);
	struct optimizer_config config = optimizer_config_default();
	struct optimizer *o;
	config.norm_max = 0.0;
	config.decay = 0.0;
	assert_int_equal(optimizer_new(n, &config, &o), ERR_OK);
	/* The first step moves each weight by the rate, whatever its gradient. */
	gradients_make(n, 1);
	assert_true(optimizer_step(o, RATE) > 1.0);
	for (size_t row = 0; row < 70; row++)
		for (size_t j = 0; j < 6; j++) {
			double move =
			    (double)n->weights[row * 6 + j] - (double)before->weights[row * 6 + j];
			bool moves = row % 5 == 1 && row % 3 != 0;
			double g = ((row * 6 + j) * 53 + 29 + (row * 6 + j) % 7) % 113 - 56.0;
			double expected = moves && g != 0.0 ? (g > 0.0 ? -RATE : RATE) : 0.0;
			assert_true(fabs(move - expected) < 1e-6);
		}
	optimizer_free(o);
	network_end(n);
	network_end(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(steps_are_pytorchs),
	    cmocka_unit_test(rates_are_transformers),
	    cmocka_unit_test(frozen_parameters_stay),
	    cmocka_unit_test(what_is_not_finite_changes_nothing),
	    cmocka_unit_test(a_state_is_all_there_is),
	    cmocka_unit_test(clipping_and_decay_can_be_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
