/* libs: base */
/* Points kill at the passage that is asked for, counted over all threads. */
#include "base/crash.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The wait status of a process that does `body` under `at`; points are read once a
 * process, so each case has its own. */
static int child(const char *at, const char *list, void (*body)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (at)
			(void)setenv("CRASH_AT", at, 1);
		if (list)
			(void)setenv("CRASH_LIST", list, 1);
		body();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_killed(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void assert_exit(int status, int code)
{
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static void two_and_one(void)
{
	crash_point("one");
	crash_point("two");
	crash_point("one");
}

static void kills_at_the_nth_passage(void **state)
{
	(void)state;
	assert_killed(child("one:1", NULL, two_and_one));
	assert_killed(child("one:2", NULL, two_and_one));
	assert_exit(child("one:3", NULL, two_and_one), 0);
	assert_killed(child("none:1,two:1", NULL, two_and_one));
	assert_exit(child("on:1,onex:1", NULL, two_and_one), 0);
	assert_exit(child(NULL, NULL, two_and_one), 0);
}

static void stops_and_goes_on(void **state)
{
	(void)state;
	(void)setenv("STOP_AT", "one:1,two:1", 1);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		two_and_one();
		_exit(7);
	}
	(void)unsetenv("STOP_AT");
	int status;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
		assert_int_equal(kill(pid, SIGCONT), 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 7);
}

static void refuses_what_it_cannot_read(void **state)
{
	(void)state;
	const char *bad[] = {"one", "one:", "one:0", "one:-1", "one:1x", ":1", "one,two:1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_exit(child(bad[i], NULL, two_and_one), 2);
}

static void lists_what_is_passed(void **state)
{
	(void)state;
	char path[] = "/tmp/test_crash.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_killed(child("two:1", path, two_and_one));
	char text[64] = "";
	assert_true(read(fd, text, sizeof text - 1) > 0);
	assert_string_equal(text, "one\ntwo\n");
	(void)close(fd);
	(void)unlink(path);
}

static void *pass_many(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++)
		crash_point("one");
	return NULL;
}

static void four_threads(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, pass_many, NULL))
			_exit(1);
	for (int i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
}

static void counts_over_all_threads(void **state)
{
	(void)state;
	assert_killed(child("one:40000", NULL, four_threads));
	assert_exit(child("one:40001", NULL, four_threads), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kills_at_the_nth_passage),	   cmocka_unit_test(stops_and_goes_on),
	    cmocka_unit_test(refuses_what_it_cannot_read), cmocka_unit_test(lists_what_is_passed),
	    cmocka_unit_test(counts_over_all_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
