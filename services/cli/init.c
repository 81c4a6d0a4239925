/*
 * freeal init: a commented task file for an input file.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "config/option.h"
#include "config/task_init.h"
#include "text/source.h"
#include "text/summary.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum err init_write(const char *input, enum source_format format, const char *path,
			   struct err_msg *msg)
{
	struct source_summary *summary;
	struct output o;
	enum err e = source_inspect(input, format, &summary, msg);
	if (e)
		return e;
	e = output_open(&o, path, msg);
	if (!e) {
		e = task_init_write(o.file, summary);
		if (e)
			e = err_set(msg, e, "cannot write %s", path);
	}
	if (!e)
		e = output_commit(&o, msg);
	output_discard(&o);
	source_summary_free(summary);
	return e;
}

int command_init(int argc, char **argv)
{
	const char *path = "task.yaml", *format = NULL;
	bool force = false;
	const struct option_entry entries[] = {
	    {.name = "output",
	     .type = OPTION_STRING,
	     .value = &path,
	     .arg = "TASK.yaml",
	     .help = "where to write; - is standard output"},
	    {.name = "format",
	     .type = OPTION_STRING,
	     .value = &format,
	     .arg = "FORMAT",
	     .help = "csv, tsv or jsonl (default by the file's name)"},
	    {.name = "force",
	     .type = OPTION_FLAG,
	     .value = &force,
	     .help = "replace a file that is there"},
	};
	const struct option_program program = {
	    .name = "freeal init",
	    .usage = "INPUT",
	    .summary = "Writes a commented task file for an input file: its columns, and label "
		       "names\nfrom a column where there is one.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct option_rest rest;
	struct err_msg msg = {{0}};
	enum err e = option_parse(&program, argc, argv, &rest, &msg);
	if (!e && rest.done)
		return EXIT_CODE_OK;
	bool to_file = strcmp(path, "-") != 0;
	if (!e && to_file && !force && access(path, F_OK) == 0)
		e = err_set(&msg, ERR_INVALID,
			    "%s is there already; --force replaces it, --output writes another",
			    path);
	if (!e && format && source_format_parse(format) == SOURCE_BY_NAME)
		e = err_set(&msg, ERR_INVALID, "--format is csv, tsv or jsonl, not %.50s", format);
	if (!e)
		e = init_write(rest.positionals[0],
			       format ? source_format_parse(format) : SOURCE_BY_NAME, path, &msg);
	if (e)
		return console_fail(e, &msg);
	/* With a server, such as that of the compose file, nothing is run here. */
	if (to_file && getenv("FREEAL_SERVER"))
		console_say("wrote %s; look it over, then: docker compose up", path);
	else if (to_file)
		console_say("wrote %s; look it over, then: freeal run %s --input %s --out out/",
			    path, path, rest.positionals[0]);
	return EXIT_CODE_OK;
}
