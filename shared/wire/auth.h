/*
 * Who may talk to whom over TCP: the key file of a role.
 *
 *	role selector
 *	public <40 characters>
 *	secret <40 characters>
 *	server coordinator <its public key>
 *	client trainer <its public key> [NAME]
 *
 * `server` lines name those that the role connects to, `client` lines list those that
 * may connect to it. Keys are CURVE keys in Z85 text. A line that begins with # is a comment.
 * Nothing of a secret key is ever in an error text.
 */
#ifndef FREEAL_WIRE_AUTH_H
#define FREEAL_WIRE_AUTH_H

#include "base/err.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_KEY_BYTES 32
#define AUTH_NAME_BYTES_MAX 64
#define AUTH_CLIENT_COUNT_MAX 1024
#define AUTH_FILE_BYTES_MAX (128u << 10)

/* A role's own pair and the public keys of its servers and clients. */
struct auth;

/* Reads a key file, which has to be that role's. `path` NULL gives NULL: for ipc:// and inproc://
 * alone. ERR_INVALID with FILE:LINE for what its owner has to mend: a missing file and one that
 * everybody may read included. */
enum err auth_load(const char *path, Freeal__Role role, struct auth **ret_auth,
		   struct err_msg *msg) WARN_UNUSED;
/* A new pair, with no servers and clients. */
enum err auth_new(Freeal__Role role, struct auth **ret_auth, struct err_msg *msg) WARN_UNUSED;
void auth_free(struct auth *a);

/* Writes the file, mode 0600, on disk when this returns; replaces what is there. */
enum err auth_save(const struct auth *a, const char *path, struct err_msg *msg) WARN_UNUSED;

/* Where it was loaded from; NULL for a new one. */
const char *auth_path(const struct auth *a);
/* The file at its path is not the one that was loaded. */
bool auth_changed(const struct auth *a);

Freeal__Role auth_role(const struct auth *a);
/* "annotator", "trainer", "selector" or "coordinator"; "none". */
const char *auth_role_name(Freeal__Role role);
/* FREEAL__ROLE__ROLE_NONE: no such role. */
Freeal__Role auth_role_parse(const char *name);

/* AUTH_KEY_BYTES each. */
const uint8_t *auth_public(const struct auth *a);
const uint8_t *auth_secret(const struct auth *a);
/* Public key of the server of that role; NULL: the file names none. */
const uint8_t *auth_server(const struct auth *a, Freeal__Role role);

/* The role that a client's key is listed with; FREEAL__ROLE__ROLE_NONE: it is not listed. */
Freeal__Role auth_client(const struct auth *a, const uint8_t *public_key);
size_t auth_client_count(const struct auth *a);

/* `client` names this server, and the server lists this client. */
bool auth_fits(const struct auth *server, const struct auth *client);

/* `a` connects to `server`. */
void auth_server_set(struct auth *a, const struct auth *server);
/* `client` may connect to `a`. One without a name takes the place of the one of its role without
 * a name, one with a name that of its name. ERR_LIMIT. */
enum err auth_client_put(struct auth *a, const struct auth *client, const char *name) WARN_UNUSED;

#endif
