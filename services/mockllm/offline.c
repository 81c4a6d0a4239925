#include "mockllm/offline.h"

#include "base/rng.h"
#include "config/task.h"
#include "mockllm/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Words of a made-up text: 1 to this many keywords. */
enum { OFFLINE_KEYWORDS_MAX = 3 };

struct offline {
	const struct task *task;
	struct words *keywords; /* all labels' keywords one after the other */
	uint64_t seed;
};

enum err offline_new(const struct task *task, uint64_t seed, struct offline **ret_offline,
		     struct err_msg *msg)
{
	size_t count = 0;
	for (size_t i = 0; i < task->label_count; i++)
		count += task->labels[i].keywords.count;
	if (count == 0)
		return err_set(msg, ERR_INVALID, "no label of the task has keywords");
	struct offline *o = calloc(1, sizeof(*o));
	if (o)
		o->keywords = calloc(count, sizeof(*o->keywords));
	if (!o || !o->keywords) {
		offline_free(o);
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	}
	o->task = task;
	o->seed = seed;
	struct words *next = o->keywords;
	for (size_t i = 0; i < task->label_count; i++) {
		const struct task_strings *keywords = &task->labels[i].keywords;
		for (size_t j = 0; j < keywords->count; j++)
			words_split(next++, keywords->items[j], strlen(keywords->items[j]));
	}
	*ret_offline = o;
	return ERR_OK;
}

void offline_free(struct offline *o)
{
	if (!o)
		return;
	free(o->keywords);
	free(o);
}

/* The label with most keywords in the text; NULL where none has one. */
static const char *keyword_label(const struct offline *o, const struct words *text)
{
	const struct words *next = o->keywords;
	const char *best = NULL;
	size_t best_count = 0;
	for (size_t i = 0; i < o->task->label_count; i++) {
		const struct task_label *label = &o->task->labels[i];
		size_t count = 0;
		for (size_t j = 0; j < label->keywords.count; j++)
			count += words_have(text, next++);
		if (count > best_count) {
			best = label->name;
			best_count = count;
		}
	}
	return best;
}

struct guess offline_guess(const struct offline *o, const struct chat_request *request,
			   struct chat_text text)
{
	struct words words;
	struct words other;
	words_split(&words, text.data, text.size);
	const char *label = keyword_label(o, &words);
	if (label)
		return guess_of(chat_text_of(label));
	const struct chat_turn *best = NULL;
	size_t best_count = 0;
	for (size_t i = 0; i < request->turn_count; i++) {
		words_split(&other, request->turns[i].text.data, request->turns[i].text.size);
		size_t count = words_shared(&words, &other);
		if (count > best_count) {
			best = &request->turns[i];
			best_count = count;
		}
	}
	return guess_of(best ? best->label : chat_text_of("unknown"));
}

static const struct task_label *label_find(const struct task *task, struct chat_text name)
{
	for (size_t i = 0; i < task->label_count; i++) {
		const char *label = task->labels[i].name;
		if (strlen(label) == name.size && strncasecmp(label, name.data, name.size) == 0)
			return &task->labels[i];
	}
	return NULL;
}

/* The combinations of one to three keywords: k + k(k-1) + k(k-1)(k-2). */
static size_t example_count(size_t k)
{
	size_t pairs = k * (k - 1);
	return k + pairs + (k > 2 ? pairs * (k - 2) : 0);
}

/* The number-th ordered choice of different keywords, shorter ones first. */
static void example_write(const struct task_strings *keywords, size_t number, struct buf *out)
{
	size_t k = keywords->count;
	size_t picks[OFFLINE_KEYWORDS_MAX];
	size_t count = number < k ? 1 : number < k * k ? 2 : 3;
	size_t rest = number - (count == 1 ? 0 : count == 2 ? k : k * k);
	for (size_t i = 0; i < count; i++) {
		/* Shifted by the pick before, so that neighbours in the list differ in both. */
		size_t pick = (rest + (i > 0 ? picks[i - 1] : 0)) % (k - i);
		rest /= k - i;
		/* Skips what was picked before, in ascending order. */
		for (size_t j = 0; j < k; j++) {
			bool taken = false;
			for (size_t p = 0; p < i; p++)
				taken = taken || picks[p] == j;
			if (taken)
				continue;
			if (pick == 0) {
				picks[i] = j;
				break;
			}
			pick--;
		}
		if (i > 0)
			buf_add_char(out, ' ');
		buf_add_str(out, keywords->items[picks[i]]);
	}
}

enum err offline_examples(const struct offline *o, const struct chat_request *request,
			  struct buf *out, struct err_msg *msg)
{
	const struct task_label *label = label_find(o->task, request->examples_label);
	if (!label)
		return err_set(msg, ERR_INVALID, "the task has no label of that name");
	size_t count = label->keywords.count ? example_count(label->keywords.count) : 0;
	struct buf text;
	buf_init(&text, CHAT_BODY_MAX);
	buf_add_char(out, '[');
	for (size_t i = 0; i < count && i < request->examples_wanted; i++) {
		/* Longer texts say more: begin with the pairs. */
		size_t k = label->keywords.count;
		buf_reset(&text);
		example_write(&label->keywords, (i + k) % count, &text);
		if (i > 0)
			buf_add_char(out, ',');
		chat_string_write(out, (struct chat_text){text.data, text.size});
	}
	buf_add_char(out, ']');
	enum err e = buf_error(&text) ? buf_error(&text) : ERR_OK;
	buf_done(&text);
	return e ? err_set(msg, e, "out of memory") : ERR_OK;
}
