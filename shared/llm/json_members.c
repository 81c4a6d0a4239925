#include "llm/json_members.h"

#include <string.h>

/* The quote that ends the string whose first byte is at `at`. */
static const char *string_end(const char *at, const char *end)
{
	for (; at < end && *at != '"'; at++)
		at += *at == '\\' && at + 1 < end;
	return at;
}

static const char *blank_skip(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

bool json_members_next(const char *text, size_t size, struct json_member *member)
{
	const char *end = text + size;
	const char *at = member->next ? member->next : blank_skip(text, end);
	int depth = 1;
	if (!member->next && (at == end || *at++ != '{'))
		return false;
	for (; at < end && depth > 0; at++) {
		if (*at == '{' || *at == '[') {
			depth++;
		} else if (*at == '}' || *at == ']') {
			depth--;
		} else if (*at == '"') {
			const char *key = at + 1, *quote = string_end(key, end);
			const char *colon = quote < end ? blank_skip(quote + 1, end) : end;
			if (depth == 1 && colon < end && *colon == ':') {
				*member = (struct json_member){key, (size_t)(quote - key),
							       colon + 1, colon + 1};
				return true;
			}
			if (quote == end)
				break;
			at = quote;
		}
	}
	return false;
}

bool json_member_is(const struct json_member *member, const char *key)
{
	return member->key_size == strlen(key) && memcmp(member->key, key, member->key_size) == 0;
}
