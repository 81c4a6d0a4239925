#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

/* Packed 64-bit numbers of one byte each are the largest honest growth: eight-fold. */
#define FRAME_GROWTH_MAX 16u
#define FRAME_BUDGET_BASE (64u << 10)
#define FRAME_BLOCK_BYTES (64u << 10)

/* A bump allocator: blocks in a list, all freed together. */
struct arena {
	struct arena_block *blocks;
	size_t budget; /* bytes that may still be taken from malloc */
};

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char data[];
};

static void *arena_alloc(void *context, size_t size)
{
	struct arena *a = context;
	size = (size + 15u) & ~(size_t)15u;
	struct arena_block *b = a->blocks;
	if (!b || b->size - b->used < size) {
		size_t block = size > FRAME_BLOCK_BYTES / 4 ? size : FRAME_BLOCK_BYTES;
		if (block > a->budget)
			block = size;
		if (block > a->budget)
			return NULL;
		b = malloc(sizeof *b + block);
		if (!b)
			return NULL;
		a->budget -= block;
		*b = (struct arena_block){.next = a->blocks, .size = block};
		a->blocks = b;
	}
	void *at = b->data + b->used;
	b->used += size;
	return at;
}

static void arena_free(void *context, void *at)
{
	(void)context;
	(void)at;
}

static void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;
		free(a->blocks);
		a->blocks = next;
	}
}

static struct arena arena_for(size_t size)
{
	return (struct arena){.budget = FRAME_GROWTH_MAX * size + FRAME_BUDGET_BASE};
}

struct frame {
	struct arena arena;
	Freeal__Envelope *envelope; /* in the arena */
};

enum err frame_unpack(const void *data, size_t size, struct frame **ret_frame, struct err_msg *msg)
{
	struct frame *f = calloc(1, sizeof *f);
	if (!f)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a message");
	f->arena = arena_for(size);
	ProtobufCAllocator allocator = {arena_alloc, arena_free, &f->arena};
	f->envelope = freeal__envelope__unpack(&allocator, size, data);
	if (!f->envelope) {
		frame_free(f);
		return err_set(msg, ERR_PROTOCOL, "a message of %zu bytes is malformed", size);
	}
	if (f->envelope->major != WIRE_MAJOR) {
		uint32_t major = f->envelope->major;
		frame_free(f);
		return err_set(msg, ERR_VERSION, "peer speaks protocol %u, this is %u", major,
			       (unsigned)WIRE_MAJOR);
	}
	*ret_frame = f;
	return ERR_OK;
}

void frame_free(struct frame *f)
{
	if (!f)
		return;
	arena_done(&f->arena);
	free(f);
}

const Freeal__Envelope *frame_envelope(const struct frame *f)
{
	return f->envelope;
}

/* A lone message: its arena stands in the list of blocks reached from this head,
 * which lies right before the message in the first block. */
struct message_head {
	struct arena arena;
	ProtobufCMessage *message;
};

void *frame_message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	struct arena arena = arena_for(size + type->sizeof_message);
	struct message_head *head = NULL;
	ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);
	if (message)
		head = malloc(sizeof *head + type->sizeof_message);
	if (!head) {
		arena_done(&arena);
		return NULL;
	}
	/* The top-level struct moves behind the head; what it points to stays. */
	head->arena = arena;
	head->message = (ProtobufCMessage *)(head + 1);
	memcpy(head->message, message, type->sizeof_message);
	return head->message;
}

void frame_message_free(void *message)
{
	if (!message)
		return;
	struct message_head *head = (struct message_head *)message - 1;
	arena_done(&head->arena);
	free(head);
}

static void *message_copy(const ProtobufCMessage *message, size_t *ret_packed_bytes)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(size ? size : 1);
	if (!data)
		return NULL;
	(void)protobuf_c_message_pack(message, data);
	void *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, data);
	free(data);
	*ret_packed_bytes = size;
	return copy;
}

void *frame_message_copy(const ProtobufCMessage *message)
{
	size_t packed_bytes;
	return message_copy(message, &packed_bytes);
}

Freeal__Result *frame_result_copy(const Freeal__Result *result, size_t *ret_packed_bytes)
{
	return message_copy(&result->base, ret_packed_bytes);
}
