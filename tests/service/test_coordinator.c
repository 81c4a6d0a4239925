/* libs: wire base freeal-coordinator coordinator_bench.c worker_peers.c */
/* The coordinator as a process: what it acknowledged survives kill -9, samples come in while it
 * works, HTTP is for those who have the token. */
#include "coordinator_bench.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool five_are_acknowledged(struct bench *b)
{
	return b->leases >= 5 && worker_result_count(b->annotator) == 0;
}

static bool all_are_acknowledged(struct bench *b)
{
	return b->leases >= SAMPLES && worker_result_count(b->annotator) == 0;
}

/* A1, I2, I3: what was acknowledged is there after kill -9, and is not leased again. */
static void acknowledged_annotations_survive_a_kill(void **state)
{
	struct bench *b = *state;
	b->answer = true;
	samples_post(b);
	workers_run(b, 1, five_are_acknowledged);
	coordinator_kill(b);
	int before = b->leases;
	coordinator_start(b);
	int kept = labelled(b);
	assert_true(kept >= 5);
	assert_true(kept <= before);
	samples_post(b); /* idempotent */
	workers_run(b, 4, all_are_acknowledged);
	assert_int_equal(labelled(b), SAMPLES);
	/* Nothing that was acknowledged was leased again. */
	assert_in_range(b->leases, SAMPLES, SAMPLES + before - kept);
}

static bool six_are_leased(struct bench *b)
{
	return b->leases == 6 && worker_result_count(b->annotator) == 0;
}

static bool arrivals_are_embedded(struct bench *b)
{
	return b->arrivals_leases > 0;
}

static bool trainer_is_acknowledged(struct bench *b)
{
	return worker_result_count(b->trainer) == 0;
}

static bool training_begins(struct bench *b)
{
	return b->trained > 0;
}

/* E2: ANNOTATE takes what comes until all is settled, then no more, restarts or not. */
static void samples_that_come_while_the_llm_is_asked(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	b->answer = b->hold_arrivals = true;
	b->answers_max = 5;
	samples_post(b);
	workers_run(b, 1, six_are_leased);
	samples_send(b, SAMPLES, SAMPLES + 3);
	coordinator_kill(b);
	coordinator_start(b);
	samples_send(b, SAMPLES + 3, SAMPLES + 5);
	b->answers_max = 0;
	annotation_send(b, 0, b->last_item, (uint32_t)(b->last_item % 2));
	workers_run(b, 1, arrivals_are_embedded);
	assert_int_equal(labelled(b), SAMPLES);
	samples_send(b, SAMPLES + 5, SAMPLES + 9); /* too late for this round */
	coordinator_kill(b);
	coordinator_start(b);
	/* D12: the block's earlier result, which comes again, is not the arrivals'. */
	embed_send(b, 0, 0);
	workers_run(b, 1, trainer_is_acknowledged);
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"phase\":\"embed\""));
	assert_non_null(strstr(reply, "\"frozen\":true"));
	b->hold_arrivals = false;
	embed_send(b, 0, 2);
	workers_run(b, 1, training_begins);
	assert_int_equal(b->trained, SAMPLES + 5);
	assert_int_equal(labelled(b), SAMPLES + 5);
}

/* A10: SIGTERM ends it at once with 0. */
static void stops_on_sigterm(void **state)
{
	struct bench *b = *state;
	assert_int_equal(process_stop(&b->pid, SIGTERM, 20000), 0);
	coordinator_start(b);
}

static void http_wants_its_token(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	http(b, "GET", "/v1/status", "wrong", "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 401 "));
	assert_null(strstr(reply, b->token));
	http(b, "GET", "/healthz", "wrong", "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 200 "));
	http(b, "GET", "/v1/model/..%2ftoken", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 404 "));
	http(b, "PUT", "/v1/samples", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 405 "));
	http(b, "POST", "/v1/start", b->token, "nonsense", reply, sizeof reply);
	assert_non_null(strstr(reply, " 400 "));
}

/* B9: a second coordinator on the project is refused with exit code 3. */
static void a_project_has_one_coordinator(void **state)
{
	struct bench *b = *state;
	char project[96];
	int status;
	snprintf(project, sizeof project, "%s/project", b->dir);
	pid_t second = fork();
	if (second == 0) {
		freopen("/dev/null", "w", stderr);
		execl(PROGRAMS "/freeal-coordinator", "freeal-coordinator", "--project", project,
		      (char *)NULL);
		_exit(127);
	}
	waitpid(second, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(acknowledged_annotations_survive_a_kill, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(samples_that_come_while_the_llm_is_asked, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(stops_on_sigterm, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(http_wants_its_token, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(a_project_has_one_coordinator, bench_make, bench_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
