/*
 * What the commands say to people, on standard error.
 */
#ifndef FREEAL_CLI_CONSOLE_H
#define FREEAL_CLI_CONSOLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* After a stop by a signal, as shells have it. */
#define EXIT_CODE_STOPPED 130

/* "freeal: MESSAGE". */
void console_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Says the message, or the error's name where there is none; returns the exit code. */
int console_fail(enum err e, const struct err_msg *msg);

/* 1234567 as "1,234,567". */
const char *console_count(char ret_text[32], uint64_t n);

#endif
