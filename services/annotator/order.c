#include "annotator/order.h"

#include "base/crash.h"
#include "base/limits.h"
#include "config/project.h"
#include "llm/prompt.h"

#include <assert.h>
#include <stdlib.h>

static enum err generate_write(const Freeal__Project *project, const struct ask *ask,
			       struct buf *out, struct err_msg *msg)
{
	const Freeal__GenerateOrder *o = ask->work->generate;
	if (o->class_id >= project->n_labels || o->count == 0)
		return err_set(msg, ERR_INVALID, "%u demonstrations of label %u: no such label",
			       o->count, o->class_id);
	struct prompt_text *styles = calloc(o->n_styles + 1, sizeof *styles);
	if (!styles)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a prompt");
	for (size_t i = 0; i < o->n_styles; i++)
		styles[i] = (struct prompt_text){o->styles[i].data, o->styles[i].len};
	enum err e =
	    prompt_generate(project, project_config_of(project, ask->work->name->round),
			    o->class_id, o->count, styles, o->n_styles, ask->ask_no, false, out);
	free(styles);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

static enum err annotate_write(const Freeal__Project *project, const struct pools *pools,
			       const struct ask *ask, struct buf *out, struct err_msg *msg)
{
	const Freeal__AnnotateOrder *o = ask->work->annotate;
	struct prompt_demonstration demonstrations[SHOTS_MAX];
	if (o->n_demonstrations > SHOTS_MAX)
		return err_set(msg, ERR_LIMIT, "more than %d demonstrations", SHOTS_MAX);
	enum err e = pools_find(pools, o->pool_version, o->demonstrations, o->n_demonstrations,
				project->n_labels, demonstrations, msg);
	if (e)
		return e;
	struct prompt_text text = {o->text.data, o->text.len};
	crash_text(o->text.data, o->text.len);
	e = prompt_annotate(project, project_config_of(project, ask->work->name->round),
			    demonstrations, o->n_demonstrations, text, ask->ask_no, false, out);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

uint32_t order_asks_max(const Freeal__Project *project, const struct ask *ask)
{
	(void)project;
	(void)ask;
	return 1;
}

bool order_asks_together(const struct ask *first, const struct ask *next)
{
	(void)first;
	(void)next;
	return false;
}

enum err order_body_write(const Freeal__Project *project, const struct pools *pools,
			  const struct dialect *dialect, struct ask *const *asks,
			  uint32_t ask_count, struct buf *out, struct err_msg *msg)
{
	(void)dialect;
	assert(ask_count == 1);
	const struct ask *ask = asks[0];
	if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		return generate_write(project, ask, out, msg);
	return annotate_write(project, pools, ask, out, msg);
}
