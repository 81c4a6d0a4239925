/*
 * What auth.c and auth_file.c share.
 */
#ifndef FREEAL_WIRE_AUTH_IMPL_H
#define FREEAL_WIRE_AUTH_IMPL_H

#include "wire/auth.h"

#include <sys/stat.h>

#define AUTH_TEXT_BYTES 40 /* a key in Z85 */
#define AUTH_ROLE_COUNT (FREEAL__ROLE__COORDINATOR + 1)

struct auth_peer {
	Freeal__Role role; /* ROLE_NONE: there is none */
	uint8_t key[AUTH_KEY_BYTES];
	char name[AUTH_NAME_BYTES_MAX]; /* of one host's key; "" */
};

struct auth {
	Freeal__Role role;
	uint8_t public[AUTH_KEY_BYTES];
	uint8_t *secret; /* AUTH_KEY_BYTES in libsodium's guarded memory */
	struct auth_peer servers[AUTH_ROLE_COUNT];
	struct auth_peer *clients;
	size_t client_count;
	char *path;
	struct stat stat; /* of the file when it was loaded */
};

/* An empty one. */
enum err auth_alloc(struct auth **ret_auth, struct err_msg *msg) WARN_UNUSED;
/* ERR_LIMIT, ERR_NO_MEMORY. */
enum err auth_client_add(struct auth *a, const struct auth_peer *client) WARN_UNUSED;

#endif
