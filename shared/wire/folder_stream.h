/*
 * A folder of plain files as a stream of FileChunks: the checkpoint, from the trainer that
 * made it to the coordinator and from there to the trainers that predict.
 *
 * The files come in the order of their names, each cut into pieces of one size, so
 * that a chunk is computed from its number and the folder alone. The receiver writes
 * beside the folder's place and puts it there once it is whole.
 */
#ifndef FREEAL_WIRE_FOLDER_STREAM_H
#define FREEAL_WIRE_FOLDER_STREAM_H

#include "wire/socket.h"

#include <stdint.h>

/* Sum of the files' sizes. ERR_NOT_FOUND: no such folder, or no file in it. */
enum err folder_stream_bytes(const char *folder, uint64_t *ret_bytes) WARN_UNUSED;

/* Sends the chunks that `request` asks for on `socket`, or says that there is no such
 * stream. `to` is NULL on a connected socket. */
void folder_stream_answer(const char *folder, struct socket *socket, const struct peer_id *to,
			  const Freeal__ChunkRequest *request);

struct folder_writer;

/* Makes an empty FOLDER.new; what was left there is removed. */
enum err folder_writer_new(const char *folder, struct folder_writer **ret_writer,
			   struct err_msg *msg) WARN_UNUSED;
/* Takes the next chunk's body. ERR_PROTOCOL: it is malformed, or not the next one. */
enum err folder_writer_add(struct folder_writer *w, const ProtobufCBinaryData *body,
			   struct err_msg *msg) WARN_UNUSED;
/* Behind the last chunk: puts it in the folder's place. Durable on ERR_OK. */
enum err folder_writer_publish(struct folder_writer *w, struct err_msg *msg) WARN_UNUSED;
/* What was not published is removed. */
void folder_writer_free(struct folder_writer *w);

#endif
