#include "trainer/encoder/tune_checkpoint.h"

#include "base/crash.h"
#include "base/folder.h"
#include "base/rng.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PARTS = 5, HASH_BYTES = 1 << 16 };

static const char MAGIC[8] = "FREEALTN";

/* The file starts with it; little-endian, as every machine this is built for. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t epoch;
	uint64_t identity;
	uint64_t steps; /* of the optimiser */
	double loss;
	uint64_t body_bytes;
	uint64_t checksum;	  /* of the body */
	uint64_t header_checksum; /* of what is before */
};

static_assert(sizeof(struct header) == 64, "no padding in the file");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the arrays are written as they are");
static_assert(sizeof(bool) == 1, "bools are bytes in the file");

/* What lies behind the header. */
struct body {
	struct folder_part parts[PARTS];
	uint64_t bytes;
};

static struct body body_of(struct network *n, struct tuner *t, size_t row_count)
{
	struct optimizer_state state = optimizer_state(tuner_optimizer(t));
	size_t first = network_trained(n);
	size_t bytes = (network_parameters(n)->size - first) * sizeof(float);
	struct body b = {.parts = {{network_weights(n) + first, bytes},
				   {state.first + first, bytes},
				   {state.second + first, bytes},
				   {tuner_losses(t), row_count * sizeof(float)},
				   {tuner_clean(t), row_count}}};
	for (size_t i = 0; i < PARTS; i++)
		b.bytes += b.parts[i].size;
	return b;
}

static uint64_t hash_blocks(uint64_t hash, const void *data, size_t size)
{
	for (size_t at = 0; at < size; at += HASH_BYTES)
		hash = hash_bytes(hash, (const unsigned char *)data + at,
				  size - at < HASH_BYTES ? size - at : HASH_BYTES);
	return hash;
}

/* ---- identity ---- */

static uint64_t hash_double(uint64_t hash, double x)
{
	return hash_bytes(hash, &x, sizeof x);
}

static uint64_t hash_config(uint64_t hash, const struct tune_config *c)
{
	const struct robust_config *r = &c->robust;
	const struct optimizer_config *o = &c->optimizer;
	const double numbers[] = {c->rate,	 c->rate_warmup, o->beta1,	 o->beta2,
				  o->epsilon,	 o->decay,	 o->norm_max,	 r->warmup_share,
				  r->ramp_share, r->mixup_shape, r->temperature, r->noisy_weight,
				  c->epochs,	 c->batch_rows,	 c->mixup,	 c->consistency,
				  c->views,	 c->paper,	 r->flatten};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		hash = hash_double(hash, numbers[i]);
	return hash_mix(hash_mix(hash, r->seed), c->cache_bytes_max);
}

static uint64_t hash_rows(uint64_t hash, const struct rows *r)
{
	if (!r)
		return hash_mix(hash, 0);
	hash = hash_bytes(hash, r->offsets, (r->count + 1) * sizeof *r->offsets);
	return hash_bytes(hash, r->ids, (size_t)r->offsets[r->count] * sizeof *r->ids);
}

uint64_t tune_identity(struct network *n, const struct tune_data *data,
		       const struct tune_config *config)
{
	size_t count = data->texts.count;
	const struct network_limits *limits = network_limits(n);
	uint64_t hash = hash_config(TUNE_CHECKPOINT_VERSION, config);
	hash = hash_rows(hash_rows(hash, &data->texts), data->second);
	hash = hash_bytes(hash, data->labels, count * sizeof *data->labels);
	hash = data->clean ? hash_bytes(hash, data->clean, count) : hash_mix(hash, 1);
	hash = data->use ? hash_bytes(hash, data->use, count) : hash_mix(hash, 2);
	hash = hash_mix(hash_mix(hash, data->class_count), data->refit != NULL);
	hash = hash_mix(hash_mix(hash, team_size(network_team(n))), limits->frozen);
	hash = hash_mix(hash, (uint64_t)gemm_precision(network_gemm(n)));
	return hash_blocks(hash, network_weights(n), network_parameters(n)->size * sizeof(float));
}

/* ---- writing ---- */

enum err tune_checkpoint_save(const char *path, const struct tune_checkpoint *c, struct network *n,
			      struct tuner *t, size_t row_count, struct err_msg *msg)
{
	char made[PATH_MAX];
	if (snprintf(made, sizeof made, "%s.new", path) >= (int)sizeof made)
		return err_set(msg, ERR_LIMIT, "%s: the path is too long", path);
	struct body body = body_of(n, t, row_count);
	struct header h = {.version = TUNE_CHECKPOINT_VERSION,
			   .epoch = c->epoch,
			   .identity = c->identity,
			   .steps = *optimizer_state(tuner_optimizer(t)).steps,
			   .loss = c->loss,
			   .body_bytes = body.bytes};
	memcpy(h.magic, MAGIC, sizeof h.magic);
	struct folder_part parts[PARTS + 1] = {{&h, sizeof h}};
	for (size_t i = 0; i < PARTS; i++) {
		h.checksum = hash_blocks(h.checksum, body.parts[i].data, body.parts[i].size);
		parts[i + 1] = body.parts[i];
	}
	h.header_checksum = hash_bytes(0, &h, offsetof(struct header, header_checksum));
	enum err err = folder_file_write(made, parts, PARTS + 1, msg);
	crash_point("epoch_written");
	if (!err && rename(made, path) != 0)
		err = err_set_errno(msg, "rename", made);
	if (!err)
		err = folder_sync_parent(path, msg);
	if (err)
		(void)remove(made);
	return err;
}

/* ---- reading ---- */

/* Whether what follows in the file has the checksum. */
static bool body_good(FILE *file, const struct body *b, uint64_t checksum)
{
	unsigned char *block = malloc(HASH_BYTES);
	uint64_t hash = 0;
	bool good = block != NULL;
	for (size_t i = 0; good && i < PARTS; i++) {
		for (size_t at = 0; good && at < b->parts[i].size; at += HASH_BYTES) {
			size_t left = b->parts[i].size - at;
			size_t size = left < HASH_BYTES ? left : HASH_BYTES;
			good = fread(block, size, 1, file) == 1;
			hash = good ? hash_bytes(hash, block, size) : hash;
		}
	}
	free(block);
	return good && hash == checksum;
}

static bool header_good(FILE *file, const struct body *b, uint64_t identity, struct header *ret)
{
	struct stat stat;
	return fread(ret, sizeof *ret, 1, file) == 1 &&
	       memcmp(ret->magic, MAGIC, sizeof MAGIC) == 0 &&
	       ret->version == TUNE_CHECKPOINT_VERSION && ret->identity == identity &&
	       ret->body_bytes == b->bytes &&
	       ret->header_checksum ==
		   hash_bytes(0, ret, offsetof(struct header, header_checksum)) &&
	       fstat(fileno(file), &stat) == 0 && (uint64_t)stat.st_size == sizeof *ret + b->bytes;
}

enum err tune_checkpoint_load(const char *path, uint64_t identity, struct network *n,
			      struct tuner *t, size_t row_count, struct tune_checkpoint *ret,
			      struct err_msg *msg)
{
	struct body body = body_of(n, t, row_count);
	struct header h;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return ERR_NOT_FOUND;
	bool found = header_good(file, &body, identity, &h) && body_good(file, &body, h.checksum) &&
		     fseek(file, sizeof h, SEEK_SET) == 0;
	bool read = found;
	/* The parts are the network's and the tuner's own arrays. */
	for (size_t i = 0; read && i < PARTS; i++)
		read = body.parts[i].size == 0 ||
		       fread((void *)body.parts[i].data, body.parts[i].size, 1, file) == 1;
	(void)fclose(file);
	if (!found)
		return ERR_NOT_FOUND;
	if (!read)
		return err_set(msg, ERR_IO, "cannot read %s to its end", path);
	*optimizer_state(tuner_optimizer(t)).steps = h.steps;
	network_weights_changed(n);
	*ret = (struct tune_checkpoint){identity, h.epoch, h.loss};
	return ERR_OK;
}
