/*
 * A program's options: one static table from which flags and environment are
 * parsed, values checked, --help printed and the configuration shown.
 *
 *	static const struct option_entry entries[] = {
 *		{.name = "threads", .env = "FREEAL_THREADS", .type = OPTION_INT,
 *		 .value = &config.threads, .min = 1, .max = 256, .arg = "N",
 *		 .help = "threads to use"},
 *	};
 *
 * What the value holds before parsing is the default. A flag beats the
 * environment. `--help`, `-h` and `--version` exist in every program; `--` ends
 * the options; "-" is a positional argument.
 */
#ifndef FREEAL_CONFIG_OPTION_H
#define FREEAL_CONFIG_OPTION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
	OPTION_FLAG,   /* bool; "--name", "--name=false" */
	OPTION_STRING, /* const char *, borrowed from argv or the environment */
	OPTION_INT,    /* int64_t */
	OPTION_DOUBLE, /* double */
};

struct option_entry {
	const char *name; /* without the dashes */
	const char *env;  /* NULL: not from the environment */
	enum option_type type;
	void *value;
	double min, max;  /* numbers, inclusive; both 0: any */
	bool secret;	  /* never printed, and refused on the command line */
	const char *arg;  /* its argument's name in the help */
	const char *help; /* required */
};

struct option_program {
	const char *name;    /* "freeal run" */
	const char *usage;   /* positional arguments, "TASK.yaml"; NULL where there are none */
	const char *summary; /* one line */
	const struct option_entry *entries;
	size_t entry_count;
	size_t positional_min, positional_max;
};

struct option_rest {
	char **positionals; /* in argv's memory, in their order */
	size_t positional_count;
	bool done; /* help or version was printed: nothing is left to do */
};

/*
 * Parses argv[1] .. argv[argc - 1], whose positional arguments are moved to the
 * front. ERR_INVALID with a message that names the option. --help and --version
 * are printed to standard output.
 */
WARN_UNUSED enum err option_parse(const struct option_program *p, int argc, char **argv,
				  struct option_rest *ret_rest, struct err_msg *msg);

void option_help(const struct option_program *p, FILE *out);
/* "name=value" per option, on one line; secrets as "set" or "unset". */
void option_print(const struct option_program *p, FILE *out);

#endif
