#include "coordinator/round.h"

#include "config/project.h"

#include <assert.h>
#include <math.h>

#define MENDED_SHARE_MIN 0.005

static const Freeal__RoundConfig *round_config(const Freeal__Project *project, uint32_t round)
{
	return project->rounds[project_config_of(project, round)];
}

const char *round_stop_reason(const Freeal__Project *project, uint32_t round,
			      const struct round_outcome *outcome)
{
	if (round_is_catch_up(project, round + 1))
		return "all rounds are done";
	if (!project->stop_early || !outcome->select)
		return NULL;
	const Freeal__SelectResult *now = outcome->select, *before = outcome->select_before;
	if (now->ask_again == 0)
		return "no sample is worth asking again";
	if (now->mended_expected < MENDED_SHARE_MIN * (double)now->ask_again)
		return "asking again is expected to mend less than 0.5 % of the calls";
	if (before) {
		double gain = now->log_likelihood - before->log_likelihood;
		if (!(gain > now->log_likelihood_error))
			return "the likelihood of the labels no longer improves";
	}
	return NULL;
}

static Freeal__Phase phase_before_annotate(const Freeal__Project *project,
					   const Freeal__StateRecord *state)
{
	bool shots = round_config(project, state->round)->shots > 0;
	return shots && state->pool_version > 0 ? FREEAL__PHASE__RETRIEVE_PHASE
						: FREEAL__PHASE__ANNOTATE_PHASE;
}

static void state_decide(const Freeal__Project *project, Freeal__StateRecord *next,
			 const struct round_outcome *outcome)
{
	const char *reason = round_stop_reason(project, next->round, outcome);
	if (reason) {
		next->stop_reason = (char *)reason;
		next->phase = FREEAL__PHASE__FINAL_TRAIN_PHASE;
		return;
	}
	next->round++;
	next->phase = phase_before_annotate(project, next);
}

Freeal__StateRecord round_next(const Freeal__Project *project, const Freeal__StateRecord *state,
			       const struct round_outcome *outcome)
{
	Freeal__StateRecord next = *state;
	switch (state->phase) {
	case FREEAL__PHASE__PHASE_NONE:
	case FREEAL__PHASE__INGEST_PHASE:
		next.phase = FREEAL__PHASE__INGEST_PHASE;
		if (!state->started || outcome->sample_count == 0)
			break;
		next.sample_count = outcome->sample_count;
		next.watermark = outcome->sample_count;
		next.phase = round_config(project, 0)->shots > 0 ? FREEAL__PHASE__GENERATE_PHASE
								 : FREEAL__PHASE__EMBED_PHASE;
		break;
	case FREEAL__PHASE__GENERATE_PHASE:
		next.pool_version = outcome->pool_count > 0 ? 1 : 0;
		next.phase = FREEAL__PHASE__EMBED_PHASE;
		break;
	case FREEAL__PHASE__EMBED_PHASE:
		next.phase = phase_before_annotate(project, state);
		break;
	case FREEAL__PHASE__RETRIEVE_PHASE:
		next.phase = FREEAL__PHASE__ANNOTATE_PHASE;
		break;
	case FREEAL__PHASE__ANNOTATE_PHASE:
		next.phase = FREEAL__PHASE__TRAIN_PHASE;
		break;
	case FREEAL__PHASE__TRAIN_PHASE:
		next.phase = FREEAL__PHASE__SELECT_PHASE;
		break;
	case FREEAL__PHASE__SELECT_PHASE:
		if (outcome->pool_count > 0)
			next.pool_version = state->round + 2;
		next.phase = FREEAL__PHASE__DECIDE_PHASE;
		break;
	case FREEAL__PHASE__DECIDE_PHASE:
		state_decide(project, &next, outcome);
		break;
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		next.phase = FREEAL__PHASE__PREDICT_PHASE;
		break;
	case FREEAL__PHASE__DONE_PHASE:
		if (outcome->sample_count > state->sample_count) {
			uint32_t rounds = (uint32_t)project->n_rounds;
			next.round = state->round + 1 > rounds ? state->round + 1 : rounds;
			next.sample_count = next.watermark = outcome->sample_count;
			next.phase = FREEAL__PHASE__EMBED_PHASE;
		}
		break;
	case FREEAL__PHASE__PREDICT_PHASE:
	default:
		next.phase = FREEAL__PHASE__DONE_PHASE;
		break;
	}
	return next;
}

bool round_is_catch_up(const Freeal__Project *project, uint32_t round)
{
	return round >= project->n_rounds;
}

static uint64_t block_count(const Freeal__StateRecord *state)
{
	return (state->sample_count + ROUND_BLOCK - 1) / ROUND_BLOCK;
}

uint64_t round_work_count(const Freeal__Project *project, const Freeal__StateRecord *state)
{
	switch (state->phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
		return project->n_labels;
	case FREEAL__PHASE__EMBED_PHASE:
		/* Generated demonstrations are embedded once; later pools hold samples. */
		return block_count(state) + (state->round == 0 && state->pool_version > 0);
	case FREEAL__PHASE__RETRIEVE_PHASE:
	case FREEAL__PHASE__SELECT_PHASE:
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		return 1;
	case FREEAL__PHASE__ANNOTATE_PHASE:
		return state->watermark;
	case FREEAL__PHASE__TRAIN_PHASE:
		return project->model->folds;
	case FREEAL__PHASE__PREDICT_PHASE:
		return block_count(state);
	default:
		return 0;
	}
}

static Freeal__WorkKind phase_kind(Freeal__Phase phase)
{
	switch (phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
		return FREEAL__WORK_KIND__GENERATE;
	case FREEAL__PHASE__EMBED_PHASE:
		return FREEAL__WORK_KIND__EMBED;
	case FREEAL__PHASE__RETRIEVE_PHASE:
		return FREEAL__WORK_KIND__RETRIEVE;
	case FREEAL__PHASE__ANNOTATE_PHASE:
		return FREEAL__WORK_KIND__ANNOTATE;
	case FREEAL__PHASE__TRAIN_PHASE:
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		return FREEAL__WORK_KIND__TRAIN;
	case FREEAL__PHASE__SELECT_PHASE:
		return FREEAL__WORK_KIND__SELECT;
	case FREEAL__PHASE__PREDICT_PHASE:
		return FREEAL__WORK_KIND__PREDICT;
	default:
		return FREEAL__WORK_KIND__WORK_NONE;
	}
}

Freeal__WorkName round_work_name(const Freeal__Project *project, const Freeal__StateRecord *state,
				 uint64_t index)
{
	assert(index < round_work_count(project, state));
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = phase_kind(state->phase);
	name.round = state->round;
	name.item = index;
	if (state->phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
		name.item = project->model->folds;
	if (state->phase == FREEAL__PHASE__EMBED_PHASE && index == block_count(state)) {
		name.item = 0;
		name.slot = 1;
	}
	return name;
}

bool round_work_index(const Freeal__Project *project, const Freeal__StateRecord *state,
		      const Freeal__WorkName *name, uint64_t *ret_index)
{
	uint64_t index = name->item;
	if (state->phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
		index = name->item == project->model->folds ? 0 : UINT64_MAX;
	if (state->phase == FREEAL__PHASE__EMBED_PHASE && name->slot == 1)
		index = name->item == 0 ? block_count(state) : UINT64_MAX;
	if (index >= round_work_count(project, state))
		return false;
	Freeal__WorkName same = round_work_name(project, state, index);
	if (same.kind != name->kind || same.round != name->round || same.item != name->item ||
	    same.slot != name->slot)
		return false;
	*ret_index = index;
	return true;
}

const char *round_phase_name(Freeal__Phase phase)
{
	switch (phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
		return "generate";
	case FREEAL__PHASE__EMBED_PHASE:
		return "embed";
	case FREEAL__PHASE__RETRIEVE_PHASE:
		return "retrieve";
	case FREEAL__PHASE__ANNOTATE_PHASE:
		return "annotate";
	case FREEAL__PHASE__TRAIN_PHASE:
		return "train";
	case FREEAL__PHASE__SELECT_PHASE:
		return "select";
	case FREEAL__PHASE__DECIDE_PHASE:
		return "decide";
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		return "final_train";
	case FREEAL__PHASE__PREDICT_PHASE:
		return "predict";
	case FREEAL__PHASE__DONE_PHASE:
		return "done";
	default:
		return "ingest";
	}
}
