/* PREDICT: the final model's class of each sample of a block. */
#include "base/crash.h"
#include "base/folder.h"
#include "math/softmax.h"
#include "trainer/job_context.h"
#include "trainer/plan.h"

#include <stdlib.h>

/* The ordered model: the last one used, else from the disk. */
static enum err model_ensure(struct job *j, struct job_context *c, uint64_t checksum)
{
	if (!c->model || model_checksum(c->model) != checksum) {
		const char *folder = model_folders_find(c->models, checksum);
		model_free(c->model);
		c->model = NULL;
		if (!folder)
			return err_set(&j->msg, ERR_NOT_FOUND, "the model is gone");
		int precision = plan_is_encoder(j->project)
				    ? plan_options(j->project->model, c->thread_count).precision
				    : -1;
		enum err e = model_load(folder, c->thread_count, precision, &c->model, &j->msg);
		if (e == ERR_CORRUPT) {
			/* Pulled again for the next attempt. */
			folder_delete(folder);
			e = ERR_INVALID;
		}
		if (e)
			return err_prefix(&j->msg, e, "no model to predict with");
	}
	if (model_class_count(c->model) != j->project->n_labels)
		return err_set(&j->msg, ERR_INVALID,
			       "the model knows %zu labels, the project has %zu",
			       model_class_count(c->model), j->project->n_labels);
	return ERR_OK;
}

static void outcome_fill(struct job_outcome *o, const float *probabilities, size_t class_count)
{
	for (size_t i = 0; i < o->predicted_count; i++) {
		const float *row = probabilities + i * class_count;
		size_t best = softmax_argmax(row, class_count);
		o->class_ids[i] = (int32_t)best;
		o->probabilities[i] = row[best];
	}
}

enum err job_predict(struct job *j, struct job_context *c)
{
	const Freeal__PredictOrder *order = j->work->predict;
	struct job_outcome *o = &j->outcome;
	size_t class_count = j->project->n_labels;
	struct dataset_view *v = NULL;
	o->predicted_count = (size_t)(order->to - order->from);
	o->class_ids = calloc(o->predicted_count, sizeof *o->class_ids);
	o->probabilities = calloc(o->predicted_count, sizeof *o->probabilities);
	float *probabilities = calloc(o->predicted_count * class_count, sizeof *probabilities);
	enum err e = o->class_ids && o->probabilities && probabilities
			 ? model_ensure(j, c, order->model_checksum)
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the predictions");
	if (!e)
		e = job_view_open(j, c, order->from, o->predicted_count, &v);
	crash_point("predict_block");
	const struct progress progress = {&j->cancel, &j->done, &j->total};
	if (!e)
		e = model_predict(c->model, v->texts, v->text_bytes, v->count, &progress,
				  probabilities, &j->msg);
	dataset_view_close(v);
	if (!e)
		outcome_fill(o, probabilities, class_count);
	free(probabilities);
	return e;
}
