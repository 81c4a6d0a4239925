/*
 * The messages of an OpenAI chat-completions request as the mock reads them. Pure functions.
 *
 * A labelling request is a system message, then demonstrations as pairs of a user
 * message (the text) and an assistant message (the label's name), then one user
 * message with the text to label. A request for demonstrations is one whose last
 * user message begins with the line `Write N examples of the label "NAME".`
 *
 * Several texts are labelled at once where the last user message begins with the line
 * `Label each of these N texts.` and has N items, each a line `### ID` and the text's lines.
 * A system message asks for more by the sentence `If you are not sure, name all labels that
 * are possible, separated by commas.`, and by the words `end with a line "Label: NAME"`.
 *
 * A last message that begins with `Your last answer can't be used: ` is about the answer before
 * it, and the text is the one before that.
 *
 * A message's content is a string or a list of parts {"type":"text","text"}.
 */
#ifndef FREEAL_MOCKLLM_CHAT_H
#define FREEAL_MOCKLLM_CHAT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	CHAT_TURNS_MAX = 256,	  /* demonstrations in one prompt */
	CHAT_EXAMPLES_MAX = 1000, /* examples that may be asked for at once */
	CHAT_BODY_MAX = 16 << 20,
	CHAT_ITEMS_MAX = 256, /* texts to label at once */
};

/* Bytes owned by somebody else. */
struct chat_text {
	const char *data;
	size_t size;
};

struct chat_turn {
	struct chat_text text;
	struct chat_text label;
};

struct chat_item {
	struct chat_text id;
	struct chat_text text;
};

struct chat_request {
	struct json_t *root; /* owns every text below */
	struct chat_text model;
	struct chat_turn turns[CHAT_TURNS_MAX];
	size_t turn_count; /* the number of examples in the prompt */
	struct chat_text text;
	size_t examples_wanted; /* 0: a labelling request */
	struct chat_text examples_label;
	struct chat_item items[CHAT_ITEMS_MAX];
	size_t item_count;    /* 0: `text` is the one to label */
	bool asks_candidates; /* every possible label where it is not sure */
	bool asks_reasoning;  /* before a line with the label */
	bool asks_rewriting;  /* of the text; no label is wanted */
	size_t prompt_bytes;  /* of all messages' content */
};

/*
 * ERR_INVALID with a message for the client. `deployment` takes the model's place unless it is
 * NULL; it is borrowed. chat_request_done() is safe after a failure.
 */
WARN_UNUSED enum err chat_request_parse(struct chat_request *ret_request, const char *body,
					size_t size, const char *deployment, struct err_msg *msg);
void chat_request_done(struct chat_request *r);

/* Appends `text` as a JSON string with its quotes. Invalid UTF-8 is replaced by U+FFFD. */
void chat_string_write(struct buf *out, struct chat_text text);

struct chat_text chat_text_of(const char *c_string);
int chat_text_equal(struct chat_text a, struct chat_text b);

#endif
