/* freeal-selector: splits clean from noisy labels, picks demonstrations, and finds each
 * sample's nearest ones, for a coordinator. */
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/option.h"
#include "selector/loop.h"

#include <cblas.h>
#include <stdio.h>

struct config {
	const char *coordinator, *data, *bind, *log_level;
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
	     .env = "FREEAL_SELECTOR_DATA",
	     .type = OPTION_STRING,
	     .value = &c->data,
	     .arg = "DIR",
	     .help = "where embeddings and out-of-fold rows are kept"},
	    {.name = "bind",
	     .env = "FREEAL_BIND",
	     .type = OPTION_STRING,
	     .value = &c->bind,
	     .arg = "ENDPOINT",
	     .help = "where trainers connect to"},
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
	    .name = "freeal-selector",
	    .summary = "decides which labels are clean, for a coordinator",
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
	if (!c->coordinator || !c->data || !c->bind)
		return err_set(msg, ERR_INVALID, "--coordinator, --data and --bind are required");
	return ERR_OK;
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
		(void)fprintf(stderr, "freeal-selector: %s\n", msg.text);
		return EXIT_CODE_USAGE;
	}
	log_init("selector", level);
	/* The products are small, and one thread gives the same sums on every machine. */
	openblas_set_num_threads(1);
	e = stop_install(c.parent_death);
	if (e)
		(void)err_set(&msg, e, "cannot install signal handlers");
	struct loop_config loop = {.coordinator = c.coordinator, .data = c.data, .bind = c.bind};
	if (!e)
		e = loop_run(&loop, &msg);
	if (e)
		log_error("failed", "reason=%s", msg.text);
	return (int)err_exit_code(e);
}
