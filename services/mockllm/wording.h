/* How guesses are put into words: a choice's content, in the form that was asked for. */
#ifndef FREEAL_MOCKLLM_WORDING_H
#define FREEAL_MOCKLLM_WORDING_H

#include "base/buf.h"
#include "mockllm/chat.h"
#include "mockllm/guess.h"
#include "mockllm/params.h"

struct mock;

/* Where a label stands in the content. */
struct wording_span {
	size_t at;
	size_t size;
	struct guess guess;
};

struct wording {
	struct buf content;
	struct buf reasoning; /* the field beside the content; empty without reasoning_effort */
	size_t reasoning_tokens;
	const char *finish_reason;
	struct wording_span spans[CHAT_ITEMS_MAX];
	size_t span_count;
};

void wording_init(struct wording *w);
void wording_done(struct wording *w);

/*
 * Words the answer to `request` that is drawn under this number. The errors are
 * mock_guess()'s and mock_examples()'s.
 */
WARN_UNUSED enum err wording_write(struct wording *w, const struct mock *mock,
				   const struct chat_request *request, const struct params *params,
				   uint64_t draw, struct err_msg *msg);
/* Cuts it at a stop sequence and at the most tokens, and says how it ended. */
void wording_cut(struct wording *w, const struct params *params);

#endif
