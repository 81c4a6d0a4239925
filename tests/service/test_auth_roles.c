/* libs: wire base freeal-coordinator freeal-selector auth_bench.c worker_peers.c */
/* Coordinator and selector as processes: each wants its own key, and serves a key in its own role
 * alone. */
#include "auth_bench.h"
#include "wire/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static void file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void log_read(struct bench *b, char *text, size_t size)
{
	FILE *f = fopen(b->log, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

/* A port that was free a moment ago. */
static void endpoint_choose(struct bench *b)
{
	router_bind(b, "tcp://127.0.0.1:*");
	socket_free(b->router);
	b->router = NULL;
}

static void coordinator_start(struct bench *b, const char *key)
{
	char project[96], task[96];
	snprintf(project, sizeof project, "%s/project", b->dir);
	snprintf(task, sizeof task, "%s/task.yaml", b->dir);
	file_put(task, "task: t\nlabels: [zero, one]\n"
		       "llm: {url: http://127.0.0.1:1/v1, model: m}\n");
	b->pid = fork();
	if (b->pid == 0) {
		int fd = open(b->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDERR_FILENO);
		execl(PROGRAMS "/freeal-coordinator", "freeal-coordinator", "--project", project,
		      "--task", task, "--bind", b->endpoint, "--parent-death",
		      key ? "--key" : (char *)NULL, key, (char *)NULL);
		_exit(127);
	}
}

static void welcome_count_up(void *context, const Freeal__Welcome *welcome)
{
	((struct bench *)context)->welcome_count += welcome->project != NULL;
}

static void lease_fail(void *context, const Freeal__Work *work)
{
	(void)context;
	(void)work;
	fail_msg("a lease without samples");
}

static void refused_keep(void *context, const char *reason)
{
	struct bench *b = context;
	b->refused_count++;
	snprintf(b->refused, sizeof b->refused, "%s", reason);
}

static struct worker *worker_make(struct bench *b, const struct auth *auth, Freeal__Role role)
{
	struct worker_handler handler = {.project = welcome_count_up,
					 .lease = lease_fail,
					 .refused = refused_keep,
					 .context = b};
	struct worker *w;
	struct err_msg msg;
	assert_int_equal(worker_new(b->zmq_clients, b->endpoint, auth, role, &handler, &w, &msg),
			 ERR_OK);
	return w;
}

static void worker_run(struct worker *w, const int *counter, int wanted)
{
	uint64_t end_ms = now() + 20000;
	while (*counter < wanted) {
		zmq_pollitem_t item = {.socket = socket_zmq(worker_socket(w)),
				       .events = ZMQ_POLLIN};
		assert_true(now() < end_ms);
		worker_tick(w, now());
		(void)zmq_poll(&item, 1, 10);
		worker_drain(w);
	}
}

/* D3: a listed key is welcome in its own role alone, and strangers make no noise. */
static void the_coordinator_knows_roles(void **state)
{
	struct bench *b = *state;
	char log[65536];
	void *strangers[STRANGER_COUNT];
	endpoint_choose(b);
	coordinator_start(b, b->path);
	struct worker *good = worker_make(b, b->annotator, FREEAL__ROLE__ANNOTATOR);
	worker_run(good, &b->welcome_count, 1);
	for (int i = 0; i < STRANGER_COUNT; i++)
		strangers[i] = stranger_make(b, i % 2 ? auth_public(b->server) : NULL);

	/* Its own key, another's work. */
	struct worker *liar = worker_make(b, b->annotator, FREEAL__ROLE__TRAINER);
	worker_run(liar, &b->refused_count, 1);
	assert_string_equal(b->refused,
			    "a key of the role annotator is not one of the role trainer");
	worker_run(liar, &b->refused_count, 3); /* it insists */
	assert_int_equal(b->welcome_count, 1);

	struct worker *trainer = worker_make(b, b->trainer, FREEAL__ROLE__TRAINER);
	worker_run(trainer, &b->welcome_count, 2);
	for (int i = 0; i < STRANGER_COUNT; i++)
		zmq_close(strangers[i]);
	worker_free(good);
	worker_free(liar);
	worker_free(trainer);
	assert_int_equal(process_stop(&b->pid, SIGTERM, 5000), 0);
	log_read(b, log, sizeof log);
	int lines = 0, hellos = 0;
	for (char *at = log; (at = strstr(at, " peers_refused ")); at++)
		lines++;
	for (char *at = log; (at = strstr(at, " hello ")); at++)
		hellos++;
	assert_in_range(lines, 1, 3);
	assert_int_equal(hellos, 2);
}

/* Without a key, with another role's, with one that all may read: exit 2 and what to do. */
static void the_coordinator_wants_its_key(void **state)
{
	struct bench *b = *state;
	char log[4096], path[128];
	struct err_msg msg;
	endpoint_choose(b);
	coordinator_start(b, NULL);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "--key FILE"));
	snprintf(path, sizeof path, "%s/trainer.key", b->dir);
	assert_int_equal(auth_save(b->trainer, path, &msg), ERR_OK);
	coordinator_start(b, path);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "is the key of the role trainer"));
	assert_int_equal(chmod(b->path, 0644), 0);
	coordinator_start(b, b->path);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "chmod 600"));
}

/* A list that somebody was added to by hand gives no one the work of a trainer. */
static void the_selector_serves_trainers_alone(void **state)
{
	struct bench *b = *state;
	struct auth *selector = auth_make(FREEAL__ROLE__SELECTOR);
	struct err_msg msg;
	struct frame *f;
	char path[128], data[128];
	snprintf(path, sizeof path, "%s/selector.key", b->dir);
	snprintf(data, sizeof data, "%s/data", b->dir);
	auth_server_set(selector, b->server);
	assert_int_equal(auth_client_put(selector, b->trainer, ""), ERR_OK);
	assert_int_equal(auth_client_put(selector, b->annotator, ""), ERR_OK);
	assert_int_equal(auth_save(selector, path, &msg), ERR_OK);
	auth_server_set(b->annotator, selector);
	auth_server_set(b->trainer, selector);
	auth_free(selector);
	endpoint_choose(b);
	char *const argv[] = {"freeal-selector",
			      "--coordinator",
			      "tcp://127.0.0.1:1",
			      "--data",
			      data,
			      "--bind",
			      b->endpoint,
			      "--key",
			      path,
			      "--log-level",
			      "error",
			      "--parent-death",
			      NULL};
	b->pid = process_start(argv);
	const struct {
		const struct auth *auth;
		Freeal__Envelope__BodyCase answer;
	} clients[] = {{b->annotator, FREEAL__ENVELOPE__BODY_REFUSED},
		       {b->trainer, FREEAL__ENVELOPE__BODY_WELCOME}};
	for (size_t i = 0; i < 2; i++) {
		struct socket *s;
		assert_int_equal(socket_connect(b->zmq_clients, b->endpoint, clients[i].auth,
						FREEAL__ROLE__SELECTOR, &s, &msg),
				 ERR_OK);
		uint64_t end_ms = now() + 15000;
		bool sent = false;
		while (socket_receive(s, &b->from, &f, &msg) != ERR_OK) {
			assert_true(now() < end_ms);
			/* The annotator says that it is a trainer. */
			sent = sent || hello_send(s, FREEAL__ROLE__TRAINER) == ERR_OK;
			(void)zmq_poll(NULL, 0, 5);
		}
		assert_int_equal(frame_envelope(f)->body_case, clients[i].answer);
		frame_free(f);
		socket_free(s);
	}
	assert_int_equal(process_stop(&b->pid, SIGTERM, 5000), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_free)
	const struct CMUnitTest tests[] = {
	    TEST(the_coordinator_knows_roles),
	    TEST(the_coordinator_wants_its_key),
	    TEST(the_selector_serves_trainers_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
