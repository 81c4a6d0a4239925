/* freeal-trainer: trains the small model, embeds and predicts for a coordinator; or
 * serves a trained model to `freeal predict`. */
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/option.h"
#include "trainer/loop.h"
#include "trainer/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 256

struct config {
	const char *coordinator, *data, *serve, *bind, *log_level;
	int64_t threads; /* 0: as many as there are processors */
	bool parent_death;
};

static enum err config_parse(struct config *c, int argc, char **argv, struct option_rest *ret_rest,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "coordinator",
	     .env = "FREEAL_COORDINATOR",
	     .type = OPTION_STRING,
	     .value = &c->coordinator,
	     .arg = "ENDPOINT",
	     .help = "the coordinator's bus"},
	    {.name = "data",
	     .env = "FREEAL_TRAINER_DATA",
	     .type = OPTION_STRING,
	     .value = &c->data,
	     .arg = "DIR",
	     .help = "where the training set's copy and checkpoints are kept"},
	    {.name = "threads",
	     .env = "FREEAL_THREADS",
	     .type = OPTION_INT,
	     .value = &c->threads,
	     .min = 0,
	     .max = THREADS_MAX,
	     .arg = "N",
	     .help = "threads of a training; 0: one per processor"},
	    {.name = "serve",
	     .type = OPTION_STRING,
	     .value = &c->serve,
	     .arg = "MODEL_DIR",
	     .help = "answer predict requests from this model instead of training"},
	    {.name = "bind",
	     .env = "FREEAL_BIND",
	     .type = OPTION_STRING,
	     .value = &c->bind,
	     .arg = "ENDPOINT",
	     .help = "with --serve: where to listen"},
	    {.name = "log-level",
	     .env = "FREEAL_LOG_LEVEL",
	     .type = OPTION_STRING,
	     .value = &c->log_level,
	     .arg = "LEVEL",
	     .help = "debug, info, warn or error"},
	    {.name = "parent-death",
	     .type = OPTION_FLAG,
	     .value = &c->parent_death,
	     .help = "end when the parent process ends"},
	};
	const struct option_program program = {
	    .name = "freeal-trainer",
	    .summary = "trains the small model for a coordinator",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof entries[0],
	};
	return option_parse(&program, argc, argv, ret_rest, msg);
}

static enum err config_check(const struct config *c, enum log_level *ret_level, struct err_msg *msg)
{
	if (log_level_parse(c->log_level, ret_level) != ERR_OK)
		return err_set(msg, ERR_INVALID,
			       "--log-level: %s is not debug, info, warn or error", c->log_level);
	if (c->serve && !c->bind)
		return err_set(msg, ERR_INVALID, "--serve needs --bind");
	if (!c->serve && (!c->coordinator || !c->data))
		return err_set(msg, ERR_INVALID, "--coordinator and --data are required");
	return ERR_OK;
}

static int64_t threads_online(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
}

int main(int argc, char **argv)
{
	struct config c = {.log_level = "info"};
	struct option_rest rest = {0};
	struct err_msg msg = {0};
	enum log_level level = LOG_LEVEL_INFO;
	enum err e = config_parse(&c, argc, argv, &rest, &msg);
	if (!e && rest.done)
		return EXIT_CODE_OK;
	if (!e)
		e = config_check(&c, &level, &msg);
	if (e) {
		(void)fprintf(stderr, "freeal-trainer: %s\n", msg.text);
		return EXIT_CODE_USAGE;
	}
	log_init("trainer", level);
	if (c.threads == 0)
		c.threads = threads_online();
	e = stop_install(c.parent_death);
	if (e)
		(void)err_set(&msg, e, "cannot install signal handlers");
	struct loop_config loop = {
	    .coordinator = c.coordinator, .data = c.data, .thread_count = (uint32_t)c.threads};
	if (!e)
		e = c.serve ? serve_run(c.serve, c.bind, &msg) : loop_run(&loop, &msg);
	if (e)
		log_error("failed", "reason=%s", msg.text);
	return (int)err_exit_code(e);
}
