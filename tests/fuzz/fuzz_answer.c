/* libs: llm proto base */
/* An LLM's words, in each form: labels that exist, each once and never all, or a reason. */
#include "llm/answer.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static struct answer_labels *labels_make(void)
{
	static char *names[CLASSES] = {"negative", "positive", "\xc3\x96l, etc.", "\"q\""};
	Freeal__Label items[CLASSES], *list[CLASSES];
	Freeal__Project p = FREEAL__PROJECT__INIT;
	struct answer_labels *l = NULL;
	for (size_t i = 0; i < CLASSES; i++) {
		freeal__label__init(&items[i]);
		items[i].name = names[i];
		list[i] = &items[i];
	}
	p.labels = list;
	p.n_labels = CLASSES;
	check(answer_labels_new(&p, &l) == ERR_OK);
	return l;
}

static void answer_check(const struct answer_form *form, const struct answer *a, const char *text,
			 size_t size)
{
	check(a->count < CLASSES && (a->count <= 1 || form->candidates));
	check((a->count > 0) == !*a->reason);
	for (uint32_t i = 0; i < a->count; i++) {
		check(a->class_ids[i] < CLASSES);
		for (uint32_t j = 0; j < i; j++)
			check(a->class_ids[i] != a->class_ids[j]);
	}
	check(!a->label || (a->label >= text && a->label <= text + size));
	check(*answer_reason_words(a->reason));
}

static void texts_check(const char *text, size_t size, bool cut)
{
	struct answer_texts t;
	const char *reason;
	if (answer_texts(text, size, 10, cut, &t, &reason) != ERR_OK)
		return;
	check(t.count <= 10 && (t.count > 0) == !*reason);
	for (size_t i = 0; i < t.count; i++)
		check(t.sizes[i] > 0 && t.sizes[i] <= GENERATED_BYTES_MAX);
	answer_texts_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_labels *l = labels_make();
	const char *text = (const char *)data;
	for (int kind = 0; kind < 4; kind++) {
		const struct answer_form form = {.reasoning = kind & 1, .candidates = kind & 2};
		struct answer one, items[3];
		struct buf reasoning;
		buf_init(&reasoning, 50);
		answer_parse(l, &form, text, size, &reasoning, &one);
		answer_check(&form, &one, text, size);
		check(reasoning.size <= 50);
		buf_reset(&reasoning);
		answer_parse_items(l, &form, text, size, 1, 3, &reasoning, items);
		for (size_t i = 0; i < 3; i++)
			answer_check(&form, &items[i], text, size);
		buf_done(&reasoning);
	}
	texts_check(text, size, false);
	texts_check(text, size, true);
	answer_labels_free(l);
	return 0;
}
