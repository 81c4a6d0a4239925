/*
 * Errors: one enum for the whole project, and a text for people beside it.
 *
 * Library code returns an `enum err` and, where a person will read it, fills a
 * `struct err_msg` with what went wrong, where, and what to do. Service code
 * logs it once. Outputs (`ret_...`) are written on success alone.
 */
#ifndef FREEAL_BASE_ERR_H
#define FREEAL_BASE_ERR_H

#include <stdarg.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
/* For a call whose failure is made good elsewhere; say where in a comment. */
#define err_ignore(call)                                                                           \
	do {                                                                                       \
		enum err ignored_ = (call);                                                        \
		(void)ignored_;                                                                    \
	} while (0)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
	ERR_OK = 0,
	/* Try again later: nothing is wrong with the request. */
	ERR_AGAIN,
	ERR_FULL, /* no space on disk or in the map */
	/* Give up on this item. */
	ERR_INVALID, /* bad input: the message says what and where */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_LIMIT, /* a limit of limits.h */
	ERR_PROTOCOL,
	ERR_VERSION, /* written or spoken by another version */
	ERR_CANCELLED,
	/* Stop the process. */
	ERR_BUSY, /* somebody else owns it */
	ERR_NO_MEMORY,
	ERR_IO,
	ERR_CORRUPT,
};

/* Exit codes of every program; the README lists them. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_BUSY = 3,
	EXIT_CODE_STORAGE = 4,
	EXIT_CODE_VERSION = 5,
};

struct err_msg {
	char text[1024];
};

/* Short lower-case name, such as "not found". */
const char *err_str(enum err code);

/* Formats a message into `msg` (which may be NULL) and returns `code`. */
enum err err_set(struct err_msg *msg, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* "cannot DOING PATH: ..." of errno: ERR_NOT_FOUND, ERR_FULL or ERR_IO. */
enum err err_set_errno(struct err_msg *msg, const char *doing, const char *path);

/* Puts "prefix: " before the message that is there; returns `code`. */
enum err err_prefix(struct err_msg *msg, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

enum exit_code err_exit_code(enum err code);

#endif
