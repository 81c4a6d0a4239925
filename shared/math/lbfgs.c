#include "math/lbfgs.h"

#include "math/block.h"
#include "math/vector.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 5, HALVINGS_MAX = 20 };

struct lbfgs {
	size_t size;
	struct vector_space *space;
	float *steps[PAIRS];	  /* s: changes of x */
	float *changes[PAIRS];	  /* y: changes of the gradient */
	double curvatures[PAIRS]; /* s . y */
	double squares[PAIRS];	  /* y . y */
	size_t pair_count;
	size_t pair_next; /* the slot to write */
	float *gradient;
	float *direction;
	float *x_next;
	float *gradient_next;
	float *block; /* owns all vectors */
};

static void lbfgs_done(struct lbfgs *l)
{
	vector_space_free(l->space);
	free(l->block);
}

static enum err lbfgs_init(struct lbfgs *l, size_t size, size_t thread_count)
{
	*l = (struct lbfgs){.size = size};
	enum err err = vector_space_new(size, thread_count, &l->space);
	if (err)
		return err;
	l->block = block_new(size * (2 * PAIRS + 4));
	if (!l->block) {
		lbfgs_done(l);
		return ERR_NO_MEMORY;
	}
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

/* The pair that is `age` steps old. */
static size_t pair_at(const struct lbfgs *l, size_t age)
{
	return (l->pair_next + 2 * PAIRS - 1 - age) % PAIRS;
}

/*
 * direction = -H * gradient by the two-loop recursion; returns gradient . direction. Each
 * pass over the vectors also makes the product that the next one needs.
 */
static double lbfgs_direct(struct lbfgs *l)
{
	double alphas[PAIRS];
	size_t count = l->pair_count;
	float *d = l->direction;
	if (count == 0)
		return vector_combine(l->space, d, -1.0, l->gradient, 0.0, NULL, l->gradient);
	double product =
	    vector_combine(l->space, d, -1.0, l->gradient, 0.0, NULL, l->steps[pair_at(l, 0)]);
	for (size_t age = 0; age < count; age++) {
		size_t p = pair_at(l, age);
		const float *with = age + 1 < count ? l->steps[pair_at(l, age + 1)] : l->changes[p];
		alphas[p] = product / l->curvatures[p];
		product = vector_combine(l->space, d, 1.0, d, -alphas[p], l->changes[p], with);
	}
	size_t newest = pair_at(l, 0);
	double scale = l->curvatures[newest] / l->squares[newest];
	for (size_t age = count; age-- > 0;) {
		size_t p = pair_at(l, age);
		const float *with = age > 0 ? l->changes[pair_at(l, age - 1)] : l->gradient;
		double beta = scale * product / l->curvatures[p];
		product =
		    vector_combine(l->space, d, scale, d, alphas[p] - beta, l->steps[p], with);
		scale = 1.0;
	}
	return product;
}

/* Keeps (x_next - x, gradient_next - gradient) and moves to the new point. */
static void lbfgs_accept(struct lbfgs *l, float *x)
{
	size_t p = l->pair_next;
	float *s = l->steps[p], *y = l->changes[p];
	(void)vector_combine(l->space, s, 1.0, l->x_next, -1.0, x, NULL);
	l->curvatures[p] = vector_combine(l->space, y, 1.0, l->gradient_next, -1.0, l->gradient, s);
	l->squares[p] = vector_dot(l->space, y, y);
	/* A pair without positive curvature would spoil the approximation. */
	if (l->curvatures[p] > 1e-12 * l->squares[p]) {
		l->pair_next = (p + 1) % PAIRS;
		if (l->pair_count < PAIRS)
			l->pair_count++;
	}
	memcpy(x, l->x_next, l->size * sizeof(float));
	float *gradient = l->gradient;
	l->gradient = l->gradient_next;
	l->gradient_next = gradient;
}

/* False where no step along the direction, whose slope is given, decreases the value any
 * more. */
static bool lbfgs_search(struct lbfgs *l, const struct lbfgs_problem *problem, double slope,
			 float *x, double *value)
{
	double step = 1.0;
	if (l->pair_count == 0)
		step = 1.0 / fmax(1.0, sqrt(-slope));
	for (size_t n = 0; slope < 0.0 && n < HALVINGS_MAX; n++, step *= 0.5) {
		(void)vector_combine(l->space, l->x_next, 1.0, x, step, l->direction, NULL);
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
	enum err err = lbfgs_init(&l, problem->size, problem->thread_count);
	if (err)
		return err;
	double value = problem->evaluate(problem->context, x, l.gradient);
	double enough = problem->tolerance * sqrt(vector_dot(l.space, l.gradient, l.gradient));
	for (size_t n = 0; n < problem->iterations_max; n++) {
		if (problem->cancelled && problem->cancelled(problem->context)) {
			err = ERR_CANCELLED;
			break;
		}
		if (sqrt(vector_dot(l.space, l.gradient, l.gradient)) <= enough)
			break;
		double slope = lbfgs_direct(&l);
		if (!lbfgs_search(&l, problem, slope, x, &value))
			break;
	}
	lbfgs_done(&l);
	return err;
}
