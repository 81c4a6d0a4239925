#include "cli/outlook.h"

#include "config/project.h"

enum err outlook_init(struct outlook *o, const char *task_path, const char *input,
		      const char *wanted, struct err_msg *msg)
{
	*o = (struct outlook){0};
	enum err e = task_load(task_path, &o->task, msg);
	if (e)
		return e;
	o->project = project_from_task(o->task, 1);
	if (!o->project)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the project");
	/* One more than the style samples, so that there is one to show where there are none. */
	e = survey_new(o->task, input, o->task->generate.style_samples + 1, wanted, &o->survey,
		       msg);
	return e ? e : estimate_new(o->task, o->project, o->survey, &o->estimate, msg);
}

void outlook_done(struct outlook *o)
{
	estimate_free(o->estimate);
	survey_free(o->survey);
	if (o->project)
		freeal__project__free_unpacked(o->project, NULL);
	task_free(o->task);
}
