/* libs: freeal-mockllm-lib */
/* The three modes' answers, and the words and probabilities that they rest on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/mock.h"
#include "mockllm/simulate.h"
#include "mockllm/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char TASK[] = "labels:\n"
			   "  - {name: sound, keywords: [audio, mp3, hard disk]}\n"
			   "  - {name: games, keywords: [game, puzzle]}\n"
			   "llm: {url: http://127.0.0.1:1/v1, model: m}\n";

/* A temporary file with this content; the caller unlinks and frees the name. */
static char *file_make(const char *suffix, const char *content)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/tmp/test_mock_XXXXXX%s", suffix);
	int fd = mkstemps(path, (int)strlen(suffix));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	return strdup(path);
}

static void file_drop(char *path)
{
	(void)unlink(path);
	free(path);
}

static enum err ask(const struct mock *m, const char *model, const char *turns, const char *text,
		    char ret_answer[256])
{
	char body[1024];
	struct chat_request r;
	struct err_msg msg = {""};
	struct buf out;
	(void)snprintf(body, sizeof body,
		       "{\"model\":\"%s\",\"messages\":[%s{\"role\":\"user\",\"content\":\"%s\"}]}",
		       model, turns, text);
	assert_int_equal(chat_request_parse(&r, body, strlen(body), NULL, &msg), ERR_OK);
	buf_init(&out, 255);
	struct guess guess;
	enum err e = ERR_OK;
	if (r.examples_wanted) {
		e = mock_examples(m, &r, &out, &msg);
	} else {
		e = mock_guess(m, &r, r.text, 0, &guess, &msg);
		if (!e)
			buf_add(&out, guess.names[0].data, guess.names[0].size);
	}
	(void)snprintf(ret_answer, 256, "%s", buf_str(&out));
	buf_done(&out);
	chat_request_done(&r);
	return e;
}

#define TURN(text, label)                                                                          \
	"{\"role\":\"user\",\"content\":\"" text                                                   \
	"\"},{\"role\":\"assistant\",\"content\":\"" label "\"},"

static void assert_answer(const struct mock *m, const char *model, const char *turns,
			  const char *text, const char *expected)
{
	char answer[256];
	assert_int_equal(ask(m, model, turns, text, answer), ERR_OK);
	assert_string_equal(answer, expected);
}

static void test_offline(void **state)
{
	(void)state;
	char *task = file_make(".yaml", TASK);
	struct mock *m = NULL;
	struct err_msg msg = {""};
	struct mock_options options = {.mode = "offline", .task = task, .seed = 1};
	assert_int_equal(mock_new(&options, &m, &msg), ERR_OK);
	assert_answer(m, "m", "", "An AUDIO player", "sound");
	assert_answer(m, "m", "", "audio game", "sound"); /* a tie goes to the earlier label */
	assert_answer(m, "m", "", "audio puzzle game", "games");
	assert_answer(m, "m", "", "audio game game", "sound"); /* a keyword counts once */
	assert_answer(m, "m", "", "for the hard disk", "sound");
	assert_answer(m, "m", "", "the disk is hard", "unknown");
	assert_answer(m, "m", "", "gamepad", "unknown"); /* whole words alone */
	assert_answer(m, "m", TURN("red blue", "sound") TURN("red blue green", "games"),
		      "blue green red", "games");
	assert_answer(m, "m", TURN("red", "games") TURN("blue", "sound"), "blue red", "games");
	assert_answer(m, "m", TURN("red", "games"), "yellow", "unknown");
	assert_answer(m, "m", "", "Write 3 examples of the label \\\"games\\\".",
		      "[\"game puzzle\",\"puzzle game\",\"game\"]");
	assert_answer(m, "m", "", "Write 9 examples of the label \\\"Games\\\".",
		      "[\"game puzzle\",\"puzzle game\",\"game\",\"puzzle\"]");
	char answer[256];
	assert_int_equal(ask(m, "m", "", "Write 9 examples of the label \\\"none\\\".", answer),
			 ERR_INVALID);
	mock_free(m);
	file_drop(task);
}

static void test_replay(void **state)
{
	(void)state;
	char *task = file_make(".yaml", TASK);
	char *examples =
	    file_make(".jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":0}\n"
				"{\"text\":\"c\",\"label\":\"games\"}\n");
	char *recordings =
	    file_make(".jsonl", "{\"text\":\"t\",\"answers\":{\"m|0\":\"sound\",\"m|2\":null,"
				"\"m-cot|2\":\"games\",\"one|*\":\"games\"}}\n"
				"{\"text\":\"u\",\"answers\":{\"m|0\":\"games\"}}\n");
	struct mock *m = NULL;
	struct err_msg msg = {""};
	struct mock_options options = {
	    .mode = "replay", .task = task, .examples = examples, .recordings = recordings};
	assert_int_equal(mock_new(&options, &m, &msg), ERR_OK);
	const char *two = TURN("a", "sound") TURN("b", "games");
	assert_answer(m, "m", "", "t", "sound");
	assert_answer(m, "m", two, "t", "unknown");
	assert_answer(m, "m-cot", two, "t", "games");
	assert_answer(m, "one", two, "t", "games");
	assert_answer(m, "one", "", "t", "games");
	assert_answer(m, "x", "", "Write 5 examples of the label \\\"games\\\".", "[\"a\",\"c\"]");
	assert_answer(m, "x", "", "Write 1 examples of the label \\\"games\\\".", "[\"a\"]");
	char answer[256];
	assert_int_equal(ask(m, "m", TURN("a", "sound"), "t", answer), ERR_NOT_FOUND);
	assert_int_equal(ask(m, "other", "", "t", answer), ERR_NOT_FOUND);
	assert_int_equal(ask(m, "m", two, "u", answer), ERR_INVALID);
	assert_int_equal(ask(m, "one", "", "u", answer), ERR_INVALID);
	mock_free(m);
	file_drop(task);
	file_drop(examples);
	file_drop(recordings);
}

static void test_replay_refused(void **state)
{
	(void)state;
	static const char *const files[] = {
	    "",
	    "{\"text\":\"t\"}\n",
	    "{\"text\":\"t\",\"answers\":{\"m\":\"x\"}}\n",
	    "{\"text\":\"t\",\"answers\":{\"m|0\":1}}\n",
	    "{\"text\":\"t\",\"answers\":{\"m|0\":\"x\"}}\n{\"text\":\"t\",\"answers\":{\"m|0\":"
	    "\"y\"}}\n",
	    "not json\n",
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = file_make(".jsonl", files[i]);
		struct mock *m = NULL;
		struct err_msg msg = {""};
		struct mock_options options = {.mode = "replay", .recordings = path};
		assert_int_equal(mock_new(&options, &m, &msg), ERR_INVALID);
		assert_non_null(strstr(msg.text, path));
		assert_null(m);
		file_drop(path);
	}
	struct mock *m = NULL;
	struct err_msg msg = {""};
	struct mock_options options = {.mode = "other"};
	assert_int_equal(mock_new(&options, &m, &msg), ERR_INVALID);
}

/* Share of right and of invalid answers over many texts of margin 0. */
static void simulated_shares(const char *turns, double *ret_right, double *ret_invalid)
{
	enum { COUNT = 4000 };
	struct buf file;
	buf_init(&file, 1 << 20);
	for (int i = 0; i < COUNT; i++)
		buf_printf(&file,
			   "{\"text\":\"text %d\",\"gold\":\"a\",\"rival\":\"b\",\"margin\":0}\n",
			   i);
	char *path = file_make(".jsonl", buf_str(&file));
	buf_done(&file);
	struct mock *m = NULL;
	struct err_msg msg = {""};
	struct mock_options options = {
	    .mode = "simulate", .margins = path, .accuracy = 0.6, .seed = 7};
	assert_int_equal(mock_new(&options, &m, &msg), ERR_OK);
	int right = 0;
	int invalid = 0;
	for (int i = 0; i < COUNT; i++) {
		char text[32];
		char answer[256];
		char again[256];
		(void)snprintf(text, sizeof text, "text %d", i);
		assert_int_equal(ask(m, "m", turns, text, answer), ERR_OK);
		assert_int_equal(ask(m, "m", turns, text, again), ERR_OK);
		assert_string_equal(answer, again);
		right += strcmp(answer, "a") == 0;
		invalid += strcmp(answer, "unknown") == 0;
	}
	char answer[256];
	assert_int_equal(ask(m, "m", "", "elsewhere", answer), ERR_INVALID);
	mock_free(m);
	file_drop(path);
	*ret_right = (double)right / COUNT;
	*ret_invalid = (double)invalid / COUNT;
}

static void test_simulate(void **state)
{
	(void)state;
	double right;
	double invalid;
	simulated_shares("", &right, &invalid);
	assert_true(fabs(right - 0.6) < 0.03);
	assert_true(fabs(invalid - 0.02) < 0.01);
	/* a = logit(0.6 / 0.98); right demonstrations add 1.6, wrong ones take 0.8 off. */
	double a = log(0.6 / 0.38);
	simulated_shares(TURN("text 1", "a"), &right, &invalid);
	assert_true(fabs(right - 0.98 / (1 + exp(-a - 1.6))) < 0.03);
	simulated_shares(TURN("text 1", "b"), &right, &invalid);
	assert_true(fabs(right - 0.98 / (1 + exp(-a + 0.8))) < 0.03);
	/* One that is not in the file counts as half right: plus 0.4. */
	simulated_shares(TURN("new text", "b"), &right, &invalid);
	assert_true(fabs(right - 0.98 / (1 + exp(-a - 0.4))) < 0.03);
}

/* Later draws of a prompt differ from each other; two labels are named at small margins alone. */
static void test_simulate_draws(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	struct buf file;
	buf_init(&file, 1 << 20);
	for (int i = 0; i < COUNT; i++)
		buf_printf(&file,
			   "{\"text\":\"text %d\",\"gold\":\"a\",\"rival\":\"b\",\"margin\":%g}\n",
			   i, (i % 2 ? 1 : -1) * (i + 0.5) / COUNT);
	char *path = file_make(".jsonl", buf_str(&file));
	buf_done(&file);
	struct mock *m = NULL;
	struct err_msg msg = {""};
	struct mock_options options = {
	    .mode = "simulate", .margins = path, .accuracy = 0.5, .unsure = 0.3, .seed = 7};
	assert_int_equal(mock_new(&options, &m, &msg), ERR_OK);
	int pairs = 0;
	int differ = 0;
	struct chat_request r = {0};
	for (int i = 0; i < COUNT; i++) {
		char text[32];
		struct guess draws[3];
		(void)snprintf(text, sizeof text, "text %d", i);
		for (uint64_t j = 0; j < 3; j++)
			assert_int_equal(mock_guess(m, &r, chat_text_of(text), j, &draws[j], &msg),
					 ERR_OK);
		assert_int_equal(draws[0].count, 3);
		assert_true(fabs(draws[0].probabilities[0] + draws[0].probabilities[1] +
				 draws[0].probabilities[2] - 1) < 1e-12);
		/* Whatever is drawn, a label keeps its probability. */
		for (size_t k = 0; k < 3; k++) {
			if (chat_text_equal(draws[1].names[k], draws[0].names[0]))
				assert_true(draws[1].probabilities[k] == draws[0].probabilities[0]);
		}
		bool invalid = chat_text_equal(draws[0].names[0], chat_text_of("unknown"));
		assert_int_equal(draws[0].likely, !invalid && i < 0.3 * COUNT ? 2 : 1);
		pairs += draws[0].likely == 2;
		differ += !chat_text_equal(draws[1].names[0], draws[2].names[0]);
	}
	assert_true(pairs > 280 && pairs <= 300);
	/* Two draws of a probability about a half. */
	assert_true(differ > 400 && differ < 600);
	mock_free(m);
	file_drop(path);
}

static void test_simulate_formula(void **state)
{
	(void)state;
	const double margins[] = {-1.5, -0.5, 0, 0.5, 1.5};
	double a = simulate_offset(margins, 5, 0.7);
	double sum = 0;
	for (int i = 0; i < 5; i++)
		sum += simulate_probability(a, margins[i], 0, 0);
	assert_true(fabs(sum / 5 - 0.7) < 1e-9);
	assert_true(fabs(simulate_probability(0, 0, 1, 1) - 1 / (1 + exp(-1.6))) < 1e-12);
	assert_true(fabs(simulate_probability(0, 1, 1, 0.5) - 1 / (1 + exp(-1.9))) < 1e-12);
}

static struct words *words_of(const char *text)
{
	struct words *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	words_split(w, text, strlen(text));
	return w;
}

static void test_words(void **state)
{
	(void)state;
	struct words *a = words_of("The cat, the CAT: caf\xc3\xa9 3D!");
	struct words *b = words_of("cat 3d dog");
	struct words *none = words_of(" .,! ");
	struct words *phrase = words_of("the cat");
	struct words *reversed = words_of("cat the cat the");
	assert_int_equal(a->count, 6);
	assert_int_equal(none->count, 0);
	assert_int_equal(words_shared(a, b), 2);
	assert_int_equal(words_shared(b, a), 2);
	assert_true(words_have(a, phrase));
	assert_false(words_have(a, reversed));
	assert_false(words_have(a, none));
	assert_true(fabs(words_cosine(a, a) - 1) < 1e-12);
	assert_true(words_cosine(a, none) == 0);
	/* the 2, cat 2, café 1, 3d 1 against cat 1, 3d 1, dog 1 */
	assert_true(fabs(words_cosine(a, b) - 3 / sqrt(10.0 * 3.0)) < 1e-12);
	free(a);
	free(b);
	free(none);
	free(phrase);
	free(reversed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_offline),
	    cmocka_unit_test(test_replay),
	    cmocka_unit_test(test_replay_refused),
	    cmocka_unit_test(test_simulate),
	    cmocka_unit_test(test_simulate_formula),
	    cmocka_unit_test(test_simulate_draws),
	    cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
