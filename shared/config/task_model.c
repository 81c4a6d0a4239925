/* The task file's key `model`: which keys there are depends on its type. */
#include "config/task_read.h"

#include "base/limits.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PATH_BYTES_MAX 1024

static enum err read_views(const struct fields_file *f, yaml_node_t *node, void *base);

static const struct field model_fields[] = {
    {.name = "type",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, type),
     .choices = {"ngram", "encoder"}},
    {.name = "recipe",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, recipe),
     .choices = {"default", "paper"}},
    {.name = "epochs",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_model, epochs),
     .max = 1000},
};

static const struct field ngram_fields[] = {
    {.name = "folds",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_model, folds),
     .min = 2,
     .max = 20},
};

static const struct field encoder_fields[] = {
    {.name = "path",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_model, path),
     .max = PATH_BYTES_MAX,
     .required = "give the folder of a BERT, RoBERTa or DistilBERT checkpoint"},
    {.name = "tokens",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_model, tokens),
     .min = 8,
     .max = 4096},
    {.name = "freeze",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_model, freeze),
     .max = 1000},
    {.name = "precision",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, precision),
     .choices = {"auto", "fp32", "bf16"}},
    {.name = "batch",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_model, batch),
     .min = 1,
     .max = 1024},
    {.name = "rate",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_model, rate),
     .min = 1e-8,
     .max = 1},
    {.name = "views", .type = FIELD_READ, .read = read_views},
    {.name = "mixup",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, mixup),
     .choices = {"default", "false", "true"}},
    {.name = "consistency",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, consistency),
     .choices = {"default", "false", "true"}},
    {.name = "second_views",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_model, second_views),
     .choices = {"default", "none", "noisy", "all"}},
};

static enum err read_views(const struct fields_file *f, yaml_node_t *node, void *base)
{
	static const char *const names[] = {"ngram", "vectors", "tuned"};
	struct task_model *m = base;
	yaml_node_item_t *items = NULL;
	size_t count = 0;
	enum err err = fields_list(f, node, "views", &items, &count);
	if (err)
		return err;
	if (count == 0)
		return fields_fail(f, node, "\"views\" is empty; list ngram, vectors or tuned");
	m->views = 0;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = fields_node(f, items[i]);
		uint32_t view = 0;
		for (size_t n = 0; n < COUNT(names) && item->type == YAML_SCALAR_NODE; n++)
			if (strcmp((const char *)item->data.scalar.value, names[n]) == 0)
				view = 1u << n;
		if (!view)
			return fields_fail(f, item,
					   "\"views\" lists some of: ngram, vectors, tuned");
		if (m->views & view)
			return fields_fail(f, item, "a view is listed twice; remove one");
		m->views |= view;
	}
	return ERR_OK;
}

/* What the key `type` says, wherever it stands. */
static bool is_encoder(const struct fields_file *f, const yaml_node_t *node)
{
	const yaml_node_t *type = fields_value(f, node, "type");
	return type && type->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)type->data.scalar.value, "encoder") == 0;
}

enum err task_read_model(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task_model *m = &((struct task *)base)->model;
	bool encoder = is_encoder(f, node);
	const struct field_set sets[] = {
	    {model_fields, COUNT(model_fields), m},
	    encoder ? (struct field_set){encoder_fields, COUNT(encoder_fields), m}
		    : (struct field_set){ngram_fields, COUNT(ngram_fields), m},
	};
	enum err err =
	    fields_read(f, node, encoder ? "a model of type encoder" : "a model of type ngram",
			sets, COUNT(sets));
	if (err || !encoder)
		return err;
	m->folds = 2;
	if (m->path[0] != '/')
		return fields_fail(f, node,
				   "\"path\" is %.200s; it must be absolute (/...), because every "
				   "trainer looks there",
				   m->path);
	return ERR_OK;
}
