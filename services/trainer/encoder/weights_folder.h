/*
 * The files of an encoder's model folder. Inside the encoder's library; others use weights.h.
 */
#ifndef FREEAL_TRAINER_ENCODER_WEIGHTS_FOLDER_H
#define FREEAL_TRAINER_ENCODER_WEIGHTS_FOLDER_H

#include "base/err.h"

#include <stdint.h>

#define WEIGHTS_FILE_NAME "model.safetensors"
#define WEIGHTS_CONFIG_NAME "config.json"

/* Of the names and all bytes of the weights, config.json and the tokenizer's files. */
enum err weights_folder_checksum(const char *folder, uint64_t *ret_checksum,
				 struct err_msg *msg) WARN_UNUSED;

#endif
