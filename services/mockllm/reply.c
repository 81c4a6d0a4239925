#include "mockllm/reply.h"

#include "mockllm/logprobs.h"
#include "mockllm/pieces.h"

#include <inttypes.h>

uint64_t reply_prompt_tokens(size_t bytes)
{
	return (bytes + 3) / 4;
}

static void head_write(struct buf *out, const struct reply_head *head, const char *object)
{
	buf_printf(out,
		   "{\"id\":\"chatcmpl-mock-%llu\",\"object\":\"%s\",\"created\":0,"
		   "\"system_fingerprint\":\"freeal-mockllm-%s (a mock, not a language model)\","
		   "\"model\":",
		   head->number, object, head->mode);
	chat_string_write(out, head->model);
}

static void usage_write(struct buf *out, const struct reply_usage *u)
{
	buf_printf(out,
		   "\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
		   ",\"total_tokens\":%" PRIu64
		   ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRIu64
		   "},\"completion_tokens_details\":{\"reasoning_tokens\":%" PRIu64 "}}",
		   u->prompt_tokens, u->completion_tokens, u->prompt_tokens + u->completion_tokens,
		   u->cached_tokens, u->reasoning_tokens);
}

void reply_begin(struct buf *out, const struct reply_head *head, const struct params *params)
{
	if (params->stream)
		return;
	head_write(out, head, "chat.completion");
	buf_add_str(out, ",\"choices\":[");
}

struct chunk {
	struct buf delta;    /* members of the delta */
	struct buf logprobs; /* empty: none */
	const char *finish_reason;
};

static void chunk_write(struct buf *out, const struct reply_head *head, uint32_t index,
			struct chunk *c)
{
	buf_add_str(out, "data: ");
	head_write(out, head, "chat.completion.chunk");
	buf_printf(out, ",\"choices\":[{\"index\":%" PRIu32 ",\"delta\":{%s},\"logprobs\":%s",
		   index, buf_str(&c->delta), c->logprobs.size ? buf_str(&c->logprobs) : "null");
	if (c->finish_reason)
		buf_printf(out, ",\"finish_reason\":\"%s\"}]}\n\n", c->finish_reason);
	else
		buf_add_str(out, ",\"finish_reason\":null}]}\n\n");
	buf_reset(&c->delta);
	buf_reset(&c->logprobs);
}

static void stream_choice(struct buf *out, const struct reply_head *head,
			  const struct params *params, uint32_t index, const struct wording *w)
{
	struct chat_text content = {buf_str(&w->content), w->content.size};
	struct chunk c = {0};
	buf_init(&c.delta, out->size_max);
	buf_init(&c.logprobs, out->size_max);
	buf_add_str(&c.delta, "\"role\":\"assistant\",\"content\":\"\"");
	chunk_write(out, head, index, &c);
	if (w->reasoning.size) {
		buf_add_str(&c.delta, "\"reasoning_content\":");
		chat_string_write(&c.delta,
				  (struct chat_text){w->reasoning.data, w->reasoning.size});
		chunk_write(out, head, index, &c);
	}
	for (size_t at = 0; at < content.size;) {
		size_t size = piece_size(content, at);
		buf_add_str(&c.delta, "\"content\":");
		chat_string_write(&c.delta, (struct chat_text){content.data + at, size});
		if (params->logprobs)
			logprobs_write(&c.logprobs, w, at, at + size, params->top_logprobs);
		chunk_write(out, head, index, &c);
		at += size;
	}
	c.finish_reason = w->finish_reason;
	chunk_write(out, head, index, &c);
	buf_done(&c.delta);
	buf_done(&c.logprobs);
}

void reply_choice(struct buf *out, const struct reply_head *head, const struct params *params,
		  uint32_t index, const struct wording *w)
{
	if (params->stream) {
		stream_choice(out, head, params, index, w);
		return;
	}
	buf_printf(out, "%s{\"index\":%" PRIu32 ",\"message\":{\"role\":\"assistant\",\"content\":",
		   index ? "," : "", index);
	chat_string_write(out, (struct chat_text){buf_str(&w->content), w->content.size});
	if (w->reasoning.size) {
		buf_add_str(out, ",\"reasoning_content\":");
		chat_string_write(out, (struct chat_text){w->reasoning.data, w->reasoning.size});
	}
	buf_add_str(out, "},\"logprobs\":");
	if (params->logprobs)
		logprobs_write(out, w, 0, w->content.size, params->top_logprobs);
	else
		buf_add_str(out, "null");
	buf_printf(out, ",\"finish_reason\":\"%s\"}", w->finish_reason);
}

void reply_end(struct buf *out, const struct reply_head *head, const struct params *params,
	       const struct reply_usage *usage)
{
	if (!params->stream) {
		buf_add_str(out, "],");
		usage_write(out, usage);
		buf_add_char(out, '}');
		return;
	}
	if (params->stream_usage) {
		buf_add_str(out, "data: ");
		head_write(out, head, "chat.completion.chunk");
		buf_add_str(out, ",\"choices\":[],");
		usage_write(out, usage);
		buf_add_str(out, "}\n\n");
	}
	buf_add_str(out, "data: [DONE]\n\n");
}

void reply_error(struct buf *out, const char *message, const char *type, const char *code,
		 const char *param)
{
	buf_add_str(out, "{\"error\":{\"message\":");
	chat_string_write(out, chat_text_of(message));
	buf_add_str(out, ",\"type\":");
	chat_string_write(out, chat_text_of(type));
	buf_add_str(out, ",\"param\":");
	if (param)
		chat_string_write(out, chat_text_of(param));
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"code\":");
	chat_string_write(out, chat_text_of(code));
	buf_add_str(out, "}}");
}
