/* libs: freeal-coordinator-lib */
/* What is reserved for a request is never less than the request. */
#include "llm/prompt_size.h"

#include "base/limits.h"
#include "base/rng.h"
#include "config/project.h"
#include "llm/prompt.h"
#include "llm/prompt_pool.h"
#include "llm/prompt_round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEMONSTRATIONS 12

static Freeal__Project *project_of(const char *description, const char *llm, const char *more)
{
	char text[4096];
	struct task *task;
	struct err_msg msg;
	int n = snprintf(
	    text, sizeof text,
	    "description: \"%s\"\n"
	    "labels:\n"
	    "  - {name: negative, description: \"did not \\\"like\\\" it\"}\n"
	    "  - {name: \"po\\\"sitive\"}\n"
	    "  - {name: a rather long name of a label that is not short at all}\n"
	    "llm: {url: \"http://localhost:1/v1\", model: \"m\\\"odel\", max_tokens: 9%s}\n"
	    "rounds: [{shots: 2}]\n%s",
	    description, llm, more);
	if (task_parse("t.yaml", text, (size_t)n, &task, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	Freeal__Project *p = project_from_task(task, 1);
	task_free(task);
	assert_non_null(p);
	return p;
}

static const char templates[] =
    "prompt:\n"
    "  system: \"{description} {labels} {names} {labels}\"\n"
    "  user: \"{names} <t>{text}</t> {text} {{{description}}}\"\n"
    "  generate_system: \"{description}{labels}\"\n"
    "  generate_user: \"{count} {label} {label_description} {styles} {styles}\"\n";

static struct prompt_round *round_of(const Freeal__Project *p, const struct dialect *dialect)
{
	const Freeal__Llm *llm = p->rounds[0]->llm;
	struct prompt_round *round;
	assert_int_equal(
	    prompt_round_new(p, llm, p->endpoints[llm->endpoints[0]]->model, dialect, &round),
	    ERR_OK);
	return round;
}

static struct prompt_pool *pool_of(const Freeal__Project *p, const Freeal__Pool *pool)
{
	struct prompt_demonstration list[DEMONSTRATIONS];
	struct prompt_pool *prepared;
	struct err_msg msg;
	for (size_t i = 0; i < pool->n_demonstrations; i++) {
		const Freeal__Demonstration *d = pool->demonstrations[i];
		list[i] = (struct prompt_demonstration){{d->text.data, d->text.len}, d->class_id};
	}
	assert_int_equal(prompt_pool_new(p, list, pool->n_demonstrations, &prepared, &msg), ERR_OK);
	return prepared;
}

static uint64_t ask_bytes(const struct prompt_round *round, const struct prompt_ask *ask)
{
	struct buf body;
	uint64_t first_id;
	buf_init(&body, PROMPT_BYTES_MAX);
	assert_int_equal(prompt_annotate(round, ask, &first_id, &body), ERR_OK);
	uint64_t size = body.size;
	buf_done(&body);
	return size;
}

/* The largest request for the order, of all asks; and, by `texts`, of several orders together. */
static uint64_t annotate_bytes(const Freeal__Project *p, const Freeal__AnnotateOrder *order,
			       const Freeal__Pool *pool, size_t texts)
{
	static const char bad[4000] = "\x01\x02 not a label";
	static const struct dialect dialects[] = {{0}, {.max_completion_tokens = true}};
	struct prompt_text list[PROMPT_BATCH_MAX];
	const struct prompt_correction correction = {"not_a_label", {bad, sizeof bad}};
	struct prompt_pool *prepared = pool_of(p, pool);
	struct prompt_ask ask = {
	    .pool = prepared,
	    .numbers = order->demonstrations,
	    .number_count = order->n_demonstrations,
	    .texts = list,
	    .text_count = texts,
	    .answers = p->rounds[0]->llm->samples,
	    .seed = UINT32_MAX,
	};
	uint64_t largest = 0;
	for (size_t i = 0; i < texts; i++)
		list[i] = (struct prompt_text){order->text.data, order->text.len};
	for (size_t i = 0; i < 2; i++) {
		struct prompt_round *round = round_of(p, &dialects[i]);
		bool again = texts == 1 && p->rounds[0]->llm->attempts_max > 1;
		ask.correction = again ? &correction : NULL;
		uint64_t size = ask_bytes(round, &ask);
		largest = size > largest ? size : largest;
		prompt_round_free(round);
	}
	prompt_pool_free(prepared);
	return largest;
}

/* Of any characters, also those that are longer when escaped. */
static ProtobufCBinaryData text_draw(struct rng *rng, uint8_t *bytes, size_t size_max)
{
	size_t size = 1 + rng_below(rng, size_max);
	bool nasty = rng_below(rng, 2);
	for (size_t i = 0; i < size; i++)
		bytes[i] = nasty ? (uint8_t) "\x01\"\\\n\t/<a"[rng_below(rng, 8)]
				 : (uint8_t)('a' + rng_below(rng, 26));
	return (ProtobufCBinaryData){size, bytes};
}

static void check(const Freeal__Project *p, uint64_t seed)
{
	static uint8_t bytes[DEMONSTRATIONS + 1][2000];
	Freeal__Demonstration demonstrations[DEMONSTRATIONS], *pointers[DEMONSTRATIONS];
	uint32_t numbers[DEMONSTRATIONS];
	struct rng rng = rng_make(seed);
	Freeal__Pool pool = FREEAL__POOL__INIT;
	Freeal__AnnotateOrder order = FREEAL__ANNOTATE_ORDER__INIT;
	for (uint32_t i = 0; i < DEMONSTRATIONS; i++) {
		freeal__demonstration__init(&demonstrations[i]);
		demonstrations[i].text = text_draw(&rng, bytes[i], 300);
		demonstrations[i].class_id = (uint32_t)rng_below(&rng, p->n_labels);
		pointers[i] = &demonstrations[i];
		numbers[i] = (uint32_t)rng_below(&rng, DEMONSTRATIONS);
	}
	pool.demonstrations = pointers;
	pool.n_demonstrations = DEMONSTRATIONS;
	order.text = text_draw(&rng, bytes[DEMONSTRATIONS], 2000);
	order.demonstrations = numbers;
	order.n_demonstrations = rng_below(&rng, DEMONSTRATIONS + 1);
	struct prompt_size size;
	prompt_size_init(&size, p, p->rounds[0]->llm);
	uint64_t bound = prompt_size_annotate(&size, &order, &pool);
	uint64_t real = annotate_bytes(p, &order, &pool, 1);
	assert_true(real <= bound);
	/* And not so much more that nothing fits. */
	assert_true(bound <= 3 * real + 8192);
	for (size_t texts = 2; texts <= PROMPT_BATCH_MAX; texts *= 2)
		assert_true(annotate_bytes(p, &order, &pool, texts) <= texts * bound);
	assert_int_equal(prompt_size_annotate_tokens(&size), 9);
}

static void test_annotate(void **state)
{
	(void)state;
	static const char *const llms[] = {
	    "",
	    ", attempts: 3",
	    ", reasoning: true, effort: high",
	    ", candidates: true",
	    ", answers: json, attempts: 2",
	    ", answers: choice",
	    ", samples: 5, temperature: 0.7, logprobs: true",
	};
	for (size_t i = 0; i < sizeof llms / sizeof *llms; i++) {
		Freeal__Project *p =
		    project_of(i % 2 ? "" : "Say what the \\\"reviewer\\\" thinks.", llms[i],
			       i % 3 ? "" : templates);
		for (uint64_t seed = 1; seed <= 25; seed++)
			check(p, seed);
		freeal__project__free_unpacked(p, NULL);
	}
}

static void test_generate(void **state)
{
	(void)state;
	static uint8_t bytes[10][500];
	Freeal__Project *p =
	    project_of("Say what the reviewer thinks.", ", attempts: 2", templates);
	ProtobufCBinaryData styles[10];
	struct prompt_text texts[10];
	struct rng rng = rng_make(1);
	for (size_t i = 0; i < 10; i++) {
		styles[i] = text_draw(&rng, bytes[i], 500);
		texts[i] = (struct prompt_text){styles[i].data, styles[i].len};
	}
	Freeal__GenerateOrder order = FREEAL__GENERATE_ORDER__INIT;
	order.count = 34;
	order.styles = styles;
	struct prompt_size size;
	prompt_size_init(&size, p, p->rounds[0]->llm);
	static const char bad[4000] = "\x01 no array";
	const struct prompt_correction correction = {"malformed", {bad, sizeof bad}};
	const struct dialect dialect = {0};
	struct prompt_round *round = round_of(p, &dialect);
	for (order.n_styles = 0; order.n_styles <= 10; order.n_styles++) {
		struct buf body;
		buf_init(&body, PROMPT_BYTES_MAX);
		assert_int_equal(prompt_generate(round, 2, order.count, texts, order.n_styles,
						 &correction, &body),
				 ERR_OK);
		assert_true(body.size <= prompt_size_generate(&size, &order));
		buf_done(&body);
	}
	prompt_round_free(round);
	assert_int_equal(prompt_size_generate_tokens(&size, &order),
			 prompt_generate_tokens_max(p->rounds[0]->llm, 34));
	freeal__project__free_unpacked(p, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_annotate),
	    cmocka_unit_test(test_generate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
