#include "math/lbfgs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 5, HALVINGS_MAX = 20 };

struct lbfgs {
	size_t size;
	float *steps[PAIRS];	  /* s: changes of x */
	float *changes[PAIRS];	  /* y: changes of the gradient */
	double curvatures[PAIRS]; /* s . y */
	size_t pair_count;
	size_t pair_next; /* the slot to write */
	float *gradient;
	float *direction;
	float *x_next;
	float *gradient_next;
	float *block; /* owns all vectors */
};

static double dot(const float *a, const float *b, size_t n)
{
	/* Four sums let the processor overlap the additions; their order is fixed. */
	double sum[4] = {0.0, 0.0, 0.0, 0.0};
	size_t i = 0;
	for (; i + 4 <= n; i += 4)
		for (size_t j = 0; j < 4; j++)
			sum[j] += (double)a[i + j] * b[i + j];
	for (; i < n; i++)
		sum[0] += (double)a[i] * b[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void add_scaled(float *a, double scale, const float *b, size_t n)
{
	float s = (float)scale;
	for (size_t i = 0; i < n; i++)
		a[i] += s * b[i];
}

static enum err lbfgs_init(struct lbfgs *l, size_t size)
{
	*l = (struct lbfgs){.size = size};
	l->block = calloc(size * (2 * PAIRS + 4), sizeof(float));
	if (!l->block)
		return ERR_NO_MEMORY;
	float *p = l->block;
	for (size_t i = 0; i < PAIRS; i++) {
		l->steps[i] = p + 2 * i * size;
		l->changes[i] = p + (2 * i + 1) * size;
	}
	p += 2 * PAIRS * size;
	l->gradient = p;
	l->direction = p + size;
	l->x_next = p + 2 * size;
	l->gradient_next = p + 3 * size;
	return ERR_OK;
}

/* direction = -H * gradient by the two-loop recursion. */
static void lbfgs_direct(struct lbfgs *l)
{
	double alphas[PAIRS];
	for (size_t i = 0; i < l->size; i++)
		l->direction[i] = -l->gradient[i];
	for (size_t n = 0; n < l->pair_count; n++) {
		size_t p = (l->pair_next + 2 * PAIRS - 1 - n) % PAIRS;
		alphas[p] = dot(l->steps[p], l->direction, l->size) / l->curvatures[p];
		add_scaled(l->direction, -alphas[p], l->changes[p], l->size);
	}
	if (l->pair_count) {
		size_t p = (l->pair_next + PAIRS - 1) % PAIRS;
		double scale = l->curvatures[p] / dot(l->changes[p], l->changes[p], l->size);
		for (size_t i = 0; i < l->size; i++)
			l->direction[i] *= (float)scale;
	}
	for (size_t n = l->pair_count; n-- > 0;) {
		size_t p = (l->pair_next + 2 * PAIRS - 1 - n) % PAIRS;
		double beta = dot(l->changes[p], l->direction, l->size) / l->curvatures[p];
		add_scaled(l->direction, alphas[p] - beta, l->steps[p], l->size);
	}
}

/* Keeps (x_next - x, gradient_next - gradient) and moves to the new point. */
static void lbfgs_accept(struct lbfgs *l, float *x)
{
	size_t p = l->pair_next;
	for (size_t i = 0; i < l->size; i++) {
		l->steps[p][i] = l->x_next[i] - x[i];
		l->changes[p][i] = l->gradient_next[i] - l->gradient[i];
	}
	l->curvatures[p] = dot(l->steps[p], l->changes[p], l->size);
	/* A pair without positive curvature would spoil the approximation. */
	if (l->curvatures[p] > 1e-12 * dot(l->changes[p], l->changes[p], l->size)) {
		l->pair_next = (p + 1) % PAIRS;
		if (l->pair_count < PAIRS)
			l->pair_count++;
	}
	memcpy(x, l->x_next, l->size * sizeof(float));
	memcpy(l->gradient, l->gradient_next, l->size * sizeof(float));
}

/* False where no step along the direction decreases the value any more. */
static bool lbfgs_search(struct lbfgs *l, const struct lbfgs_problem *problem, float *x,
			 double *value)
{
	double slope = dot(l->gradient, l->direction, l->size);
	double step = 1.0;
	if (l->pair_count == 0)
		step = 1.0 / fmax(1.0, sqrt(-slope));
	for (size_t n = 0; slope < 0.0 && n < HALVINGS_MAX; n++, step *= 0.5) {
		memcpy(l->x_next, x, l->size * sizeof(float));
		add_scaled(l->x_next, step, l->direction, l->size);
		double next = problem->evaluate(problem->context, l->x_next, l->gradient_next);
		if (next <= *value + 1e-4 * step * slope) {
			*value = next;
			lbfgs_accept(l, x);
			return true;
		}
	}
	return false;
}

enum err lbfgs_minimize(const struct lbfgs_problem *problem, float *x)
{
	assert(problem->size > 0);
	struct lbfgs l;
	enum err err = lbfgs_init(&l, problem->size);
	if (err)
		return err;
	double value = problem->evaluate(problem->context, x, l.gradient);
	double enough = problem->tolerance * sqrt(dot(l.gradient, l.gradient, l.size));
	for (size_t n = 0; n < problem->iterations_max; n++) {
		if (problem->cancelled && problem->cancelled(problem->context)) {
			err = ERR_CANCELLED;
			break;
		}
		if (sqrt(dot(l.gradient, l.gradient, l.size)) <= enough)
			break;
		lbfgs_direct(&l);
		if (!lbfgs_search(&l, problem, x, &value))
			break;
	}
	free(l.block);
	return err;
}
