/*
 * freeal keys: the key files of a project's services, a folder each, so that each
 * service can be given its own alone.
 *
 * A key that is there stays. New ones are first written beside their place, then their servers'
 * lists of clients, and only then they get their names: when this is killed, the next
 * run goes on with those that are listed already.
 */
#include "base/crash.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/path.h"
#include "config/option.h"
#include "wire/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* In the order in which they get their names: servers before their clients. */
static const Freeal__Role roles[] = {FREEAL__ROLE__COORDINATOR, FREEAL__ROLE__SELECTOR,
				     FREEAL__ROLE__TRAINER, FREEAL__ROLE__ANNOTATOR};

#define ROLE_COUNT (sizeof roles / sizeof *roles)
#define KEY_COUNT_MAX (ROLE_COUNT + 1)

struct key {
	Freeal__Role role;
	const char *host; /* "": the role's */
	struct path path;
	struct path fresh; /* where it is until it is listed */
	struct auth *auth; /* NULL: missing */
	bool staged;	   /* it is at `fresh` */
	bool listed;	   /* its list of clients has changed */
};

struct keys {
	struct path folder;
	int lock_fd;
	struct key keys[KEY_COUNT_MAX];
	size_t count;
};

/* The trainer connects to the selector, and everybody to the coordinator. */
static bool serves(const struct key *server, const struct key *client)
{
	if (server == client || server->host[0])
		return false;
	return server->role == FREEAL__ROLE__COORDINATOR ||
	       (server->role == FREEAL__ROLE__SELECTOR && client->role == FREEAL__ROLE__TRAINER);
}

/* The key's servers are there, and it fits them and all others. */
static bool fits_all(const struct keys *k, const struct key *key)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct key *other = &k->keys[i];
		if (!other->auth && serves(other, key))
			return false;
		if (!other->auth)
			continue;
		if ((serves(other, key) && !auth_fits(other->auth, key->auth)) ||
		    (serves(key, other) && !auth_fits(key->auth, other->auth)))
			return false;
	}
	return true;
}

static enum err key_load(struct keys *k, Freeal__Role role, const char *host, struct err_msg *msg)
{
	struct key *key = &k->keys[k->count];
	struct path folder;
	const char *name = auth_role_name(role);
	*key = (struct key){.role = role, .host = host};
	enum err e =
	    path_set(&folder, msg, "%s/%s%s%s", k->folder.text, name, host[0] ? "-" : "", host);
	if (!e)
		e = path_make_folder(folder.text, 0700, msg);
	if (!e)
		e = path_set(&key->path, msg, "%s/%s.key", folder.text, name);
	if (!e)
		e = path_set(&key->fresh, msg, "%s.new", key->path.text);
	if (!e && access(key->path.text, F_OK) == 0)
		e = auth_load(key->path.text, role, &key->auth, msg);
	if (!e)
		k->count++;
	return e;
}

/* Goes on where an earlier run was killed; what was not listed yet is made again. */
static void staged_load(struct keys *k, struct key *key)
{
	struct err_msg msg;
	bool first = key->role == FREEAL__ROLE__COORDINATOR;
	if (access(key->fresh.text, F_OK) != 0)
		return;
	if (!first && auth_load(key->fresh.text, key->role, &key->auth, &msg) == ERR_OK) {
		key->staged = fits_all(k, key);
		if (key->staged)
			return;
		auth_free(key->auth);
		key->auth = NULL;
	}
	(void)unlink(key->fresh.text);
}

/* A server's key is in the files of all its clients: they go together. */
static enum err server_missing(const struct keys *k, const struct key *server, struct err_msg *msg)
{
	struct err_msg clients = {{0}};
	for (size_t i = 0; i < k->count; i++) {
		size_t size = strlen(clients.text);
		if (k->keys[i].auth && serves(server, &k->keys[i]))
			(void)snprintf(clients.text + size, sizeof clients.text - size, " %s",
				       k->keys[i].path.text);
	}
	return err_set(
	    msg, ERR_INVALID,
	    "%.200s is missing, and what is there works with no other: put it back, or for "
	    "new ones remove also%.700s",
	    server->path.text, clients.text);
}

static enum err pair_check(const struct keys *k, const struct key *server, const struct key *client,
			   struct err_msg *msg)
{
	if (!serves(server, client) || !client->auth)
		return ERR_OK;
	if (!server->auth)
		return server_missing(k, server, msg);
	if (auth_fits(server->auth, client->auth))
		return ERR_OK;
	return err_set(
	    msg, ERR_INVALID,
	    "%.450s doesn't fit %.450s: remove the first and run this again for a new one",
	    client->path.text, server->path.text);
}

static enum err keys_check(const struct keys *k, struct err_msg *msg)
{
	enum err e = ERR_OK;
	for (size_t s = 0; !e && s < k->count; s++)
		for (size_t c = 0; !e && c < k->count; c++)
			e = pair_check(k, &k->keys[s], &k->keys[c], msg);
	return e;
}

/* Makes a missing one and lists it with its servers. */
static enum err key_make(struct keys *k, struct key *key, struct err_msg *msg)
{
	enum err e = auth_new(key->role, &key->auth, msg);
	for (size_t i = 0; !e && i < k->count; i++) {
		struct key *server = &k->keys[i];
		if (!serves(server, key))
			continue;
		auth_server_set(key->auth, server->auth);
		e = auth_client_put(server->auth, key->auth, key->host);
		if (e)
			return err_set(msg, e, "%s lists %d clients: there is no room for more",
				       server->path.text, AUTH_CLIENT_COUNT_MAX);
		server->listed = true;
	}
	key->staged = !e;
	return e;
}

/* Servers' lists are complete when their clients are made, so all is written behind that. */
static enum err keys_write(struct keys *k, struct err_msg *msg)
{
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < k->count; i++)
		if (k->keys[i].staged)
			e = auth_save(k->keys[i].auth, k->keys[i].fresh.text, msg);
	crash_point("keys_staged");
	for (size_t i = 0; !e && i < k->count; i++) {
		const struct key *key = &k->keys[i];
		if (!key->staged && key->listed)
			e = auth_save(key->auth, key->path.text, msg);
		if (!e && !key->staged && key->listed)
			console_say("%s lists the new keys", key->path.text);
		crash_point("keys_listed");
	}
	for (size_t i = 0; !e && i < k->count; i++) {
		const struct key *key = &k->keys[i];
		if (!key->staged)
			continue;
		if (rename(key->fresh.text, key->path.text) != 0)
			return err_set(msg, ERR_IO, "cannot write %s: %s", key->path.text,
				       strerror(errno));
		console_say("made %s", key->path.text);
		crash_point("keys_named");
	}
	return e;
}

/* Another run in this folder is waited for. */
static enum err keys_lock(struct keys *k, const char *folder, struct err_msg *msg)
{
	enum err e = path_set_folder(&k->folder, folder, msg);
	if (!e)
		e = path_make_folder(k->folder.text, 0700, msg);
	if (e)
		return e;
	k->lock_fd = open(k->folder.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->lock_fd < 0 || flock(k->lock_fd, LOCK_EX) != 0)
		return err_set(msg, ERR_IO, "cannot lock %s: %s", k->folder.text, strerror(errno));
	return ERR_OK;
}

static enum err keys_make(struct keys *k, const char *folder, const char *host, struct err_msg *msg)
{
	enum err e = keys_lock(k, folder, msg);
	for (size_t i = 0; !e && i < ROLE_COUNT; i++)
		e = key_load(k, roles[i], "", msg);
	if (!e && host)
		e = key_load(k, FREEAL__ROLE__ANNOTATOR, host, msg);
	for (size_t i = 0; !e && i < k->count; i++)
		if (!k->keys[i].auth)
			staged_load(k, &k->keys[i]);
	if (!e)
		e = keys_check(k, msg);
	bool any = false;
	for (size_t i = 0; !e && i < k->count; i++) {
		any = any || !k->keys[i].auth || k->keys[i].staged;
		if (!k->keys[i].auth)
			e = key_make(k, &k->keys[i], msg);
	}
	if (!e && !any)
		console_say("all keys are in %s already", k->folder.text);
	return e ? e : keys_write(k, msg);
}

static void keys_done(struct keys *k)
{
	for (size_t i = 0; i < k->count; i++)
		auth_free(k->keys[i].auth);
	if (k->lock_fd >= 0)
		(void)close(k->lock_fd);
}

/* It becomes a folder's name and a word in key files. */
static bool host_good(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t size = strlen(host);
	return size > 0 && size < AUTH_NAME_BYTES_MAX && strspn(host, letters) == size;
}

int command_keys(int argc, char **argv)
{
	const char *host = NULL;
	const struct option_entry entries[] = {
	    {.name = "annotator",
	     .type = OPTION_STRING,
	     .value = &host,
	     .arg = "NAME",
	     .help = "also make DIR/annotator-NAME, a key of its own for the annotators of one "
		     "host"},
	};
	const struct option_program program = {
	    .name = "freeal keys",
	    .usage = "DIR",
	    .summary =
		"Makes the key files DIR/ROLE/ROLE.key of coordinator, selector, trainer and "
		"annotator,\nwhere they are missing. Each service gets its own with --key; "
		"keep them secret.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct option_rest rest;
	struct err_msg msg = {{0}};
	struct keys keys = {.lock_fd = -1};
	enum err e = option_parse(&program, argc, argv, &rest, &msg);
	if (!e && rest.done)
		return EXIT_CODE_OK;
	if (!e && host && !host_good(host))
		e = err_set(&msg, ERR_INVALID,
			    "--annotator: a name of at most %d letters, digits, dots, hyphens and "
			    "underscores",
			    AUTH_NAME_BYTES_MAX - 1);
	if (!e)
		e = keys_make(&keys, rest.positionals[0], host, &msg);
	keys_done(&keys);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
