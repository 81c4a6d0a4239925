#include "mockllm/malform.h"

#include <assert.h>
#include <string.h>

enum { MALFORM_DEPTH = 100000 };

static void message_write(struct buf *out, const char *message)
{
	buf_printf(
	    out,
	    "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
	    "\"message\":%s,\"finish_reason\":\"stop\"}]}",
	    message);
}

void malform_write(struct buf *out, const struct buf *reply, const char *name)
{
	assert(reply->size > 1 && reply->data[0] == '{');
	if (strcmp(name, "truncated") == 0) {
		buf_add(out, reply->data, reply->size / 2);
	} else if (strcmp(name, "trailing") == 0) {
		buf_add(out, reply->data, reply->size);
		buf_add_str(out, "}]garbage");
	} else if (strcmp(name, "nested") == 0) {
		char *at = buf_extend(out, MALFORM_DEPTH);
		if (at)
			memset(at, '[', MALFORM_DEPTH);
	} else if (strcmp(name, "numbers") == 0) {
		buf_add_str(out, "{\"created\":1e99999,\"usage\":{\"prompt_tokens\":"
				 "99999999999999999999999999,\"completion_tokens\":-1},");
		buf_add(out, reply->data + 1, reply->size - 1);
	} else if (strcmp(name, "surrogate") == 0) {
		message_write(out, "{\"role\":\"assistant\",\"content\":\"\\ud800\"}");
	} else if (strcmp(name, "bom") == 0) {
		buf_add_str(out, "\xef\xbb\xbf");
		buf_add(out, reply->data, reply->size);
	} else if (strcmp(name, "duplicate") == 0) {
		buf_add_str(out, "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
				 "\"content\":\"duplicate\"}}],");
		buf_add(out, reply->data + 1, reply->size - 1);
	} else if (strcmp(name, "empty_choices") == 0) {
		buf_add_str(out, "{\"id\":\"chatcmpl-mock\",\"choices\":[]}");
	} else if (strcmp(name, "null_content") == 0) {
		message_write(out, "{\"role\":\"assistant\",\"content\":null}");
	} else {
		assert(strcmp(name, "tool_call") == 0);
		message_write(
		    out,
		    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\","
		    "\"type\":\"function\",\"function\":{\"name\":\"label\","
		    "\"arguments\":\"{}\"}}]}");
	}
}
