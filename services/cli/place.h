/*
 * Which project a command is about: the folder that --project or --out names, or the one of a
 * coordinator that runs elsewhere (--server).
 */
#ifndef FREEAL_CLI_PLACE_H
#define FREEAL_CLI_PLACE_H

#include "base/err.h"
#include "cli/path.h"
#include "cli/session.h"
#include "config/option.h"

#include <stdbool.h>

struct place {
	const char *project, *out; /* as given; NULL: not given */
	const char *server, *token_file;
	struct path path; /* the project's folder, whether it is there or not */
};

/* Rows of a command's table of options. */
#define PLACE_SERVER_OPTIONS(place)                                                                \
	{.name = "server",                                                                         \
	 .env = "FREEAL_SERVER",                                                                   \
	 .type = OPTION_STRING,                                                                    \
	 .value = &(place)->server,                                                                \
	 .arg = "HOST:PORT",                                                                       \
	 .help = "a coordinator that runs elsewhere, instead of a folder"},                        \
	{                                                                                          \
		.name = "token-file", .env = "FREEAL_TOKEN_FILE", .type = OPTION_STRING,           \
		.value = &(place)->token_file, .arg = "FILE", .help = "its bearer token"           \
	}
#define PLACE_OPTIONS(place)                                                                       \
	{.name = "project",                                                                        \
	 .type = OPTION_STRING,                                                                    \
	 .value = &(place)->project,                                                               \
	 .arg = "DIR",                                                                             \
	 .help = "the project's state (default OUT/.freeal)"},                                     \
	    {.name = "out",                                                                        \
	     .type = OPTION_STRING,                                                                \
	     .value = &(place)->out,                                                               \
	     .arg = "DIR",                                                                         \
	     .help = "output folder of its run (default out)"},                                    \
	    PLACE_SERVER_OPTIONS(place)

/* Parses the arguments of a command without positional ones and fills `p->path`. `ret_done`,
 * written in every case: help or version was printed and nothing is left to do. */
enum err place_parse(struct place *p, const struct option_program *program, int argc, char **argv,
		     bool *ret_done, struct err_msg *msg) WARN_UNUSED;

/* Options of a session with that project, nothing started and nothing made. A folder that was
 * given explicitly beats a server. */
struct session_options place_session(const struct place *p);

#endif
