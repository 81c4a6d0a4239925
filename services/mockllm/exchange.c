#include "mockllm/exchange.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EXCHANGE_BLOCK = 65536,
	EXCHANGE_STEPS_MAX = 64,   /* blocks in one turn */
	EXCHANGE_FULL_WAIT_MS = 2, /* until a full socket is tried again */
	EXCHANGE_GONE_CHECK_MS = 500,
	EXCHANGE_HANG_MAX_MS = 600 * 1000,
};

struct exchange *exchange_new(struct server *server, struct MHD_Connection *connection,
			      size_t body_max)
{
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->server = server;
	x->connection = connection;
	x->fd = -1;
	buf_init(&x->request, body_max);
	outcome_init(&x->outcome);
	buf_init(&x->raw, (size_t)512 << 20);
	return x;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	buf_done(&x->request);
	outcome_done(&x->outcome);
	buf_done(&x->raw);
	if (x->fd >= 0)
		close(x->fd);
	free(x);
}

void exchange_raw_prepare(struct exchange *x, int fd, uint64_t now_ms)
{
	const struct outcome *o = &x->outcome;
	const struct fault *f = o->fault;
	assert(f);
	x->fd = fd;
	if (f->hang) {
		x->hang_until_ms = now_ms + EXCHANGE_HANG_MAX_MS;
		return;
	}
	unsigned long long length = f->content_length >= 0
					? (unsigned long long)f->content_length
					: (unsigned long long)o->body.size + f->pad_bytes;
	buf_printf(&x->raw, "HTTP/1.1 %u Mock\r\nServer: freeal-mockllm\r\nConnection: close\r\n",
		   o->status);
	if (!fault_has_header(f, "Content-Type"))
		buf_printf(&x->raw, "Content-Type: %s\r\n", o->content_type);
	if (!fault_has_header(f, "Transfer-Encoding"))
		buf_printf(&x->raw, "Content-Length: %llu\r\n", length);
	for (size_t i = 0; i < f->header_count; i++)
		buf_printf(&x->raw, "%s: %s\r\n", f->headers[i].name, f->headers[i].value);
	for (size_t i = 0; i < o->header_count; i++) {
		if (!fault_has_header(f, o->headers[i].name))
			buf_printf(&x->raw, "%s: %s\r\n", o->headers[i].name, o->headers[i].value);
	}
	buf_add_str(&x->raw, "\r\n");
	buf_add(&x->raw, o->body.data, o->body.size);
	x->pad_left = f->pad_bytes;
	if (f->close_after < 0)
		return;
	uint64_t limit = (uint64_t)f->close_after;
	if (limit < x->raw.size) {
		x->raw.size = (size_t)limit;
		x->pad_left = 0;
	} else if (limit - x->raw.size < x->pad_left) {
		x->pad_left = limit - x->raw.size;
	}
}

/* The client closed its side or reset the connection. */
static bool peer_is_gone(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static uint64_t raw_end(struct exchange *x)
{
	if (x->outcome.fault->reset) {
		/* On Linux this resets at once; closing would send a FIN first. */
		struct sockaddr none = {.sa_family = AF_UNSPEC};
		(void)connect(x->fd, &none, sizeof none);
	}
	return 0;
}

/* Sends up to `max` bytes; returns how many, 0 where the socket is full, -1 on failure. */
static ssize_t raw_send(struct exchange *x, uint64_t max)
{
	static const char pad[EXCHANGE_BLOCK] = {[0 ... EXCHANGE_BLOCK - 1] = ' '};
	const char *from = x->raw_at < x->raw.size ? x->raw.data + x->raw_at : pad;
	uint64_t left = x->raw_at < x->raw.size ? x->raw.size - x->raw_at : x->pad_left;
	size_t size = EXCHANGE_BLOCK;
	if (left < size)
		size = (size_t)left;
	if (max < size)
		size = (size_t)max;
	ssize_t sent = send(x->fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
	if (x->raw_at < x->raw.size)
		x->raw_at += (size_t)sent;
	else
		x->pad_left -= (uint64_t)sent;
	return sent;
}

uint64_t exchange_raw_step(struct exchange *x, uint64_t now_ms)
{
	if (x->hang_until_ms) {
		if (now_ms >= x->hang_until_ms || peer_is_gone(x->fd))
			return raw_end(x);
		return now_ms + EXCHANGE_GONE_CHECK_MS;
	}
	for (int step = 0; step < EXCHANGE_STEPS_MAX; step++) {
		if (x->raw_at == x->raw.size && x->pad_left == 0)
			return raw_end(x);
		ssize_t sent =
		    raw_send(x, x->outcome.fault->drip_bytes ? x->outcome.fault->drip_bytes
							     : EXCHANGE_BLOCK);
		if (sent < 0)
			return 0;
		if (sent == 0)
			return now_ms + EXCHANGE_FULL_WAIT_MS;
		if (x->outcome.fault->drip_bytes)
			return now_ms + (x->outcome.fault->drip_ms ? x->outcome.fault->drip_ms : 1);
	}
	return now_ms + 1;
}
