/*
 * freeal-mockllm: an OpenAI-compatible stand-in for a language model, for the demo and
 * for tests. It replays recorded answers, simulates an LLM's errors, or labels by
 * keywords, and misbehaves on request.
 */
#include "base/stop.h"
#include "config/option.h"
#include "mockllm/mock.h"
#include "mockllm/script.h"
#include "mockllm/server.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
	const char *listen;
	const char *port_file;
	const char *script;
	const char *record;
	const char *strict;
	const char *key_env;
	struct mock_options mock;
	int64_t seed;
	int64_t latency_ms;
	int64_t requests_per_minute;
	int64_t tokens_per_minute;
	int64_t batch_ms;
	int64_t threads;
};

static enum err config_parse(struct config *c, int argc, char **argv, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "listen",
	     .type = OPTION_STRING,
	     .value = &c->listen,
	     .arg = "ADDRESS:PORT",
	     .help = "where to listen; port 0 takes any free one"},
	    {.name = "port-file",
	     .type = OPTION_STRING,
	     .value = &c->port_file,
	     .arg = "FILE",
	     .help = "write the port there once listening"},
	    {.name = "mode",
	     .type = OPTION_STRING,
	     .value = &c->mock.mode,
	     .arg = "MODE",
	     .help = "replay, simulate or offline"},
	    {.name = "task",
	     .type = OPTION_STRING,
	     .value = &c->mock.task,
	     .arg = "TASK.yaml",
	     .help = "task file with the labels and their keywords"},
	    {.name = "recordings",
	     .type = OPTION_STRING,
	     .value = &c->mock.recordings,
	     .arg = "FILE",
	     .help = "replay: recorded answers (JSONL)"},
	    {.name = "margins",
	     .type = OPTION_STRING,
	     .value = &c->mock.margins,
	     .arg = "FILE",
	     .help = "simulate: gold, rival and margin of each text (JSONL)"},
	    {.name = "examples",
	     .type = OPTION_STRING,
	     .value = &c->mock.examples,
	     .arg = "FILE",
	     .help = "labelled texts to give when demonstrations are asked for"},
	    {.name = "accuracy",
	     .type = OPTION_DOUBLE,
	     .value = &c->mock.accuracy,
	     .min = 0.01,
	     .max = 0.979,
	     .arg = "SHARE",
	     .help = "simulate: zero-shot answers that are right"},
	    {.name = "unsure",
	     .type = OPTION_DOUBLE,
	     .value = &c->mock.unsure,
	     .max = 1,
	     .arg = "SHARE",
	     .help = "simulate: answers of two labels where the prompt allows it"},
	    {.name = "seed",
	     .type = OPTION_INT,
	     .value = &c->seed,
	     .max = 1e15,
	     .arg = "N",
	     .help = "for draws in simulate and in scripts"},
	    {.name = "latency-ms",
	     .type = OPTION_INT,
	     .value = &c->latency_ms,
	     .max = 600000,
	     .arg = "MS",
	     .help = "wait before every reply"},
	    {.name = "requests-per-minute",
	     .type = OPTION_INT,
	     .value = &c->requests_per_minute,
	     .max = 1e9,
	     .arg = "N",
	     .help = "of all clients together, further ones get 429; 0: any number"},
	    {.name = "tokens-per-minute",
	     .type = OPTION_INT,
	     .value = &c->tokens_per_minute,
	     .max = 1e12,
	     .arg = "N",
	     .help = "the same for tokens: prompts, and as many as answers may have"},
	    {.name = "strict-parameters",
	     .type = OPTION_STRING,
	     .value = &c->strict,
	     .arg = "A,B,C",
	     .help = "refuse requests that have one of these (unsupported_parameter)"},
	    {.name = "key",
	     .type = OPTION_STRING,
	     .value = &c->key_env,
	     .arg = "KEY_ENV",
	     .help = "environment variable with the key that requests must have"},
	    {.name = "batch-ms",
	     .type = OPTION_INT,
	     .value = &c->batch_ms,
	     .max = 86400000,
	     .arg = "MS",
	     .help = "how long a batch is in progress"},
	    {.name = "threads",
	     .type = OPTION_INT,
	     .value = &c->threads,
	     .min = 1,
	     .max = 64,
	     .arg = "N",
	     .help = "threads that serve connections"},
	    {.name = "script",
	     .type = OPTION_STRING,
	     .value = &c->script,
	     .arg = "FILE",
	     .help = "scripted faults (JSON, described in script.h)"},
	    {.name = "record",
	     .type = OPTION_STRING,
	     .value = &c->record,
	     .arg = "FILE",
	     .help = "append every request there (JSONL), without API keys"},
	};
	const struct option_program program = {
	    .name = "freeal-mockllm",
	    .summary =
		"A mock of an OpenAI-compatible server for tests and demos; not a language model.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	if (!e)
		*ret_done = rest.done;
	return e;
}

static enum err port_write(const struct config *c, unsigned port, struct err_msg *msg)
{
	if (!c->port_file)
		return ERR_OK;
	/* Renamed into place, so that a reader never sees half a number. */
	char path[4096];
	int n = snprintf(path, sizeof path, "%s.part", c->port_file);
	FILE *out = n > 0 && (size_t)n < sizeof path ? fopen(path, "we") : NULL;
	if (!out)
		return err_set(msg, ERR_INVALID, "%s: can't be written", c->port_file);
	bool failed = fprintf(out, "%u\n", port) < 0;
	failed = fclose(out) != 0 || failed;
	if (failed || rename(path, c->port_file) != 0)
		return err_set(msg, ERR_IO, "%s: %s", c->port_file, strerror(errno));
	return ERR_OK;
}

static enum err config_serve(const struct config *c, const struct mock *mock, struct script *script,
			     FILE *record, struct err_msg *msg)
{
	struct server *server = NULL;
	struct server_options options = {
	    .api = {.mock = mock,
		    .script = script,
		    .record = record,
		    .strict = c->strict,
		    .key = c->key_env ? getenv(c->key_env) : NULL,
		    .batch_ms = (uint64_t)c->batch_ms,
		    .requests_per_minute = (uint64_t)c->requests_per_minute,
		    .tokens_per_minute = (uint64_t)c->tokens_per_minute},
	    .address = c->listen,
	    .latency_ms = (uint64_t)c->latency_ms,
	    .threads = (unsigned)c->threads,
	};
	enum err e = server_new(&options, &server, msg);
	if (e)
		return e;
	unsigned port = server_port(server);
	const char *colon = strrchr(c->listen, ':');
	e = port_write(c, port, msg);
	if (!e) {
		printf(
		    "freeal-mockllm (a mock, not a language model): mode %s, http://%.*s:%u/v1\n",
		    mock_mode(mock), (int)(colon - c->listen), c->listen, port);
		(void)fflush(stdout);
		struct pollfd stop = {.fd = stop_fd(), .events = POLLIN};
		while (!stop_requested())
			(void)poll(&stop, 1, -1);
	}
	server_free(server);
	return e;
}

static enum err config_run(const struct config *c, struct err_msg *msg)
{
	struct mock *mock = NULL;
	struct script *script = NULL;
	FILE *record = NULL;
	if (c->key_env && !getenv(c->key_env))
		return err_set(msg, ERR_INVALID, "--key %s: no such environment variable",
			       c->key_env);
	enum err e = mock_new(&c->mock, &mock, msg);
	if (!e && c->script)
		e = script_new(c->script, c->mock.seed, &script, msg);
	if (!e && c->record) {
		record = fopen(c->record, "ae");
		if (!record)
			e = err_set(msg, ERR_INVALID, "%s: %s", c->record, strerror(errno));
	}
	if (!e)
		e = stop_install(false);
	if (!e)
		e = config_serve(c, mock, script, record, msg);
	if (record)
		fclose(record);
	script_free(script);
	mock_free(mock);
	return e;
}

int main(int argc, char **argv)
{
	struct config config = {
	    .listen = "127.0.0.1:8900",
	    .mock = {.mode = "offline", .accuracy = 0.7, .unsure = 0.3},
	    .seed = 1,
	    .batch_ms = 1000,
	    .threads = 1,
	};
	struct err_msg msg = {""};
	bool done = false;
	enum err e = config_parse(&config, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	config.mock.seed = (uint64_t)config.seed;
	if (!e)
		e = config_run(&config, &msg);
	if (e)
		fprintf(stderr, "freeal-mockllm: %s\n", msg.text);
	return (int)err_exit_code(e);
}
