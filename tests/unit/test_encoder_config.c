/* libs: freeal-trainer-lib */
/* What downloaded config.json files say, and what is refused, with its name in the message. */
#include "trainer/encoder/config.h"

#include "text/json_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BERT                                                                                       \
	"\"model_type\": \"bert\", \"hidden_size\": 12, \"num_hidden_layers\": 2, "                \
	"\"num_attention_heads\": 3, \"intermediate_size\": 24, \"vocab_size\": 50, "              \
	"\"max_position_embeddings\": 16"
#define ROBERTA                                                                                    \
	"\"model_type\": \"roberta\", \"hidden_size\": 12, \"num_hidden_layers\": 2, "             \
	"\"num_attention_heads\": 3, \"intermediate_size\": 24, \"vocab_size\": 50, "              \
	"\"max_position_embeddings\": 18"
#define DISTILBERT                                                                                 \
	"\"model_type\": \"distilbert\", \"dim\": 12, \"n_layers\": 2, \"n_heads\": 3, "           \
	"\"hidden_dim\": 24, \"vocab_size\": 50, \"max_position_embeddings\": 16"

static enum err config_read(const char *text, struct encoder_config *ret, struct err_msg *msg)
{
	json_t *object;
	assert_int_equal(json_file_parse("config.json", text, strlen(text), &object, msg), ERR_OK);
	enum err e = encoder_config_read("config.json", object, ret, msg);
	json_decref(object);
	return e;
}

static void good(const char *text, struct encoder_config *ret)
{
	struct err_msg msg = {""};
	if (config_read(text, ret, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
}

static void test_bert(void **state)
{
	struct encoder_config c;
	good("{" BERT "}", &c);
	assert_int_equal(c.family, ENCODER_BERT);
	assert_int_equal(c.hidden, 12);
	assert_int_equal(c.layers, 2);
	assert_int_equal(c.heads, 3);
	assert_int_equal(c.intermediate, 24);
	assert_int_equal(c.vocabulary, 50);
	assert_int_equal(c.types, 2);
	assert_int_equal(encoder_config_tokens_max(&c), 16);
	assert_true(c.epsilon == 1e-12f && c.initializer_range == 0.02f);
	good("{" BERT ", \"hidden_dropout_prob\": 0.3, \"classifier_dropout\": null}", &c);
	assert_true(c.dropout == 0.3f && c.dropout_head == 0.3f && c.dropout_attention == 0.1f);
	good("{" BERT ", \"classifier_dropout\": 0, \"attention_probs_dropout_prob\": 0.2,"
	     " \"layer_norm_eps\": 1e-05, \"type_vocab_size\": 1, \"hidden_act\": \"gelu\"}",
	     &c);
	assert_true(c.dropout_head == 0 && c.dropout_attention == 0.2f && c.epsilon == 1e-5f);
	assert_int_equal(c.types, 1);
	(void)state;
}

static void test_roberta(void **state)
{
	struct encoder_config c;
	good("{" ROBERTA "}", &c);
	assert_int_equal(c.family, ENCODER_ROBERTA);
	assert_int_equal(c.position_first, 2);
	assert_int_equal(c.positions, 18);
	assert_int_equal(encoder_config_tokens_max(&c), 16);
	good("{" ROBERTA ", \"pad_token_id\": 3}", &c);
	assert_int_equal(c.position_first, 4);
	(void)state;
}

static void test_distilbert(void **state)
{
	struct encoder_config c;
	good("{" DISTILBERT ", \"dropout\": 0.3, \"seq_classif_dropout\": 0.4}", &c);
	assert_int_equal(c.family, ENCODER_DISTILBERT);
	assert_int_equal(c.hidden, 12);
	assert_int_equal(c.intermediate, 24);
	assert_int_equal(c.types, 0);
	assert_true(c.epsilon == 1e-12f && c.dropout == 0.3f && c.dropout_head == 0.4f);
	good("{" DISTILBERT "}", &c);
	assert_true(c.dropout_head == 0.2f);
	(void)state;
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
	    {"{}", "model_type is missing"},
	    {"{\"model_type\": 3}", "model_type"},
	    {"{\"model_type\": \"gpt2\"}", "gpt2; bert, roberta and distilbert"},
	    {"{\"model_type\": \"xlm-roberta\"}", "xlm-roberta"},
	    {"{\"model_type\": \"bert\"}", "hidden_size is missing"},
	    {"{\"model_type\": \"distilbert\", \"hidden_size\": 12}", "dim is missing"},
	    {"{" BERT ", \"hidden_act\": \"gelu_new\"}", "hidden_act is gelu_new; only gelu"},
	    {"{" BERT ", \"hidden_act\": [1]}", "hidden_act"},
	    {"{" DISTILBERT ", \"activation\": \"relu\"}", "activation is relu"},
	    {"{" BERT ", \"position_embedding_type\": \"relative_key\"}", "only absolute"},
	    {"{" BERT ", \"is_decoder\": true}", "is_decoder"},
	    {"{" BERT ", \"add_cross_attention\": true}", "add_cross_attention"},
	    {"{" BERT ", \"pruned_heads\": {\"0\": [1]}}", "pruned_heads"},
	    {"{" BERT ", \"type_vocab_size\": 0}", "type_vocab_size"},
	    {"{" BERT ", \"type_vocab_size\": 2.5}", "type_vocab_size"},
	    {"{" BERT ", \"type_vocab_size\": null}", "type_vocab_size"},
	    {"{" BERT ", \"layer_norm_eps\": -1}", "layer_norm_eps"},
	    {"{" BERT ", \"layer_norm_eps\": \"1e-5\"}", "layer_norm_eps"},
	    {"{" BERT ", \"hidden_dropout_prob\": 1}", "hidden_dropout_prob"},
	    {"{" BERT ", \"initializer_range\": 0}", "initializer_range"},
	    {"{" ROBERTA ", \"pad_token_id\": -1}", "pad_token_id"},
	    {"{" ROBERTA ", \"pad_token_id\": 15}", "pad_token_id leaves no room"},
	    {"{" ROBERTA ", \"pad_token_id\": 4294967295}", "pad_token_id"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct encoder_config c = {.hidden = 77};
		struct err_msg msg = {""};
		enum err e = config_read(cases[i].text, &c, &msg);
		if (e != ERR_INVALID || !strstr(msg.text, cases[i].word) || c.hidden != 77)
			fail_msg("%s: %s, not: %s", cases[i].text, msg.text, cases[i].word);
	}
	(void)state;
}

static void test_sizes_out_of_bounds(void **state)
{
	static const char *const sizes[] = {
	    "\"hidden_size\": 8193",
	    "\"hidden_size\": 0",
	    "\"hidden_size\": 13", /* heads */
	    "\"num_hidden_layers\": 0",
	    "\"num_attention_heads\": 99999999999",
	    "\"intermediate_size\": -24",
	    "\"vocab_size\": 4194305",
	    "\"max_position_embeddings\": 2",
	};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		/* Everything else from BERT: the object keeps the one that is set last. */
		json_t *object = json_loads("{" BERT "}", 0, NULL);
		char text[128];
		(void)snprintf(text, sizeof text, "{%s}", sizes[i]);
		json_t *changed = json_loads(text, 0, NULL);
		struct encoder_config c;
		struct err_msg msg = {""};
		assert_int_equal(json_object_update(object, changed), 0);
		assert_int_equal(encoder_config_read("config.json", object, &c, &msg), ERR_INVALID);
		json_decref(changed);
		json_decref(object);
	}
	(void)state;
}

static void test_load(void **state)
{
	char folder[] = "/tmp/config-XXXXXX", path[64];
	struct encoder_config c;
	struct err_msg msg;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(encoder_config_load(folder, &c, &msg), ERR_NOT_FOUND);
	(void)snprintf(path, sizeof path, "%s/config.json", folder);
	FILE *file = fopen(path, "w");
	fputs("{" BERT "}", file);
	fclose(file);
	assert_int_equal(encoder_config_load(folder, &c, &msg), ERR_OK);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(encoder_config_load(folder, &c, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, path));
	(void)unlink(path);
	(void)rmdir(folder);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bert),
	    cmocka_unit_test(test_roberta),
	    cmocka_unit_test(test_distilbert),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_sizes_out_of_bounds),
	    cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
