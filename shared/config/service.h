/*
 * What the main functions of the services have in common: the options that all have, the
 * log, the signal handlers, and how a failure is told.
 *
 *	struct service service = SERVICE_INIT("freeal-selector", "decides which labels ...");
 *	const struct option_entry entries[] = {..., SERVICE_OPTIONS(&service)};
 *	e = service_parse(...);
 *	if (!e && done)
 *		return EXIT_CODE_OK;
 *	if (!e)
 *		e = service_start(&service, &msg);
 *	...
 *	return service_end(&service, e, &msg);
 */
#ifndef FREEAL_CONFIG_SERVICE_H
#define FREEAL_CONFIG_SERVICE_H

#include "base/err.h"
#include "config/option.h"

#include <stdbool.h>

struct service {
	const char *name;      /* the program's, in the log and before messages */
	const char *summary;   /* one line for its help */
	const char *log_level; /* as on the command line */
	const char *key;       /* its key file; NULL */
	bool parent_death;
};

/* Before the options are parsed. */
#define SERVICE_INIT(program_name, program_summary)                                                \
	{                                                                                          \
		.name = (program_name), .summary = (program_summary), .log_level = "info"          \
	}

/* Rows of a service's table of options: --key, --log-level and --parent-death. */
#define SERVICE_OPTIONS(service)                                                                   \
	{.name = "key",                                                                            \
	 .env = "FREEAL_KEY",                                                                      \
	 .type = OPTION_STRING,                                                                    \
	 .value = &(service)->key,                                                                 \
	 .arg = "FILE",                                                                            \
	 .help = "key file, for tcp:// endpoints; `freeal keys DIR` makes them"},                  \
	    {.name = "log-level",                                                                  \
	     .env = "FREEAL_LOG_LEVEL",                                                            \
	     .type = OPTION_STRING,                                                                \
	     .value = &(service)->log_level,                                                       \
	     .arg = "LEVEL",                                                                       \
	     .help = "debug, info, warn or error"},                                                \
	{                                                                                          \
		.name = "parent-death", .type = OPTION_FLAG, .value = &(service)->parent_death,    \
		.help = "stop when the parent process ends"                                        \
	}

/* Parses the arguments, none of which are positional. `ret_done`, written in every case: help or
 * version was printed and nothing is left to do. */
enum err service_parse(const struct service *s, const struct option_entry *entries,
		       size_t entry_count, int argc, char **argv, bool *ret_done,
		       struct err_msg *msg) WARN_UNUSED;

/* Starts the log and installs the signal handlers. ERR_INVALID: no such log level. */
enum err service_start(const struct service *s, struct err_msg *msg) WARN_UNUSED;

/* Where `e` is an error, prints "PROGRAM: message" on standard error, or the error's name where
 * there is no message. Returns the exit code. */
int service_end(const struct service *s, enum err e, const struct err_msg *msg);

#endif
