#include "cli/client.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/stop.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_BYTES_MAX (64u << 20)
#define ERROR_BYTES_MAX (64u << 10)
#define CONNECT_MS 2000
/* A reply that stands still this long is given up. */
#define STILL_S 120
/* What is being posted when the process is told to stop has so long to be answered. */
#define FINISH_MS 3000

struct client {
	CURL *curl;
	char base[320];
	struct curl_slist *headers;
};

/* One transfer. */
struct transfer {
	CURL *curl;
	client_data_fn *data;
	void *context;
	struct err_msg *msg;
	struct buf error; /* the body of a reply that is an error */
	enum err result;  /* what `data` said */
	bool posts;	  /* something that is better known to be taken, or not */
	uint64_t stop_ms; /* when it was noticed that the process is to stop; 0: not yet */
};

enum err client_new(struct client **ret_client, struct err_msg *msg)
{
	struct client *c = calloc(1, sizeof *c);
	if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		free(c);
		return err_set(msg, ERR_NO_MEMORY, "cannot set up the HTTP client");
	}
	c->curl = curl_easy_init();
	if (!c->curl) {
		client_free(c);
		return err_set(msg, ERR_NO_MEMORY, "cannot set up the HTTP client");
	}
	*ret_client = c;
	return ERR_OK;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	curl_global_cleanup();
	free(c);
}

enum err client_set(struct client *c, const char *address, const char *token)
{
	char base[sizeof c->base], header[512];
	int n = snprintf(base, sizeof base, "http://%s", address);
	if (n < 0 || (size_t)n >= sizeof base)
		return ERR_LIMIT;
	n = snprintf(header, sizeof header, "Authorization: Bearer %s", token);
	if (n < 0 || (size_t)n >= sizeof header)
		return ERR_LIMIT;
	/* No round trip for a "100 Continue" before a large body. */
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	struct curl_slist *more = headers ? curl_slist_append(headers, header) : NULL;
	if (!more) {
		curl_slist_free_all(headers);
		return ERR_NO_MEMORY;
	}
	memcpy(c->base, base, sizeof base);
	curl_slist_free_all(c->headers);
	c->headers = more;
	return ERR_OK;
}

static size_t transfer_write(char *data, size_t unit, size_t count, void *context)
{
	struct transfer *t = context;
	size_t size = unit * count;
	long status = 0;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400) {
		buf_add(&t->error, data, size);
		return size;
	}
	t->result = t->data ? t->data(t->context, data, size, t->msg) : ERR_OK;
	return t->result ? 0 : size;
}

static int transfer_progress(void *context, curl_off_t total_in, curl_off_t in,
			     curl_off_t total_out, curl_off_t out)
{
	(void)total_in;
	(void)in;
	(void)total_out;
	(void)out;
	struct transfer *t = context;
	const struct clock clock = clock_system();
	if (!stop_requested())
		return 0;
	if (!t->stop_ms)
		t->stop_ms = clock_mono_ms(&clock);
	return !t->posts || clock_mono_ms(&clock) - t->stop_ms >= FINISH_MS;
}

/* The server's words: {"error": "..."} or the text itself. */
static void error_words(const struct buf *body, char *ret_words, size_t size)
{
	json_t *root = json_loadb(buf_str(body), body->size, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	if (json_is_object(error))
		error = json_object_get(error, "message");
	const char *words = json_string_value(error);
	(void)snprintf(ret_words, size, "%.500s", words ? words : buf_str(body));
	json_decref(root);
}

static enum err status_error(long status, const char *path, const struct buf *body,
			     struct err_msg *msg)
{
	char words[512];
	error_words(body, words, sizeof words);
	if (!words[0])
		(void)snprintf(words, sizeof words, "the coordinator answered %ld to %s", status,
			       path);
	enum err e = ERR_PROTOCOL;
	if (status == 404)
		e = ERR_NOT_FOUND;
	else if (status == 400 || status == 413 || status == 422)
		e = ERR_INVALID;
	else if (status == 429 || status == 503)
		e = ERR_AGAIN;
	return err_set(msg, e, "%s", words);
}

static enum err transfer_result(const struct transfer *t, CURLcode code, const char *path)
{
	long status = 0;
	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_set(t->msg, ERR_CANCELLED, "stopped");
	if (t->result)
		return t->result;
	if (code != CURLE_OK)
		return err_set(t->msg, ERR_AGAIN, "the coordinator does not answer: %s",
			       curl_easy_strerror(code));
	if (status >= 400)
		return status_error(status, path, &t->error, t->msg);
	return ERR_OK;
}

static enum err client_transfer(struct client *c, const char *path, const void *body, size_t size,
				struct transfer *t)
{
	char url[512];
	int n = snprintf(url, sizeof url, "%s%s", c->base, path);
	if (n < 0 || (size_t)n >= sizeof url)
		return err_set(t->msg, ERR_LIMIT, "a path is too long: %.100s", path);
	/* Keeps the connection, forgets the options. */
	curl_easy_reset(c->curl);
	(void)curl_easy_setopt(c->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	(void)curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, (long)STILL_S);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, transfer_progress);
	(void)curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, t);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, transfer_write);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, t);
	if (body) {
		(void)curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
		(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	}
	t->curl = c->curl;
	t->posts = body != NULL;
	buf_init(&t->error, ERROR_BYTES_MAX);
	CURLcode code = curl_easy_perform(c->curl);
	enum err e = transfer_result(t, code, path);
	buf_done(&t->error);
	return e;
}

static enum err reply_data(void *context, const void *data, size_t size, struct err_msg *msg)
{
	struct buf *reply = context;
	buf_add(reply, data, size);
	return buf_error(reply) ? err_set(msg, ERR_LIMIT, "a reply of the coordinator is too large")
				: ERR_OK;
}

enum err client_json(struct client *c, const char *path, const void *body, size_t size,
		     json_t **ret_json, struct err_msg *msg)
{
	struct buf reply;
	buf_init(&reply, REPLY_BYTES_MAX);
	struct transfer t = {.data = reply_data, .context = &reply, .msg = msg};
	enum err e = client_transfer(c, path, body, size, &t);
	if (!e && ret_json) {
		json_t *root = json_loadb(buf_str(&reply), reply.size, JSON_ALLOW_NUL, NULL);
		if (json_is_object(root))
			*ret_json = root;
		else
			e = err_set(msg, ERR_PROTOCOL, "the coordinator's reply to %s is no JSON",
				    path);
		if (e)
			json_decref(root);
	}
	buf_done(&reply);
	return e;
}

enum err client_stream(struct client *c, const char *path, client_data_fn *data, void *context,
		       struct err_msg *msg)
{
	struct transfer t = {.data = data, .context = context, .msg = msg};
	return client_transfer(c, path, NULL, 0, &t);
}
