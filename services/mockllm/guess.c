#include "mockllm/guess.h"

#include <jansson.h>

#include <strings.h>

struct guess guess_of(struct chat_text name)
{
	return (struct guess){
	    .names = {name}, .probabilities = {GUESS_PROBABILITY}, .count = 1, .likely = 1};
}

/* The list's spelling of a name; data NULL where it is not there. */
static struct chat_text spelling(const json_t *list, struct chat_text name)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (json_string_length(item) == name.size && json_is_string(item) &&
		    strncasecmp(json_string_value(item), name.data, name.size) == 0)
			return (struct chat_text){json_string_value(item), name.size};
	}
	return (struct chat_text){NULL, 0};
}

struct guess guess_constrain(const struct guess *g, const json_t *list)
{
	struct guess kept = {0};
	double sum = 0;
	for (size_t i = 0; i < g->count; i++) {
		struct chat_text name = spelling(list, g->names[i]);
		if (!name.data)
			continue;
		kept.names[kept.count] = name;
		kept.probabilities[kept.count++] = g->probabilities[i];
		kept.likely += i < g->likely;
		sum += g->probabilities[i];
	}
	if (kept.likely == 0)
		kept.likely = 1;
	if (kept.count == 0) {
		const char *first = json_string_value(json_array_get(list, 0));
		return guess_of(chat_text_of(first ? first : ""));
	}
	/* Of a single name nothing is known but what the mode says of it. */
	for (size_t i = 0; i < kept.count && g->count > 1 && sum > 0; i++)
		kept.probabilities[i] /= sum;
	return kept;
}
