#include "trainer/encoder/weights_names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE (-1)

/* A module of PyTorch: its weight and its bias. */
struct module {
	const char *name; /* NULL ends a table */
	int weight, bias; /* parameters; NONE */
	size_t slice;	  /* of the rows, in `slices` equal ones; slices 0: all of them */
	size_t slices;
	bool norm;
};

struct head {
	struct module module;
	enum weights_part part;
	bool in_base;
};

static const struct module EMBEDDINGS[] = {
    {"embeddings.word_embeddings", PARAMETER_WORD, NONE, 0, 0, false},
    {"embeddings.position_embeddings", PARAMETER_POSITION, NONE, 0, 0, false},
    {"embeddings.token_type_embeddings", PARAMETER_TYPE, NONE, 0, 0, false},
    {"embeddings.LayerNorm", PARAMETER_EMBED_GAMMA, PARAMETER_EMBED_BETA, 0, 0, true},
    {0},
};

static const struct module BERT_LAYER[] = {
    {"attention.self.query", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 0, 3, false},
    {"attention.self.key", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 1, 3, false},
    {"attention.self.value", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 2, 3, false},
    {"attention.output.dense", PARAMETER_ATTENTION_OUT_WEIGHT, PARAMETER_ATTENTION_OUT_BIAS, 0, 0,
     false},
    {"attention.output.LayerNorm", PARAMETER_ATTENTION_GAMMA, PARAMETER_ATTENTION_BETA, 0, 0, true},
    {"intermediate.dense", PARAMETER_UP_WEIGHT, PARAMETER_UP_BIAS, 0, 0, false},
    {"output.dense", PARAMETER_DOWN_WEIGHT, PARAMETER_DOWN_BIAS, 0, 0, false},
    {"output.LayerNorm", PARAMETER_OUT_GAMMA, PARAMETER_OUT_BETA, 0, 0, true},
    {0},
};

static const struct module DISTILBERT_LAYER[] = {
    {"attention.q_lin", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 0, 3, false},
    {"attention.k_lin", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 1, 3, false},
    {"attention.v_lin", PARAMETER_QKV_WEIGHT, PARAMETER_QKV_BIAS, 2, 3, false},
    {"attention.out_lin", PARAMETER_ATTENTION_OUT_WEIGHT, PARAMETER_ATTENTION_OUT_BIAS, 0, 0,
     false},
    {"sa_layer_norm", PARAMETER_ATTENTION_GAMMA, PARAMETER_ATTENTION_BETA, 0, 0, true},
    {"ffn.lin1", PARAMETER_UP_WEIGHT, PARAMETER_UP_BIAS, 0, 0, false},
    {"ffn.lin2", PARAMETER_DOWN_WEIGHT, PARAMETER_DOWN_BIAS, 0, 0, false},
    {"output_layer_norm", PARAMETER_OUT_GAMMA, PARAMETER_OUT_BETA, 0, 0, true},
    {0},
};

#define DENSE(name)                                                                                \
	{                                                                                          \
		name, PARAMETER_HEAD_DENSE_WEIGHT, PARAMETER_HEAD_DENSE_BIAS, 0, 0, false          \
	}
#define OUT(name)                                                                                  \
	{                                                                                          \
		name, PARAMETER_HEAD_OUT_WEIGHT, PARAMETER_HEAD_OUT_BIAS, 0, 0, false              \
	}

static const struct family {
	const char *prefix, *layers, *classifier, *architecture;
	const struct module *layer;
	struct head heads[2];
} FAMILIES[] = {
    [ENCODER_BERT] = {.prefix = "bert.",
		      .layers = "encoder.layer.",
		      .classifier = "classifier.weight",
		      .architecture = "BertForSequenceClassification",
		      .layer = BERT_LAYER,
		      .heads = {{DENSE("pooler.dense"), WEIGHTS_HEAD_DENSE, true},
				{OUT("classifier"), WEIGHTS_HEAD_OUT, false}}},
    /* Its base model may have a pooler, too, but the classifier does not use it. */
    [ENCODER_ROBERTA] = {.prefix = "roberta.",
			 .layers = "encoder.layer.",
			 .classifier = "classifier.out_proj.weight",
			 .architecture = "RobertaForSequenceClassification",
			 .layer = BERT_LAYER,
			 .heads = {{DENSE("classifier.dense"), WEIGHTS_HEAD_DENSE, false},
				   {OUT("classifier.out_proj"), WEIGHTS_HEAD_OUT, false}}},
    [ENCODER_DISTILBERT] = {.prefix = "distilbert.",
			    .layers = "transformer.layer.",
			    .classifier = "classifier.weight",
			    .architecture = "DistilBertForSequenceClassification",
			    .layer = DISTILBERT_LAYER,
			    .heads = {{DENSE("pre_classifier"), WEIGHTS_HEAD_DENSE, false},
				      {OUT("classifier"), WEIGHTS_HEAD_OUT, false}}},
};

const char *weights_prefix(enum encoder_family family)
{
	return FAMILIES[family].prefix;
}

const char *weights_classifier(enum encoder_family family)
{
	return FAMILIES[family].classifier;
}

const char *weights_architecture(enum encoder_family family)
{
	return FAMILIES[family].architecture;
}

size_t weights_tensor_elements(const struct weights_tensor *t)
{
	return t->shape[0] * t->shape[1];
}

/* Room for whoever adds tensors. */
struct maker {
	struct weights_names *names;
	const char *before; /* the modules' names: the layer */
	enum weights_part part;
	bool in_base;
};

static void tensor_add(struct maker *m, const struct module *module, const struct parameter *p,
		       bool bias)
{
	static const char *const kinds[] = {"weight", "bias"}, *const kinds_old[] = {"gamma",
										     "beta"};
	struct weights_tensor *t = &m->names->list[m->names->count];
	if (p->rows == 0)
		return;
	m->names->count++;
	size_t slices = module->slices ? module->slices : 1;
	*t = (struct weights_tensor){.part = m->part, .in_base = m->in_base, .bias = bias};
	/* A vector has one row, so its slices are of columns. */
	bool vector = bias || module->norm;
	t->dims = vector ? 1 : 2;
	t->shape[0] = (vector ? p->columns : p->rows) / slices;
	t->shape[1] = vector ? 1 : p->columns;
	t->offset = p->offset + module->slice * weights_tensor_elements(t);
	int n = snprintf(t->name, sizeof t->name, "%s%s.%s", m->before, module->name, kinds[bias]);
	assert(n > 0 && n < WEIGHTS_NAME_BYTES);
	if (module->norm)
		(void)snprintf(t->name_old, sizeof t->name_old, "%s%s.%s", m->before, module->name,
			       kinds_old[bias]);
}

static void singles_add(struct maker *m, const struct parameters *p, const struct module *module)
{
	tensor_add(m, module, parameters_single(p, (enum parameter_single)module->weight), false);
	if (module->bias != NONE)
		tensor_add(m, module, parameters_single(p, (enum parameter_single)module->bias),
			   true);
}

static void layer_add(struct maker *m, const struct parameters *p, size_t layer,
		      const struct family *family)
{
	char before[WEIGHTS_NAME_BYTES / 2];
	(void)snprintf(before, sizeof before, "%s%zu.", family->layers, layer);
	m->before = before;
	for (const struct module *each = family->layer; each->name; each++) {
		enum parameter_layer weight = (enum parameter_layer)each->weight;
		tensor_add(m, each, parameters_layer(p, layer, weight), false);
		enum parameter_layer bias = (enum parameter_layer)each->bias;
		tensor_add(m, each, parameters_layer(p, layer, bias), true);
	}
	m->before = "";
}

enum err weights_names_init(struct weights_names *n, const struct parameters *p)
{
	const struct family *family = &FAMILIES[p->config.family];
	struct weights_names made = {0};
	struct maker m = {.names = &made, .before = "", .in_base = true};
	/* A matrix of three slices is three tensors. */
	made.list = calloc(p->count + 4 * p->config.layers, sizeof *made.list);
	if (!made.list)
		return ERR_NO_MEMORY;
	for (const struct module *each = EMBEDDINGS; each->name; each++)
		singles_add(&m, p, each);
	for (size_t layer = 0; layer < p->config.layers; layer++)
		layer_add(&m, p, layer, family);
	for (size_t i = 0; i < 2; i++) {
		m.part = family->heads[i].part;
		m.in_base = family->heads[i].in_base;
		singles_add(&m, p, &family->heads[i].module);
	}
	*n = made;
	return ERR_OK;
}

void weights_names_done(struct weights_names *n)
{
	free(n->list);
	*n = (struct weights_names){0};
}
