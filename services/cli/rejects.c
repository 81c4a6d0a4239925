#include "cli/rejects.h"

#include "base/buf.h"
#include "cli/console.h"
#include "cli/escape.h"

#include <inttypes.h>
#include <string.h>

#define REJECTS_SHOWN 10
#define REASON_BYTES_MAX (64u << 10)

enum err rejects_open(struct rejects *r, const char *input, const char *path, struct err_msg *msg)
{
	*r = (struct rejects){.input = input, .to_file = path != NULL};
	return path ? output_open(&r->output, path, msg) : ERR_OK;
}

void rejects_add(void *context, uint64_t line, const char *reason)
{
	struct rejects *r = context;
	if (r->count++ < REJECTS_SHOWN && !r->to_file)
		console_say("%s:%" PRIu64 ": %s", r->input, line, reason);
	if (!r->to_file || r->error)
		return;
	struct buf text;
	buf_init(&text, REASON_BYTES_MAX);
	buf_printf(&text, "{\"line\":%" PRIu64 ",\"reason\":", line);
	escape_json(&text, reason, strlen(reason));
	buf_add_str(&text, "}\n");
	r->error = output_data(&r->output, buf_str(&text), text.size, &r->msg);
	buf_done(&text);
}

enum err rejects_commit(struct rejects *r, struct err_msg *msg)
{
	if (!r->to_file)
		return ERR_OK;
	if (!r->error)
		return output_commit(&r->output, msg);
	output_discard(&r->output);
	*msg = r->msg;
	return r->error;
}
