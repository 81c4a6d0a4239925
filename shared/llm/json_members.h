/*
 * Where the members of a JSON object stand in its text: what a parser does not tell. Pure, for
 * text that a parser has accepted; on any other it ends, too.
 */
#ifndef FREEAL_LLM_JSON_MEMBERS_H
#define FREEAL_LLM_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: before the first one. */
struct json_member {
	const char *key; /* inside its quotes, escapes as they are */
	size_t key_size;
	const char *value; /* behind the colon */
	const char *next;  /* where the search goes on */
};

/* Moves to the next member of the object that the text begins with, not of those inside it.
 * False: there are no more. */
bool json_members_next(const char *text, size_t size, struct json_member *member);
bool json_member_is(const struct json_member *member, const char *key);

#endif
