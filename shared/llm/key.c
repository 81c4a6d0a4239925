#include "llm/key.h"

#include <sodium.h>

#include <assert.h>
#include <string.h>

static_assert(KEY_BYTES >= crypto_generichash_BYTES_MIN &&
		  KEY_BYTES <= crypto_generichash_BYTES_MAX,
	      "a hash of BLAKE2b's sizes");

struct key key_make(const char *path, uint32_t slot, const void *body, size_t size)
{
	struct key key;
	crypto_generichash_state state;
	const uint8_t number[4] = {(uint8_t)(slot >> 24), (uint8_t)(slot >> 16),
				   (uint8_t)(slot >> 8), (uint8_t)slot};
	int failed = crypto_generichash_init(&state, NULL, 0, sizeof key.bytes);
	/* With its end, so that no path and body run into another pair. */
	failed |= crypto_generichash_update(&state, (const uint8_t *)path, strlen(path) + 1);
	failed |= crypto_generichash_update(&state, number, sizeof number);
	failed |= crypto_generichash_update(&state, body, size);
	failed |= crypto_generichash_final(&state, key.bytes, sizeof key.bytes);
	assert(!failed);
	return key;
}
