/*
 * The `freeal` command: picks the sub-command. It talks to services over HTTP and
 * ZeroMQ and starts them as child processes; it links none of them.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/commands.h"
#include "cli/console.h"

#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
    {"init", command_init, "write a commented task file for a CSV, TSV or JSONL file"},
    {"plan", command_plan, "show what a run will ask, and what that costs"},
    {"prompt", command_prompt, "print the request that a sample is labelled with"},
    {"run", command_run, "label an input file and train a model; goes on where it stopped"},
    {"up", command_up, "feed a coordinator that runs elsewhere, and fetch the results"},
    {"status", command_status, "show how far a project is"},
    {"export", command_export, "write a project's labels as JSONL or CSV"},
    {"ingest", command_ingest, "add samples to a project"},
    {"predict", command_predict, "label new text with a trained model"},
    {"cache", command_cache, "list or clear the LLM's replies that a project keeps"},
    {"backup", command_backup, "copy a project while it runs"},
    {"keys", command_keys, "make the keys with which services on a network trust each other"},
    {"doctor", command_doctor, "check the installation and a project"},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void help(FILE *out)
{
	(void)fputs("Usage: freeal COMMAND [OPTIONS]\n\n"
		    "Labels text with an LLM and a small model that learns from it.\n\n"
		    "Commands:\n",
		    out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fputs("\n`freeal COMMAND --help` shows a command's options.\n"
		    "Exit codes: 0 done, 1 failed, 2 wrong use or bad input, 3 in use by another "
		    "process,\n4 storage, 5 another version, 130 stopped by a signal.\n",
		    out);
}

/* Letters at which two words differ, the longer one's rest included. */
static size_t word_distance(const char *a, const char *b)
{
	size_t n = 0;
	for (; *a && *b; a++, b++)
		n += *a != *b;
	return n + strlen(a) + strlen(b);
}

static int unknown(const char *name)
{
	const struct command *best = &commands[0];
	for (size_t i = 1; i < COMMAND_COUNT; i++)
		if (word_distance(name, commands[i].name) < word_distance(name, best->name))
			best = &commands[i];
	if (word_distance(name, best->name) <= 2)
		console_say("there is no command %s; did you mean %s?", name, best->name);
	else
		console_say("there is no command %s; `freeal --help` lists them", name);
	return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_CODE_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help(stdout);
		return EXIT_CODE_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("freeal %s\n", FREEAL_VERSION);
		return EXIT_CODE_OK;
	}
	log_init("freeal", LOG_LEVEL_WARN);
	if (stop_install(false)) {
		console_say("cannot install the signal handlers");
		return EXIT_CODE_FAILED;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return unknown(argv[1]);
}
