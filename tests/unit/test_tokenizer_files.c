/* libs: tokenizer text base */
/* Where a tokenizer is read from, what is refused and what is damaged. */
#include "tokenizer/tokenizer.h"

#include "base/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IDS_MAX 16

struct file {
	const char *name, *text;
};

/* A folder of the files; an error's message goes to `ret_message`. */
static enum err load(const struct file *files, size_t file_count, struct tokenizer **ret_tokenizer,
		     char ret_message[1024])
{
	char folder[] = "/tmp/tokenizer-XXXXXX", path[200];
	struct err_msg msg = {""};
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < file_count && files[i].name; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
		FILE *file = fopen(path, "wb");
		assert_non_null(file);
		fputs(files[i].text, file);
		assert_int_equal(fclose(file), 0);
	}
	enum err e = tokenizer_load(folder, ret_tokenizer, &msg);
	if (e)
		assert_non_null(strstr(msg.text, folder));
	memcpy(ret_message, msg.text, sizeof msg.text);
	folder_delete(folder);
	return e;
}

static void check_ids(const struct file *files, size_t file_count, const char *text,
		      const char *expected)
{
	char message[1024], found[200] = "";
	struct tokenizer *t;
	if (load(files, file_count, &t, message))
		fail_msg("%s", message);
	uint32_t ids[IDS_MAX];
	size_t count;
	assert_int_equal(tokenizer_encode(t, text, strlen(text), ids, IDS_MAX, &count), ERR_OK);
	for (size_t i = 0, used = 0; i < count; i++)
		used += (size_t)sprintf(found + used, i ? " %u" : "%u", ids[i]);
	assert_string_equal(found, expected);
	tokenizer_free(t);
}

static void check_error(const struct file *files, size_t file_count, enum err expected,
			const char *words)
{
	char message[1024];
	struct tokenizer *t;
	enum err e = load(files, file_count, &t, message);
	if (e != expected || !strstr(message, words))
		fail_msg("%s, \"%s\", not %s with \"%s\"", err_str(e), message, err_str(expected),
			 words);
}

#define CONFIG "tokenizer_config.json"
#define MAP "special_tokens_map.json"
#define LINES "[UNK]\n[CLS]\n[SEP]\nthe\nThe\n##re\ne\xcc\x81\ne\n"

static void test_plain_wordpiece(void **state)
{
	(void)state;
	static const struct {
		struct file files[3];
		const char *text, *ids;
	} cases[] = {
	    {{{"vocab.txt", LINES}}, "The there", "1 3 3 5 2"},
	    {{{"vocab.txt", LINES}, {CONFIG, "{\"do_lower_case\": false}"}},
	     "The there",
	     "1 4 3 5 2"},
	    {{{"vocab.txt", LINES}, {CONFIG, "{\"strip_accents\": null}"}}, "E\xcc\x81", "1 7 2"},
	    {{{"vocab.txt", LINES}, {CONFIG, "{\"strip_accents\": false}"}}, "E\xcc\x81", "1 6 2"},
	    {{{"vocab.txt", LINES},
	      {MAP, "{\"cls_token\": \"the\", \"sep_token\": {\"content\": \"The\"}}"}},
	     "e",
	     "3 7 4"},
	    {{{"vocab.txt", LINES}, {CONFIG, "{\"unk_token\": \"e\"}"}}, "x", "1 7 2"},
	    {{{"vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\nthe"}}, "the [SEP]", "1 3 0 0 0 2"},
	    {{{"vocab.txt", "the\n[UNK]\n[CLS]\n[SEP]\nthe\n\n\n"}}, "the", "2 4 3"},
	    {{{"vocab.txt", LINES}, {"added_tokens.json", "{\"[CLS]\": 1}"}}, "e", "1 7 2"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		check_ids(cases[i].files, 3, cases[i].text, cases[i].ids);
}

#define WORDS                                                                                      \
	"{\"<s>\": 0, \"</s>\": 1, \"a\": 2, \"b\": 3, \"\u0120\": 4, \"ab\": 5, \"\u0120ab\": 6}"

static void test_plain_bytelevel(void **state)
{
	(void)state;
	struct file files[] = {{"vocab.json", WORDS},
			       {"merges.txt", "#version: 0.2\na b\n\xc4\xa0 ab\n"},
			       {CONFIG, "{\"add_prefix_space\": true}"}};
	check_ids(files, 2, "ab ab b", "0 5 6 4 3 1");
	check_ids(files, 3, "ab<s>ab", "0 6 5 1");
	check_error(files, 1, ERR_NOT_FOUND, "merges.txt");
	static const char *const merges[][2] = {
	    {"a x\n", "merge 1"},   {"a b\nb a\n", "merge 2"}, {"a\n", "merge 1"},
	    {"a b b\n", "merge 1"}, {" b\n", "merge 1"},       {"a \n", "merge 1"},
	};
	for (size_t i = 0; i < COUNT(merges); i++) {
		files[1].text = merges[i][0];
		check_error(files, 2, ERR_CORRUPT, merges[i][1]);
	}
}

#define MODEL_HEAD                                                                                 \
	"{\"type\": \"WordPiece\", \"unk_token\": \"u\", \"continuing_subword_prefix\": \"##\", "  \
	"\"max_input_chars_per_word\": 100, \"vocab\": "
#define VOCAB "{\"u\": 0, \"c\": 1, \"s\": 2, \"a\": 3}"
#define MODEL "\"model\": " MODEL_HEAD VOCAB "}"
#define NORMALIZER "\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false}"
#define PRE "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}"
#define POST                                                                                       \
	"\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"s\", 2], \"cls\": "        \
	"[\"c\", 1]}"
#define BPE_HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": " VOCAB ", \"merges\": "
#define BYTE_LEVEL "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}"

static void test_json(void **state)
{
	(void)state;
	struct file files[] = {{"tokenizer.json", "{" MODEL ", " NORMALIZER ", " PRE ", " POST "}"},
			       {CONFIG, "{\"do_lower_case\": true}"},
			       {"vocab.txt", LINES}};
	check_ids(files, 1, "a A", "1 3 0 2");
	check_ids(files, 3, "a A", "1 3 3 2");
	struct file byte[] = {{"tokenizer.json", "{" BPE_HEAD "[]}, " BYTE_LEVEL ", " POST "}"}};
	check_ids(byte, 1, "a asu", "1 3 3 2 0 2");
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} cases[] = {
	    {"\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}", "\"Unigram\""},
	    {"\"model\": {\"type\": \"WordLevel\", \"vocab\": {}}", "\"WordLevel\""},
	    {MODEL "," NORMALIZER "," POST ", \"pre_tokenizer\": {\"type\": \"Metaspace\"}",
	     "\"Metaspace\""},
	    {MODEL "," NORMALIZER "," POST, "pre-tokenizer \"null\""},
	    {MODEL "," PRE "," POST ", \"normalizer\": {\"type\": \"NFKC\"}", "\"NFKC\""},
	    {MODEL "," NORMALIZER "," PRE, "post-processor \"null\""},
	    {MODEL "," PRE "," NORMALIZER
		   ", \"post_processor\": {\"type\": \"TemplateProcessing\", "
		   "\"single\": []}",
	     "template"},
	    {MODEL "," PRE "," NORMALIZER "," POST ", \"added_tokens\": [{\"id\": 9, \"content\": "
		   "\"new\", \"special\": false}]",
	     "\"new\""},
	    {BPE_HEAD "[]}, " POST ", \"pre_tokenizer\": {\"type\": \"Sequence\"}", "\"Sequence\""},
	    {BPE_HEAD "[]}, " POST ", \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"use_regex\": "
		      "false}",
	     "use_regex"},
	    {BPE_HEAD "[]}, " POST "," BYTE_LEVEL "," NORMALIZER, "\"BertNormalizer\""},
	    {BPE_HEAD "[], \"byte_fallback\": true}, " POST "," BYTE_LEVEL, "byte_fallback"},
	    {BPE_HEAD "[], \"dropout\": 0.1}, " POST "," BYTE_LEVEL, "dropout"},
	    {BPE_HEAD "[], \"end_of_word_suffix\": \"</w>\"}, " POST "," BYTE_LEVEL,
	     "end_of_word_suffix"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[4000];
		(void)snprintf(text, sizeof text, "{%s}", cases[i].text);
		struct file file = {"tokenizer.json", text};
		check_error(&file, 1, ERR_INVALID, cases[i].words);
	}
	struct file added[] = {{"vocab.txt", LINES}, {"added_tokens.json", "{\"new\": 8}"}};
	check_error(added, 2, ERR_INVALID, "\"new\"");
	struct file decoder[] = {
	    {"vocab.txt", LINES},
	    {CONFIG,
	     "{\"added_tokens_decoder\": {\"8\": {\"content\": \"new\", \"special\": false}}}"}};
	check_error(decoder, 2, ERR_INVALID, "added token 8");
}

static void test_damaged(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} cases[] = {
	    {"", "no model"},
	    {"\"model\": 3", "no model"},
	    {"\"model\": " MODEL_HEAD "{\"u\": 0, \"a\": 0}}", "id 0"},
	    {"\"model\": " MODEL_HEAD "{\"u\": 0, \"a\": -1}}", "\"a\""},
	    {"\"model\": " MODEL_HEAD "{\"u\": 0, \"a\": \"1\"}}", "\"a\""},
	    {"\"model\": " MODEL_HEAD "{\"u\": 0, \"a\": 4294967296}}", "4294967296"},
	    {"\"model\": " MODEL_HEAD "{\"u\": 0, \"a\": 1, \"a\": 2}}", "duplicate"},
	    {"\"model\": " MODEL_HEAD "{\"a\": 0}}", "\"u\""},
	    {"\"model\": " MODEL_HEAD "{}}", "vocabulary"},
	    {"\"model\": " MODEL_HEAD "[\"u\"]}", "vocabulary"},
	    {"\"model\": {\"type\": \"WordPiece\", \"vocab\": " VOCAB "}", "unk_token"},
	    {MODEL ", \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"s\", 2], "
		   "\"cls\": [\"c\", 99]}",
	     "special tokens"},
	    {MODEL ", \"post_processor\": {\"type\": \"RobertaProcessing\", \"sep\": 1}",
	     "special tokens"},
	    {MODEL "," POST
		   ", \"added_tokens\": [{\"id\": 9, \"content\": \"a\", \"special\": true}]",
	     "\"a\""},
	    {MODEL "," POST ", \"added_tokens\": [3]", "added token 1"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[4000];
		(void)snprintf(text, sizeof text, "{%s%s" NORMALIZER ", " PRE "}", cases[i].text,
			       *cases[i].text ? ", " : "");
		struct file file = {"tokenizer.json", text};
		check_error(&file, 1, ERR_CORRUPT, cases[i].words);
	}
	static const char *const merges[] = {"[\"s\"]", "[[\"a\"]]", "[[\"a\", \"s\"]]", "[3]",
					     "3",	"[\"a s\"]", "[\"x a\"]"};
	for (size_t i = 0; i < COUNT(merges); i++) {
		char text[4000];
		(void)snprintf(text, sizeof text, "{" BPE_HEAD "%s}, " BYTE_LEVEL ", " POST "}",
			       merges[i]);
		struct file file = {"tokenizer.json", text};
		check_error(&file, 1, ERR_CORRUPT, "merge");
	}
}

static void test_damaged_files(void **state)
{
	(void)state;
	static const struct {
		struct file files[2];
		enum err error;
		const char *words;
	} cases[] = {
	    {{{NULL, NULL}}, ERR_NOT_FOUND, "vocab.txt"},
	    {{{"tokenizer.json", "{\"model\": "}}, ERR_CORRUPT, "tokenizer.json"},
	    {{{"tokenizer.json", "[]"}}, ERR_CORRUPT, "tokenizer.json"},
	    {{{"vocab.txt", ""}}, ERR_CORRUPT, "[CLS]"},
	    {{{"vocab.txt", "[CLS]\n[SEP]\n"}}, ERR_CORRUPT, "[UNK]"},
	    {{{"vocab.txt", "[CLS]\n[UNK]\n"}}, ERR_CORRUPT, "[SEP]"},
	    {{{"vocab.txt", "[CLS]\n\xff\n"}}, ERR_CORRUPT, "UTF-8"},
	    {{{"vocab.txt", LINES}, {CONFIG, "{"}}, ERR_CORRUPT, CONFIG},
	    {{{"vocab.txt", LINES}, {CONFIG, "{\"do_lower_case\": 1}"}},
	     ERR_CORRUPT,
	     "do_lower_case"},
	    {{{"vocab.txt", LINES}, {MAP, "[]"}}, ERR_CORRUPT, MAP},
	    {{{"vocab.txt", LINES}, {MAP, "{\"cls_token\": \"[NO]\"}"}}, ERR_CORRUPT, "[NO]"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		check_error(cases[i].files, 2, cases[i].error, cases[i].words);
}

static void test_large(void **state)
{
	(void)state;
	size_t size = 33u << 20;
	char *text = malloc(size + 1);
	memset(text, 'x', size);
	text[size] = '\0';
	struct file file = {"vocab.txt", text};
	check_error(&file, 1, ERR_LIMIT, "vocab.txt");
	/* One line of a megabyte, and a word like it. */
	size = 1u << 20;
	(void)sprintf(text + size, "\n[UNK]\n[CLS]\n[SEP]\n");
	check_ids(&file, 1, "xxx", "2 1 3");
	/* More lines than there may be ids. */
	size = 3 * ((1u << 20) + 1);
	for (size_t i = 0; i < size; i += 3)
		memcpy(text + i, "ab\n", 3);
	text[size] = '\0';
	check_error(&file, 1, ERR_CORRUPT, "too large");
	/* Deep. */
	for (size_t i = 0; i < size; i++)
		text[i] = '[';
	file.name = "tokenizer.json";
	memcpy(text, "{\"a\":", 5);
	check_error(&file, 1, ERR_CORRUPT, "depth");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain_wordpiece),
	    cmocka_unit_test(test_plain_bytelevel),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_damaged_files),
	    cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
