#include "mockllm/server.h"

#include "base/clock.h"
#include "mockllm/exchange.h"
#include "mockllm/malform.h"
#include "mockllm/pacer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct counts {
	uint64_t requests; /* to /v1/chat/completions, whole ones */
	uint64_t labels;
	uint64_t demonstrations;
	uint64_t refused; /* bad requests, and those without a recording */
	uint64_t faults;
	uint64_t in_flight;
	uint64_t in_flight_max;
};

struct server {
	struct server_options options;
	struct MHD_Daemon *daemon;
	struct pacer *pacer;
	struct clock clock;
	uint64_t start_ms;
	pthread_mutex_t lock; /* guards the counts, the script and the record */
	struct counts counts;
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

/* --- what is answered --- */

static void record_write(struct server *s, const struct exchange *x, const struct chat_request *r,
			 const char *kind, bool authorised, uint64_t number)
{
	struct buf line;
	buf_init(&line, (size_t)4 * CHAT_BODY_MAX);
	buf_printf(&line,
		   "{\"n\":%llu,\"at_ms\":%llu,\"kind\":\"%s\",\"status\":%u,\"authorization\":%s",
		   (unsigned long long)number,
		   (unsigned long long)(clock_mono_ms(&s->clock) - s->start_ms), kind, x->status,
		   authorised ? "true" : "false");
	if (r->root) {
		buf_printf(&line, ",\"shots\":%zu,\"model\":", r->turn_count);
		chat_string_write(&line, r->model);
		buf_add_str(&line, ",\"text\":");
		chat_string_write(&line, r->text);
	}
	buf_add_str(&line, ",\"body\":");
	chat_string_write(&line, (struct chat_text){x->request.data, x->request.size});
	buf_add_str(&line, "}\n");
	if (!buf_error(&line)) {
		(void)fwrite(line.data, 1, line.size, s->options.record);
		(void)fflush(s->options.record);
	}
	buf_done(&line);
}

static void reply_error(struct exchange *x, unsigned status, const char *message, const char *code)
{
	x->status = status;
	buf_reset(&x->reply);
	chat_error_write(&x->reply, message,
			 status < 500 ? "invalid_request_error" : "server_error", code);
}

/* The mock's own answer; returns the request's kind for the record. */
static const char *reply_ordinary(struct server *s, struct exchange *x, struct chat_request *r,
				  uint64_t number)
{
	char id[64];
	struct err_msg msg = {""};
	struct buf content;
	const struct fault *f = x->fault;
	buf_init(&content, CHAT_BODY_MAX);
	enum err e = ERR_OK;
	if (f && f->content)
		buf_add_str(&content, f->content);
	else
		e = mock_answer(s->options.mock, r, &content, &msg);
	(void)snprintf(id, sizeof id, "freeal-mockllm-%s", mock_mode(s->options.mock));
	if (e == ERR_NOT_FOUND) {
		reply_error(x, 404, msg.text, "model_not_found");
	} else if (e) {
		reply_error(x, 400, msg.text, "not_recorded");
	} else {
		struct chat_reply reply = {.id_prefix = id,
					   .number = number,
					   .content = {buf_str(&content), content.size},
					   .finish_reason = f ? f->finish_reason : NULL};
		chat_reply_write(&x->reply, r, &reply);
	}
	buf_done(&content);
	return e ? "refused" : r->examples_wanted ? "demonstrations" : "label";
}

/* Puts what the fault says in the place of the ordinary reply. */
static void reply_fault(struct exchange *x)
{
	const struct fault *f = x->fault;
	if (f->status != 200 || f->error || f->body.data || f->malformed)
		x->status = f->status;
	if (f->body.data) {
		buf_reset(&x->reply);
		buf_add(&x->reply, f->body.data, f->body.size);
	} else if (f->malformed) {
		struct buf whole = x->reply;
		buf_init(&x->reply, CHAT_BODY_MAX);
		malform_write(&x->reply, &whole, f->malformed);
		buf_done(&whole);
	} else if (f->error || f->status != 200) {
		const char *code = f->error ? f->error : "mock_fault";
		buf_reset(&x->reply);
		chat_error_write(&x->reply, "scripted fault of freeal-mockllm", code, code);
	}
}

static void counts_add(struct server *s, const char *kind, bool has_fault)
{
	s->counts.faults += has_fault;
	if (strcmp(kind, "label") == 0)
		s->counts.labels++;
	else if (strcmp(kind, "demonstrations") == 0)
		s->counts.demonstrations++;
	else
		s->counts.refused++;
}

static void exchange_answer(struct server *s, struct exchange *x, bool authorised)
{
	struct chat_request r = {0};
	struct err_msg msg = {""};
	const char *kind = "invalid";
	enum err e = chat_request_parse(&r, x->request.data, x->request.size, &msg);
	pthread_mutex_lock(&s->lock);
	uint64_t number = ++s->counts.requests;
	x->counted = true;
	if (++s->counts.in_flight > s->counts.in_flight_max)
		s->counts.in_flight_max = s->counts.in_flight;
	if (!e && s->options.script)
		x->fault = script_next(s->options.script, r.model, r.text);
	pthread_mutex_unlock(&s->lock);
	if (e)
		reply_error(x, 400, msg.text, "invalid_body");
	else
		kind = reply_ordinary(s, x, &r, number);
	if (x->fault)
		reply_fault(x);
	if (buf_error(&x->reply))
		reply_error(x, 500, "the reply is too long", "too_long");
	pthread_mutex_lock(&s->lock);
	counts_add(s, kind, x->fault != NULL);
	if (s->options.record)
		record_write(s, x, &r, kind, authorised, number);
	pthread_mutex_unlock(&s->lock);
	chat_request_done(&r);
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
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(x->reply.size, x->reply.data, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	const struct fault *f = x->fault;
	bool has_type = false;
	for (size_t i = 0; f && i < f->header_count; i++) {
		has_type = has_type || strcasecmp(f->headers[i].name, "Content-Type") == 0;
		(void)MHD_add_response_header(response, f->headers[i].name, f->headers[i].value);
	}
	if (!has_type)
		(void)MHD_add_response_header(response, "Content-Type", "application/json");
	(void)MHD_add_response_header(response, "Server", "freeal-mockllm");
	enum MHD_Result result = MHD_queue_response(x->connection, x->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The request is whole: answers it or puts it off. */
static enum MHD_Result exchange_start(struct server *s, struct exchange *x)
{
	const struct fault *f = x->fault;
	uint64_t now_ms = clock_mono_ms(&s->clock);
	uint64_t delay_ms = s->options.latency_ms + (f ? f->delay_ms : 0);
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

static void stats_write(struct server *s, struct buf *out)
{
	pthread_mutex_lock(&s->lock);
	struct counts c = s->counts;
	pthread_mutex_unlock(&s->lock);
	buf_printf(out,
		   "{\"requests\":%llu,\"labels\":%llu,\"demonstrations\":%llu,\"refused\":%llu,"
		   "\"faults\":%llu,\"in_flight\":%llu,\"in_flight_max\":%llu}",
		   (unsigned long long)c.requests, (unsigned long long)c.labels,
		   (unsigned long long)c.demonstrations, (unsigned long long)c.refused,
		   (unsigned long long)c.faults, (unsigned long long)c.in_flight,
		   (unsigned long long)c.in_flight_max);
}

static enum MHD_Result request_route(struct server *s, struct exchange *x, const char *url,
				     const char *method)
{
	bool is_get = strcmp(method, "GET") == 0;
	x->state = EXCHANGE_READY;
	if (strcmp(url, "/v1/chat/completions") == 0) {
		if (strcmp(method, "POST") == 0) {
			const char *key = MHD_lookup_connection_value(
			    x->connection, MHD_HEADER_KIND, "Authorization");
			if (buf_error(&x->request))
				reply_error(x, 413, "the body is too long", "too_long");
			else
				exchange_answer(s, x, key != NULL);
			return exchange_start(s, x);
		}
		reply_error(x, 405, "use POST", "method_not_allowed");
	} else if (is_get && strcmp(url, "/v1/models") == 0) {
		buf_printf(&x->reply,
			   "{\"object\":\"list\",\"data\":[{\"id\":\"freeal-mockllm-%s\","
			   "\"object\":\"model\","
			   "\"created\":0,\"owned_by\":\"freeal-mockllm (a mock, not a language "
			   "model)\"}]}",
			   mock_mode(s->options.mock));
	} else if (is_get && strcmp(url, "/healthz") == 0) {
		buf_add_str(&x->reply, "{\"status\":\"ok\",\"service\":\"freeal-mockllm\"}");
	} else if (is_get && strcmp(url, "/mock/stats") == 0) {
		stats_write(s, &x->reply);
	} else {
		reply_error(x, 404, "no such path", "not_found");
	}
	return reply_queue(x);
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
		*slot = exchange_new(s, connection);
		return *slot ? MHD_YES : MHD_NO;
	}
	switch (x->state) {
	case EXCHANGE_RECEIVING:
		if (*upload_size == 0)
			return request_route(s, x, url, method);
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
	if (x && x->counted) {
		pthread_mutex_lock(&s->lock);
		s->counts.in_flight--;
		pthread_mutex_unlock(&s->lock);
	}
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
	s->clock = clock_system();
	s->start_ms = clock_mono_ms(&s->clock);
	pthread_mutex_init(&s->lock, NULL);
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
	pthread_mutex_destroy(&s->lock);
	free(s);
}
