/*
 * Frames: packing and unpacking of the one message on the bus.
 *
 * Unpacking goes through an allocator with a budget, because protobuf-c turns a
 * hostile megabyte of unknown fields into 44 megabytes of memory.
 */
#ifndef FREEAL_WIRE_FRAME_H
#define FREEAL_WIRE_FRAME_H

#include "base/err.h"
#include "proto/envelope.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define WIRE_MAJOR 1
#define WIRE_MINOR 0

/* A received envelope. Lives until frame_free. */
struct frame;

/* Parses `size` bytes. ERR_PROTOCOL: not an envelope or over budget; ERR_VERSION:
 * another major version (msg names both). */
enum err frame_unpack(const void *data, size_t size, struct frame **ret_frame,
		      struct err_msg *msg) WARN_UNUSED;
void frame_free(struct frame *f);
const Freeal__Envelope *frame_envelope(const struct frame *f);

/* Parses any generated message with the same budget: for chunk bodies and records.
 * Free with frame_message_free. NULL: malformed or over budget. */
void *frame_message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size);
void frame_message_free(void *message);

/* A deep copy of any generated message, through the wire format: the one that protobuf-c has.
 * Free with protobuf_c_message_free_unpacked(copy, NULL). NULL: no memory. */
void *frame_message_copy(const ProtobufCMessage *message);
/* The same of a result, with its size when packed. */
Freeal__Result *frame_result_copy(const Freeal__Result *result, size_t *ret_packed_bytes);

#endif
