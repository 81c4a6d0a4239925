#include "llm/embedder.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/rng.h"
#include "llm/api_key.h"
#include "llm/client.h"
#include "llm/embedding.h"
#include "llm/judgement.h"
#include "llm/price.h"
#include "llm/reply.h"
#include "llm/retry_delay.h"
#include "wire/frame.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT_DEFAULT 8u
#define IN_FLIGHT_MAX 64u
#define TRIES_MAX 8u
#define CANCEL_LOOK_MS 200u
#define BATCH_DEFAULT 64u
#define TEXT_BYTES_MAX 32768u /* more no model reads */
#define TEXT_BYTES_MIN 64u
#define REQUEST_BYTES_MAX (8u << 20)
#define REPLY_BYTES (64u << 20)
#define URL_BYTES_MAX 2048

struct embedder {
	Freeal__Embeddings *settings;
	struct client *client;
	struct clock clock;
	struct rng rng;
	Freeal__Usage usage;
	uint64_t next_ms; /* requests per minute: the next one not before */
	/* Of the call that is under way. */
	const char *const *texts;
	const size_t *sizes;
	uint32_t dimensions; /* 0: only asked for */
	float *rows;
	struct batch *waiting;
	struct batch *flying[IN_FLIGHT_MAX];
	size_t in_flight, left; /* texts without a vector */
	enum err error;
	struct err_msg *msg;
};

/* Texts first .. first + count - 1, on their way or waiting. */
struct batch {
	struct batch *next;
	struct embedder *embedder;
	size_t first, count;
	size_t bytes_max; /* of a text */
	uint32_t tries;
	uint64_t due_ms;
};

static void fail(struct embedder *e, enum err code, const char *what, const char *detail)
{
	if (e->error)
		return;
	e->error = code;
	(void)err_set(e->msg, code, "embeddings of %s: %s%s%.200s", e->settings->endpoint->name,
		      what, *detail ? ": " : "", detail);
}

static void batch_wait(struct batch *b, uint64_t due_ms)
{
	b->due_ms = due_ms;
	b->next = b->embedder->waiting;
	b->embedder->waiting = b;
}

static void batch_add(struct embedder *e, size_t first, size_t count, size_t bytes_max)
{
	struct batch *b = calloc(1, sizeof *b);
	if (!b) {
		fail(e, ERR_NO_MEMORY, "no memory", "");
		return;
	}
	*b = (struct batch){.embedder = e, .first = first, .count = count, .bytes_max = bytes_max};
	batch_wait(b, 0);
}

/* Half of the texts at a time, or half of the text. */
static void batch_halve(struct batch *b, const char *detail)
{
	struct embedder *e = b->embedder;
	if (b->count > 1) {
		size_t half = b->count / 2;
		batch_add(e, b->first, half, b->bytes_max);
		batch_add(e, b->first + half, b->count - half, b->bytes_max);
	} else if (b->bytes_max / 2 >= TEXT_BYTES_MIN && e->sizes[b->first] > TEXT_BYTES_MIN) {
		size_t bytes = e->sizes[b->first];
		bytes = bytes < b->bytes_max ? bytes : b->bytes_max;
		batch_add(e, b->first, 1, bytes / 2);
	} else {
		fail(e, ERR_INVALID, "the server takes not even one short text", detail);
	}
	free(b);
}

/* When it will be sent again; 0: given up. */
static uint64_t batch_retry(struct batch *b, const struct client_reply *reply, const char *detail)
{
	struct embedder *e = b->embedder;
	if (++b->tries > TRIES_MAX) {
		fail(e, ERR_IO, "given up after several tries", detail);
		free(b);
		return 0;
	}
	batch_wait(b, clock_mono_ms(&e->clock) +
			  retry_delay_ms(b->tries, reply->retry_after_ms, &e->rng));
	return b->due_ms;
}

static void batch_take(struct batch *b, const struct client_reply *reply)
{
	struct embedder *e = b->embedder;
	uint64_t tokens = 0;
	if (e->dimensions == 0) {
		e->dimensions = embedding_reply_dimensions(reply->body, reply->body_size);
		if (e->dimensions == 0) {
			(void)batch_retry(b, reply, "a reply without vectors");
			return;
		}
		e->left -= b->count;
		free(b);
		return;
	}
	enum err code = embedding_reply_read(reply->body, reply->body_size, b->count, e->dimensions,
					     e->rows + b->first * e->dimensions, &tokens);
	e->usage.tokens_in += tokens;
	e->usage.nano_usd += price_nano_usd(e->settings->endpoint, tokens, 0, 0);
	if (code) {
		(void)batch_retry(b, reply, "a reply without the right vectors");
		return;
	}
	e->left -= b->count;
	free(b);
}

static void batch_landed(struct embedder *e, const struct batch *b)
{
	size_t at = 0;
	while (e->flying[at] != b)
		at++;
	e->flying[at] = e->flying[--e->in_flight];
}

/* What the server said, for people; "" where it repeats the key. */
static void reply_detail(const struct embedder *e, const struct client_reply *reply,
			 const struct reply_error *error, char *ret, size_t size)
{
	const Freeal__Endpoint *endpoint = e->settings->endpoint;
	(void)snprintf(ret, size, "HTTP %u %.200s", reply->status,
		       *error->message ? error->message : reply->error);
	if (api_key_repeated(endpoint->key_env, endpoint->key_file, ret))
		(void)snprintf(ret, size, "HTTP %u", reply->status);
}

static void on_done(void *context, void *cookie, const struct client_reply *reply)
{
	struct embedder *e = context;
	struct batch *b = cookie;
	struct reply_error error = {0};
	char detail[256];
	uint64_t due_ms;
	batch_landed(e, b);
	if (reply->transfer == TRANSFER_DONE && reply->status / 100 != 2)
		reply_error_parse(reply->body, reply->body_size, &error);
	struct outcome outcome = {.transfer = reply->transfer,
				  .status = reply->status,
				  .code = error.code,
				  .retry_after_ms = reply->retry_after_ms};
	reply_detail(e, reply, &error, detail, sizeof detail);
	switch (judgement_of(&outcome).verdict) {
	case VERDICT_ANSWER:
		batch_take(b, reply);
		break;
	case VERDICT_BLOCK:
		fail(e, ERR_INVALID, "the server refuses; check its url, model, key and credit",
		     reply->transfer == TRANSFER_CERTIFICATE ? "its certificate is not valid"
							     : detail);
		free(b);
		break;
	case VERDICT_UNUSABLE:
		batch_halve(b, detail);
		break;
	case VERDICT_PAUSE:
		/* Who is told to slow down sends nothing else meanwhile. */
		due_ms = batch_retry(b, reply, detail);
		e->next_ms = due_ms > e->next_ms ? due_ms : e->next_ms;
		break;
	case VERDICT_RETRY:
		(void)batch_retry(b, reply, detail);
		break;
	}
}

/* No character is cut in two. */
static size_t text_cut(const char *text, size_t size, size_t most)
{
	if (size <= most)
		return size;
	while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
		most--;
	return most;
}

static enum err body_write(const struct batch *b, struct buf *body)
{
	const struct embedder *e = b->embedder;
	size_t *sizes = malloc(b->count * sizeof *sizes);
	if (!sizes)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < b->count; i++)
		sizes[i] = text_cut(e->texts[b->first + i], e->sizes[b->first + i], b->bytes_max);
	enum err code =
	    embedding_request_write(e->settings, e->texts + b->first, sizes, b->count, body);
	free(sizes);
	return code;
}

static void batch_send(struct batch *b)
{
	struct embedder *e = b->embedder;
	const Freeal__Endpoint *endpoint = e->settings->endpoint;
	char url[URL_BYTES_MAX];
	struct buf body;
	buf_init(&body, REQUEST_BYTES_MAX);
	struct client_request request = {.url = url,
					 .key_env = endpoint->key_env,
					 .key_file = endpoint->key_file,
					 .key_header = *endpoint->api_version != '\0',
					 .body = &body,
					 .reply_bytes_max = REPLY_BYTES,
					 .timeout_ms = endpoint->timeout_ms,
					 .cookie = b};
	enum err code = client_url_write(endpoint, "/embeddings", url, sizeof url);
	if (!code)
		code = body_write(b, &body);
	if (!code)
		code = client_send(e->client, &request);
	buf_done(&body);
	if (code == ERR_LIMIT && b->count > 1) {
		batch_halve(b, "");
		return;
	}
	if (code) {
		fail(e, code == ERR_NOT_FOUND ? ERR_INVALID : code,
		     code == ERR_NOT_FOUND ? "no key: set the variable or file that holds it"
					   : err_str(code),
		     code == ERR_NOT_FOUND ? endpoint->key_env : "");
		free(b);
		return;
	}
	e->flying[e->in_flight++] = b;
	e->usage.requests++;
	if (endpoint->requests_per_minute > 0)
		e->next_ms = clock_mono_ms(&e->clock) + 60000 / endpoint->requests_per_minute;
}

/* Takes a batch out that is due; NULL: none. `ret_due_ms`: when the next one is. */
static struct batch *batch_due(struct embedder *e, uint64_t now_ms, uint64_t *ret_due_ms)
{
	*ret_due_ms = UINT64_MAX;
	for (struct batch **at = &e->waiting; *at; at = &(*at)->next) {
		struct batch *b = *at;
		uint64_t due_ms = b->due_ms > e->next_ms ? b->due_ms : e->next_ms;
		if (due_ms <= now_ms) {
			*at = b->next;
			return b;
		}
		if (due_ms < *ret_due_ms)
			*ret_due_ms = due_ms;
	}
	return NULL;
}

static uint32_t in_flight_max(const struct embedder *e)
{
	uint32_t n = e->settings->endpoint->concurrency;
	if (n == 0)
		return IN_FLIGHT_DEFAULT;
	return n < IN_FLIGHT_MAX ? n : IN_FLIGHT_MAX;
}

static void turn(struct embedder *e)
{
	uint64_t now_ms = clock_mono_ms(&e->clock), due_ms = UINT64_MAX;
	struct batch *b;
	while (!e->error && e->in_flight < in_flight_max(e) && (b = batch_due(e, now_ms, &due_ms)))
		batch_send(b);
	if (client_due_ms(e->client) < due_ms)
		due_ms = client_due_ms(e->client);
	if (due_ms > now_ms + CANCEL_LOOK_MS)
		due_ms = now_ms + CANCEL_LOOK_MS;
	struct pollfd item = {.fd = client_fd(e->client), .events = POLLIN};
	if (!e->error)
		(void)poll(&item, 1, due_ms > now_ms ? (int)(due_ms - now_ms) : 0);
	client_run(e->client);
}

static enum err client_make(struct embedder *e, struct err_msg *msg)
{
	return client_new(&e->clock, IN_FLIGHT_MAX, on_done, e, &e->client, msg);
}

/* Gives up what waits and what is on its way; the client has no other way to do that. */
static enum err call_end(struct embedder *e)
{
	for (struct batch *b; (b = e->waiting);) {
		e->waiting = b->next;
		free(b);
	}
	if (e->in_flight == 0)
		return ERR_OK;
	client_free(e->client);
	e->client = NULL;
	while (e->in_flight > 0)
		free(e->flying[--e->in_flight]);
	return client_make(e, e->msg);
}

static enum err call_run(struct embedder *e, const atomic_bool *cancel)
{
	if (!e->client)
		e->error = client_make(e, e->msg);
	while (!e->error && e->left > 0) {
		if (cancel && atomic_load(cancel))
			e->error = err_set(e->msg, ERR_CANCELLED, "cancelled");
		else
			turn(e);
	}
	struct err_msg *msg = e->msg, ignored;
	e->msg = e->error ? &ignored : msg;
	enum err code = call_end(e);
	return e->error ? e->error : code;
}

enum err embedder_new(const Freeal__Embeddings *settings, uint64_t seed,
		      struct embedder **ret_embedder, struct err_msg *msg)
{
	struct embedder *e = calloc(1, sizeof *e);
	if (!e)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the embeddings");
	e->clock = clock_system();
	e->rng = rng_make(seed);
	freeal__usage__init(&e->usage);
	e->settings = frame_message_copy(&settings->base);
	enum err code = e->settings ? client_make(e, msg)
				    : err_set(msg, ERR_NO_MEMORY, "no memory for the embeddings");
	if (code) {
		embedder_free(e);
		return code;
	}
	*ret_embedder = e;
	return ERR_OK;
}

void embedder_free(struct embedder *e)
{
	if (!e)
		return;
	client_free(e->client);
	if (e->settings)
		freeal__embeddings__free_unpacked(e->settings, NULL);
	free(e);
}

enum err embedder_run(struct embedder *e, const char *const *texts, const size_t *sizes,
		      size_t count, const atomic_bool *cancel, uint32_t dimensions, float *ret_rows,
		      struct err_msg *msg)
{
	size_t batch = e->settings->batch ? e->settings->batch : BATCH_DEFAULT;
	assert(e->in_flight == 0 && !e->waiting && dimensions > 0);
	e->texts = texts;
	e->sizes = sizes;
	e->dimensions = dimensions;
	e->rows = ret_rows;
	e->left = count;
	e->error = ERR_OK;
	e->msg = msg;
	for (size_t first = 0; first < count; first += batch)
		batch_add(e, first, count - first < batch ? count - first : batch, TEXT_BYTES_MAX);
	return call_run(e, cancel);
}

enum err embedder_dimensions(struct embedder *e, const atomic_bool *cancel,
			     uint32_t *ret_dimensions, struct err_msg *msg)
{
	static const char *const text = "text";
	const size_t size = 4;
	if (e->settings->dimensions > 0) {
		*ret_dimensions = e->settings->dimensions;
		return ERR_OK;
	}
	e->texts = &text;
	e->sizes = &size;
	e->dimensions = 0;
	e->left = 1;
	e->error = ERR_OK;
	e->msg = msg;
	batch_add(e, 0, 1, TEXT_BYTES_MAX);
	enum err code = call_run(e, cancel);
	if (!code)
		*ret_dimensions = e->dimensions;
	return code;
}

void embedder_usage_take(struct embedder *e, Freeal__Usage *ret_usage)
{
	*ret_usage = e->usage;
	freeal__usage__init(&e->usage);
}
