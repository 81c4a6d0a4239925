/* libs: freeal-trainer-lib text base m */
/* Checkpoints that the safetensors library wrote (tests/golden/make_weights.py): each tensor in
 * its place; what is damaged or of another kind is refused by name. */
#include "trainer/encoder/weights.h"

#include "base/folder.h"
#include "trainer/encoder/safetensors.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct loaded {
	struct parameters p;
	float *weights;
	struct weights_found found;
};

static void load(const char *family, size_t class_count, uint64_t seed, struct loaded *l)
{
	char folder[PATH_MAX];
	struct encoder_config c;
	struct err_msg msg = {""};
	(void)snprintf(folder, sizeof folder, FIXTURES "/weights/%s", family);
	assert_int_equal(encoder_config_load(folder, &c, &msg), ERR_OK);
	assert_int_equal(parameters_init(&l->p, &c, class_count), ERR_OK);
	l->weights = malloc(l->p.size * sizeof *l->weights);
	memset(l->weights, 0xff, l->p.size * sizeof *l->weights);
	if (weights_load(folder, &l->p, seed, l->weights, &l->found, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
}

static void loaded_done(struct loaded *l)
{
	free(l->weights);
	parameters_done(&l->p);
}

/* Rows `slice` of `slices` of a parameter are the tensor of that name. */
static void check(const struct loaded *l, const struct parameter *p, size_t slice, size_t slices,
		  const char *name)
{
	unsigned sum = 0;
	size_t count = p->rows * p->columns / slices;
	const float *at = l->weights + p->offset + slice * count;
	for (const char *c = name; *c; c++)
		sum += (unsigned char)*c;
	for (size_t i = 0; i < count; i++) {
		float expected = ((float)((i * 7 + sum) % 61) - 30) / 16;
		if (at[i] != expected)
			fail_msg("%s[%zu] is %g, not %g", name, i, (double)at[i], (double)expected);
	}
}

static void embeddings_check(const struct loaded *l)
{
	const struct parameters *p = &l->p;
	check(l, parameters_single(p, PARAMETER_WORD), 0, 1, "embeddings.word_embeddings.weight");
	check(l, parameters_single(p, PARAMETER_POSITION), 0, 1,
	      "embeddings.position_embeddings.weight");
	if (p->config.types > 0)
		check(l, parameters_single(p, PARAMETER_TYPE), 0, 1,
		      "embeddings.token_type_embeddings.weight");
	check(l, parameters_single(p, PARAMETER_EMBED_GAMMA), 0, 1, "embeddings.LayerNorm.weight");
	check(l, parameters_single(p, PARAMETER_EMBED_BETA), 0, 1, "embeddings.LayerNorm.bias");
}

/* Names of the parts of layer 1, in the order of enum parameter_layer; q, k, v first. */
static const char *const BERT_LAYER[] = {"attention.self.query",
					 "attention.self.key",
					 "attention.self.value",
					 "attention.output.dense",
					 "attention.output.LayerNorm",
					 "intermediate.dense",
					 "output.dense",
					 "output.LayerNorm"};
static const char *const DISTILBERT_LAYER[] = {
    "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
    "sa_layer_norm",   "ffn.lin1",	  "ffn.lin2",	     "output_layer_norm"};

static void layer_check(const struct loaded *l, const char *before, const char *const *names)
{
	char name[128];
	for (size_t i = 0; i < 8; i++)
		for (int bias = 0; bias < 2; bias++) {
			size_t pair = i < 3 ? 0 : i - 2;
			enum parameter_layer which =
			    (enum parameter_layer)(2 * pair + (size_t)bias);
			(void)snprintf(name, sizeof name, "%slayer.1.%s.%s", before, names[i],
				       bias ? "bias" : "weight");
			check(l, parameters_layer(&l->p, 1, which), i < 3 ? i : 0, i < 3 ? 3 : 1,
			      name);
		}
}

static void test_bert_float_old_names(void **state)
{
	struct loaded l;
	load("bert", 3, 1, &l);
	embeddings_check(&l);
	layer_check(&l, "encoder.", BERT_LAYER);
	check(&l, parameters_single(&l.p, PARAMETER_HEAD_DENSE_WEIGHT), 0, 1,
	      "pooler.dense.weight");
	check(&l, parameters_single(&l.p, PARAMETER_HEAD_DENSE_BIAS), 0, 1, "pooler.dense.bias");
	assert_true(l.found.head_dense && !l.found.head_out);
	loaded_done(&l);
	(void)state;
}

static void test_roberta_half_without_prefix(void **state)
{
	struct loaded l;
	load("roberta", 3, 1, &l);
	embeddings_check(&l);
	layer_check(&l, "encoder.", BERT_LAYER);
	assert_true(!l.found.head_dense && !l.found.head_out);
	loaded_done(&l);
	(void)state;
}

static void test_distilbert_brain_with_classifier(void **state)
{
	struct loaded l;
	load("distilbert", 3, 1, &l);
	embeddings_check(&l);
	layer_check(&l, "transformer.", DISTILBERT_LAYER);
	check(&l, parameters_single(&l.p, PARAMETER_HEAD_DENSE_WEIGHT), 0, 1,
	      "pre_classifier.weight");
	check(&l, parameters_single(&l.p, PARAMETER_HEAD_OUT_WEIGHT), 0, 1, "classifier.weight");
	check(&l, parameters_single(&l.p, PARAMETER_HEAD_OUT_BIAS), 0, 1, "classifier.bias");
	assert_true(l.found.head_dense && l.found.head_out);
	loaded_done(&l);
	(void)state;
}

/* What lies between two parameters is 0. */
static void test_gaps(void **state)
{
	struct loaded l;
	load("bert", 3, 1, &l);
	const struct parameter *bias = parameters_single(&l.p, PARAMETER_HEAD_OUT_BIAS);
	for (size_t i = bias->offset; i < l.p.size; i++)
		assert_true(l.weights[i] == 0);
	loaded_done(&l);
	(void)state;
}

static void test_head_drawn(void **state)
{
	struct loaded a, same, other;
	load("distilbert", 200, 7, &a);
	load("distilbert", 200, 7, &same);
	load("distilbert", 200, 8, &other);
	assert_true(a.found.head_dense && !a.found.head_out);
	assert_memory_equal(a.weights, same.weights, a.p.size * sizeof *a.weights);
	assert_memory_not_equal(a.weights, other.weights, a.p.size * sizeof *a.weights);
	const struct parameter *out = parameters_single(&a.p, PARAMETER_HEAD_OUT_WEIGHT);
	size_t count = out->rows * out->columns;
	double mean = 0, square = 0;
	for (size_t i = 0; i < count; i++) {
		double w = (double)a.weights[out->offset + i];
		mean += w / (double)count;
		square += w * w / (double)count;
	}
	assert_true(fabs(mean) < 0.003 && fabs(sqrt(square) - 0.02) < 0.002);
	for (size_t i = 0; i < 200; i++)
		assert_true(
		    a.weights[parameters_single(&a.p, PARAMETER_HEAD_OUT_BIAS)->offset + i] == 0);
	loaded_done(&a);
	loaded_done(&same);
	loaded_done(&other);
	(void)state;
}

static void test_without_classes(void **state)
{
	struct loaded l;
	load("distilbert", 0, 1, &l);
	embeddings_check(&l);
	assert_true(l.found.head_dense && !l.found.head_out);
	loaded_done(&l);
	(void)state;
}

static void test_class_count(void **state)
{
	static const char *const families[] = {"bert", "roberta", "distilbert"};
	char folder[PATH_MAX];
	struct encoder_config c;
	struct err_msg msg;
	size_t count;
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(folder, sizeof folder, FIXTURES "/weights/%s", families[i]);
		assert_int_equal(encoder_config_load(folder, &c, &msg), ERR_OK);
		assert_int_equal(weights_class_count(folder, &c, &count, &msg), ERR_OK);
		assert_int_equal(count, i == 2 ? 3 : 0);
	}
	c.hidden = 8;
	assert_int_equal(weights_class_count(folder, &c, &count, &msg), ERR_INVALID);
	(void)state;
}

/* ---- what is refused ---- */

struct world {
	char folder[32];
	struct parameters p;
	float *weights;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct encoder_config c;
	struct err_msg msg;
	strcpy(w->folder, "/tmp/weights-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(encoder_config_load(FIXTURES "/weights/distilbert", &c, &msg), ERR_OK);
	assert_int_equal(parameters_init(&w->p, &c, 3), ERR_OK);
	w->weights = malloc(w->p.size * sizeof *w->weights);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	folder_delete(w->folder);
	parameters_done(&w->p);
	free(w->weights);
	free(w);
	return 0;
}

static void refused(struct world *w, enum err expected, const char *word)
{
	struct weights_found found;
	struct err_msg msg = {""};
	enum err e = weights_load(w->folder, &w->p, 1, w->weights, &found, &msg);
	if (e != expected || !strstr(msg.text, word))
		fail_msg("%d, %s; not: %s", e, msg.text, word);
}

static void name_make(struct world *w, const char *name)
{
	char path[PATH_MAX];
	struct err_msg msg;
	(void)snprintf(path, sizeof path, "%s/%s", w->folder, name);
	assert_int_equal(folder_file_write(path, NULL, 0, &msg), ERR_OK);
}

static void test_other_formats(void **state)
{
	struct world *w = *state;
	refused(w, ERR_NOT_FOUND, "model.safetensors");
	name_make(w, "pytorch_model.bin");
	refused(w, ERR_INVALID, "save_pretrained");
	name_make(w, "model.safetensors.index.json");
	refused(w, ERR_INVALID, "in several files");
	name_make(w, "model.safetensors");
	refused(w, ERR_CORRUPT, "model.safetensors is cut off");
}

/* DistilBERT's checkpoint with one tensor changed, or without it (dims 0). */
static void changed_write(struct world *w, const char *name, size_t dims, size_t rows,
			  size_t columns, float value)
{
	static float values[256];
	struct safetensors *s;
	struct safetensors_entry entries[64];
	float *copies[64];
	struct err_msg msg;
	char path[PATH_MAX];
	size_t count = 0;
	assert_int_equal(
	    safetensors_open(FIXTURES "/weights/distilbert/model.safetensors", &s, &msg), ERR_OK);
	for (size_t i = 0; i < safetensors_count(s); i++) {
		const struct safetensors_tensor *t = safetensors_at(s, i);
		bool hit = strcmp(t->name, name) == 0;
		if (hit && dims == 0)
			continue;
		copies[count] = malloc(t->bytes * 2 + 4);
		safetensors_read(s, t, copies[count]);
		struct safetensors_entry *e = &entries[count];
		*e = (struct safetensors_entry){
		    t->name, t->dims, {t->shape[0], t->shape[1]}, copies[count]};
		if (hit) {
			for (size_t k = 0; k < 256; k++)
				values[k] = value;
			*e = (struct safetensors_entry){t->name, dims, {rows, columns}, values};
		}
		count++;
	}
	(void)snprintf(path, sizeof path, "%s/model.safetensors", w->folder);
	assert_int_equal(safetensors_write(path, entries, count, &msg), ERR_OK);
	safetensors_close(s);
	for (size_t i = 0; i < count; i++)
		free(copies[i]);
}

static void test_wrong_tensors(void **state)
{
	struct world *w = *state;
	changed_write(w, "distilbert.transformer.layer.1.ffn.lin1.weight", 0, 0, 0, 0);
	refused(w, ERR_INVALID, "no tensor distilbert.transformer.layer.1.ffn.lin1.weight");
	changed_write(w, "distilbert.embeddings.position_embeddings.weight", 2, 9, 4, 0);
	refused(w, ERR_INVALID, "shape (9, 4); config.json says (8, 4)");
	changed_write(w, "distilbert.embeddings.LayerNorm.weight", 2, 1, 4, 0);
	refused(w, ERR_INVALID, "shape (1, 4); config.json says (4)");
	changed_write(w, "pre_classifier.weight", 2, 3, 4, 0);
	refused(w, ERR_INVALID, "pre_classifier.weight");
	changed_write(w, "classifier.weight", 2, 3, 5, 0);
	refused(w, ERR_INVALID, "classifier.weight");
	changed_write(w, "distilbert.embeddings.LayerNorm.bias", 1, 4, 1, NAN);
	refused(w, ERR_INVALID, "4 numbers of tensor distilbert.embeddings.LayerNorm.bias");
}

static void test_half_a_head_is_none(void **state)
{
	struct world *w = *state;
	struct weights_found found;
	struct err_msg msg;
	changed_write(w, "classifier.bias", 0, 0, 0, 0);
	assert_int_equal(weights_load(w->folder, &w->p, 1, w->weights, &found, &msg), ERR_OK);
	assert_true(found.head_dense && !found.head_out);
}

static void test_wrong_type(void **state)
{
	struct world *w = *state;
	static const char header[] = "{\"distilbert.embeddings.word_embeddings.weight\":{\"dtype\":"
				     "\"F64\",\"shape\":[7,4],\"data_offsets\":[0,224]}}";
	static const char body[224];
	char path[PATH_MAX];
	uint64_t length = sizeof header - 1;
	const struct folder_part parts[] = {
	    {&length, 8}, {header, sizeof header - 1}, {body, sizeof body}};
	struct err_msg msg;
	(void)snprintf(path, sizeof path, "%s/model.safetensors", w->folder);
	assert_int_equal(folder_file_write(path, parts, 3, &msg), ERR_OK);
	refused(w, ERR_INVALID, "type F64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bert_float_old_names),
	    cmocka_unit_test(test_roberta_half_without_prefix),
	    cmocka_unit_test(test_distilbert_brain_with_classifier),
	    cmocka_unit_test(test_gaps),
	    cmocka_unit_test(test_head_drawn),
	    cmocka_unit_test(test_without_classes),
	    cmocka_unit_test(test_class_count),
	    cmocka_unit_test_setup_teardown(test_other_formats, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_tensors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_half_a_head_is_none, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_type, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
