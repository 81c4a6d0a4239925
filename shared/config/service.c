#include "config/service.h"

#include "base/log.h"
#include "base/stop.h"

#include <stdio.h>

enum err service_parse(const struct service *s, const struct option_entry *entries,
		       size_t entry_count, int argc, char **argv, bool *ret_done,
		       struct err_msg *msg)
{
	const struct option_program program = {
	    .name = s->name, .summary = s->summary, .entries = entries, .entry_count = entry_count};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	return e;
}

enum err service_start(const struct service *s, struct err_msg *msg)
{
	enum log_level level;
	if (log_level_parse(s->log_level, &level) != ERR_OK)
		return err_set(msg, ERR_INVALID,
			       "--log-level: %s is not debug, info, warn or error", s->log_level);
	log_init(s->name, level);
	enum err e = stop_install(s->parent_death);
	return e ? err_set(msg, e, "cannot install signal handlers") : ERR_OK;
}

int service_end(const struct service *s, enum err e, const struct err_msg *msg)
{
	if (e)
		(void)fprintf(stderr, "%s: %s\n", s->name, msg->text[0] ? msg->text : err_str(e));
	return (int)err_exit_code(e);
}
