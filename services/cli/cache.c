/*
 * freeal cache: the LLM's replies that a project keeps.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/session.h"
#include "config/option.h"

static enum err cache_list(struct session *s, const char *path, struct err_msg *msg)
{
	struct output o = {0};
	enum err e = output_open(&o, path, msg);
	if (!e)
		e = session_stream(s, "/v1/cache", output_data, &o, msg);
	if (!e)
		e = output_commit(&o, msg);
	output_discard(&o);
	return e;
}

static enum err cache_do(const struct place *place, const char *path, bool clear,
			 struct err_msg *msg)
{
	const struct session_options options = place_session(place);
	struct session *session = NULL;
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = clear ? session_json(session, "/v1/cache/clear", "", 0, NULL, msg)
			  : cache_list(session, path, msg);
	session_close(session);
	return e;
}

int command_cache(int argc, char **argv)
{
	struct place place = {0};
	const char *path = NULL;
	bool clear = false;
	const struct option_entry entries[] = {
	    PLACE_OPTIONS(&place),
	    {.name = "output",
	     .type = OPTION_STRING,
	     .value = &path,
	     .arg = "FILE",
	     .help = "where to write the list (default standard output)"},
	    {.name = "clear",
	     .type = OPTION_FLAG,
	     .value = &clear,
	     .help = "forget all replies: what is asked again is paid for again"},
	};
	const struct option_program program = {
	    .name = "freeal cache",
	    .summary = "Lists the LLM's replies that a project keeps, as JSON lines: number, key, "
		       "bytes, model, answer.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = place_parse(&place, &program, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e)
		e = cache_do(&place, path, clear, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
