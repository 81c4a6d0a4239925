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

bool round_asks_again(const Freeal__Project *project, const Freeal__StateRecord *state)
{
	return state->round > 0 && !state->frozen && !round_is_catch_up(project, state->round);
}

/* AUGMENT, EMBED, RETRIEVE or ANNOTATE: the first that has something to do. */
static void state_ask(const Freeal__Project *project, Freeal__StateRecord *next)
{
	bool newcomers = next->newcomers_from < next->sample_count;
	bool shots = round_config(project, next->round)->shots > 0 && next->pool_version > 0;
	if (next->sample_count > next->vocabulary_count * ROUND_VOCABULARY_GROWTH) {
		next->vocabulary_count = next->sample_count;
		next->embedded_count = 0;
	}
	if (project->augment && next->augmented_count < next->sample_count)
		next->phase = FREEAL__PHASE__AUGMENT_PHASE;
	else if (next->embedded_count < next->sample_count)
		next->phase = FREEAL__PHASE__EMBED_PHASE;
	else if (shots && (newcomers || round_asks_again(project, next)))
		next->phase = FREEAL__PHASE__RETRIEVE_PHASE;
	else
		next->phase = FREEAL__PHASE__ANNOTATE_PHASE;
}

/* What has come joins the round. */
static void state_join(Freeal__StateRecord *next, const struct round_outcome *outcome)
{
	assert(outcome->sample_count >= next->sample_count);
	next->newcomers_from = next->sample_count;
	next->sample_count = outcome->sample_count;
}

/* ANNOTATE takes what came meanwhile, once. */
static void state_freeze(const Freeal__Project *project, Freeal__StateRecord *next,
			 const struct round_outcome *outcome)
{
	bool first = !next->frozen;
	if (first)
		state_join(next, outcome);
	next->frozen = true;
	if (first && next->newcomers_from < next->sample_count)
		state_ask(project, next);
	else
		next->phase = FREEAL__PHASE__TRAIN_PHASE;
}

static void state_round_begin(const Freeal__Project *project, Freeal__StateRecord *next,
			      uint32_t round, const struct round_outcome *outcome)
{
	next->round = round;
	next->frozen = false;
	state_join(next, outcome);
	state_ask(project, next);
}

static void state_decide(const Freeal__Project *project, Freeal__StateRecord *next,
			 const struct round_outcome *outcome)
{
	const char *reason = round_stop_reason(project, next->round, outcome);
	if (!reason) {
		state_round_begin(project, next, next->round + 1, outcome);
		return;
	}
	next->stop_reason = (char *)reason;
	next->phase = FREEAL__PHASE__FINAL_TRAIN_PHASE;
}

Freeal__StateRecord round_next(const Freeal__Project *project, const Freeal__StateRecord *state,
			       const struct round_outcome *outcome)
{
	Freeal__StateRecord next = *state;
	uint32_t rounds = (uint32_t)project->n_rounds;
	switch (state->phase) {
	case FREEAL__PHASE__PHASE_NONE:
	case FREEAL__PHASE__INGEST_PHASE:
		next.phase = FREEAL__PHASE__INGEST_PHASE;
		if (!state->started || outcome->sample_count == 0)
			break;
		state_round_begin(project, &next, 0, outcome);
		if (round_config(project, 0)->shots > 0)
			next.phase = FREEAL__PHASE__GENERATE_PHASE;
		break;
	case FREEAL__PHASE__GENERATE_PHASE:
		next.generated = outcome->pool_count > 0;
		next.pool_version = next.generated ? 1 : 0;
		state_ask(project, &next);
		break;
	case FREEAL__PHASE__AUGMENT_PHASE:
		next.augmented_count = state->sample_count;
		state_ask(project, &next);
		break;
	case FREEAL__PHASE__EMBED_PHASE:
		next.embedded_count = state->sample_count;
		state_ask(project, &next);
		break;
	case FREEAL__PHASE__RETRIEVE_PHASE:
		next.phase = FREEAL__PHASE__ANNOTATE_PHASE;
		break;
	case FREEAL__PHASE__ANNOTATE_PHASE:
		state_freeze(project, &next, outcome);
		break;
	case FREEAL__PHASE__TRAIN_PHASE:
		next.phase = FREEAL__PHASE__SELECT_PHASE;
		break;
	case FREEAL__PHASE__SELECT_PHASE:
		next.selected_count = state->sample_count;
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
		if (outcome->sample_count > state->sample_count)
			state_round_begin(project, &next,
					  state->round + 1 > rounds ? state->round + 1 : rounds,
					  outcome);
		break;
	case FREEAL__PHASE__PREDICT_PHASE:
	default:
		next.phase = FREEAL__PHASE__DONE_PHASE;
		break;
	}
	return next;
}

/* What the phase needs was made of the last TRAIN's results. */
static bool state_uses_judgements(const Freeal__Project *project, const Freeal__StateRecord *state)
{
	return state->phase == FREEAL__PHASE__SELECT_PHASE ||
	       state->phase == FREEAL__PHASE__FINAL_TRAIN_PHASE ||
	       (state->phase == FREEAL__PHASE__RETRIEVE_PHASE && round_asks_again(project, state));
}

bool round_mend(const Freeal__Project *project, const Freeal__StateRecord *state,
		const Freeal__StateRecord *train, Freeal__Missing missing,
		Freeal__StateRecord *ret_state)
{
	Freeal__StateRecord back = *state;
	if (missing == FREEAL__MISSING__MODEL) {
		back.phase = FREEAL__PHASE__FINAL_TRAIN_PHASE;
		*ret_state = back;
		return state->phase == FREEAL__PHASE__PREDICT_PHASE;
	}
	bool judged = state_uses_judgements(project, state);
	if (judged && train) {
		back = *train;
		back.started = state->started;
		back.requests_max = state->requests_max;
		back.change_count = state->change_count;
		back.stop_reason = state->stop_reason;
	}
	back.phase = FREEAL__PHASE__TRAIN_PHASE;
	if (missing == FREEAL__MISSING__EMBEDDINGS) {
		back.phase = FREEAL__PHASE__EMBED_PHASE;
		back.embedded_count = 0;
	}
	*ret_state = back;
	return judged ? train != NULL
		      : missing == FREEAL__MISSING__EMBEDDINGS &&
			    state->phase == FREEAL__PHASE__RETRIEVE_PHASE;
}

bool round_is_catch_up(const Freeal__Project *project, uint32_t round)
{
	return round >= project->n_rounds;
}

static uint64_t block_count(const Freeal__StateRecord *state)
{
	return (state->sample_count + ROUND_BLOCK - 1) / ROUND_BLOCK;
}

uint64_t round_embed_from(const Freeal__StateRecord *state)
{
	return state->embedded_count - state->embedded_count % ROUND_EMBED_ALIGNMENT;
}

/* Blocks that EMBED is about. */
static uint64_t embed_block_first(const Freeal__StateRecord *state)
{
	return round_embed_from(state) / ROUND_BLOCK;
}

static uint64_t embed_block_count(const Freeal__StateRecord *state)
{
	return block_count(state) - embed_block_first(state);
}

uint64_t round_work_count(const Freeal__Project *project, const Freeal__StateRecord *state)
{
	switch (state->phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
		return project->n_labels;
	case FREEAL__PHASE__EMBED_PHASE:
		/* Other demonstrations than generated ones are samples. */
		return embed_block_count(state) + (state->embedded_count == 0 && state->generated);
	case FREEAL__PHASE__RETRIEVE_PHASE:
	case FREEAL__PHASE__SELECT_PHASE:
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		return 1;
	case FREEAL__PHASE__AUGMENT_PHASE:
	case FREEAL__PHASE__ANNOTATE_PHASE:
		return state->sample_count;
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
	case FREEAL__PHASE__AUGMENT_PHASE:
		return FREEAL__WORK_KIND__AUGMENT;
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
	if (state->phase == FREEAL__PHASE__RETRIEVE_PHASE)
		name.slot = state->frozen;
	if (state->phase == FREEAL__PHASE__EMBED_PHASE) {
		bool block = index < embed_block_count(state);
		name.item = block ? embed_block_first(state) + index : 0;
		name.slot = ROUND_SLOT_ARRIVALS * state->frozen + !block;
	}
	return name;
}

bool round_work_index(const Freeal__Project *project, const Freeal__StateRecord *state,
		      const Freeal__WorkName *name, uint64_t *ret_index)
{
	uint64_t index = name->item;
	if (state->phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
		index = name->item == project->model->folds ? 0 : UINT64_MAX;
	if (state->phase == FREEAL__PHASE__EMBED_PHASE)
		index = name->slot % ROUND_SLOT_ARRIVALS == 0
			    ? name->item - embed_block_first(state)
			    : embed_block_count(state);
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
	case FREEAL__PHASE__AUGMENT_PHASE:
		return "augment";
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
