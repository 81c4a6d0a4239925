#include "llm/dialect.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Of an error's body, that are looked at. */
#define BODY_BYTES_MAX 4096

/* Where a parameter is not among what a server takes, its error says one of these. */
static const char *const complaints[] = {
    "unsupported",	 "not supported",   "not support",     "unrecognized", "unknown",
    "unexpected",	 "extra_forbidden", "not permitted",   "not allowed",  "not available",
    "unknown_parameter", "not recognized",  "only the default"};

struct parameter {
	const char *name;
	size_t flag;
	bool common; /* also an ordinary word: it counts in quotes alone */
};

#define FLAG(field) offsetof(struct dialect, field)
static const struct parameter parameters[] = {
    {"max_tokens", FLAG(max_completion_tokens), false},
    {"temperature", FLAG(no_temperature), true},
    {"response_format", FLAG(no_response_format), false},
    {"json_schema", FLAG(no_response_format), false},
    {"structured_outputs", FLAG(no_choice), false},
    {"guided_choice", FLAG(no_choice), false},
    {"top_logprobs", FLAG(no_logprobs), false},
    {"logprobs", FLAG(no_logprobs), false},
    {"reasoning_effort", FLAG(no_effort), false},
    {"seed", FLAG(no_seed), true},
    {"n", FLAG(no_n), true},
};
#define PARAMETER_COUNT (sizeof parameters / sizeof *parameters)

static bool *flag_of(struct dialect *d, const struct parameter *p)
{
	return (bool *)((char *)d + p->flag);
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"' || c == '`' || c == '\\';
}

/* Whether a text names the parameter. */
static bool is_named(const char *text, const struct parameter *p)
{
	size_t size = strlen(p->name);
	for (const char *at = text; (at = strstr(at, p->name)); at += size) {
		char before = at > text ? at[-1] : ' ';
		char after = at[size];
		bool quoted = is_quote(before) && is_quote(after);
		if (!in_word(before) && !in_word(after) && (quoted || !p->common))
			return true;
	}
	return false;
}

/* The value of the first "param" of an error, "" where it has none. */
static void param_read(const char *text, char *ret, size_t size)
{
	const char *at = strstr(text, "\"param\"");
	char value[64] = "";
	if (at)
		(void)sscanf(at + 7, " : \"%63[^\"]\"", value);
	(void)snprintf(ret, size, "%s", value);
}

static bool complains(const char *text)
{
	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++) {
		if (strcasestr(text, complaints[i]))
			return true;
	}
	return false;
}

bool dialect_learn(struct dialect *d, const struct dialect *sent, const char *body, size_t size,
		   const char **ret_name)
{
	char text[BODY_BYTES_MAX + 1], param[64];
	size = size < BODY_BYTES_MAX ? size : BODY_BYTES_MAX;
	memcpy(text, body, size);
	for (size_t i = 0; i < size; i++)
		text[i] = text[i] ? text[i] : ' ';
	text[size] = '\0';
	if (!complains(text))
		return false;
	param_read(text, param, sizeof param);
	struct dialect left_out = *sent;
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		const struct parameter *p = &parameters[i];
		bool named = *param ? strcmp(param, p->name) == 0 : is_named(text, p);
		if (!named || *flag_of(&left_out, p))
			continue;
		*ret_name = *flag_of(d, p) ? NULL : p->name;
		*flag_of(d, p) = true;
		return true;
	}
	return false;
}
