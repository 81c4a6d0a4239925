/* libs: llm PkgConfig::microhttpd PkgConfig::jansson */
/* Sentence vectors from a server that limits, fails and shuffles. */
#include "base/clock.h"
#include "llm/embedder.h"

#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIMENSIONS 3
#define TEXT_COUNT 50

/* What the server does; set before a call. */
static struct {
	int port;
	int fail_first;	       /* so many requests fail, with */
	int fail_status;       /* this status */
	size_t texts_max;      /* more in a request are refused; 0: any number */
	size_t text_bytes_max; /* longer ones are refused; 0: any */
	bool malformed_first, hang;
	int requests;
	pthread_mutex_t mutex;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool hanging; /* a request waits for ever */

struct request {
	char *body;
	size_t size;
};

/* A text's vector: its length, its first byte, and 1. */
static json_t *vector_of(const json_t *text)
{
	return json_pack("[f, f, f]", (double)json_string_length(text),
			 (double)(unsigned char)json_string_value(text)[0], 1.0);
}

static json_t *vectors_of(const json_t *input)
{
	json_t *data = json_array();
	for (size_t n = json_array_size(input); n-- > 0;) /* last one first */
		json_array_append_new(data,
				      json_pack("{s:I, s:o}", "index", (json_int_t)n, "embedding",
						vector_of(json_array_get(input, n))));
	return json_pack("{s:o, s:{s:I}}", "data", data, "usage", "prompt_tokens",
			 (json_int_t)json_array_size(input) * 10);
}

static unsigned status_of(const json_t *input)
{
	int number = server.requests++;
	if (number < server.fail_first)
		return (unsigned)server.fail_status;
	if (server.texts_max && json_array_size(input) > server.texts_max)
		return 400;
	for (size_t i = 0; i < json_array_size(input); i++) {
		size_t size = json_string_length(json_array_get(input, i));
		if (server.text_bytes_max && size > server.text_bytes_max)
			return 400;
	}
	return 200;
}

static enum MHD_Result answer(struct MHD_Connection *c, const struct request *r)
{
	json_t *root = json_loadb(r->body, r->size, 0, NULL);
	const json_t *input = json_object_get(root, "input");
	pthread_mutex_lock(&server.mutex);
	unsigned status = status_of(input);
	bool malformed = server.malformed_first;
	server.malformed_first = false;
	pthread_mutex_unlock(&server.mutex);
	json_t *reply =
	    status == 200 ? vectors_of(input) : json_pack("{s:{s:s}}", "error", "message", "no");
	char *text = malformed ? strdup("{\"data\": [{}]}") : json_dumps(reply, 0);
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (status == 429)
		MHD_add_response_header(response, "Retry-After", "0.5");
	enum MHD_Result result = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	json_decref(reply);
	json_decref(root);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	(void)context, (void)method, (void)version;
	struct request *r = *state;
	if (!r) {
		*state = calloc(1, sizeof *r);
		return MHD_YES;
	}
	if (*size > 0) {
		r->body = realloc(r->body, r->size + *size);
		memcpy(r->body + r->size, data, *size);
		r->size += *size;
		*size = 0;
		return MHD_YES;
	}
	assert_string_equal(url, "/v1/embeddings");
	if (server.hang) {
		MHD_suspend_connection(c);
		atomic_store(&hanging, true);
		return MHD_YES;
	}
	return answer(c, r);
}

static void on_end(void *context, struct MHD_Connection *c, void **state,
		   enum MHD_RequestTerminationCode code)
{
	(void)context, (void)c, (void)code;
	struct request *r = *state;
	if (r)
		free(r->body);
	free(r);
}

static int server_start(void **state)
{
	(void)state;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	struct MHD_Daemon *d = MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
	    NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
	assert_non_null(d);
	server.port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
	return 0;
}

static struct embedder *embedder_make(uint32_t dimensions, uint32_t batch, const char *key_env)
{
	static char url[64];
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", server.port);
	Freeal__Endpoint endpoint = FREEAL__ENDPOINT__INIT;
	Freeal__Embeddings settings = FREEAL__EMBEDDINGS__INIT;
	endpoint.name = "the one";
	endpoint.url = url;
	endpoint.model = "m";
	endpoint.key_env = (char *)key_env;
	endpoint.timeout_ms = 20000;
	endpoint.nano_usd_per_million_in = 20000000; /* 20 nano-dollars a token */
	settings.endpoint = &endpoint;
	settings.dimensions = dimensions;
	settings.batch = batch;
	struct embedder *e;
	struct err_msg msg;
	assert_int_equal(embedder_new(&settings, 1, &e, &msg), ERR_OK);
	server.requests = server.fail_first = 0;
	server.texts_max = server.text_bytes_max = 0;
	server.malformed_first = server.hang = false;
	return e;
}

static struct {
	char bytes[TEXT_COUNT][512];
	const char *texts[TEXT_COUNT];
	size_t sizes[TEXT_COUNT];
	float rows[TEXT_COUNT][DIMENSIONS];
} t;

static enum err run(struct embedder *e, const atomic_bool *cancel, struct err_msg *msg)
{
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		t.sizes[i] = 1 + i * 7;
		memset(t.bytes[i], 'a' + (int)(i % 26), t.sizes[i]);
		t.texts[i] = t.bytes[i];
	}
	memset(t.rows, 0, sizeof t.rows);
	return embedder_run(e, t.texts, t.sizes, TEXT_COUNT, cancel, DIMENSIONS, t.rows[0], msg);
}

/* Each text has its own vector, of a text of at most `most` bytes. */
static void rows_check(size_t most)
{
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		double size = t.sizes[i] < most ? (double)t.sizes[i] : t.rows[i][0] / t.rows[i][2];
		double want[] = {size, (unsigned char)t.texts[i][0], 1};
		double length = sqrt(want[0] * want[0] + want[1] * want[1] + 1);
		for (size_t k = 0; k < DIMENSIONS; k++)
			assert_true(fabs(t.rows[i][k] - want[k] / length) < 1e-6);
		assert_true(size <= (double)most + 0.01);
	}
}

static void vectors_are_those_of_their_texts(void **state)
{
	(void)state;
	struct err_msg msg;
	struct embedder *e = embedder_make(0, 8, "");
	uint32_t dimensions = 0;
	assert_int_equal(embedder_dimensions(e, NULL, &dimensions, &msg), ERR_OK);
	assert_int_equal(dimensions, DIMENSIONS);
	assert_int_equal(run(e, NULL, &msg), ERR_OK);
	rows_check(SIZE_MAX);
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	embedder_usage_take(e, &usage);
	assert_int_equal(usage.requests, 1 + 7);
	assert_int_equal(usage.tokens_in, TEXT_COUNT * 10);
	assert_int_equal(usage.nano_usd, TEXT_COUNT * 10 * 20);
	embedder_usage_take(e, &usage);
	assert_int_equal(usage.requests, 0);
	embedder_free(e);
}

static void what_fails_is_tried_again(void **state)
{
	(void)state;
	struct err_msg msg;
	struct clock clock = clock_system();
	static const int statuses[] = {500, 503, 429};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		struct embedder *e = embedder_make(DIMENSIONS, 20, "");
		server.fail_first = 1;
		server.fail_status = statuses[i];
		server.malformed_first = i == 0;
		uint64_t from_ms = clock_mono_ms(&clock);
		assert_int_equal(run(e, NULL, &msg), ERR_OK);
		rows_check(SIZE_MAX);
		assert_true(statuses[i] != 429 || clock_mono_ms(&clock) - from_ms >= 500);
		embedder_free(e);
	}
}

static void too_large_batches_are_halved(void **state)
{
	(void)state;
	struct err_msg msg;
	struct embedder *e = embedder_make(DIMENSIONS, 50, "");
	server.texts_max = 7;
	server.text_bytes_max = 200;
	assert_int_equal(run(e, NULL, &msg), ERR_OK);
	rows_check(200);
	server.text_bytes_max = 10;
	assert_int_equal(run(e, NULL, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "not even one short text"));
	server.text_bytes_max = 0;
	assert_int_equal(run(e, NULL, &msg), ERR_OK);
	embedder_free(e);
}

static void a_person_is_told_what_to_mend(void **state)
{
	(void)state;
	struct err_msg msg;
	struct embedder *e = embedder_make(DIMENSIONS, 50, "FREEAL_TEST_EMBEDDER_KEY");
	unsetenv("FREEAL_TEST_EMBEDDER_KEY");
	assert_int_equal(run(e, NULL, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "FREEAL_TEST_EMBEDDER_KEY"));
	setenv("FREEAL_TEST_EMBEDDER_KEY", "sesame", 1);
	server.requests = 0;
	server.fail_first = 1;
	server.fail_status = 401;
	assert_int_equal(run(e, NULL, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "HTTP 401"));
	assert_null(strstr(msg.text, "sesame"));
	assert_int_equal(run(e, NULL, &msg), ERR_OK);
	embedder_free(e);
}

static void *cancel_soon(void *cancel)
{
	while (!atomic_load(&hanging))
		sched_yield();
	atomic_store((atomic_bool *)cancel, true);
	return NULL;
}

static void cancelling_waits_for_no_reply(void **state)
{
	(void)state;
	struct err_msg msg;
	struct clock clock = clock_system();
	struct embedder *e = embedder_make(DIMENSIONS, 50, "");
	atomic_bool cancel = false;
	pthread_t thread;
	server.hang = true;
	uint64_t from_ms = clock_mono_ms(&clock);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
	assert_int_equal(run(e, &cancel, &msg), ERR_CANCELLED);
	pthread_join(thread, NULL);
	assert_true(clock_mono_ms(&clock) - from_ms < 2000);
	server.hang = false;
	assert_int_equal(run(e, NULL, &msg), ERR_OK);
	rows_check(SIZE_MAX);
	embedder_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_are_those_of_their_texts),
	    cmocka_unit_test(what_fails_is_tried_again),
	    cmocka_unit_test(too_large_batches_are_halved),
	    cmocka_unit_test(a_person_is_told_what_to_mend),
	    cmocka_unit_test(cancelling_waits_for_no_reply),
	};
	return cmocka_run_group_tests(tests, server_start, NULL);
}
