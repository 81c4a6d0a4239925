/* The key file as text. */
#include "wire/auth_impl.h"

#include "base/buf.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define WORDS_MAX 4
#define LINE_BYTES_MAX (32 + AUTH_TEXT_BYTES + AUTH_NAME_BYTES_MAX) /* as written */

struct reading {
	const char *path;
	uint32_t line;
	struct auth *auth;
	bool has_public, has_secret;
	struct err_msg *msg;
};

static enum err reading_fail(struct reading *r, const char *what)
{
	return err_set(r->msg, ERR_INVALID, "%s:%u: %s", r->path, r->line, what);
}

static enum err key_take(struct reading *r, const char *text, uint8_t *ret_key)
{
	if (strlen(text) != AUTH_TEXT_BYTES || !zmq_z85_decode(ret_key, text))
		return reading_fail(r, "this is no key: a key has 40 characters, copied whole");
	return ERR_OK;
}

static enum err role_take(struct reading *r, const char *text)
{
	if (r->auth->role)
		return reading_fail(r, "there are two `role` lines");
	r->auth->role = auth_role_parse(text);
	return r->auth->role
		   ? ERR_OK
		   : reading_fail(r, "the role is annotator, trainer, selector or coordinator");
}

/* server ROLE KEY, client ROLE KEY [NAME] */
static enum err peer_take(struct reading *r, char *const *words, size_t count)
{
	bool server = strcmp(words[0], "server") == 0;
	struct auth_peer p = {.role = auth_role_parse(words[1])};
	if (!p.role)
		return reading_fail(
		    r, "the second word is annotator, trainer, selector or coordinator");
	if (count == 4 && strlen(words[3]) >= sizeof p.name)
		return reading_fail(r, "the name is too long");
	if (count == 4)
		memcpy(p.name, words[3], strlen(words[3]));
	enum err e = key_take(r, words[2], p.key);
	if (e)
		return e;
	if (server && r->auth->servers[p.role].role)
		return reading_fail(r, "there are two `server` lines of this role");
	if (server) {
		r->auth->servers[p.role] = p;
		return ERR_OK;
	}
	if (auth_client(r->auth, p.key))
		return reading_fail(r, "this client's key is listed twice");
	e = auth_client_add(r->auth, &p);
	return e == ERR_LIMIT ? reading_fail(r, "there are more than 1,024 clients") : e;
}

static enum err words_take(struct reading *r, char *const *words, size_t count)
{
	struct auth *a = r->auth;
	if (count == 2 && strcmp(words[0], "role") == 0)
		return role_take(r, words[1]);
	if (count == 2 && strcmp(words[0], "public") == 0) {
		r->has_public = true;
		return key_take(r, words[1], a->public);
	}
	if (count == 2 && strcmp(words[0], "secret") == 0) {
		r->has_secret = true;
		return key_take(r, words[1], a->secret);
	}
	if (count == 3 && strcmp(words[0], "server") == 0)
		return peer_take(r, words, count);
	if ((count == 3 || count == 4) && strcmp(words[0], "client") == 0)
		return peer_take(r, words, count);
	/* The line may hold a secret: it is not quoted. */
	return reading_fail(r, "expected `role ROLE`, `public KEY`, `secret KEY`, "
			       "`server ROLE KEY` or `client ROLE KEY [NAME]`");
}

static enum err line_take(struct reading *r, char *line)
{
	char *words[WORDS_MAX + 1], *rest = NULL;
	size_t count = 0;
	if (line[0] == '#')
		return ERR_OK;
	for (char *word = strtok_r(line, " \t\r", &rest); word && count <= WORDS_MAX;
	     word = strtok_r(NULL, " \t\r", &rest))
		words[count++] = word;
	return count ? words_take(r, words, count) : ERR_OK;
}

/* The public key is what the secret one makes of it. */
static bool pair_fits(const struct auth *a)
{
	char secret[AUTH_TEXT_BYTES + 1], public[AUTH_TEXT_BYTES + 1];
	uint8_t key[AUTH_KEY_BYTES];
	(void)zmq_z85_encode(secret, a->secret, AUTH_KEY_BYTES);
	bool fits = zmq_curve_public(public, secret) == 0 && zmq_z85_decode(key, public) &&
		    memcmp(key, a->public, sizeof key) == 0;
	sodium_memzero(secret, sizeof secret);
	return fits;
}

static enum err text_parse(struct reading *r, char *text)
{
	char *rest = text;
	enum err e = ERR_OK;
	while (!e && rest) {
		char *line = strsep(&rest, "\n");
		r->line++;
		e = line_take(r, line);
	}
	if (e)
		return e;
	if (!r->auth->role || !r->has_public || !r->has_secret)
		return err_set(r->msg, ERR_INVALID,
			       "%s: a key file has the lines `role`, `public` and `secret`",
			       r->path);
	if (!pair_fits(r->auth))
		return err_set(r->msg, ERR_INVALID,
			       "%s: its public key doesn't belong to its secret key", r->path);
	return ERR_OK;
}

/* The bytes of an open file, with a NUL behind them; sodium_free it. */
static enum err text_read(int fd, const char *path, char **ret_text, struct err_msg *msg)
{
	char *text = sodium_malloc(AUTH_FILE_BYTES_MAX + 1);
	if (!text)
		return err_set(msg, ERR_NO_MEMORY, "no memory for keys");
	size_t size = 0;
	ssize_t n = 1;
	while (n > 0 && size < AUTH_FILE_BYTES_MAX) {
		n = read(fd, text + size, AUTH_FILE_BYTES_MAX - size);
		size += n > 0 ? (size_t)n : 0;
	}
	text[size] = '\0';
	enum err e = ERR_OK;
	if (n < 0)
		e = err_set(msg, ERR_INVALID, "cannot read %s: %s", path, strerror(errno));
	else if (size == AUTH_FILE_BYTES_MAX || strlen(text) != size)
		e = err_set(msg, ERR_INVALID, "%s is no key file; `freeal keys DIR` makes them",
			    path);
	if (e)
		sodium_free(text);
	else
		*ret_text = text;
	return e;
}

static enum err file_open(const char *path, struct stat *ret_stat, int *ret_fd, struct err_msg *msg)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(msg, ERR_INVALID,
			       "there is no key file %s; `freeal keys DIR` makes them", path);
	if (fd < 0 || fstat(fd, ret_stat) != 0) {
		(void)err_set(msg, ERR_INVALID, "cannot read %s: %s", path, strerror(errno));
	} else if (ret_stat->st_mode & (S_IROTH | S_IWOTH)) {
		(void)err_set(msg, ERR_INVALID,
			      "%s holds a secret key and everybody may %s it: chmod 600 %s", path,
			      ret_stat->st_mode & S_IWOTH ? "change" : "read", path);
	} else {
		*ret_fd = fd;
		return ERR_OK;
	}
	if (fd >= 0)
		(void)close(fd);
	return ERR_INVALID;
}

static enum err file_read(const char *path, struct auth *a, struct err_msg *msg)
{
	char *text = NULL;
	int fd = -1;
	enum err e = file_open(path, &a->stat, &fd, msg);
	if (e)
		return e;
	e = text_read(fd, path, &text, msg);
	(void)close(fd);
	if (e)
		return e;
	struct reading r = {.path = path, .auth = a, .msg = msg};
	e = text_parse(&r, text);
	sodium_free(text);
	a->path = strdup(path);
	return e || a->path ? e : err_set(msg, ERR_NO_MEMORY, "no memory for keys");
}

enum err auth_load(const char *path, Freeal__Role role, struct auth **ret_auth, struct err_msg *msg)
{
	if (!path) {
		*ret_auth = NULL;
		return ERR_OK;
	}
	struct auth *a;
	enum err e = auth_alloc(&a, msg);
	if (e)
		return e;
	e = file_read(path, a, msg);
	if (!e && a->role != role)
		e = err_set(msg, ERR_INVALID, "%s is the key of the role %s, not of the %s", path,
			    auth_role_name(a->role), auth_role_name(role));
	if (e)
		auth_free(a);
	else
		*ret_auth = a;
	return e;
}

bool auth_changed(const struct auth *a)
{
	struct stat now;
	const struct stat *then = &a->stat;
	return a->path && stat(a->path, &now) == 0 &&
	       (now.st_ino != then->st_ino || now.st_size != then->st_size ||
		now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != then->st_mtim.tv_nsec);
}

static void key_add(struct buf *b, const char *what, const uint8_t *key)
{
	char text[AUTH_TEXT_BYTES + 1];
	(void)zmq_z85_encode(text, key, AUTH_KEY_BYTES);
	buf_add_str(b, what);
	buf_add_char(b, ' ');
	buf_add(b, text, AUTH_TEXT_BYTES);
	sodium_memzero(text, sizeof text);
}

static void peer_add(struct buf *b, const char *what, const struct auth_peer *p)
{
	buf_printf(b, "%s ", what);
	key_add(b, auth_role_name(p->role), p->key);
	buf_printf(b, "%s%s\n", p->name[0] ? " " : "", p->name);
}

static void text_make(struct buf *b, const struct auth *a)
{
	buf_printf(b,
		   "# The %s's key to a freeal project. Whoever has it can act as the %s: keep it "
		   "secret.\nrole %s\n",
		   auth_role_name(a->role), auth_role_name(a->role), auth_role_name(a->role));
	key_add(b, "public", a->public);
	key_add(b, "\nsecret", a->secret);
	buf_add_char(b, '\n');
	for (size_t i = 0; i < AUTH_ROLE_COUNT; i++)
		if (a->servers[i].role)
			peer_add(b, "server", &a->servers[i]);
	if (a->client_count)
		buf_add_str(b,
			    "# Who may connect. A client's line removed is its access removed.\n");
	for (size_t i = 0; i < a->client_count; i++)
		peer_add(b, "client", &a->clients[i]);
}

enum err auth_save(const struct auth *a, const char *path, struct err_msg *msg)
{
	struct buf b;
	char fresh[4096];
	if (snprintf(fresh, sizeof fresh, "%s~", path) >= (int)sizeof fresh)
		return err_set(msg, ERR_INVALID, "%s: the path is too long", path);
	buf_init(&b, AUTH_FILE_BYTES_MAX);
	/* All of it at once: memory that grows leaves copies of the secret behind. */
	(void)buf_extend(&b, 1024 + (AUTH_ROLE_COUNT + a->client_count) * LINE_BYTES_MAX);
	buf_reset(&b);
	text_make(&b, a);
	if (buf_error(&b)) {
		enum err e = buf_error(&b);
		buf_done(&b);
		return err_set(msg, e, "%s: %s", path, err_str(e));
	}
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fchmod(fd, 0600) == 0 &&
		  write(fd, b.data, b.size) == (ssize_t)b.size && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	sodium_memzero(b.data, b.size);
	buf_done(&b);
	if (!ok || rename(fresh, path) != 0) {
		int error = errno;
		(void)unlink(fresh);
		return err_set(msg, error == ENOSPC ? ERR_FULL : ERR_IO, "cannot write %s: %s",
			       path, strerror(error));
	}
	return folder_sync_parent(path, msg);
}
