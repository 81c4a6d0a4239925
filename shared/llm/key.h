/*
 * The key of a question to an LLM server, under which its reply is kept: the same question, the
 * same key. BLAKE2b-256 (RFC 7693) over what is sent; no secret and no server's address is in it,
 * so that a proxy or another port of the same server changes nothing. Pure.
 */
#ifndef FREEAL_LLM_KEY_H
#define FREEAL_LLM_KEY_H

#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 32

struct key {
	uint8_t bytes[KEY_BYTES];
};

/*
 * `path` is the request's, such as "/chat/completions". `slot` tells several answers to one body
 * apart, which a server gives by chance (votes): 0 where there is one. Repeated asks differ by
 * their body.
 */
struct key key_make(const char *path, uint32_t slot, const void *body, size_t size);

#endif
