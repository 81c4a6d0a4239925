/*
 * A trained ngram model as a folder: model.json (description.h) with the checksum of
 * weights.bin, and weights.bin.
 *
 * weights.bin, little-endian: magic "FREEALNG", u32 version, u32 bits,
 * u32 column_count, u32 class_count, u64 checksum of all that follows; then
 * buckets u32 (columns), idf f32 (columns), bias f32 (classes), weights f32
 * (columns, classes). Whoever changes this raises CHECKPOINT_VERSION and keeps a
 * reader for the version before.
 *
 * It is written beside its place, synced and renamed, so that a folder under its
 * final name is complete; one that was there is replaced.
 */
#ifndef FREEAL_TRAINER_CHECKPOINT_H
#define FREEAL_TRAINER_CHECKPOINT_H

#include "base/err.h"
#include "trainer/description.h"
#include "trainer/ngram.h"

#include <stddef.h>
#include <stdint.h>

enum { CHECKPOINT_VERSION = 1 };

/* `label_names` (class count of the model), UTF-8. The checksum names the model: another
 * one has another. */
WARN_UNUSED enum err ngram_save(const struct ngram *m, const char *const *label_names,
				const char *folder, uint64_t *ret_checksum, struct err_msg *msg);

/*
 * ERR_NOT_FOUND: no such folder; ERR_VERSION: written by another version;
 * ERR_CORRUPT: damaged, or no model of this kind. ngram_free() the model,
 * description_done() the description.
 */
WARN_UNUSED enum err ngram_load(const char *folder, struct ngram **ret,
				struct description *ret_description, struct err_msg *msg);

#endif
