#include "selector/clean.h"

#include "selector/mixture.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROBABILITY_MIN 1e-7 /* a loss is at most 16.1 */
#define SHARE_MIN 0.20	     /* clean share of a class that a mixture may give */
#define SHARE_MAX 0.95
#define RANK_SHARE 0.01 /* of clean_probability; keeps it strictly monotone */
#define UNLABELLED_SUPPORT 0.5
/* Errors that the small model shares with the annotator can't be seen, so no class is
 * taken to be more than this right. */
#define CORRECT_MAX 0.97
#define CORRECT_MIN 0.02
#define ODDS_MAX 13.8 /* log odds of a confidence, 1 in a million */

struct clean {
	size_t row_count, class_count;
	int pass;    /* 0 .. CLEAN_PASSES; the last: done */
	size_t next; /* row that clean_add takes next */
	/* Per row. */
	int32_t *label;
	int32_t *slm_label;
	float *probability; /* of the final label */
	float *slm_probability;
	float *clean_probability; /* valid at the end */
	float *confidence;	  /* in pass 3 the log odds of labelled rows */
	/* Per class. */
	size_t *labelled;
	double *prior;	   /* mean probability over all rows */
	double *threshold; /* mean probability of the class over its labelled rows */
	double *joint;	   /* [label × class]: counts in pass 2, then T[label | class] */
	double *correct;   /* share of the class's labels that are right */
	struct clean_summary summary;
	double loss_sum, loss_square_sum;
};

void clean_free(struct clean *c)
{
	if (!c)
		return;
	free(c->label);
	free(c->slm_label);
	free(c->probability);
	free(c->slm_probability);
	free(c->clean_probability);
	free(c->confidence);
	free(c->labelled);
	free(c->prior);
	free(c->threshold);
	free(c->joint);
	free(c->correct);
	free(c);
}

enum err clean_new(size_t row_count, size_t class_count, struct clean **ret_clean)
{
	assert(class_count > 0);
	struct clean *c = calloc(1, sizeof(*c));
	if (!c)
		return ERR_NO_MEMORY;
	size_t rows = row_count ? row_count : 1;
	c->row_count = row_count;
	c->class_count = class_count;
	c->label = calloc(rows, sizeof(*c->label));
	c->slm_label = calloc(rows, sizeof(*c->slm_label));
	c->probability = calloc(rows, sizeof(*c->probability));
	c->slm_probability = calloc(rows, sizeof(*c->slm_probability));
	c->clean_probability = calloc(rows, sizeof(*c->clean_probability));
	c->confidence = calloc(rows, sizeof(*c->confidence));
	c->labelled = calloc(class_count, sizeof(*c->labelled));
	c->prior = calloc(class_count, sizeof(*c->prior));
	c->threshold = calloc(class_count, sizeof(*c->threshold));
	c->joint = calloc(class_count * class_count, sizeof(*c->joint));
	c->correct = calloc(class_count, sizeof(*c->correct));
	if (!c->label || !c->slm_label || !c->probability || !c->slm_probability ||
	    !c->clean_probability || !c->confidence || !c->labelled || !c->prior || !c->threshold ||
	    !c->joint || !c->correct) {
		clean_free(c);
		return ERR_NO_MEMORY;
	}
	*ret_clean = c;
	return ERR_OK;
}

static double loss_of(double probability)
{
	return -log(fmax(probability, PROBABILITY_MIN));
}

static enum err row_check(const struct clean *c, const float *p, int32_t label, size_t i,
			  struct err_msg *msg)
{
	if (label < -1 || (label >= 0 && (size_t)label >= c->class_count))
		return err_set(msg, ERR_INVALID, "row %zu: label %d of %zu classes", i, label,
			       c->class_count);
	for (size_t k = 0; k < c->class_count; k++)
		if (!(p[k] >= 0 && p[k] <= 1.0001f))
			return err_set(msg, ERR_INVALID, "row %zu: probability %g of class %zu", i,
				       (double)p[k], k);
	return ERR_OK;
}

/* Pass 1: what the small model says, means per class, losses. */
static void row_measure(struct clean *c, const float *p, int32_t label, size_t i)
{
	size_t best = 0;
	for (size_t k = 0; k < c->class_count; k++) {
		c->prior[k] += p[k];
		if (p[k] > p[best])
			best = k;
	}
	c->label[i] = label;
	c->slm_label[i] = (int32_t)best;
	c->slm_probability[i] = p[best];
	c->probability[i] = p[label >= 0 ? (size_t)label : best];
	if (label < 0)
		return;
	double loss = loss_of(p[label]);
	c->labelled[label]++;
	c->threshold[label] += p[label];
	c->summary.labelled++;
	c->loss_sum += loss;
	c->loss_square_sum += loss * loss;
}

/* Pass 2: the confident joint. A row counts for the class whose threshold it reaches,
 * the likeliest of these. */
static void row_count_joint(struct clean *c, const float *p, size_t i)
{
	if (c->label[i] < 0)
		return;
	size_t best = c->class_count;
	for (size_t k = 0; k < c->class_count; k++)
		if (c->labelled[k] > 0 && p[k] >= c->threshold[k] &&
		    (best == c->class_count || p[k] > p[best]))
			best = k;
	if (best < c->class_count)
		c->joint[(size_t)c->label[i] * c->class_count + best]++;
}

/* Pass 3: P(true = label | text, label), as log odds. */
static void row_weigh(struct clean *c, const float *p, size_t i)
{
	if (c->label[i] < 0) {
		c->confidence[i] = fminf(1, c->slm_probability[i]);
		return;
	}
	const double *t = c->joint + (size_t)c->label[i] * c->class_count;
	double right = p[c->label[i]] * t[c->label[i]], wrong = 0;
	for (size_t k = 0; k < c->class_count; k++)
		if (k != (size_t)c->label[i])
			wrong += p[k] * t[k];
	double odds = log(fmax(right, 1e-30)) - log(fmax(wrong, 1e-30));
	c->confidence[i] = (float)fmax(-ODDS_MAX, fmin(ODDS_MAX, odds));
}

enum err clean_add(struct clean *c, const float *probabilities, const int32_t *labels, size_t n,
		   struct err_msg *msg)
{
	assert(c->pass < CLEAN_PASSES && c->next + n <= c->row_count);
	for (size_t i = 0; i < n; i++) {
		const float *p = probabilities + i * c->class_count;
		size_t row = c->next + i;
		if (c->pass == 0) {
			enum err err = row_check(c, p, labels[i], row, msg);
			if (err)
				return err;
			row_measure(c, p, labels[i], row);
		} else if (c->pass == 1) {
			row_count_joint(c, p, row);
		} else {
			row_weigh(c, p, row);
		}
	}
	c->next += n;
	return ERR_OK;
}

static void measure_end(struct clean *c)
{
	size_t n = c->summary.labelled;
	for (size_t k = 0; k < c->class_count; k++) {
		c->prior[k] /= c->row_count ? (double)c->row_count : 1;
		if (c->labelled[k])
			c->threshold[k] /= (double)c->labelled[k];
	}
	if (!n)
		return;
	double mean = c->loss_sum / (double)n;
	double variance = fmax(0, c->loss_square_sum / (double)n - mean * mean);
	c->summary.log_likelihood = -mean;
	c->summary.log_likelihood_error = sqrt(variance / (double)n);
}

/* Turns the counts into T[label | class], with each label's row scaled to its number of
 * labels, and keeps the share on the diagonal. */
static void joint_end(struct clean *c)
{
	size_t classes = c->class_count;
	for (size_t label = 0; label < classes; label++) {
		double *row = c->joint + label * classes, sum = 1;
		for (size_t k = 0; k < classes; k++)
			sum += row[k];
		row[label] += 1; /* a class is never all wrong for want of evidence */
		c->correct[label] = c->labelled[label] ? row[label] / sum : 1;
		for (size_t k = 0; k < classes; k++)
			row[k] *= (double)c->labelled[label] / sum;
	}
	for (size_t k = 0; k < classes; k++) {
		double sum = 0;
		for (size_t label = 0; label < classes; label++)
			sum += c->joint[label * classes + k];
		for (size_t label = 0; label < classes; label++) {
			double *cell = &c->joint[label * classes + k];
			*cell = sum > 0 ? *cell / sum : label == k;
		}
	}
}

/* Labelled rows by class, each class by ascending loss. */
struct ranked {
	size_t *row;   /* [labelled rows] */
	size_t *begin; /* [classes + 1] */
	float *loss;   /* [labelled rows], in the same order */
};

static int by_probability(const void *a, const void *b, void *context)
{
	const struct clean *c = context;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	if (c->probability[i] != c->probability[j])
		return c->probability[i] > c->probability[j] ? -1 : 1;
	return i < j ? -1 : i > j;
}

static void ranked_done(struct ranked *r)
{
	free(r->row);
	free(r->begin);
	free(r->loss);
}

static enum err ranked_init(struct ranked *r, struct clean *c)
{
	size_t n = c->summary.labelled, room = n ? n : 1;
	*r = (struct ranked){
	    .row = malloc(room * sizeof(*r->row)),
	    .begin = calloc(c->class_count + 2, sizeof(*r->begin)),
	    .loss = malloc(room * sizeof(*r->loss)),
	};
	if (!r->row || !r->begin || !r->loss) {
		ranked_done(r);
		return ERR_NO_MEMORY;
	}
	/* While filling, begin[k + 1] is where class k goes on. */
	for (size_t k = 0; k < c->class_count; k++)
		r->begin[k + 2] = r->begin[k + 1] + c->labelled[k];
	for (size_t i = 0; i < c->row_count; i++)
		if (c->label[i] >= 0)
			r->row[r->begin[c->label[i] + 1]++] = i;
	for (size_t k = 0; k < c->class_count; k++)
		qsort_r(r->row + r->begin[k], c->labelled[k], sizeof(*r->row), by_probability, c);
	for (size_t i = 0; i < n; i++)
		r->loss[i] = (float)loss_of(c->probability[r->row[i]]);
	return ERR_OK;
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return x < y ? -1 : x > y;
}

/* How many of a class's losses (ascending) the mixture calls clean. */
static size_t mixture_clean_count(const struct mixture *m, const float *loss, size_t n)
{
	size_t low = 0, high = n; /* the clean ones are a prefix */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (mixture_below_upper(m, loss[middle]) &&
		    mixture_posterior(m, loss[middle]) > CLEAN_BOUND)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool mixture_usable(const struct mixture *m, const float *loss, size_t n)
{
	double share = (double)mixture_clean_count(m, loss, n) / (double)n;
	return mixture_separated(m) && share >= SHARE_MIN && share <= SHARE_MAX;
}

/* Value without the rank; above CLEAN_BOUND exactly when the row is clean. */
static double clean_value(const struct clean *c, const struct mixture *m, size_t k, double p)
{
	if (m) {
		double value = mixture_posterior(m, loss_of(p));
		return mixture_below_upper(m, loss_of(p)) ? value : fmin(value, CLEAN_BOUND);
	}
	double bound = c->threshold[k];
	if (p < bound)
		return CLEAN_BOUND * p / bound;
	double above = bound < 1 ? (p - bound) / (1 - bound) : 1;
	return CLEAN_BOUND + (1 - CLEAN_BOUND) * (0.01 + 0.99 * fmin(1, above));
}

/* Fills clean_probability of class k's rows. `m` NULL: by its threshold. The blend with
 * the rank keeps clean rows above CLEAN_BOUND and the others at or below it. */
static void class_judge(struct clean *c, const struct ranked *r, size_t k, const struct mixture *m)
{
	const size_t *row = r->row + r->begin[k];
	size_t n = c->labelled[k];
	for (size_t i = 0, end; i < n; i = end) {
		double p = c->probability[row[i]];
		for (end = i + 1; end < n && c->probability[row[end]] == c->probability[row[i]];)
			end++;
		double rank = 1 - 0.5 * (double)(i + end) / (double)n; /* equals share theirs */
		double value = clean_value(c, m, k, p);
		bool clean = value > CLEAN_BOUND;
		double low = clean ? CLEAN_BOUND : 0, high = clean ? 1 : CLEAN_BOUND;
		value = (1 - RANK_SHARE) * value + RANK_SHARE * (low + rank * (high - low));
		float result = (float)value;
		if (clean && result <= (float)CLEAN_BOUND)
			result = nextafterf((float)CLEAN_BOUND, 1);
		else if (!clean && result > (float)CLEAN_BOUND)
			result = (float)CLEAN_BOUND;
		for (size_t j = i; j < end; j++)
			c->clean_probability[row[j]] = result;
		c->summary.clean += clean ? end - i : 0;
	}
}

static enum err mixtures_fit(struct clean *c, const struct ranked *r)
{
	size_t n = c->summary.labelled;
	float *all = malloc(n * sizeof(*all));
	if (!all)
		return ERR_NO_MEMORY;
	memcpy(all, r->loss, n * sizeof(*all));
	qsort(all, n, sizeof(*all), by_value);
	enum err err = ERR_OK;
	c->summary.separated = true;
	for (size_t k = 0; k < c->class_count && !err; k++) {
		size_t count = c->labelled[k];
		const float *loss = r->loss + r->begin[k];
		struct mixture m;
		if (!count)
			continue;
		bool small = count < CLEAN_CLASS_MIN;
		err = mixture_fit(loss, count, small ? all : NULL, n,
				  small ? (double)(CLEAN_CLASS_MIN - count) : 0, &m);
		if (err)
			break;
		bool usable = mixture_usable(&m, loss, count);
		class_judge(c, r, k, usable ? &m : NULL);
		if (!small && !usable)
			c->summary.separated = false;
	}
	free(all);
	return err;
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* Shifts the log odds of class k's rows so that their mean is `target`. */
static void class_calibrate(struct clean *c, const struct ranked *r, size_t k, double target)
{
	const size_t *row = r->row + r->begin[k];
	size_t n = c->labelled[k];
	double low = -2 * ODDS_MAX, high = 2 * ODDS_MAX;
	for (int step = 0; step < 50; step++) {
		double shift = (low + high) / 2, sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += sigmoid(c->confidence[row[i]] + shift);
		if (sum > target * (double)n)
			high = shift;
		else
			low = shift;
	}
	for (size_t i = 0; i < n; i++)
		c->confidence[row[i]] = (float)sigmoid(c->confidence[row[i]] + (low + high) / 2);
}

static enum err judge(struct clean *c)
{
	struct ranked r;
	enum err err = ranked_init(&r, c);
	if (err)
		return err;
	if (c->summary.labelled)
		err = mixtures_fit(c, &r);
	for (size_t k = 0; k < c->class_count && !err; k++)
		if (c->labelled[k])
			class_calibrate(c, &r, k,
					fmin(CORRECT_MAX, fmax(CORRECT_MIN, c->correct[k])));
	ranked_done(&r);
	return err;
}

enum err clean_end(struct clean *c)
{
	assert(c->pass < CLEAN_PASSES && c->next == c->row_count);
	enum err err = ERR_OK;
	if (c->pass == 0)
		measure_end(c);
	else if (c->pass == 1)
		joint_end(c);
	else
		err = judge(c);
	if (err)
		return err;
	c->pass++;
	c->next = 0;
	return ERR_OK;
}

struct clean_row clean_row(const struct clean *c, size_t i)
{
	assert(c->pass == CLEAN_PASSES && i < c->row_count);
	int32_t label = c->label[i], final = label >= 0 ? label : c->slm_label[i];
	double prior = fmax(c->prior[final], PROBABILITY_MIN);
	double support = c->probability[i] / prior * (label >= 0 ? 1 : UNLABELLED_SUPPORT);
	return (struct clean_row){
	    .label = label,
	    .slm_label = c->slm_label[i],
	    .loss = label >= 0 ? (float)loss_of(c->probability[i]) : 0,
	    .label_probability = label >= 0 ? c->probability[i] : 0,
	    .slm_probability = c->slm_probability[i],
	    .clean_probability = c->clean_probability[i],
	    .confidence = c->confidence[i],
	    .support = (float)support,
	    .clean = c->clean_probability[i] > (float)CLEAN_BOUND,
	};
}

struct clean_summary clean_summary(const struct clean *c)
{
	assert(c->pass == CLEAN_PASSES);
	return c->summary;
}

double clean_class_correct(const struct clean *c, size_t k)
{
	assert(c->pass == CLEAN_PASSES && k < c->class_count);
	return c->correct[k];
}
