/* libs: config text base proto */
/* The task file: what is accepted keeps its promises, what is not has a message. */
#include "config/project.h"
#include "config/task.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task *t;
	struct err_msg msg = {""};
	enum err err = task_parse("fuzz.yaml", data, size, &t, &msg);
	if (err) {
		check(err == ERR_INVALID || err == ERR_LIMIT);
		check(strncmp(msg.text, "fuzz.yaml:", 10) == 0);
		return 0;
	}
	check(t->label_count >= 2 && t->label_count <= LABEL_COUNT_MAX);
	for (size_t i = 0; i < t->label_count; i++)
		check(*t->labels[i].name && t->labels[i].description);
	check(t->round_count >= 1 && t->round_count <= ROUND_COUNT_MAX);
	for (size_t i = 0; i < t->round_count; i++) {
		const struct task_round *r = &t->rounds[i];
		bool named = r->llm.endpoints.count > 0;
		check(named || (r->llm.own.url && *r->llm.own.model));
		check(r->shots <= SHOTS_MAX && r->llm.samples >= 1 && r->llm.batch >= 1);
		check(r->relabel >= 0 && r->relabel <= 1);
	}
	check(*t->input.text && t->name && t->description);
	Freeal__Project *project = project_from_task(t, 1);
	check(project && project->n_rounds == t->round_count);
	for (size_t i = 0; i < project->n_rounds; i++) {
		const Freeal__Llm *llm = project->rounds[i]->llm;
		check(llm->n_endpoints > 0);
		for (size_t n = 0; n < llm->n_endpoints; n++)
			check(llm->endpoints[n] < project->n_endpoints);
	}
	freeal__project__free_unpacked(project, NULL);
	task_free(t);
	return 0;
}
