#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *err_str(enum err code)
{
	switch (code) {
	case ERR_OK:
		return "ok";
	case ERR_AGAIN:
		return "try again";
	case ERR_FULL:
		return "no space left";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_EXISTS:
		return "exists already";
	case ERR_LIMIT:
		return "over a limit";
	case ERR_PROTOCOL:
		return "protocol violated";
	case ERR_VERSION:
		return "other version";
	case ERR_CANCELLED:
		return "cancelled";
	case ERR_BUSY:
		return "in use";
	case ERR_NO_MEMORY:
		return "out of memory";
	case ERR_IO:
		return "input/output error";
	case ERR_CORRUPT:
		return "corrupt";
	}
	return "unknown error";
}

enum err err_set(struct err_msg *msg, enum err code, const char *fmt, ...)
{
	if (msg) {
		va_list args;
		va_start(args, fmt);
		(void)vsnprintf(msg->text, sizeof msg->text, fmt, args);
		va_end(args);
	}
	return code;
}

enum err err_set_errno(struct err_msg *msg, const char *doing, const char *path)
{
	int code = errno;
	enum err e = code == ENOSPC || code == EDQUOT ? ERR_FULL
		     : code == ENOENT		      ? ERR_NOT_FOUND
						      : ERR_IO;
	return err_set(msg, e, "cannot %s %s: %s", doing, path, strerror(code));
}

enum err err_prefix(struct err_msg *msg, enum err code, const char *fmt, ...)
{
	if (msg) {
		struct err_msg old = *msg;
		va_list args;
		va_start(args, fmt);
		int n = vsnprintf(msg->text, sizeof msg->text, fmt, args);
		va_end(args);
		if (n >= 0 && (size_t)n < sizeof msg->text)
			(void)snprintf(msg->text + n, sizeof msg->text - (size_t)n, ": %.*s",
				       (int)(sizeof msg->text - (size_t)n - 3), old.text);
	}
	return code;
}

enum exit_code err_exit_code(enum err code)
{
	switch (code) {
	case ERR_OK:
		return EXIT_CODE_OK;
	case ERR_INVALID:
	case ERR_LIMIT:
		return EXIT_CODE_USAGE;
	case ERR_BUSY:
		return EXIT_CODE_BUSY;
	case ERR_IO:
	case ERR_FULL:
	case ERR_CORRUPT:
		return EXIT_CODE_STORAGE;
	case ERR_VERSION:
		return EXIT_CODE_VERSION;
	default:
		return EXIT_CODE_FAILED;
	}
}
