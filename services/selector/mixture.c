#include "selector/mixture.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define QUANTILE_LOW 0.005
#define QUANTILE_HIGH 0.995
#define START_QUANTILE_LOW 0.25
#define START_QUANTILE_HIGH 0.95
#define SEPARATION_MIN 2.0
#define WEIGHT_MIN 0.02

double mixture_quantile(const float *sorted, size_t n, double q)
{
	assert(n > 0);
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - (double)i) * ((double)sorted[i + 1] - sorted[i]);
}

static double log_density(const struct mixture_part *p, double x)
{
	double d = x - p->mean;
	return log(p->weight) - 0.5 * (log(2 * M_PI * p->variance) + d * d / p->variance);
}

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
	double top = fmax(a, b);
	if (top == -INFINITY)
		return top;
	return top + log1p(exp(-fabs(a - b)));
}

/* What one E step gathers for the M step. */
struct moments {
	double weight[2], sum[2], square[2]; /* square: about the part's old mean */
	double log_likelihood, total;
};

static struct moments expect(const struct mixture_part *p, const double *points,
			     const double *weights, size_t n)
{
	struct moments m = {0};
	for (size_t i = 0; i < n; i++) {
		double x = points[i], w = weights ? weights[i] : 1;
		double a = log_density(&p[0], x), b = log_density(&p[1], x);
		double all = log_add(a, b);
		double share[2] = {exp(a - all), exp(b - all)};
		for (int k = 0; k < 2; k++) {
			double d = x - p[k].mean;
			m.weight[k] += w * share[k];
			m.sum[k] += w * share[k] * d;
			m.square[k] += w * share[k] * d * d;
		}
		m.log_likelihood += w * all;
		m.total += w;
	}
	m.log_likelihood /= m.total;
	return m;
}

static void maximise(const struct moments *m, struct mixture_part *p)
{
	double total = 0;
	for (int k = 0; k < 2; k++) {
		double weight = m->weight[k] + 10 * DBL_EPSILON;
		double shift = m->sum[k] / weight;
		p[k].variance = fmax(0, m->square[k] / weight - shift * shift);
		p[k].variance += MIXTURE_REG_COVAR;
		p[k].mean += shift;
		p[k].weight = weight;
		total += weight;
	}
	p[0].weight /= total;
	p[1].weight /= total;
}

void mixture_em(const double *points, const double *weights, size_t n,
		const struct mixture_part start[2], struct mixture *ret)
{
	assert(n > 0);
	struct mixture m = {.part = {start[0], start[1]}, .span = 1};
	double before = -INFINITY;
	while (m.iterations < MIXTURE_ITERATIONS_MAX && !m.converged) {
		struct moments moments = expect(m.part, points, weights, n);
		maximise(&moments, m.part);
		m.log_likelihood = moments.log_likelihood;
		m.converged = fabs(m.log_likelihood - before) < MIXTURE_TOLERANCE;
		before = m.log_likelihood;
		m.iterations++;
	}
	*ret = m;
}

static double scale(const struct mixture *m, double loss)
{
	if (m->span <= 0)
		return 0;
	return fmin(1, fmax(0, (loss - m->offset) / m->span));
}

/* Evenly spaced order statistics of `sorted`, scaled. Returns how many. */
static size_t points_take(const struct mixture *m, const float *sorted, size_t n, double *points)
{
	size_t count = n < MIXTURE_POINTS_MAX ? n : MIXTURE_POINTS_MAX;
	for (size_t i = 0; i < count; i++)
		points[i] = scale(m, sorted[(size_t)((double)i * (double)n / (double)count)]);
	return count;
}

static void fit_points(const float *sorted, size_t n, const float *prior, size_t prior_n,
		       double prior_weight, double *points, double *weights, struct mixture *ret)
{
	/* A shrunk class is scaled as what it is shrunk to. */
	const float *base = prior ? prior : sorted;
	size_t base_n = prior ? prior_n : n;
	struct mixture m = {.offset = mixture_quantile(base, base_n, QUANTILE_LOW)};
	m.span = mixture_quantile(base, base_n, QUANTILE_HIGH) - m.offset;

	size_t count = points_take(&m, sorted, n, points);
	for (size_t i = 0; i < count; i++)
		weights[i] = (double)n / (double)count;
	if (prior) {
		size_t more = points_take(&m, prior, prior_n, points + count);
		for (size_t i = 0; i < more; i++)
			weights[count + i] = prior_weight / (double)more;
		count += more;
	}
	double mean = 0, variance = 0, total = 0;
	for (size_t i = 0; i < count; i++) {
		mean += weights[i] * points[i];
		total += weights[i];
	}
	mean /= total;
	for (size_t i = 0; i < count; i++)
		variance += weights[i] * (points[i] - mean) * (points[i] - mean);
	variance = variance / total / 4 + MIXTURE_REG_COVAR;
	struct mixture_part start[2] = {
	    {scale(&m, mixture_quantile(base, base_n, START_QUANTILE_LOW)), variance, 0.5},
	    {scale(&m, mixture_quantile(base, base_n, START_QUANTILE_HIGH)), variance, 0.5},
	};
	double offset = m.offset, span = m.span;
	mixture_em(points, weights, count, start, &m);
	m.offset = offset;
	m.span = span;
	if (m.part[0].mean > m.part[1].mean) {
		struct mixture_part swap = m.part[0];
		m.part[0] = m.part[1];
		m.part[1] = swap;
	}
	*ret = m;
}

enum err mixture_fit(const float *sorted, size_t n, const float *prior, size_t prior_n,
		     double prior_weight, struct mixture *ret)
{
	assert(n > 0 && (!prior || prior_n > 0));
	size_t room = n < MIXTURE_POINTS_MAX ? n : MIXTURE_POINTS_MAX;
	if (prior)
		room += prior_n < MIXTURE_POINTS_MAX ? prior_n : MIXTURE_POINTS_MAX;
	double *points = malloc(2 * room * sizeof(*points));
	if (!points)
		return ERR_NO_MEMORY;
	fit_points(sorted, n, prior, prior_n, prior_weight, points, points + room, ret);
	free(points);
	return ERR_OK;
}

double mixture_posterior(const struct mixture *m, double loss)
{
	const struct mixture_part *low = &m->part[0], *high = &m->part[1];
	double x = scale(m, loss);
	/* The log odds are a parabola. Behind its turning point they run the wrong way:
	 * there the value at the turning point holds on. */
	double curve = 1 / high->variance - 1 / low->variance;
	if (fabs(curve) > 1e-12) {
		double turn = (high->mean / high->variance - low->mean / low->variance) / curve;
		if (curve < 0)
			x = fmax(x, turn);
		else
			x = fmin(x, turn);
	}
	double odds = log_density(low, x) - log_density(high, x);
	return 1 / (1 + exp(-odds));
}

bool mixture_below_upper(const struct mixture *m, double loss)
{
	return scale(m, loss) < m->part[1].mean;
}

bool mixture_separated(const struct mixture *m)
{
	const struct mixture_part *low = &m->part[0], *high = &m->part[1];
	if (m->span <= 0 || low->weight < WEIGHT_MIN || high->weight < WEIGHT_MIN)
		return false;
	double spread = sqrt(low->variance + high->variance);
	return M_SQRT2 * (high->mean - low->mean) > SEPARATION_MIN * spread;
}
