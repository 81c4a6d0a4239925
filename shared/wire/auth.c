#include "wire/auth.h"

#include "wire/auth_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static const char *const role_names[AUTH_ROLE_COUNT] = {
    [FREEAL__ROLE__ROLE_NONE] = "none",		 [FREEAL__ROLE__ANNOTATOR] = "annotator",
    [FREEAL__ROLE__TRAINER] = "trainer",	 [FREEAL__ROLE__SELECTOR] = "selector",
    [FREEAL__ROLE__COORDINATOR] = "coordinator",
};

const char *auth_role_name(Freeal__Role role)
{
	return role < AUTH_ROLE_COUNT ? role_names[role] : role_names[0];
}

Freeal__Role auth_role_parse(const char *name)
{
	for (size_t i = 1; i < AUTH_ROLE_COUNT; i++)
		if (strcmp(name, role_names[i]) == 0)
			return (Freeal__Role)i;
	return FREEAL__ROLE__ROLE_NONE;
}

enum err auth_alloc(struct auth **ret_auth, struct err_msg *msg)
{
	if (sodium_init() < 0)
		return err_set(msg, ERR_IO, "cannot start libsodium");
	struct auth *a = calloc(1, sizeof *a);
	if (a)
		a->secret = sodium_malloc(AUTH_KEY_BYTES);
	if (!a || !a->secret) {
		free(a);
		return err_set(msg, ERR_NO_MEMORY, "no memory for keys");
	}
	*ret_auth = a;
	return ERR_OK;
}

enum err auth_new(Freeal__Role role, struct auth **ret_auth, struct err_msg *msg)
{
	struct auth *a;
	enum err e = auth_alloc(&a, msg);
	if (e)
		return e;
	char public_text[AUTH_TEXT_BYTES + 1], secret_text[AUTH_TEXT_BYTES + 1];
	if (zmq_curve_keypair(public_text, secret_text) != 0) {
		auth_free(a);
		return err_set(msg, ERR_IO, "cannot make keys: %s", zmq_strerror(zmq_errno()));
	}
	a->role = role;
	(void)zmq_z85_decode(a->public, public_text);
	(void)zmq_z85_decode(a->secret, secret_text);
	sodium_memzero(secret_text, sizeof secret_text);
	*ret_auth = a;
	return ERR_OK;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	sodium_free(a->secret);
	free(a->clients);
	free(a->path);
	free(a);
}

const char *auth_path(const struct auth *a)
{
	return a->path;
}

Freeal__Role auth_role(const struct auth *a)
{
	return a->role;
}

const uint8_t *auth_public(const struct auth *a)
{
	return a->public;
}

const uint8_t *auth_secret(const struct auth *a)
{
	return a->secret;
}

const uint8_t *auth_server(const struct auth *a, Freeal__Role role)
{
	return role < AUTH_ROLE_COUNT && a->servers[role].role ? a->servers[role].key : NULL;
}

Freeal__Role auth_client(const struct auth *a, const uint8_t *public_key)
{
	for (size_t i = 0; i < a->client_count; i++)
		if (memcmp(a->clients[i].key, public_key, AUTH_KEY_BYTES) == 0)
			return a->clients[i].role;
	return FREEAL__ROLE__ROLE_NONE;
}

size_t auth_client_count(const struct auth *a)
{
	return a->client_count;
}

bool auth_fits(const struct auth *server, const struct auth *client)
{
	const uint8_t *key = auth_server(client, server->role);
	return key && memcmp(key, server->public, AUTH_KEY_BYTES) == 0 &&
	       auth_client(server, client->public) == client->role;
}

void auth_server_set(struct auth *a, const struct auth *server)
{
	struct auth_peer *p = &a->servers[server->role];
	p->role = server->role;
	memcpy(p->key, server->public, AUTH_KEY_BYTES);
}

enum err auth_client_add(struct auth *a, const struct auth_peer *client)
{
	if (a->client_count == AUTH_CLIENT_COUNT_MAX)
		return ERR_LIMIT;
	struct auth_peer *grown = realloc(a->clients, (a->client_count + 1) * sizeof *a->clients);
	if (!grown)
		return ERR_NO_MEMORY;
	a->clients = grown;
	a->clients[a->client_count++] = *client;
	return ERR_OK;
}

enum err auth_client_put(struct auth *a, const struct auth *client, const char *name)
{
	struct auth_peer p = {.role = client->role};
	memcpy(p.key, client->public, AUTH_KEY_BYTES);
	if (strlen(name) >= sizeof p.name)
		return ERR_LIMIT;
	memcpy(p.name, name, strlen(name));
	for (size_t i = 0; i < a->client_count; i++) {
		if (a->clients[i].role == p.role && strcmp(a->clients[i].name, name) == 0) {
			a->clients[i] = p;
			return ERR_OK;
		}
	}
	return auth_client_add(a, &p);
}
