/*
 * freeal status: how far a project is.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/place.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "config/option.h"

#include <stdio.h>
#include <stdlib.h>

#define STATUS_BYTES_MAX (64u << 10)
#define STATUS_WIDTH 1000

/* What kept replies saved, and late answers that named another label. */
static void print_cache(const json_t *status, struct buf *out)
{
	const json_t *cache = json_object_get(status, "cache");
	long long replies = json_integer_value(json_object_get(cache, "replies"));
	long long other = json_integer_value(json_object_get(status, "disagreements"));
	if (replies > 0)
		buf_printf(out,
			   "  kept replies: %lld (%.1f MiB); %lld questions answered by them\n",
			   replies, json_number_value(json_object_get(cache, "bytes")) / (1 << 20),
			   (long long)json_integer_value(json_object_get(cache, "recalled")));
	if (other > 0)
		buf_printf(out, "  answers that came late and disagree: %lld\n", other);
}

static void print_state(const json_t *status, bool running, struct buf *out)
{
	const char *key;
	json_t *value;
	if (json_is_true(json_object_get(status, "finished"))) {
		buf_add_str(out, "  finished\n");
		return;
	}
	const char *failed = json_string_value(json_object_get(status, "failed"));
	const char *paused = json_string_value(json_object_get(status, "paused"));
	if (failed)
		buf_printf(out, "  failed: %s\n", failed);
	else if (!running)
		buf_add_str(out, "  stands still; `freeal run` with the same arguments goes on\n");
	else if (paused)
		buf_printf(out, "  paused: %s\n", paused);
	if (!running)
		return;
	buf_add_str(out, "  workers:");
	json_object_foreach((json_t *)json_object_get(status, "workers"), key, value)
	    buf_printf(out, " %s %lld", key, (long long)json_integer_value(value));
	buf_add_char(out, '\n');
	const char *missing = json_string_value(json_object_get(status, "missing"));
	if (missing)
		buf_printf(out, "  waits for a%s %s: none is connected\n",
			   missing[0] == 'a' ? "n" : "", missing);
	struct buf alarm;
	buf_init(&alarm, STATUS_BYTES_MAX);
	progress_alarm(status, &alarm);
	if (alarm.size)
		buf_printf(out, "  %s\n", buf_str(&alarm));
	buf_done(&alarm);
}

static double usd_of(const json_t *amount)
{
	return json_number_value(json_object_get(amount, "usd"));
}

static json_int_t count_of(const json_t *amount, const char *key)
{
	return json_integer_value(json_object_get(amount, key));
}

/* What is left of the budget is not its rest: what is in flight may cost as much as is reserved. */
static void print_spend(const json_t *status, struct buf *out)
{
	const json_t *spend = json_object_get(status, "spend");
	const json_t *limit = json_object_get(spend, "limit");
	const json_t *usd = json_object_get(limit, "usd");
	if (json_is_number(usd))
		buf_printf(out, "  budget: $%.4f spent, $%.4f reserved, $%.4f lost, of $%.4f\n",
			   usd_of(spend), usd_of(json_object_get(spend, "reserved")),
			   usd_of(json_object_get(spend, "lost")), json_number_value(usd));
	static const char *const counts[] = {"tokens", "requests"};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		if (!json_is_integer(json_object_get(limit, counts[i])))
			continue;
		buf_printf(out, "  budget: %lld %s spent, %lld reserved, %lld lost, of %lld\n",
			   (long long)count_of(spend, counts[i]), counts[i],
			   (long long)count_of(json_object_get(spend, "reserved"), counts[i]),
			   (long long)count_of(json_object_get(spend, "lost"), counts[i]),
			   (long long)count_of(limit, counts[i]));
	}
}

static void status_print(const json_t *status, bool running)
{
	struct buf text;
	buf_init(&text, STATUS_BYTES_MAX);
	progress_block(status, STATUS_WIDTH, &text);
	print_cache(status, &text);
	print_spend(status, &text);
	print_state(status, running, &text);
	(void)fputs(buf_str(&text), stdout);
	buf_done(&text);
}

static enum err status_health(const struct place *place, struct err_msg *msg)
{
	struct session_options options = place_session(place);
	struct session *session = NULL;
	enum err e = session_open(&options, &session, msg);
	if (!e && session_owns(session))
		e = err_set(msg, ERR_NOT_FOUND, "no coordinator runs at %s", options.project);
	if (!e)
		e = session_stream(session, "/healthz", NULL, NULL, msg);
	session_close(session);
	return e;
}

static enum err status_show(const struct place *place, bool as_json, struct err_msg *msg)
{
	const struct session_options options = place_session(place);
	struct session *session = NULL;
	json_t *status = NULL;
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = session_json(session, "/v1/status", NULL, 0, &status, msg);
	if (!e && as_json) {
		(void)json_dumpf(status, stdout, JSON_COMPACT);
		(void)putchar('\n');
	} else if (!e) {
		status_print(status, !session_owns(session));
	}
	json_decref(status);
	session_close(session);
	return e;
}

int command_status(int argc, char **argv)
{
	struct place place = {0};
	bool as_json = false, health = false;
	const struct option_entry entries[] = {
	    PLACE_OPTIONS(&place),
	    {.name = "json", .type = OPTION_FLAG, .value = &as_json, .help = "as JSON"},
	    {.name = "health",
	     .type = OPTION_FLAG,
	     .value = &health,
	     .help = "only tell by the exit code whether its coordinator answers"},
	};
	const struct option_program program = {
	    .name = "freeal status",
	    .summary = "Shows how far a project is.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = place_parse(&place, &program, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e)
		e = health ? status_health(&place, &msg) : status_show(&place, as_json, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
