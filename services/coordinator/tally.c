#include "coordinator/tally.h"

#include <math.h>
#include <stdlib.h>

enum err tally_init(struct tally *t, uint32_t class_count)
{
	*t = (struct tally){.class_count = class_count};
	t->by_class = calloc(class_count, sizeof *t->by_class);
	t->confusion = calloc((size_t)class_count * class_count, sizeof *t->confusion);
	if (t->by_class && t->confusion)
		return ERR_OK;
	tally_done(t);
	return ERR_NO_MEMORY;
}

void tally_done(struct tally *t)
{
	free(t->by_class);
	free(t->confusion);
	t->by_class = NULL;
	t->confusion = NULL;
}

static void share_add(struct tally_share *s, bool in, bool correct)
{
	s->samples += in;
	s->correct += in && correct;
}

static void bin_add(struct tally *t, float confidence, bool correct)
{
	int bin = (int)(confidence * TALLY_BINS);
	bin = bin < 0 ? 0 : bin >= TALLY_BINS ? TALLY_BINS - 1 : bin;
	t->bins[bin].samples++;
	t->bins[bin].confidence += (double)confidence;
	t->bins[bin].correct += correct;
}

static bool candidates_have(const struct label_resolved *l, int32_t class_id)
{
	for (size_t i = 0; i < l->candidate_count; i++) {
		if ((int32_t)l->candidates[i] == class_id)
			return true;
	}
	return false;
}

static void gold_add(struct tally *t, const struct view_row *row)
{
	const struct label_resolved *l = &row->label;
	int32_t gold = row->gold;
	bool right = l->class_id == gold;
	bool overruled = l->source == FREEAL__LABEL_SOURCE__SLM && l->llm_class_id >= 0;
	t->gold_samples++;
	t->confusion[(size_t)gold * t->class_count + (size_t)l->class_id]++;
	share_add(&t->final, true, right);
	share_add(&t->llm, l->llm_class_id >= 0, l->llm_class_id == gold);
	share_add(&t->llm_first, row->llm_first >= 0, row->llm_first == gold);
	share_add(&t->filled, l->llm_class_id < 0 && l->candidate_count == 0, right);
	share_add(&t->candidates, l->candidate_count > 0, right);
	share_add(&t->candidates_hit, l->candidate_count > 0, candidates_have(l, gold));
	share_add(&t->clean, row->selection && row->selection->clean, right);
	share_add(&t->pool, row->demonstration, right);
	share_add(&t->model, row->predicted >= 0, row->predicted == gold);
	t->mended += overruled && right;
	t->broken += overruled && l->llm_class_id == gold;
	bin_add(t, l->confidence, right);
}

void tally_add(struct tally *t, const struct view_row *row)
{
	const struct label_resolved *l = &row->label;
	t->samples++;
	t->set_aside += l->asked && l->llm_class_id < 0 && l->candidate_count == 0;
	if (l->class_id < 0 || l->class_id >= (int32_t)t->class_count)
		return;
	t->sources[l->source]++;
	t->by_class[l->class_id]++;
	t->confidence_sum += (double)l->confidence;
	t->predicted += row->predicted >= 0;
	t->agreed += row->predicted == l->class_id;
	if (row->gold >= 0 && row->gold < (int32_t)t->class_count)
		gold_add(t, row);
}

double tally_share_of(const struct tally_share *s)
{
	return s->samples ? (double)s->correct / (double)s->samples : 0.0;
}

double tally_macro_f1(const struct tally *t)
{
	double sum = 0.0;
	uint32_t classes = 0;
	for (uint32_t k = 0; k < t->class_count; k++) {
		uint64_t row = 0, column = 0;
		for (uint32_t j = 0; j < t->class_count; j++) {
			row += t->confusion[(size_t)k * t->class_count + j];
			column += t->confusion[(size_t)j * t->class_count + k];
		}
		if (row + column == 0)
			continue;
		uint64_t right = t->confusion[(size_t)k * t->class_count + k];
		sum += 2.0 * (double)right / (double)(row + column);
		classes++;
	}
	return classes ? sum / classes : 0.0;
}

double tally_calibration_error(const struct tally *t)
{
	double error = 0.0;
	for (int i = 0; i < TALLY_BINS; i++)
		error += fabs(t->bins[i].confidence - t->bins[i].correct);
	return t->gold_samples ? error / (double)t->gold_samples : 0.0;
}
