/*
 * Log lines of services: `time program level event key=value ...` on standard
 * error, one line a fact. Library code does not log. Never pass sample text,
 * answers or keys.
 */
#ifndef FREEAL_BASE_LOG_H
#define FREEAL_BASE_LOG_H

#include "base/err.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

/* Called once by main; `program` must stay valid. */
void log_init(const char *program, enum log_level level);
/* "debug", "info", "warn" or "error". */
enum err log_level_parse(const char *text, enum log_level *ret_level) WARN_UNUSED;

/* `event` is a word such as "lease_expired"; `fmt` gives its key=value pairs. */
void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
