/* libs: llm proto base */
/* The body of an LLM server's response, with log-probabilities: whatever it is, it has a reason
 * or content, and probabilities add up to 1. */
#include "llm/answer.h"
#include "llm/probability.h"
#include "llm/reply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static struct answer_labels *labels_make(void)
{
	static char *names[] = {"negative", "positive", "positive review"};
	static char *aliases[] = {"neg"};
	Freeal__Label items[3], *list[3];
	Freeal__Project p = FREEAL__PROJECT__INIT;
	struct answer_labels *l = NULL;
	for (size_t i = 0; i < 3; i++) {
		freeal__label__init(&items[i]);
		items[i].name = names[i];
		list[i] = &items[i];
	}
	items[0].aliases = aliases;
	items[0].n_aliases = 1;
	p.labels = list;
	p.n_labels = 3;
	check(answer_labels_new(&p, &l) == ERR_OK);
	return l;
}

static void choice_check(const struct answer_labels *l, const struct reply_choice *c)
{
	static const struct answer_form form = {.reasoning = true, .candidates = true};
	struct answer a;
	float p[3];
	double seen;
	check(*c->reason || (c->content && c->content_size > 0));
	check(c->content || c->content_size == 0);
	if (*c->reason)
		return;
	answer_parse(l, &form, c->content, c->content_size, NULL, &a);
	check(a.count > 0 || *a.reason);
	if (!a.label || !probability_read(l, c, a.label, p, &seen))
		return;
	double sum = 0;
	for (size_t i = 0; i < 3; i++) {
		check(p[i] >= 0 && p[i] <= 1);
		sum += (double)p[i];
	}
	check(fabs(sum - 1) < 1e-4 && seen > 0 && seen <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply r;
	struct reply_error error;
	struct answer_labels *l = labels_make();
	reply_parse((const char *)data, size, &r);
	check(r.choice_count > 0 || *r.reason);
	check(r.tokens_cached <= r.tokens_in && r.tokens_reasoning <= r.tokens_out);
	for (uint32_t i = 0; i < r.choice_count; i++)
		choice_check(l, &r.choices[i]);
	reply_done(&r);
	reply_error_parse((const char *)data, size, &error);
	check(memchr(error.code, 0, sizeof error.code) != NULL);
	check(memchr(error.message, 0, sizeof error.message) != NULL);
	answer_labels_free(l);
	return 0;
}
