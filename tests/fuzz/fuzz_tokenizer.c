/* libs: tokenizer text base */
/*
 * A tokenizer.json (or a merges.txt for a few tokens), a line "---" and a text: refused, or ids
 * that are in the vocabulary.
 */
#include "text/json_file.h"
#include "tokenizer/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

#define SEPARATOR "\n---\n"
#define IDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_refusal(enum err e, const struct err_msg *msg)
{
	check((e == ERR_INVALID || e == ERR_CORRUPT) && msg->text[0]);
}

static void encode(const struct tokenizer *t, const char *text, size_t bytes)
{
	static uint32_t all[IDS_MAX], some[8];
	size_t all_count, some_count;
	check(tokenizer_encode(t, text, bytes, all, IDS_MAX, &all_count) == ERR_OK);
	check(tokenizer_encode(t, text, bytes, some, 8, &some_count) == ERR_OK);
	check(all_count >= 2 && all_count <= IDS_MAX);
	for (size_t i = 0; i < all_count; i++)
		check(all[i] < tokenizer_vocabulary(t));
	/* The short form is the long one's beginning. */
	check(some_count == (all_count < 8 ? all_count : 8));
	check(memcmp(all, some, (some_count - 1) * sizeof *all) == 0);
	check(all[all_count - 1] == some[some_count - 1]);
}

static enum err read_merges(struct tokenizer *t, const char *text, size_t size, struct err_msg *msg)
{
	static const char *const tokens[] = {"<s>", "</s>", "a",      "b",	"ab",
					     "ba",  "aba",  "\u0120", "\u0120a"};
	struct vocabulary v;
	struct buf buf;
	vocabulary_init(&v);
	buf_init(&buf, size);
	buf_add(&buf, text, size);
	for (uint32_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		check(vocabulary_add(&v, tokens[i], strlen(tokens[i]), i, msg) == ERR_OK);
	t->kind = TOKENIZER_BYTELEVEL;
	t->first = 0;
	t->last = 1;
	t->vocabulary = v.size;
	enum err e = bytelevel_read_merges(&t->bytelevel, &v, &buf, msg);
	vocabulary_done(&v);
	buf_done(&buf);
	return e;
}

static enum err read_json(struct tokenizer *t, const char *text, size_t size, struct err_msg *msg)
{
	json_t *root;
	enum err e = json_file_parse("fuzz.json", text, size, &root, msg);
	if (e)
		return e;
	e = tokenizer_read_json(t, root, msg);
	/* The same object has the keys of a tokenizer_config.json, if it likes. */
	if (!e)
		e = tokenizer_read_config(t, root, msg);
	json_decref(root);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_msg msg = {""};
	const char *file = size ? (const char *)data : "";
	const char *end = memmem(file, size, SEPARATOR, strlen(SEPARATOR));
	const char *text = end ? end + strlen(SEPARATOR) : file + size;
	size_t file_size = end ? (size_t)(end - file) : size;
	struct tokenizer *t = tokenizer_new();
	check(t != NULL);
	enum err e = *file == '{' ? read_json(t, file, file_size, &msg)
				  : read_merges(t, file, file_size, &msg);
	if (e)
		check_refusal(e, &msg);
	else
		encode(t, text, size - (size_t)(text - file));
	tokenizer_free(t);
	return 0;
}
