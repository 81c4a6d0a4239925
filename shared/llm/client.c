#include "llm/client.h"

#include "base/limits.h"
#include "llm/api_key.h"
#include "llm/rate_limit.h"

#include <curl/curl.h>

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADERS_BYTES_MAX (64u << 10)
#define CONNECT_MS_MAX 10000
#define EVENTS_PER_RUN_MAX 256
/* A network that has gone leaves connections behind that look alive: a peer whose kernel is
 * silent for this long is given up, however long the server may think about an answer. */
#define SILENT_MS 15000
#define PROBE_AFTER_S 10
#define PROBE_EVERY_S 5
#define IDLE_S_MAX 118 /* curl's own */
/* A server that has begun to answer has to go on at this rate, after a while. */
#define SLOW_AFTER_MS 10000
#define SLOW_BYTES_PER_S 64
#define BUFFER_BYTES_KEPT (16u << 10)

/* One transfer; kept with its easy handle for the next one. */
struct slot {
	struct slot *next, *prev; /* in the list of busy or free ones */
	struct client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buf request;
	struct buf reply;
	size_t header_bytes;
	uint64_t retry_after_ms;
	struct rate_limit rate_limit;
	uint64_t first_byte_ms; /* 0: none yet */
	uint64_t sent_ms;
	bool too_large, too_slow;
	bool has_body; /* the handle is set to send one */
	void *cookie;
	char error[CURL_ERROR_SIZE];
};

struct client {
	CURLM *multi;
	int epoll_fd;
	struct clock clock;
	uint64_t due_ms;
	uint64_t failed_ms; /* when a transfer failed last; 0: none has */
	client_done_fn *done;
	void *context;
	struct slot busy; /* head */
	struct slot *free;
};

static int socket_note(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	(void)easy;
	struct client *e = context;
	if (what == CURL_POLL_REMOVE) {
		/* A socket that is closed already has left epoll by itself. */
		(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		(void)curl_multi_assign(e->multi, fd, NULL);
		return 0;
	}
	struct epoll_event event = {.data.fd = fd};
	event.events =
	    (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	int op = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(e->epoll_fd, op, fd, &event) != 0) {
		/* The number may have been used by another socket before. */
		op = op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
		(void)epoll_ctl(e->epoll_fd, op, fd, &event);
	}
	(void)curl_multi_assign(e->multi, fd, e);
	return 0;
}

static int timer_note(CURLM *multi, long timeout_ms, void *context)
{
	(void)multi;
	struct client *e = context;
	e->due_ms = timeout_ms < 0 ? UINT64_MAX : clock_mono_ms(&e->clock) + (uint64_t)timeout_ms;
	return 0;
}

static void slot_free(struct slot *s)
{
	curl_easy_cleanup(s->easy);
	curl_slist_free_all(s->headers);
	buf_done(&s->request);
	buf_done(&s->reply);
	free(s);
}

enum err client_new(const struct clock *clock, uint32_t connections_max, client_done_fn *done,
		    void *context, struct client **ret_client, struct err_msg *msg)
{
	struct client *e = calloc(1, sizeof *e);
	if (!e)
		return err_set(msg, ERR_NO_MEMORY, "no memory for an HTTP client");
	e->clock = *clock;
	e->due_ms = UINT64_MAX;
	e->done = done;
	e->context = context;
	e->busy.next = e->busy.prev = &e->busy;
	e->multi = curl_multi_init();
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!e->multi || e->epoll_fd < 0) {
		client_free(e);
		return err_set(msg, ERR_IO, "can't set up an HTTP client");
	}
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, socket_note);
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, timer_note);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)connections_max);
	*ret_client = e;
	return ERR_OK;
}

void client_free(struct client *e)
{
	if (!e)
		return;
	while (e->busy.next != &e->busy) {
		struct slot *s = e->busy.next;
		s->next->prev = s->prev;
		s->prev->next = s->next;
		curl_multi_remove_handle(e->multi, s->easy);
		slot_free(s);
	}
	while (e->free) {
		struct slot *s = e->free;
		e->free = s->next;
		slot_free(s);
	}
	curl_multi_cleanup(e->multi);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	free(e);
}

/* The server has begun to answer, but at a rate that would take for ever. */
static bool slot_slow(struct slot *s)
{
	uint64_t now_ms = clock_mono_ms(&s->client->clock);
	if (!s->first_byte_ms)
		s->first_byte_ms = now_ms;
	uint64_t taken_ms = now_ms - s->first_byte_ms;
	uint64_t bytes = s->header_bytes + s->reply.size;
	s->too_slow = taken_ms > SLOW_AFTER_MS && bytes < taken_ms * SLOW_BYTES_PER_S / 1000;
	return s->too_slow;
}

static size_t body_take(char *data, size_t size, size_t count, void *context)
{
	struct slot *s = context;
	buf_add(&s->reply, data, size * count);
	s->too_large = buf_error(&s->reply) != ERR_OK;
	return s->too_large || slot_slow(s) ? 0 : size * count;
}

static bool header_value(const char *data, size_t size, const char *name, char *ret,
			 size_t ret_size)
{
	size_t length = strlen(name);
	if (size <= length || data[length] != ':' || strncasecmp(data, name, length) != 0)
		return false;
	data += length + 1;
	size -= length + 1;
	while (size > 0 &&
	       (data[size - 1] == '\r' || data[size - 1] == '\n' || data[size - 1] == ' '))
		size--;
	(void)snprintf(ret, ret_size, "%.*s", size < ret_size ? (int)size : (int)ret_size - 1,
		       data);
	return true;
}

static size_t header_take(char *data, size_t size, size_t count, void *context)
{
	struct slot *s = context;
	size *= count;
	s->header_bytes += size;
	s->too_large = s->header_bytes > HEADERS_BYTES_MAX;
	if (s->too_large || slot_slow(s))
		return 0;
	char value[64];
	if (size > 0 && (*data | 0x20) == 'x')
		rate_limit_header(&s->rate_limit, data, size);
	if (size == 0 || (*data | 0x20) != 'r')
		return size;
	if (header_value(data, size, "retry-after-ms", value, sizeof value)) {
		uint64_t ms = retry_after_parse(value, 0);
		if (ms != RETRY_AFTER_NONE)
			s->retry_after_ms = ms / 1000;
	} else if (s->retry_after_ms == RETRY_AFTER_NONE &&
		   header_value(data, size, "retry-after", value, sizeof value)) {
		s->retry_after_ms = retry_after_parse(value, clock_wall_ms(&s->client->clock));
	}
	return size;
}

/* Empties a buffer; its memory stays for the next one of the kind, unless it is much. */
static void buffer_empty(struct buf *b)
{
	if (b->capacity > BUFFER_BYTES_KEPT)
		buf_done(b);
	else
		buf_reset(b);
}

static void slot_give(struct client *e, struct slot *s)
{
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(s->headers);
	s->headers = NULL;
	buffer_empty(&s->request);
	buffer_empty(&s->reply);
	s->next = e->free;
	e->free = s;
}

static bool header_add(struct slot *s, const char *line)
{
	struct curl_slist *list = curl_slist_append(s->headers, line);
	if (list)
		s->headers = list;
	return list != NULL;
}

/* The key is read now and stays in the request's header alone. */
static enum err key_add(struct slot *s, const struct client_request *request)
{
	char line[API_KEY_LINE_BYTES];
	enum err e = api_key_line(request->key_env, request->key_file, request->key_header, line);
	if (!e && !header_add(s, line))
		e = ERR_NO_MEMORY;
	explicit_bzero(line, sizeof line);
	return e;
}

static enum err headers_add(struct slot *s, const struct client_request *request)
{
	char type[128];
	(void)snprintf(type, sizeof type, "Content-Type: %s",
		       request->content_type ? request->content_type : "application/json");
	/* Without Expect, curl waits for "100 Continue" before it sends a large body. */
	if ((request->body && !header_add(s, type)) || !header_add(s, "Expect:"))
		return ERR_NO_MEMORY;
	bool keyed =
	    (request->key_env && *request->key_env) || (request->key_file && *request->key_file);
	return keyed ? key_add(s, request) : ERR_OK;
}

static bool is_loopback(const char *url)
{
	static const char *const prefixes[] = {"http://127.0.0.1", "http://localhost",
					       "http://[::1]"};
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t size = strlen(prefixes[i]);
		if (strncasecmp(url, prefixes[i], size) == 0 &&
		    (url[size] == ':' || url[size] == '/' || url[size] == '\0'))
			return true;
	}
	return false;
}

static int socket_options_set(void *context, curl_socket_t fd, curlsocktype purpose)
{
	(void)context;
	(void)purpose;
	const unsigned silent_ms = SILENT_MS;
	/* What a Unix socket or an old kernel doesn't know is no reason to give up. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
	return CURL_SOCKOPT_OK;
}

/* After a failure no connection is used again that has been idle since before it: hundreds
 * may be dead together, and each would cost a request its time. */
static long idle_s_max(const struct client *e)
{
	uint64_t idle_s = (clock_mono_ms(&e->clock) - e->failed_ms) / 1000;
	if (e->failed_ms == 0 || idle_s >= IDLE_S_MAX)
		return IDLE_S_MAX;
	return idle_s > 0 ? (long)idle_s : 1;
}

/* What is the same for all requests. */
static void slot_set_always(struct slot *s)
{
	CURL *c = s->easy;
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, (long)PROBE_AFTER_S);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, (long)PROBE_EVERY_S);
	curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, socket_options_set);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "freeal/" FREEAL_VERSION);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, header_take);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(c, CURLOPT_PRIVATE, s);
}

static struct slot *slot_new(struct client *e)
{
	struct slot *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->client = e;
	s->easy = curl_easy_init();
	buf_init(&s->request, PROMPT_BYTES_MAX);
	buf_init(&s->reply, REPLY_BYTES_MAX);
	if (!s->easy) {
		slot_free(s);
		return NULL;
	}
	slot_set_always(s);
	return s;
}

static struct slot *slot_take(struct client *e, size_t reply_bytes_max)
{
	struct slot *s = e->free;
	if (s)
		e->free = s->next;
	else
		s = slot_new(e);
	if (!s)
		return NULL;
	buf_reset(&s->reply);
	s->reply.size_max = reply_bytes_max ? reply_bytes_max : REPLY_BYTES_MAX;
	s->header_bytes = 0;
	s->retry_after_ms = RETRY_AFTER_NONE;
	s->rate_limit = (struct rate_limit){0};
	s->first_byte_ms = 0;
	s->too_large = s->too_slow = false;
	s->error[0] = '\0';
	return s;
}

static void method_set(struct slot *s, const struct client_request *request)
{
	CURL *c = s->easy;
	const char *method = request->method ? request->method : "POST";
	if (request->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->request.size);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, s->request.data);
	} else if (s->has_body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, NULL);
		curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	}
	s->has_body = request->body != NULL;
	bool usual = strcmp(method, s->has_body ? "POST" : "GET") == 0;
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, usual ? NULL : method);
}

/* The handle keeps what it was set to for the request before: all of it is set anew. */
static void slot_set(struct slot *s, const struct client_request *request)
{
	const char *url = request->url;
	CURL *c = s->easy;
	curl_easy_setopt(c, CURLOPT_URL, url);
	/* Over HTTP/2 the requests share connections; wait to see whether they can. */
	curl_easy_setopt(c, CURLOPT_PIPEWAIT, strncasecmp(url, "https:", 6) == 0 ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, is_loopback(url) ? "" : NULL);
	long timeout_ms = request->timeout_ms ? (long)request->timeout_ms : 60000;
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
			 timeout_ms < CONNECT_MS_MAX ? timeout_ms : (long)CONNECT_MS_MAX);
	curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, idle_s_max(s->client));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, s->headers);
	method_set(s, request);
}

/* The slot's buffer and the request's change places; each side's limit stays. */
static void bodies_swap(struct slot *s, struct buf *body)
{
	struct buf other = *body;
	*body = s->request;
	body->size_max = other.size_max;
	other.size_max = s->request.size_max;
	s->request = other;
}

enum err client_send(struct client *c, const struct client_request *request)
{
	struct slot *s = slot_take(c, request->reply_bytes_max);
	if (!s)
		return ERR_NO_MEMORY;
	enum err error = headers_add(s, request);
	if (error) {
		slot_give(c, s);
		return error;
	}
	if (request->body)
		bodies_swap(s, request->body);
	slot_set(s, request);
	s->cookie = request->cookie;
	s->sent_ms = clock_mono_ms(&c->clock);
	if (curl_multi_add_handle(c->multi, s->easy) != CURLM_OK) {
		if (request->body)
			bodies_swap(s, request->body);
		slot_give(c, s);
		return ERR_NO_MEMORY;
	}
	s->next = &c->busy;
	s->prev = c->busy.prev;
	s->prev->next = s;
	c->busy.prev = s;
	return ERR_OK;
}

static enum transfer transfer_of(CURLcode code, const struct slot *s)
{
	if (s->too_large)
		return TRANSFER_TOO_LARGE;
	if (s->too_slow)
		return TRANSFER_TIMEOUT;
	switch (code) {
	case CURLE_OK:
		return TRANSFER_DONE;
	case CURLE_OPERATION_TIMEDOUT:
		return TRANSFER_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return TRANSFER_CERTIFICATE;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return TRANSFER_URL;
	default:
		return TRANSFER_UNREACHABLE;
	}
}

static void slot_finish(struct client *e, CURL *easy, CURLcode code)
{
	struct slot *s = NULL;
	long status = 0;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&s);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	assert(s && s->easy == easy);
	curl_multi_remove_handle(e->multi, easy);
	s->next->prev = s->prev;
	s->prev->next = s->next;
	enum transfer transfer = transfer_of(code, s);
	if (transfer == TRANSFER_UNREACHABLE || transfer == TRANSFER_TIMEOUT)
		e->failed_ms = clock_mono_ms(&e->clock);
	struct client_reply reply = {
	    .transfer = transfer,
	    .status = transfer == TRANSFER_DONE ? (uint32_t)status : 0,
	    .retry_after_ms = s->retry_after_ms,
	    .spent_ms = rate_limit_pause_ms(&s->rate_limit),
	    .body = buf_str(&s->reply),
	    .body_size = s->reply.size,
	    .error = code == CURLE_OK ? ""
		     : s->error[0]    ? s->error
				      : curl_easy_strerror(code),
	    .sent_ms = s->sent_ms,
	};
	e->done(e->context, s->cookie, &reply);
	slot_give(e, s);
}

int client_fd(const struct client *e)
{
	return e->epoll_fd;
}

uint64_t client_due_ms(const struct client *e)
{
	return e->due_ms;
}

void client_run(struct client *e)
{
	struct epoll_event events[EVENTS_PER_RUN_MAX];
	int running;
	int n = epoll_wait(e->epoll_fd, events, EVENTS_PER_RUN_MAX, 0);
	for (int i = 0; i < n; i++) {
		int flags = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(e->multi, events[i].data.fd, flags, &running);
	}
	if (e->due_ms <= clock_mono_ms(&e->clock)) {
		e->due_ms = UINT64_MAX; /* curl sets the next one from inside */
		curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(e->multi, &left));) {
		if (m->msg == CURLMSG_DONE)
			slot_finish(e, m->easy_handle, m->data.result);
	}
}
