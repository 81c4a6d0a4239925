/*
 * A task and an input together, as they are before a run: read, checked and estimated.
 */
#ifndef FREEAL_CLI_OUTLOOK_H
#define FREEAL_CLI_OUTLOOK_H

#include "cli/estimate.h"
#include "cli/survey.h"
#include "config/task.h"
#include "proto/project.pb-c.h"

struct outlook {
	struct task *task;
	Freeal__Project *project;
	struct survey *survey;
	struct estimate *estimate;
};

/* `wanted`: a sample to look for (survey_new), or NULL. ERR_INVALID for what the user has to mend.
 * outlook_done in any case. */
WARN_UNUSED enum err outlook_init(struct outlook *o, const char *task_path, const char *input,
				  const char *wanted, struct err_msg *msg);
void outlook_done(struct outlook *o);

#endif
