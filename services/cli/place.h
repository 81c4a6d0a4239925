/*
 * Which project a command is about: its options --project and --out, and the folder that
 * they name.
 */
#ifndef FREEAL_CLI_PLACE_H
#define FREEAL_CLI_PLACE_H

#include "base/err.h"
#include "cli/path.h"
#include "config/option.h"

#include <stdbool.h>

struct place {
	const char *project, *out; /* as given; NULL: not given */
	struct path path;	   /* the project's folder, whether it is there or not */
};

/* Rows of a command's table of options. */
#define PLACE_OPTIONS(place)                                                                       \
	{.name = "project",                                                                        \
	 .type = OPTION_STRING,                                                                    \
	 .value = &(place)->project,                                                               \
	 .arg = "DIR",                                                                             \
	 .help = "the project's state (default OUT/.freeal)"},                                     \
	{                                                                                          \
		.name = "out", .type = OPTION_STRING, .value = &(place)->out, .arg = "DIR",        \
		.help = "output folder of its run (default out)"                                   \
	}

/* Parses the arguments of a command without positional ones and fills `p->path`. `ret_done`,
 * written in every case: help or version was printed and nothing is left to do. */
enum err place_parse(struct place *p, const struct option_program *program, int argc, char **argv,
		     bool *ret_done, struct err_msg *msg) WARN_UNUSED;

#endif
