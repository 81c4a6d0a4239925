/* Reads a checkpoint for the labels given and writes it as a model's folder.
 * Usage: weights_copy SOURCE FOLDER LABEL LABEL... */
#include "trainer/encoder/weights.h"

#include <stdio.h>
#include <stdlib.h>

static enum err copy(const char *source, const char *folder, const char *const *labels,
		     size_t label_count, struct err_msg *msg)
{
	struct encoder_config config;
	struct parameters p;
	struct weights_found found;
	uint64_t checksum;
	enum err e = encoder_config_load(source, &config, msg);
	if (!e)
		e = parameters_init(&p, &config, label_count);
	if (e)
		return e;
	float *weights = malloc(p.size * sizeof *weights);
	e = weights ? weights_load(source, &p, 1, weights, &found, msg) : ERR_NO_MEMORY;
	if (!e)
		e = weights_save(source, &p, weights, labels, 0, folder, &checksum, msg);
	if (!e)
		e = weights_check(folder, msg);
	if (!e)
		printf("%d %d\n", found.head_dense, found.head_out);
	free(weights);
	parameters_done(&p);
	return e;
}

int main(int argc, char **argv)
{
	struct err_msg msg = {"no memory"};
	if (argc < 5) {
		fprintf(stderr, "usage: %s SOURCE FOLDER LABEL LABEL...\n", argv[0]);
		return 2;
	}
	const char *const *labels = (const char *const *)argv + 3;
	if (!copy(argv[1], argv[2], labels, (size_t)argc - 3, &msg))
		return 0;
	fprintf(stderr, "%s\n", msg.text);
	return 1;
}
