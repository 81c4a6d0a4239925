/* libs: freeal-trainer-lib m */
/* A batch's loss against its formula, its gradient by finite differences, its parts. */
#include "trainer/encoder/tune_loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { K = 3, MEMBERS = 5, TEXTS = 8, MIXTURES = 2, PLACES = TEXTS + MIXTURES };

struct world {
	struct robust_config robust;
	struct tune_member members[MEMBERS];
	struct tune_mixture mixtures[MIXTURES];
	struct tune_terms terms;
	float logits[PLACES][K];
};

/* Clean with and without a second view; noisy with one; unlabelled; noisy without. */
static void world_init(struct world *w)
{
	*w = (struct world){
	    .robust = robust_config_default(),
	    .members = {{10, 0, true, 0, 5},
			{11, 2, true, 1, TUNE_NO_TEXT},
			{12, 1, false, 2, 6},
			{13, -1, false, 3, 7},
			{14, 2, false, 4, TUNE_NO_TEXT}},
	    .mixtures = {{0, 1}, {1, 1}},
	};
	/* Without sharpening the targets follow the students, and the gradient isn't the
	 * derivative; with t near 0 they are constant. */
	w->robust.temperature = 0.02;
	w->terms = (struct tune_terms){.members = w->members,
				       .member_count = MEMBERS,
				       .mixtures = w->mixtures,
				       .mixture_count = MIXTURES,
				       .text_count = TEXTS,
				       .mixture_share = 0.75,
				       .ramp = 0.6,
				       .noisy_weight = 0.25,
				       .robust = &w->robust,
				       .class_count = K};
	for (size_t i = 0; i < PLACES; i++)
		for (size_t j = 0; j < K; j++)
			w->logits[i][j] = (float)((i * 7 + j * 11) % 13) / 4.0f;
}

static double world_loss(const struct world *w, float gradient[PLACES][K], float *losses)
{
	float target[K];
	return tune_loss(&w->terms, w->logits[0], target, gradient[0], losses);
}

static double cross_entropy(const float *logits, const double *target)
{
	double sum = 0, loss = 0;
	for (size_t j = 0; j < K; j++)
		sum += exp(logits[j]);
	for (size_t j = 0; j < K; j++)
		loss -= target[j] * (logits[j] - log(sum));
	return loss;
}

static void test_the_formula(void **state)
{
	(void)state;
	struct world w;
	float gradient[PLACES][K], losses[MEMBERS], unused[K] = {0};
	const double one[K][K] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	const double mixed[K] = {0.75, 0, 0.25};
	world_init(&w);
	double clean = cross_entropy(w.logits[0], one[0]) + cross_entropy(w.logits[1], one[2]);
	double weighted = cross_entropy(w.logits[2], one[1]) + cross_entropy(w.logits[4], one[2]);
	double ramped = cross_entropy(w.logits[5], one[0]) + cross_entropy(w.logits[8], mixed) +
			cross_entropy(w.logits[9], one[2]);
	for (size_t i = 2; i < 4; i++)
		ramped += robust_consistency(w.logits[i], w.logits[4 + i], K, &w.robust, 0, unused,
					     unused);
	double expected = (clean + 0.25 * weighted + 0.6 * ramped) / MEMBERS;
	assert_true(fabs(world_loss(&w, gradient, losses) - expected) < 1e-5);
	assert_true(fabs(losses[0] - cross_entropy(w.logits[0], one[0])) < 1e-5);
	assert_true(fabs(losses[4] - cross_entropy(w.logits[4], one[2])) < 1e-5);
	assert_true(isnan(losses[3]));
}

static void test_the_gradient(void **state)
{
	(void)state;
	struct world w;
	float gradient[PLACES][K], unused[PLACES][K], losses[MEMBERS];
	world_init(&w);
	(void)world_loss(&w, gradient, losses);
	for (size_t i = 0; i < PLACES; i++)
		for (size_t j = 0; j < K; j++) {
			const float step = 1e-2f;
			float kept = w.logits[i][j];
			w.logits[i][j] = kept + step;
			double above = world_loss(&w, unused, losses);
			w.logits[i][j] = kept - step;
			double below = world_loss(&w, unused, losses);
			w.logits[i][j] = kept;
			double expected = (above - below) / (2.0 * (double)step);
			assert_true(fabs(expected - (double)gradient[i][j]) < 2e-4);
		}
}

static void check_zero(float gradient[PLACES][K], size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		for (size_t j = 0; j < K; j++)
			assert_true(gradient[i][j] == 0.0f);
}

static void test_parts_that_are_off(void **state)
{
	(void)state;
	struct world w;
	float gradient[PLACES][K], losses[MEMBERS];
	world_init(&w);
	w.terms.ramp = 0.0;
	(void)world_loss(&w, gradient, losses);
	check_zero(gradient, 3, 4);
	check_zero(gradient, 5, PLACES);
	assert_true(gradient[2][1] < 0.0f && gradient[4][2] < 0.0f);
	w.terms.noisy_weight = 0.0;
	(void)world_loss(&w, gradient, losses);
	check_zero(gradient, 2, PLACES);
	assert_true(isfinite(losses[4]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_formula),
	    cmocka_unit_test(test_the_gradient),
	    cmocka_unit_test(test_parts_that_are_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
