#include "mockllm/prefixes.h"

#include "base/rng.h"

#include <jansson.h>

#include <string.h>

enum { STEP_BYTES = 4 * PREFIXES_STEP_TOKENS };

void prefix_steps_find(struct prefix_steps *ret_steps, const struct chat_request *request)
{
	size_t i;
	json_t *message;
	size_t filled = 0; /* bytes of the step that has begun */
	uint64_t hash = hash_bytes(1, request->model.data, request->model.size);
	ret_steps->count = 0;
	json_array_foreach(json_object_get(request->root, "messages"), i, message)
	{
		const char *role = json_string_value(json_object_get(message, "role"));
		const json_t *content = json_object_get(message, "content");
		const char *at = json_string_value(content);
		size_t left = json_string_length(content);
		hash = hash_bytes(hash, role ? role : "", role ? strlen(role) : 0);
		while (left > 0 && ret_steps->count < PREFIXES_STEPS_MAX) {
			size_t size = STEP_BYTES - filled;
			size = left < size ? left : size;
			hash = hash_bytes(hash, at, size);
			at += size;
			left -= size;
			filled += size;
			if (filled < STEP_BYTES)
				break;
			ret_steps->hashes[ret_steps->count++] = hash ? hash : 1;
			filled = 0;
		}
	}
}

uint64_t prefixes_seen(struct prefixes *p, const struct prefix_steps *steps)
{
	uint64_t tokens = 0;
	for (size_t i = 0; i < steps->count; i++) {
		uint64_t *slot = &p->hashes[steps->hashes[i] % PREFIXES_MAX];
		if (*slot == steps->hashes[i])
			tokens = (i + 1) * PREFIXES_STEP_TOKENS;
		*slot = steps->hashes[i];
	}
	return tokens < PREFIXES_TOKENS_MIN ? 0 : tokens;
}
