#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "freeal";
static enum log_level log_level_min = LOG_LEVEL_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_level_min = level;
}

enum err log_level_parse(const char *text, enum log_level *ret_level)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return ERR_OK;
		}
	}
	return ERR_INVALID;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	if (level < log_level_min)
		return;
	struct timespec now;
	struct tm tm;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	char line[2048];
	size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s %s ", now.tv_nsec / 1000000,
			      log_program, level_names[level], event);
	va_list args;
	va_start(args, fmt);
	int more = vsnprintf(line + n, sizeof line - n - 1, fmt, args);
	va_end(args);
	if (more > 0)
		n += (size_t)more;
	if (n > sizeof line - 2)
		n = sizeof line - 2;
	/* A message may hold a line break; a log line is one line. */
	for (size_t i = 0; i < n; i++)
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	line[n] = '\n';
	/* One write, so that lines of several processes don't mix. */
	ssize_t ignored = write(STDERR_FILENO, line, n + 1);
	(void)ignored;
}
