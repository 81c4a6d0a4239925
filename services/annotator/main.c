/*
 * freeal-annotator: takes samples that the coordinator leases out, asks the LLM about
 * them and sends the labels back. Stateless; run as many as are useful.
 */
#include "annotator/loop.h"
#include "base/rng.h"
#include "config/service.h"

#include <curl/curl.h>

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct config {
	struct service service;
	const char *coordinator;
	int64_t concurrency;
	int64_t probe_ms;
	int64_t batch_poll_ms;
};

static enum err config_parse(struct config *c, int argc, char **argv, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "coordinator",
	     .env = "FREEAL_COORDINATOR",
	     .type = OPTION_STRING,
	     .value = &c->coordinator,
	     .arg = "ENDPOINT",
	     .help = "the coordinator's socket, such as ipc:///run/freeal/bus"},
	    {.name = "concurrency",
	     .env = "FREEAL_CONCURRENCY",
	     .type = OPTION_INT,
	     .value = &c->concurrency,
	     .min = 1,
	     .max = 4096,
	     .arg = "N",
	     .help = "requests in flight at most; the endpoints' own concurrency may be lower"},
	    {.name = "probe-ms",
	     .env = "FREEAL_PROBE_MS",
	     .type = OPTION_INT,
	     .value = &c->probe_ms,
	     .min = 100,
	     .max = 3600000,
	     .arg = "MS",
	     .help = "wait between probes of an endpoint that refuses all requests"},
	    {.name = "batch-poll-ms",
	     .env = "FREEAL_BATCH_POLL_MS",
	     .type = OPTION_INT,
	     .value = &c->batch_poll_ms,
	     .min = 10,
	     .max = 300000,
	     .arg = "MS",
	     .help = "first wait between looks at a job of a Batch API; it grows to 12 times that"},
	    SERVICE_OPTIONS(&c->service),
	};
	enum err e = service_parse(&c->service, entries, sizeof entries / sizeof *entries, argc,
				   argv, ret_done, msg);
	if (e || *ret_done)
		return e;
	if (!c->coordinator)
		return err_set(msg, ERR_INVALID, "give --coordinator or set FREEAL_COORDINATOR");
	return ERR_OK;
}

/* A connection is a descriptor: the soft limit is often 1,024. */
static void descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum err serve(const struct config *c, struct err_msg *msg)
{
	struct auth *auth = NULL;
	enum err e = service_start(&c->service, msg);
	if (!e)
		e = auth_load(c->service.key, FREEAL__ROLE__ANNOTATOR, &auth, msg);
	if (e)
		return e;
	descriptors_raise();
	struct clock clock = clock_system();
	const struct annotator_config config = {
	    .concurrency_max = (uint32_t)c->concurrency,
	    .probe_ms = (uint64_t)c->probe_ms,
	    .batch_poll_ms = (uint64_t)c->batch_poll_ms,
	    .seed = hash_mix((uint64_t)getpid(), clock_wall_ms(&clock)),
	};
	e = loop_run(&config, c->coordinator, auth, msg);
	auth_free(auth);
	return e;
}

int main(int argc, char **argv)
{
	struct config c = {
	    .service = SERVICE_INIT("freeal-annotator",
				    "Asks the LLM for labels on behalf of a freeal coordinator."),
	    .concurrency = 1024,
	    .probe_ms = 30000,
	    .batch_poll_ms = 5000,
	};
	struct err_msg msg = {0};
	bool done = false;
	enum err e = config_parse(&c, argc, argv, &done, &msg);
	if (!e && !done) {
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
			e = err_set(&msg, ERR_IO, "can't set up libcurl");
		if (!e)
			e = serve(&c, &msg);
		curl_global_cleanup();
	}
	return service_end(&c.service, e, &msg);
}
