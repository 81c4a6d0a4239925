#include "base/crash.h"

#ifdef CRASH_POINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX 64
#define NAME_BYTES_MAX 64

struct target {
	char name[NAME_BYTES_MAX];
	atomic_long left; /* passages until the signal */
	int signal;
};

static struct target targets[TARGETS_MAX];
static size_t target_count;
static int list_fd = -1;
static struct timespec delay;
static pthread_once_t loaded = PTHREAD_ONCE_INIT;

/* A typing error must not look like a program that survives. */
static void refuse(const char *text)
{
	(void)fprintf(stderr, "crash points \"%s\": expected name:n,... with n from 1\n", text);
	_exit(2);
}

static void targets_load(const char *text, int signal)
{
	for (const char *p = text; *p;) {
		size_t length = strcspn(p, ":,");
		if (target_count == TARGETS_MAX || length == 0 || length >= NAME_BYTES_MAX ||
		    p[length] != ':')
			refuse(text);
		struct target *t = &targets[target_count++];
		memcpy(t->name, p, length);
		char *end;
		long count = strtol(p + length + 1, &end, 10);
		if (count < 1 || (*end != '\0' && *end != ','))
			refuse(text);
		atomic_init(&t->left, count);
		t->signal = signal;
		p = *end ? end + 1 : end;
	}
}

static void crash_load(void)
{
	const char *at = getenv("CRASH_AT"), *stop = getenv("STOP_AT"),
		   *list = getenv("CRASH_LIST");
	const char *delay_ms = getenv("CRASH_DELAY_MS");
	if (delay_ms)
		delay.tv_nsec = strtol(delay_ms, NULL, 10) % 1000 * 1000000;
	if (at)
		targets_load(at, SIGKILL);
	if (stop)
		targets_load(stop, SIGSTOP);
	if (list)
		list_fd = open(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void crash_pass(const char *name)
{
	(void)pthread_once(&loaded, crash_load);
	if (list_fd >= 0)
		(void)dprintf(list_fd, "%s\n", name);
	for (size_t i = 0; i < target_count; i++)
		if (strcmp(targets[i].name, name) == 0 &&
		    atomic_fetch_sub(&targets[i].left, 1) == 1) {
			(void)nanosleep(&delay, NULL);
			(void)kill(getpid(), targets[i].signal);
		}
}

void crash_pass_text(const void *text, size_t size)
{
	const char *words = getenv("CRASH_TEXT");
	if (words && memmem(text, size, words, strlen(words)))
		(void)raise(SIGKILL);
}

#else
typedef int crash_points_are_off;
#endif
