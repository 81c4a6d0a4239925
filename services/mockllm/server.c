#include "mockllm/server.h"

#include "mockllm/exchange.h"
#include "mockllm/pacer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
	struct server_options options;
	struct MHD_Daemon *daemon;
	struct pacer *pacer;
	struct api api;
};

enum err server_address_parse(const char *address, char ret_host[64], uint16_t *ret_port)
{
	const char *colon = strrchr(address, ':');
	if (!colon || colon == address || !colon[1] || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return ERR_INVALID;
	const char *host = address;
	size_t size = (size_t)(colon - address);
	if (host[0] == '[' && size > 2 && colon[-1] == ']') {
		host++;
		size -= 2;
	}
	unsigned long port = strtoul(colon + 1, NULL, 10);
	if (size >= 64 || port > 65535)
		return ERR_INVALID;
	memcpy(ret_host, host, size);
	ret_host[size] = '\0';
	*ret_port = (uint16_t)port;
	return ERR_OK;
}

/* --- when it is answered --- */

static uint64_t exchange_step(void *item, uint64_t now_ms)
{
	struct exchange *x = item;
	if (x->fd >= 0) {
		uint64_t due_ms = exchange_raw_step(x, now_ms);
		if (due_ms)
			return due_ms;
		x->state = EXCHANGE_CLOSING;
	}
	MHD_resume_connection(x->connection);
	return 0;
}

static void exchange_cancel(void *item)
{
	struct exchange *x = item;
	x->state = EXCHANGE_CLOSING;
	MHD_resume_connection(x->connection);
}

static enum MHD_Result reply_queue(struct exchange *x)
{
	const struct outcome *o = &x->outcome;
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(o->body.size, o->body.data, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	const struct fault *f = o->fault;
	for (size_t i = 0; f && i < f->header_count; i++)
		(void)MHD_add_response_header(response, f->headers[i].name, f->headers[i].value);
	for (size_t i = 0; i < o->header_count; i++) {
		if (!f || !fault_has_header(f, o->headers[i].name))
			(void)MHD_add_response_header(response, o->headers[i].name,
						      o->headers[i].value);
	}
	if (!f || !fault_has_header(f, "Content-Type"))
		(void)MHD_add_response_header(response, "Content-Type", o->content_type);
	(void)MHD_add_response_header(response, "Server", "freeal-mockllm");
	enum MHD_Result result = MHD_queue_response(x->connection, o->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The request is whole: answers it or puts it off. */
static enum MHD_Result exchange_start(struct server *s, struct exchange *x)
{
	const struct fault *f = x->outcome.fault;
	uint64_t now_ms = clock_mono_ms(&s->api.clock);
	uint64_t delay_ms = f ? f->delay_ms : 0;
	if (x->outcome.counted)
		delay_ms += s->options.latency_ms;
	x->state = EXCHANGE_READY;
	if (f && (f->hang || fault_is_raw(f))) {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		int fd = info ? fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0) : -1;
		if (fd < 0)
			return MHD_NO;
		exchange_raw_prepare(x, fd, now_ms);
	} else if (delay_ms == 0) {
		return reply_queue(x);
	}
	/* Suspended before the pacer knows it: a resume must never come first. */
	MHD_suspend_connection(x->connection);
	pacer_add(s->pacer, x, now_ms + delay_ms);
	return MHD_YES;
}

static const char *header_get(struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static const char *query_get(struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result exchange_handle(struct server *s, struct exchange *x, const char *path,
				       const char *method)
{
	struct api_request request = {
	    .method = method,
	    .path = path,
	    .authorization = header_get(x, "Authorization"),
	    .api_key = header_get(x, "api-key"),
	    .content_type = header_get(x, "Content-Type"),
	    .api_version = query_get(x, "api-version"),
	    .limit = query_get(x, "limit"),
	    .after = query_get(x, "after"),
	    .purpose = query_get(x, "purpose"),
	    .body = {x->request.data, x->request.size},
	    .too_long = buf_error(&x->request) != ERR_OK,
	};
	api_handle(&s->api, &request, &x->outcome);
	return exchange_start(s, x);
}

/* --- the HTTP library's callbacks --- */

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **slot)
{
	struct server *s = context;
	struct exchange *x = *slot;
	(void)version;
	if (!x) {
		*slot = exchange_new(s, connection, api_body_max(url));
		return *slot ? MHD_YES : MHD_NO;
	}
	switch (x->state) {
	case EXCHANGE_RECEIVING:
		if (*upload_size == 0)
			return exchange_handle(s, x, url, method);
		buf_add(&x->request, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	case EXCHANGE_READY:
		return reply_queue(x);
	case EXCHANGE_CLOSING:
		break;
	}
	return MHD_NO;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode code)
{
	struct server *s = context;
	struct exchange *x = *slot;
	(void)connection;
	(void)code;
	if (x)
		api_sent(&s->api, &x->outcome);
	exchange_free(x);
	*slot = NULL;
}

/* The HTTP library reports closed connections on its own; that is no news here. */
static void on_log(void *context, const char *fmt, va_list args)
{
	(void)context;
	(void)fmt;
	(void)args;
}

static void descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	rlim_t want = 2 * (rlim_t)SERVER_CONNECTIONS_MAX + 64;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum err address_resolve(const char *text, struct sockaddr_storage *ret_address,
				struct err_msg *msg)
{
	char host[64];
	uint16_t port;
	if (server_address_parse(text, host, &port))
		return err_set(msg, ERR_INVALID, "--listen '%s': give ADDRESS:PORT", text);
	memset(ret_address, 0, sizeof *ret_address);
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
	const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	if (inet_pton(AF_INET, numeric, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, numeric, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	} else {
		return err_set(msg, ERR_INVALID, "--listen '%s': give a numeric address", text);
	}
	return ERR_OK;
}

static enum err daemon_start(struct server *s, struct err_msg *msg)
{
	struct sockaddr_storage address;
	enum err e = address_resolve(s->options.address, &address, msg);
	if (e)
		return e;
	unsigned flags =
	    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	s->daemon = MHD_start_daemon(
	    flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, 600u, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u,
	    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_THREAD_POOL_SIZE,
	    s->options.threads > 1 ? s->options.threads : 0u, MHD_OPTION_END);
	if (!s->daemon)
		return err_set(msg, ERR_IO, "can't listen on %s: is the port taken?",
			       s->options.address);
	return ERR_OK;
}

enum err server_new(const struct server_options *options, struct server **ret_server,
		    struct err_msg *msg)
{
	struct server *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	s->options = *options;
	api_init(&s->api, &options->api);
	descriptors_raise();
	enum err e = pacer_new(exchange_step, exchange_cancel, &s->pacer);
	if (e)
		(void)err_set(msg, e, "can't start a thread");
	else
		e = daemon_start(s, msg);
	if (e) {
		server_free(s);
		return e;
	}
	*ret_server = s;
	return ERR_OK;
}

unsigned server_port(const struct server *s)
{
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
	return info ? info->port : 0;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	if (s->daemon) {
		/* No connection may be suspended when the daemon stops. */
		MHD_socket listener = MHD_quiesce_daemon(s->daemon);
		pacer_stop(s->pacer);
		MHD_stop_daemon(s->daemon);
		if (listener != MHD_INVALID_SOCKET)
			close(listener);
	}
	pacer_free(s->pacer);
	api_done(&s->api);
	free(s);
}
