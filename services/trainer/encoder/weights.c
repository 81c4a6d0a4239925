#include "trainer/encoder/weights.h"

#include "base/buf.h"
#include "base/folder.h"
#include "base/rng.h"
#include "trainer/encoder/safetensors.h"
#include "trainer/encoder/weights_folder.h"
#include "trainer/encoder/weights_names.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_COUNT_MAX 65536u
#define SHAPE_TEXT_BYTES 128u

/* A checkpoint's file, and how it names its tensors. */
struct source {
	struct safetensors *file;
	char path[PATH_MAX];
	const char *prefix; /* of the base model's: the family's, or "" */
};

/* Whether there is a file FOLDER/NAME. */
static bool name_exists(const char *folder, const char *name)
{
	char path[PATH_MAX];
	return !folder_path(folder, name, path, NULL) && access(path, F_OK) == 0;
}

/* What to do where there is another format alone. */
static enum err missing_explain(const char *folder, enum err e, struct err_msg *msg)
{
	const char *found = name_exists(folder, "model.safetensors.index.json")
				? "has its weights in several files (model.safetensors.index.json)"
			    : name_exists(folder, "pytorch_model.bin")
				? "has its weights as pytorch_model.bin alone"
				: NULL;
	if (!found)
		return e;
	return err_set(msg, ERR_INVALID,
		       "%s %s; one model.safetensors is supported. To make it: python3 -c \"from "
		       "transformers import AutoModelForSequenceClassification as M; "
		       "M.from_pretrained('%s').save_pretrained('%s', max_shard_size='100GB')\"",
		       folder, found, folder, folder);
}

static const struct safetensors_tensor *tensor_find(const struct source *s,
						    const struct weights_tensor *t)
{
	const struct safetensors_tensor *found = NULL;
	char name[2 * WEIGHTS_NAME_BYTES];
	const char *const names[] = {t->name, t->name_old};
	for (size_t i = 0; !found && i < 2 && *names[i]; i++) {
		(void)snprintf(name, sizeof name, "%s%s", t->in_base ? s->prefix : "", names[i]);
		found = safetensors_find(s->file, name);
	}
	return found;
}

static enum err source_open(const char *folder, enum encoder_family family, struct source *ret,
			    struct err_msg *msg)
{
	struct source s;
	char first[WEIGHTS_NAME_BYTES];
	enum err e = folder_path(folder, WEIGHTS_FILE_NAME, s.path, msg);
	if (e)
		return e;
	e = safetensors_open(s.path, &s.file, msg);
	if (e)
		return e == ERR_NOT_FOUND ? missing_explain(folder, e, msg) : e;
	(void)snprintf(first, sizeof first, "%sembeddings.word_embeddings.weight",
		       weights_prefix(family));
	s.prefix = safetensors_find(s.file, first) ? weights_prefix(family) : "";
	*ret = s;
	return ERR_OK;
}

static const char *shape_text(size_t dims, const uint64_t *shape, char ret[SHAPE_TEXT_BYTES])
{
	struct buf b;
	buf_init(&b, SHAPE_TEXT_BYTES - 1);
	for (size_t i = 0; i < dims; i++)
		buf_printf(&b, "%s%" PRIu64, i ? ", " : "", shape[i]);
	(void)snprintf(ret, SHAPE_TEXT_BYTES, "(%s)", buf_str(&b));
	buf_done(&b);
	return ret;
}

/* A classifier of another number of classes is good for nothing, but no error. */
static bool other_classes(const struct weights_tensor *t, const struct safetensors_tensor *found)
{
	return t->part == WEIGHTS_HEAD_OUT && found->dims == t->dims &&
	       found->shape[0] != t->shape[0] && (t->dims == 1 || found->shape[1] == t->shape[1]);
}

static enum err tensor_check(const struct source *s, const struct weights_tensor *t,
			     const struct safetensors_tensor *found, struct err_msg *msg)
{
	char is[SHAPE_TEXT_BYTES], should[SHAPE_TEXT_BYTES];
	uint64_t shape[2] = {t->shape[0], t->shape[1]};
	if (found->dims != t->dims || found->shape[0] != shape[0] ||
	    (t->dims == 2 && found->shape[1] != shape[1]))
		return err_set(msg, ERR_INVALID,
			       "%s: tensor %s has the shape %s; config.json says %s", s->path,
			       found->name, shape_text(found->dims, found->shape, is),
			       shape_text(t->dims, shape, should));
	if (found->type == SAFETENSORS_OTHER)
		return err_set(msg, ERR_INVALID,
			       "%s: tensor %s is of type %s; F32, F16 and BF16 are supported",
			       s->path, found->name, found->type_name);
	return ERR_OK;
}

/* Whether the head's part is all there; its tensors are right. */
static enum err part_find(const struct source *s, const struct weights_names *names,
			  enum weights_part part, bool *ret_found, struct err_msg *msg)
{
	bool whole = true, any = false;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < names->count; i++) {
		const struct weights_tensor *t = &names->list[i];
		if (t->part != part)
			continue;
		const struct safetensors_tensor *found = tensor_find(s, t);
		any = true;
		if (!found || other_classes(t, found))
			whole = false;
		else
			e = tensor_check(s, t, found, msg);
	}
	if (!e)
		*ret_found = whole && any;
	return e;
}

static enum err tensor_load(const struct source *s, const struct weights_tensor *t,
			    float *ret_weights, struct err_msg *msg)
{
	const struct safetensors_tensor *found = tensor_find(s, t);
	if (!found)
		return err_set(msg, ERR_INVALID, "%s: there is no tensor %s%s", s->path,
			       t->in_base ? s->prefix : "", t->name);
	enum err e = tensor_check(s, t, found, msg);
	if (e)
		return e;
	float *at = ret_weights + t->offset;
	safetensors_read(s->file, found, at);
	size_t count = weights_tensor_elements(t), bad = 0;
	for (size_t i = 0; i < count; i++)
		bad += !isfinite(at[i]);
	if (bad > 0)
		return err_set(msg, ERR_INVALID, "%s: %zu numbers of tensor %s are not finite",
			       s->path, bad, found->name);
	return ERR_OK;
}

/* As transformers makes a new head: N(0, initializer_range), biases 0. */
static void tensor_draw(const struct parameters *p, const struct weights_tensor *t, uint64_t seed,
			float *ret_weights)
{
	struct rng rng = rng_make(hash_mix(seed, t->part));
	for (size_t i = 0; !t->bias && i < weights_tensor_elements(t); i++)
		ret_weights[t->offset + i] =
		    (float)(rng_normal(&rng) * (double)p->config.initializer_range);
}

static enum err source_load(const struct source *s, const struct parameters *p,
			    const struct weights_names *names, uint64_t seed, float *ret_weights,
			    struct weights_found *ret_found, struct err_msg *msg)
{
	struct weights_found found;
	enum err e = part_find(s, names, WEIGHTS_HEAD_DENSE, &found.head_dense, msg);
	if (!e)
		e = part_find(s, names, WEIGHTS_HEAD_OUT, &found.head_out, msg);
	if (e)
		return e;
	memset(ret_weights, 0, p->size * sizeof *ret_weights);
	for (size_t i = 0; !e && i < names->count; i++) {
		const struct weights_tensor *t = &names->list[i];
		bool there = t->part == WEIGHTS_HEAD_DENSE ? found.head_dense
			     : t->part == WEIGHTS_HEAD_OUT ? found.head_out
							   : true;
		if (there)
			e = tensor_load(s, t, ret_weights, msg);
		else
			tensor_draw(p, t, seed, ret_weights);
	}
	if (!e)
		*ret_found = found;
	return e;
}

enum err weights_load(const char *folder, const struct parameters *p, uint64_t seed,
		      float *ret_weights, struct weights_found *ret_found, struct err_msg *msg)
{
	struct source s;
	struct weights_names names = {0};
	enum err e = source_open(folder, p->config.family, &s, msg);
	if (e)
		return e;
	e = weights_names_init(&names, p);
	if (e)
		(void)err_set(msg, e, "no memory for %s", s.path);
	else
		e = source_load(&s, p, &names, seed, ret_weights, ret_found, msg);
	weights_names_done(&names);
	safetensors_close(s.file);
	return e;
}

enum err weights_class_count(const char *folder, const struct encoder_config *config,
			     size_t *ret_count, struct err_msg *msg)
{
	struct source s;
	enum err e = source_open(folder, config->family, &s, msg);
	if (e)
		return e;
	const struct safetensors_tensor *t =
	    safetensors_find(s.file, weights_classifier(config->family));
	if (!t)
		*ret_count = 0;
	else if (t->dims == 2 && t->shape[1] == config->hidden && t->shape[0] <= CLASS_COUNT_MAX)
		*ret_count = (size_t)t->shape[0];
	else
		e = err_set(msg, ERR_INVALID,
			    "%s: the shape of %s is not that of a classifier on config.json's "
			    "hidden size, of %u classes at most",
			    s.path, t->name, CLASS_COUNT_MAX);
	safetensors_close(s.file);
	return e;
}
