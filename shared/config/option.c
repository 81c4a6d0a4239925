#include "config/option.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum err option_set_flag(const struct option_entry *e, const char *shown, const char *text,
				struct err_msg *msg)
{
	static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		bool is_yes = strcmp(text, yes[i]) == 0;
		if (is_yes || strcmp(text, no[i]) == 0) {
			*(bool *)e->value = is_yes;
			return ERR_OK;
		}
	}
	return err_set(msg, ERR_INVALID, "%s: \"%s\" is neither true nor false", shown, text);
}

static enum err option_check_range(const struct option_entry *e, const char *shown, double value,
				   const char *text, struct err_msg *msg)
{
	bool bounded = e->min != 0 || e->max != 0;
	if (bounded && (value < e->min || value > e->max))
		return err_set(msg, ERR_INVALID, "%s: %s is out of range; give %.15g to %.15g",
			       shown, text, e->min, e->max);
	return ERR_OK;
}

static enum err option_set_int(const struct option_entry *e, const char *shown, const char *text,
			       struct err_msg *msg)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	bool digits = *text && strspn(text, "0123456789-") == strlen(text);
	if (!digits || *end || errno)
		return err_set(msg, ERR_INVALID, "%s: \"%s\" is not a whole number", shown, text);
	enum err err = option_check_range(e, shown, (double)value, text, msg);
	if (!err)
		*(int64_t *)e->value = value;
	return err;
}

static enum err option_set_double(const struct option_entry *e, const char *shown, const char *text,
				  struct err_msg *msg)
{
	char *end;
	double value = strtod(text, &end);
	bool digits = *text && strspn(text, "0123456789+-.eE") == strlen(text);
	if (!digits || *end || !isfinite(value))
		return err_set(msg, ERR_INVALID, "%s: \"%s\" is not a number", shown, text);
	enum err err = option_check_range(e, shown, value, text, msg);
	if (!err)
		*(double *)e->value = value;
	return err;
}

/* `shown` names the option or environment variable in messages. */
static enum err option_set(const struct option_entry *e, const char *shown, const char *text,
			   struct err_msg *msg)
{
	switch (e->type) {
	case OPTION_FLAG:
		return option_set_flag(e, shown, text, msg);
	case OPTION_STRING:
		*(const char **)e->value = text;
		return ERR_OK;
	case OPTION_INT:
		return option_set_int(e, shown, text, msg);
	case OPTION_DOUBLE:
		return option_set_double(e, shown, text, msg);
	}
	assert(false && "an option without type");
	return ERR_INVALID;
}

static enum err option_read_environment(const struct option_program *p, struct err_msg *msg)
{
	for (size_t i = 0; i < p->entry_count; i++) {
		const struct option_entry *e = &p->entries[i];
		const char *text = e->env ? getenv(e->env) : NULL;
		if (!text || !*text)
			continue;
		enum err err = option_set(e, e->env, text, msg);
		if (err)
			return err;
	}
	return ERR_OK;
}

static const struct option_entry *option_find(const struct option_program *p, const char *name,
					      size_t size)
{
	for (size_t i = 0; i < p->entry_count; i++) {
		const char *own = p->entries[i].name;
		if (strlen(own) == size && memcmp(own, name, size) == 0)
			return &p->entries[i];
	}
	return NULL;
}

/* One "--name" or "--name=value" at argv[*at], which is moved to its last argument. */
static enum err option_read(const struct option_program *p, int argc, char **argv, int *at,
			    struct err_msg *msg)
{
	const char *arg = argv[*at];
	bool is_long = strncmp(arg, "--", 2) == 0;
	const char *name = is_long ? arg + 2 : arg;
	const char *equals = strchr(name, '=');
	size_t size = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_entry *e = is_long ? option_find(p, name, size) : NULL;
	int shown_size = (int)(size + (size_t)(name - arg));
	if (!e)
		return err_set(msg, ERR_INVALID, "unknown option %.*s; %s --help lists them",
			       shown_size, arg, p->name);
	if (e->secret)
		return err_set(msg, ERR_INVALID,
			       "--%s is secret and visible to others here; set %s instead", e->name,
			       e->env ? e->env : "its environment variable");
	char shown[128];
	(void)snprintf(shown, sizeof shown, "--%s", e->name);
	if (equals)
		return option_set(e, shown, equals + 1, msg);
	if (e->type == OPTION_FLAG) {
		*(bool *)e->value = true;
		return ERR_OK;
	}
	if (*at + 1 >= argc)
		return err_set(msg, ERR_INVALID, "--%s needs a value: --%s %s", e->name, e->name,
			       e->arg ? e->arg : "VALUE");
	return option_set(e, shown, argv[++*at], msg);
}

static enum err option_check_positionals(const struct option_program *p,
					 const struct option_rest *rest, struct err_msg *msg)
{
	if (rest->positional_count > p->positional_max)
		return err_set(
		    msg, ERR_INVALID, "unexpected argument \"%.200s\"; usage: %s [OPTIONS] %s",
		    rest->positionals[p->positional_max], p->name, p->usage ? p->usage : "");
	if (rest->positional_count < p->positional_min)
		return err_set(msg, ERR_INVALID, "an argument is missing; usage: %s [OPTIONS] %s",
			       p->name, p->usage ? p->usage : "");
	return ERR_OK;
}

enum err option_parse(const struct option_program *p, int argc, char **argv,
		      struct option_rest *ret_rest, struct err_msg *msg)
{
	assert(p->positional_min <= p->positional_max);
	struct option_rest rest = {.positionals = argv + (argc > 0)};
	bool options_end = false;
	/* Help first: it is wanted above all when something else is wrong. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		bool help = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
		if (!help && strcmp(argv[i], "--version") != 0)
			continue;
		if (help)
			option_help(p, stdout);
		else
			printf("%s %s\n", p->name, FREEAL_VERSION);
		*ret_rest = (struct option_rest){.positionals = argv, .done = true};
		return ERR_OK;
	}
	enum err err = option_read_environment(p, msg);
	for (int i = 1; i < argc && !err; i++) {
		bool is_option = !options_end && argv[i][0] == '-' && argv[i][1] != '\0';
		if (is_option && strcmp(argv[i], "--") == 0)
			options_end = true;
		else if (is_option)
			err = option_read(p, argc, argv, &i, msg);
		else
			rest.positionals[rest.positional_count++] = argv[i];
	}
	if (!err)
		err = option_check_positionals(p, &rest, msg);
	if (!err)
		*ret_rest = rest;
	return err;
}

static void option_print_value(const struct option_entry *e, FILE *out)
{
	switch (e->type) {
	case OPTION_FLAG:
		fputs(*(bool *)e->value ? "true" : "false", out);
		break;
	case OPTION_STRING: {
		const char *text = *(const char **)e->value;
		if (e->secret)
			fputs(text && *text ? "set" : "unset", out);
		else
			fputs(text ? text : "", out);
		break;
	}
	case OPTION_INT:
		if (e->secret)
			fputs("set", out);
		else
			fprintf(out, "%lld", (long long)*(int64_t *)e->value);
		break;
	case OPTION_DOUBLE:
		if (e->secret)
			fputs("set", out);
		else
			fprintf(out, "%.15g", *(double *)e->value);
		break;
	}
}

void option_print(const struct option_program *p, FILE *out)
{
	for (size_t i = 0; i < p->entry_count; i++) {
		fprintf(out, "%s%s=", i ? " " : "", p->entries[i].name);
		option_print_value(&p->entries[i], out);
	}
	fputc('\n', out);
}

/* The default is what the value holds: help is printed before anything is parsed. */
static void option_help_default(const struct option_entry *e, FILE *out)
{
	bool zero_string =
	    e->type == OPTION_STRING && (!*(const char **)e->value || !**(const char **)e->value);
	if (e->secret || e->type == OPTION_FLAG || zero_string)
		return;
	fputs(" (default ", out);
	option_print_value(e, out);
	fputc(')', out);
}

void option_help(const struct option_program *p, FILE *out)
{
	fprintf(out, "Usage: %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", p->name, p->usage ? " " : "",
		p->usage ? p->usage : "", p->summary);
	for (size_t i = 0; i < p->entry_count; i++) {
		const struct option_entry *e = &p->entries[i];
		assert(e->help);
		char left[64];
		if (e->secret)
			(void)snprintf(left, sizeof left, "%s", e->env ? e->env : e->name);
		else
			(void)snprintf(left, sizeof left, "--%s%s%s", e->name,
				       e->type == OPTION_FLAG ? "" : " ",
				       e->type == OPTION_FLAG ? ""
				       : e->arg		      ? e->arg
							      : "VALUE");
		fprintf(out, "  %-26s %s", left, e->help);
		option_help_default(e, out);
		if (e->secret)
			fputs(" [environment only]", out);
		else if (e->env)
			fprintf(out, " [%s]", e->env);
		fputc('\n', out);
	}
	fprintf(out, "  %-26s %s\n  %-26s %s\n", "--help", "show this help", "--version",
		"show the version");
}
