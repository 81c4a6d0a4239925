/*
 * The stream "model": a checkpoint folder's files as FileChunks.
 *
 * The files come in the order of their names, each cut into pieces of one size, so
 * that a chunk is computed from its number and the folder alone.
 */
#ifndef FREEAL_TRAINER_MODEL_STREAM_H
#define FREEAL_TRAINER_MODEL_STREAM_H

#include "wire/socket.h"

#include <stdint.h>

#define MODEL_STREAM_NAME "model"

/* Sum of the files' sizes. ERR_NOT_FOUND: no such folder, or no file in it. */
enum err model_stream_bytes(const char *dir, uint64_t *ret_bytes) WARN_UNUSED;

/* Sends the chunks that `request` asks for on `socket` (connected), or says that there
 * is no such stream. */
void model_stream_answer(const char *dir, struct socket *socket,
			 const Freeal__ChunkRequest *request);

#endif
