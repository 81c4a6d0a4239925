#include "cli/console.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void console_say(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)fputs("freeal: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	va_end(args);
}

int console_fail(enum err e, const struct err_msg *msg)
{
	if (e == ERR_CANCELLED)
		return EXIT_CODE_STOPPED;
	console_say("%s", msg && msg->text[0] ? msg->text : err_str(e));
	return (int)err_exit_code(e);
}

const char *console_count(char ret_text[32], uint64_t n)
{
	char digits[24];
	size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n);
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		if (i && (count - i) % 3 == 0)
			ret_text[at++] = ',';
		ret_text[at++] = digits[i];
	}
	ret_text[at] = '\0';
	return ret_text;
}
