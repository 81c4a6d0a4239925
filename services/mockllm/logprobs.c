#include "mockllm/logprobs.h"

#include "mockllm/pieces.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* A piece that may stand at some place, and how likely it is there. */
struct option {
	struct chat_text piece; /* without the space before the label */
	double probability;
};

struct options {
	bool space; /* before each of them */
	struct option items[GUESS_NAMES_MAX];
	size_t count; /* the piece that stands there is the first */
};

/* What `guess` leaves open behind the first `at` bytes of its answer. */
static void options_find(struct options *o, const struct guess *guess, size_t at)
{
	double sum = 0;
	o->count = 0;
	for (size_t i = 0; i < guess->count; i++) {
		struct chat_text name = guess->names[i];
		if (name.size < at || memcmp(name.data, guess->names[0].data, at) != 0)
			continue;
		sum += guess->probabilities[i];
		if (name.size == at)
			continue; /* it ends here */
		struct chat_text piece = {name.data + at, piece_size(name, at)};
		size_t j = 0;
		while (j < o->count && !chat_text_equal(o->items[j].piece, piece))
			j++;
		if (j == o->count)
			o->items[o->count++] = (struct option){piece, 0};
		o->items[j].probability += guess->probabilities[i];
	}
	/* A single name has its probability once: its first piece's. */
	if (guess->count == 1)
		sum = at == 0 ? 1 : sum;
	for (size_t i = 0; i < o->count && sum > 0; i++)
		o->items[i].probability /= sum;
}

static void options_of(struct options *o, const struct wording *w, struct chat_text piece,
		       size_t at)
{
	for (size_t i = 0; i < w->span_count; i++) {
		const struct wording_span *span = &w->spans[i];
		size_t start = at + (at + 1 == span->at && piece.size > 1 && piece.data[0] == ' ');
		if (start < span->at || start >= span->at + span->size)
			continue;
		options_find(o, &span->guess, start - span->at);
		o->space = start > at;
		/* An escaped name has other pieces than a plain one. */
		struct chat_text rest = {piece.data + o->space, piece.size - o->space};
		if (o->count > 0 && chat_text_equal(o->items[0].piece, rest))
			return;
	}
	o->space = false;
	o->count = 1;
	o->items[0] = (struct option){piece, GUESS_PROBABILITY};
}

static void option_write(struct buf *out, const struct option *o, bool space)
{
	char bytes[64];
	size_t size = 0;
	if (space)
		bytes[size++] = ' ';
	size_t rest = o->piece.size < sizeof bytes - size ? o->piece.size : sizeof bytes - size;
	memcpy(bytes + size, o->piece.data, rest);
	size += rest;
	buf_add_str(out, "{\"token\":");
	chat_string_write(out, (struct chat_text){bytes, size});
	buf_printf(out, ",\"logprob\":%.8g,\"bytes\":[", log(fmax(o->probability, 1e-12)));
	for (size_t i = 0; i < size; i++)
		buf_printf(out, "%s%u", i ? "," : "", (unsigned)(unsigned char)bytes[i]);
	buf_add_char(out, ']');
}

/* Likelier ones first, as servers do; there are three at most. */
static void options_sort(struct options *o)
{
	for (size_t i = 1; i < o->count; i++) {
		for (size_t j = i; j > 0 && o->items[j].probability > o->items[j - 1].probability;
		     j--) {
			struct option other = o->items[j];
			o->items[j] = o->items[j - 1];
			o->items[j - 1] = other;
		}
	}
}

void logprobs_write(struct buf *out, const struct wording *w, size_t from, size_t to, uint32_t top)
{
	struct chat_text content = {buf_str(&w->content), w->content.size};
	buf_add_str(out, "{\"content\":[");
	for (size_t at = from; at < to;) {
		struct chat_text piece = {content.data + at, piece_size(content, at)};
		struct options o;
		options_of(&o, w, piece, at);
		if (at > from)
			buf_add_char(out, ',');
		option_write(out, &o.items[0], o.space);
		buf_add_str(out, ",\"top_logprobs\":[");
		options_sort(&o);
		for (size_t i = 0; i < o.count && i < top; i++) {
			buf_add_str(out, i ? "," : "");
			option_write(out, &o.items[i], o.space);
			buf_add_char(out, '}');
		}
		buf_add_str(out, "]}");
		at += piece.size;
	}
	buf_add_str(out, "],\"refusal\":null}");
}
