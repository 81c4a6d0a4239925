#include "trainer/model.h"

#include "trainer/checkpoint.h"
#include "trainer/encoder/encoder.h"

#include <stdlib.h>

struct model {
	uint32_t thread_count;
	struct description description;
	struct ngram *ngram; /* NULL: an encoder */
	struct encoder *encoder;
};

static enum err encoder_load(const char *folder, struct model *m, int precision,
			     struct err_msg *msg)
{
	const struct encoder_options options = {.thread_count = m->thread_count,
						.precision = precision,
						.tokens_max = m->description.tokens};
	struct weights_labels labels;
	uint64_t checksum;
	enum err e = encoder_model_open(folder, &options, &m->encoder, &labels, &checksum, msg);
	if (e)
		return e;
	description_done(&m->description);
	m->description.labels = labels.names;
	m->description.label_count = labels.count;
	m->description.checksum = checksum;
	return ERR_OK;
}

enum err model_load(const char *folder, uint32_t thread_count, int precision,
		    struct model **ret_model, struct err_msg *msg)
{
	struct model *m = calloc(1, sizeof *m);
	if (!m)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the model %s", folder);
	m->thread_count = thread_count;
	enum err e = description_read(folder, &m->description, msg);
	if (!e && m->description.type == MODEL_NGRAM) {
		description_done(&m->description);
		e = ngram_load(folder, &m->ngram, &m->description, msg);
	} else if (!e || e == ERR_NOT_FOUND) {
		e = encoder_load(folder, m, precision, msg);
	}
	if (e) {
		model_free(m);
		return e;
	}
	*ret_model = m;
	return ERR_OK;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	description_done(&m->description);
	ngram_free(m->ngram);
	encoder_free(m->encoder);
	free(m);
}

size_t model_class_count(const struct model *m)
{
	return m->description.label_count;
}

char **model_labels(const struct model *m)
{
	return m->description.labels;
}

uint64_t model_checksum(const struct model *m)
{
	return m->description.checksum;
}

enum err model_predict(struct model *m, const char *const *texts, const size_t *sizes, size_t count,
		       const struct progress *progress, float *ret_probs, struct err_msg *msg)
{
	if (!m->ngram)
		return encoder_predict(m->encoder, texts, sizes, count, progress, ret_probs, msg);
	struct features *f;
	enum err e = features_weigh(ngram_parts(m->ngram).vocabulary, texts, sizes, count,
				    progress ? progress->cancel : NULL, &f, msg);
	if (e)
		return e;
	ngram_predict_rows(m->ngram, f, m->thread_count, ret_probs);
	features_free(f);
	return ERR_OK;
}

enum err model_folder_checksum(const char *folder, uint64_t *ret_checksum, struct err_msg *msg)
{
	struct description d;
	enum err e = description_read(folder, &d, msg);
	if (e)
		return e;
	*ret_checksum = d.checksum;
	description_done(&d);
	return ERR_OK;
}

enum err model_folder_check(const char *folder, size_t *ret_class_count, struct err_msg *msg)
{
	struct model *m;
	enum err e = model_load(folder, 1, -1, &m, msg);
	if (e)
		return e;
	/* The n-gram model's checksum was looked at already. */
	if (m->encoder)
		e = weights_check(folder, msg);
	if (!e)
		*ret_class_count = model_class_count(m);
	model_free(m);
	return e;
}
