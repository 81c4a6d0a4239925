/*
 * One HTTP request and what becomes of it: its outcome, and the plan by which a scripted
 * fault writes it. Knows no HTTP library but for the raw writing
 * on a socket.
 */
#ifndef FREEAL_MOCKLLM_EXCHANGE_H
#define FREEAL_MOCKLLM_EXCHANGE_H

#include "base/buf.h"
#include "mockllm/outcome.h"

#include <stdbool.h>
#include <stdint.h>

struct server;
struct MHD_Connection;

enum exchange_state {
	EXCHANGE_RECEIVING,
	EXCHANGE_READY,	  /* the reply can be sent by the HTTP library */
	EXCHANGE_CLOSING, /* everything was written by hand, or nothing will be */
};

struct exchange {
	struct server *server;
	struct MHD_Connection *connection;
	enum exchange_state state;
	struct buf request;
	struct outcome outcome;
	/* Writing by hand. */
	int fd;		/* a duplicate of the connection's, or -1 */
	struct buf raw; /* head and body */
	size_t raw_at;
	uint64_t pad_left;
	uint64_t hang_until_ms; /* 0: no hang */
};

struct exchange *exchange_new(struct server *server, struct MHD_Connection *connection,
			      size_t body_max);
void exchange_free(struct exchange *x);

/* Fills `raw` and the rest from the outcome, which has a fault. Takes `fd`. */
void exchange_raw_prepare(struct exchange *x, int fd, uint64_t now_ms);
/* Writes what is due; returns when to come again (ms), 0 when the connection is to end. */
uint64_t exchange_raw_step(struct exchange *x, uint64_t now_ms);

#endif
