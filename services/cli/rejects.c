#include "cli/rejects.h"

#include "base/buf.h"
#include "cli/console.h"
#include "cli/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define REJECTS_SHOWN 10
#define LINE_BYTES_MAX (64u << 10)

static enum err rejects_fail(const struct rejects *r, struct err_msg *msg)
{
	return err_set(msg, errno == ENOSPC ? ERR_FULL : ERR_IO, "cannot write %s: %s", r->path,
		       strerror(errno));
}

enum err rejects_open(struct rejects *r, const char *input, const char *path, struct err_msg *msg)
{
	*r = (struct rejects){.input = input, .path = path};
	if (!path)
		return ERR_OK;
	r->file = fopen(path, "we");
	if (!r->file)
		return rejects_fail(r, msg);
	/* Whoever follows a file wants to see its rejects while it is followed. */
	(void)setvbuf(r->file, NULL, _IOLBF, BUFSIZ);
	return ERR_OK;
}

void rejects_add(void *context, uint64_t line, const char *reason)
{
	struct rejects *r = context;
	if (r->count++ < REJECTS_SHOWN && !r->path)
		console_say("%s:%" PRIu64 ": %s", r->input, line, reason);
	if (!r->path || r->error)
		return;
	struct buf text;
	buf_init(&text, LINE_BYTES_MAX);
	buf_add_str(&text, "{\"file\":");
	escape_json(&text, r->input, strlen(r->input));
	buf_printf(&text, ",\"line\":%" PRIu64 ",\"reason\":", line);
	escape_json(&text, reason, strlen(reason));
	buf_add_str(&text, "}\n");
	if (fwrite(buf_str(&text), 1, text.size, r->file) != text.size)
		r->error = rejects_fail(r, &r->msg);
	buf_done(&text);
}

enum err rejects_commit(struct rejects *r, struct err_msg *msg)
{
	if (!r->path)
		return ERR_OK;
	if (fclose(r->file) != 0 && !r->error)
		r->error = rejects_fail(r, &r->msg);
	if (r->error)
		*msg = r->msg;
	return r->error;
}
