#include "mockllm/mock.h"

#include "config/task.h"
#include "mockllm/examples.h"
#include "mockllm/offline.h"
#include "mockllm/replay.h"
#include "mockllm/simulate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct mock {
	const char *mode;      /* one of the three names below */
	struct task *task;     /* NULL without a task file */
	struct replay *replay; /* exactly one of these three is there */
	struct simulate *simulate;
	struct offline *offline;
	struct examples *examples; /* NULL without a file */
};

static enum err mode_open(struct mock *m, const struct mock_options *o, struct err_msg *msg)
{
	if (strcmp(o->mode, "replay") == 0) {
		m->mode = "replay";
		if (!o->recordings)
			return err_set(msg, ERR_INVALID, "--mode replay needs --recordings FILE");
		return replay_new(o->recordings, &m->replay, msg);
	}
	if (strcmp(o->mode, "simulate") == 0) {
		m->mode = "simulate";
		if (!o->margins)
			return err_set(msg, ERR_INVALID, "--mode simulate needs --margins FILE");
		return simulate_new(o->margins, o->accuracy, o->unsure, o->seed, &m->simulate, msg);
	}
	if (strcmp(o->mode, "offline") == 0) {
		m->mode = "offline";
		if (!m->task)
			return err_set(msg, ERR_INVALID, "--mode offline needs --task TASK.yaml");
		return offline_new(m->task, o->seed, &m->offline, msg);
	}
	return err_set(msg, ERR_INVALID, "unknown --mode '%s': use replay, simulate or offline",
		       o->mode);
}

enum err mock_new(const struct mock_options *options, struct mock **ret_mock, struct err_msg *msg)
{
	struct mock *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	enum err e = options->task ? task_load(options->task, &m->task, msg) : ERR_OK;
	if (!e && options->examples && !m->task)
		e = err_set(msg, ERR_INVALID,
			    "--examples needs --task TASK.yaml for the label names");
	if (!e)
		e = mode_open(m, options, msg);
	if (!e && options->examples)
		e = examples_new(options->examples, m->task, &m->examples, msg);
	if (e) {
		mock_free(m);
		return e;
	}
	*ret_mock = m;
	return ERR_OK;
}

void mock_free(struct mock *m)
{
	if (!m)
		return;
	replay_free(m->replay);
	simulate_free(m->simulate);
	offline_free(m->offline);
	examples_free(m->examples);
	task_free(m->task);
	free(m);
}

const char *mock_mode(const struct mock *m)
{
	return m->mode;
}

enum err mock_guess(const struct mock *m, const struct chat_request *request, struct chat_text text,
		    uint64_t draw, struct guess *ret_guess, struct err_msg *msg)
{
	if (m->replay)
		return replay_guess(m->replay, request, text, ret_guess, msg);
	if (m->simulate)
		return simulate_guess(m->simulate, request, text, draw, ret_guess, msg);
	assert(m->offline);
	*ret_guess = offline_guess(m->offline, request, text);
	return ERR_OK;
}

enum err mock_examples(const struct mock *m, const struct chat_request *request, struct buf *out,
		       struct err_msg *msg)
{
	if (m->examples)
		return examples_answer(m->examples, request, out, msg);
	if (m->offline)
		return offline_examples(m->offline, request, out, msg);
	return err_set(msg, ERR_INVALID,
		       "demonstrations were asked for, but this mock has no --examples file");
}
