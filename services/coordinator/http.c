#include "coordinator/http.h"

#include "base/buf.h"
#include "base/limits.h"
#include "coordinator/allowance.h"
#include "coordinator/backup.h"
#include "coordinator/http_lines.h"
#include "coordinator/http_reply.h"
#include "coordinator/ingest.h"
#include "coordinator/kept_view.h"
#include "coordinator/labels.h"
#include "coordinator/report.h"
#include "coordinator/shots.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BODY_BYTES_MAX (16u << 20)   /* more than any one sample takes */
#define BODIES_BYTES_MAX (48u << 20) /* of all requests that are under way */
#define BODY_WAIT_MS 20000	     /* for room among them */
#define CONNECTIONS_MAX 256
#define THREAD_STACK_BYTES (1u << 20)
#define IDLE_TIMEOUT_S 60
#define TOKEN_BYTES_MAX 128
#define BACKUP_BLOCK_BYTES (256u << 10)

struct http {
	struct coordinator *c;
	struct MHD_Daemon *daemon;
	char token[TOKEN_BYTES_MAX];
	uint16_t port;
	atomic_bool backup_running;
	struct allowance allowance; /* of all bodies that are under way */
};

/* One request: its body so far. */
struct exchange {
	struct buf body;
	size_t taken;	  /* of the allowance */
	unsigned refused; /* its status, decided before the body came; 0: it is not */
};

/* A labels download. */
struct labels_source {
	struct view *view;
	const Freeal__Project *project;
};

static bool authorized(const struct http *h, struct MHD_Connection *connection)
{
	const char *given =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	size_t size = strlen(h->token);
	if (!given || strncmp(given, "Bearer ", 7) != 0 || strlen(given + 7) != size)
		return false;
	return sodium_memcmp(given + 7, h->token, size) == 0;
}

static enum MHD_Result samples_post(struct http *h, struct MHD_Connection *connection,
				    struct buf *body, bool packed)
{
	struct inbox_request r = {.kind = INBOX_INGEST};
	uint32_t label_count = (uint32_t)h->c->project->n_labels;
	enum err e = ERR_OK;
	if (packed)
		e = ingest_unpack(buf_str(body), body->size, label_count, &r.batch);
	else
		r.batch = ingest_parse(buf_str(body), body->size, label_count);
	buf_done(body);
	if (e == ERR_INVALID)
		return http_reply_error(connection, 400, "the body is no packed SampleBatch");
	if (!r.batch)
		return http_reply_busy(connection, "out of memory");
	e = inbox_call(h->c->inbox, &r);
	struct buf json;
	buf_init(&json, BODY_BYTES_MAX);
	ingest_reply(r.batch, &json);
	enum MHD_Result result =
	    e || buf_error(&json)
		? http_reply_busy(connection, err_str(e ? e : buf_error(&json)))
		: http_reply(connection, 200, "application/json", buf_str(&json), json.size);
	buf_done(&json);
	ingest_batch_free(r.batch);
	return result;
}

static enum MHD_Result control_post(struct http *h, struct MHD_Connection *connection,
				    enum inbox_kind kind, const struct buf *body)
{
	struct inbox_request r = {.kind = kind};
	json_t *json = body->size ? json_loadb(buf_str(body), body->size, 0, NULL) : NULL;
	if (body->size && !json_is_object(json)) {
		json_decref(json);
		return http_reply_error(connection, 400, "the body must be a JSON object");
	}
	json_int_t requests = json_integer_value(json_object_get(json, "max_requests"));
	json_decref(json);
	if (requests < 0)
		return http_reply_error(connection, 400, "max_requests must not be negative");
	r.requests_more = (uint64_t)requests;
	enum err e = inbox_call(h->c->inbox, &r);
	return e ? http_reply_error(connection, 503, err_str(e))
		 : http_reply_json(connection, 200, "{}\n");
}

static enum err labels_next(void *context, struct buf *out)
{
	struct labels_source *source = context;
	struct view_row row;
	enum err e = view_next(source->view, &row);
	if (!e)
		labels_line(source->project, &row, out);
	return e;
}

static void labels_free(void *context)
{
	struct labels_source *source = context;
	view_free(source->view);
	free(source);
}

static enum MHD_Result labels_get(struct http *h, struct MHD_Connection *connection)
{
	struct labels_source *source = calloc(1, sizeof *source);
	if (!source)
		return http_reply_error(connection, 503, "out of memory");
	source->project = h->c->project;
	if (view_new(h->c->store, &source->view)) {
		labels_free(source);
		return http_reply_error(connection, 500, "cannot read the store");
	}
	const struct lines_source lines = {labels_next, labels_free, source};
	return lines_reply(connection, &lines);
}

static enum err cache_next(void *context, struct buf *out)
{
	return kept_view_next(context, out);
}

static void cache_free(void *context)
{
	kept_view_free(context);
}

static enum MHD_Result cache_get(struct http *h, struct MHD_Connection *connection)
{
	struct kept_view *view = kept_view_new(h->c->store);
	if (!view)
		return http_reply_error(connection, 503, "out of memory");
	const struct lines_source lines = {cache_next, cache_free, view};
	return lines_reply(connection, &lines);
}

static enum MHD_Result status_get(struct http *h, struct MHD_Connection *connection)
{
	char *text = coordinator_status(h->c);
	if (!text)
		return http_reply_error(connection, 503, "not yet");
	enum MHD_Result result = http_reply_json(connection, 200, text);
	free(text);
	return result;
}

static enum MHD_Result report_get(struct http *h, struct MHD_Connection *connection)
{
	char *text;
	enum err e = report_make(h->c->store, h->c->project, &h->c->task->budget, &text);
	if (e)
		return http_reply_error(connection, 500, err_str(e));
	enum MHD_Result result = http_reply_json(connection, 200, text);
	free(text);
	return result;
}

/* ?id=ID&round=N */
static enum MHD_Result shots_get(struct http *h, struct MHD_Connection *connection)
{
	const char *id = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "id");
	const char *round = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "round");
	char *text;
	if (!id || !round || strlen(round) > 6 || round[strspn(round, "0123456789")])
		return http_reply_error(connection, 400, "give id and round");
	enum err e = shots_make(h->c->store, h->c->project, id, strlen(id),
				(uint32_t)strtoul(round, NULL, 10), &text);
	if (e == ERR_NOT_FOUND)
		return http_reply_error(connection, 404, "the project has no such sample");
	if (e)
		return http_reply_error(connection, 500, err_str(e));
	enum MHD_Result result = http_reply_json(connection, 200, text);
	free(text);
	return result;
}

static enum MHD_Result model_list(struct http *h, struct MHD_Connection *connection)
{
	char path[1200];
	(void)snprintf(path, sizeof path, "%s/model", h->c->project_dir);
	DIR *dir = opendir(path);
	if (!dir)
		return http_reply_error(connection, 404, "there is no model yet");
	json_t *files = json_array();
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_name[0] != '.')
			(void)json_array_append_new(files, json_string(d->d_name));
	(void)closedir(dir);
	json_t *json = json_pack("{s:o}", "files", files);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	enum MHD_Result result = text ? http_reply_json(connection, 200, text)
				      : http_reply_error(connection, 503, "out of memory");
	free(text);
	return result;
}

static enum MHD_Result reply_file(struct MHD_Connection *connection, const char *path,
				  const char *type)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		if (fd >= 0)
			(void)close(fd);
		return http_reply_error(connection, 404, "no such file");
	}
	struct MHD_Response *r = MHD_create_response_from_fd64((uint64_t)info.st_size, fd);
	if (!r) {
		(void)close(fd);
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, "Content-Type", type);
	enum MHD_Result queued = MHD_queue_response(connection, 200, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result model_get(struct http *h, struct MHD_Connection *connection,
				 const char *name)
{
	char path[1400];
	if (name[0] == '.' || strchr(name, '/') || strlen(name) > 128)
		return http_reply_error(connection, 404, "no such file");
	(void)snprintf(path, sizeof path, "%s/model/%s", h->c->project_dir, name);
	return reply_file(connection, path, "application/octet-stream");
}

/* The project's copy of the task file: a client on another host reads column names in it. */
static enum MHD_Result task_get(struct http *h, struct MHD_Connection *connection)
{
	char path[1200];
	(void)snprintf(path, sizeof path, "%s/task.yaml", h->c->project_dir);
	return reply_file(connection, path, "application/yaml");
}

static ssize_t backup_data(void *context, uint64_t position, char *to, size_t size)
{
	(void)position;
	ssize_t n = backup_read(context, to, size);
	if (n > 0)
		return n;
	return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void backup_end(void *context)
{
	backup_free(context);
}

/* The store as a data.mdb; a connection that stands still is closed, which ends the copy. */
static enum MHD_Result backup_get(struct http *h, struct MHD_Connection *connection)
{
	struct backup *b;
	enum err e = backup_new(h->c->store, &h->backup_running, &b);
	if (e)
		return http_reply_error(
		    connection, 503,
		    e == ERR_AGAIN ? "another backup is being made; try again later" : err_str(e));
	struct MHD_Response *r = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, BACKUP_BLOCK_BYTES, backup_data, b, backup_end);
	if (!r) {
		backup_free(b);
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, "Content-Type", "application/octet-stream");
	enum MHD_Result queued = MHD_queue_response(connection, 200, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result route_post(struct http *h, struct MHD_Connection *connection,
				  const char *url, struct buf *body)
{
	if (strcmp(url, "/v1/samples") == 0)
		return samples_post(h, connection, body, false);
	if (strcmp(url, "/v1/samples/packed") == 0)
		return samples_post(h, connection, body, true);
	if (strcmp(url, "/v1/start") == 0)
		return control_post(h, connection, INBOX_START, body);
	if (strcmp(url, "/v1/stop") == 0)
		return control_post(h, connection, INBOX_STOP, body);
	if (strcmp(url, "/v1/cache/clear") == 0)
		return control_post(h, connection, INBOX_CACHE_CLEAR, body);
	return http_reply_error(connection, 404, "no such resource");
}

static enum MHD_Result route_get(struct http *h, struct MHD_Connection *connection, const char *url)
{
	if (strcmp(url, "/v1/status") == 0)
		return status_get(h, connection);
	if (strcmp(url, "/v1/labels") == 0)
		return labels_get(h, connection);
	if (strcmp(url, "/v1/cache") == 0)
		return cache_get(h, connection);
	if (strcmp(url, "/v1/shots") == 0)
		return shots_get(h, connection);
	if (strcmp(url, "/v1/report") == 0)
		return report_get(h, connection);
	if (strcmp(url, "/v1/task") == 0)
		return task_get(h, connection);
	if (strcmp(url, "/v1/backup") == 0)
		return backup_get(h, connection);
	if (strcmp(url, "/v1/model") == 0)
		return model_list(h, connection);
	if (strncmp(url, "/v1/model/", 10) == 0)
		return model_get(h, connection, url + 10);
	return http_reply_error(connection, 404, "no such resource");
}

static size_t body_bytes_told(struct MHD_Connection *connection)
{
	const char *text =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	char *end;
	errno = 0;
	unsigned long long bytes = text ? strtoull(text, &end, 10) : BODY_BYTES_MAX;
	return errno || (text && *end) || bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}

/* What a request may send is decided before it is read; what it may not is read and let go, so
 * that the client is there for the answer. */
static void request_begin(struct http *h, struct MHD_Connection *connection, const char *method,
			  struct exchange *x)
{
	bool posts = strcmp(method, "POST") == 0;
	size_t bytes = posts ? body_bytes_told(connection) : 0;
	x->refused = authorized(h, connection) ? 0 : 401;
	if (!x->refused && bytes > BODY_BYTES_MAX)
		x->refused = 413;
	if (!x->refused && allowance_take(&h->allowance, bytes, BODY_WAIT_MS))
		x->refused = 503;
	if (!x->refused)
		x->taken = bytes;
	buf_init(&x->body, x->taken);
}

static enum MHD_Result request_take(void *context, struct MHD_Connection *connection,
				    const char *url, const char *method, const char *version,
				    const char *data, size_t *data_bytes, void **state)
{
	(void)version;
	struct http *h = context;
	struct exchange *x = *state;
	if (!x) {
		x = calloc(1, sizeof *x);
		if (!x)
			return MHD_NO;
		request_begin(h, connection, method, x);
		*state = x;
		return MHD_YES;
	}
	if (*data_bytes > 0) {
		buf_add(&x->body, data, *data_bytes);
		*data_bytes = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/healthz") == 0)
		return http_reply_json(connection, 200, "{\"ok\":true}\n");
	if (x->refused == 401)
		return http_reply_error(connection, 401, "the bearer token is missing or wrong");
	if (x->refused == 503)
		return http_reply_busy(connection, "too much is being sent at once");
	if (strcmp(method, "GET") == 0)
		return route_get(h, connection, url);
	if (strcmp(method, "POST") != 0)
		return http_reply_error(connection, 405, "GET or POST");
	if (x->refused || buf_error(&x->body))
		return http_reply_error(
		    connection, 413, "the body is larger than 16 MiB; send fewer samples at once");
	return route_post(h, connection, url, &x->body);
}

static void request_done(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)connection;
	(void)code;
	struct http *h = context;
	struct exchange *x = *state;
	if (x) {
		allowance_return(&h->allowance, x->taken);
		buf_done(&x->body);
	}
	free(x);
	*state = NULL;
}

static enum err address_parse(const char *address, struct sockaddr_in *ret, struct err_msg *msg)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	char *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	if (!colon || colon == address || (size_t)(colon - address) >= sizeof host ||
	    *end != '\0' || port > 65535)
		return err_set(msg, ERR_INVALID, "--http %s: give HOST:PORT", address);
	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &ret->sin_addr) != 1)
		return err_set(msg, ERR_INVALID, "--http %s: the host must be an IPv4 address",
			       address);
	return ERR_OK;
}

/* Bodies come and go on many threads. What each thread's heap would keep of them goes back to
 * the system at once. */
static void memory_settle(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
	(void)mallopt(M_ARENA_MAX, 4);
}

enum err http_start(struct coordinator *c, const char *address, const char *token,
		    struct http **ret_http, struct err_msg *msg)
{
	struct sockaddr_in at;
	enum err e = address_parse(address, &at, msg);
	if (e)
		return e;
	struct http *h = calloc(1, sizeof *h);
	if (!h)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	h->c = c;
	memory_settle();
	allowance_init(&h->allowance, BODIES_BYTES_MAX);
	(void)snprintf(h->token, sizeof h->token, "%s", token);
	h->daemon = MHD_start_daemon(
	    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
		MHD_USE_ITC,
	    0, NULL, NULL, request_take, h, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at,
	    MHD_OPTION_NOTIFY_COMPLETED, request_done, h, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
	    MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_BYTES, MHD_OPTION_END);
	const union MHD_DaemonInfo *info =
	    h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	if (!info) {
		e = err_set(msg, ERR_IO, "cannot listen on %s: %s", address, strerror(errno));
		http_stop(h);
		return e;
	}
	h->port = info->port;
	*ret_http = h;
	return ERR_OK;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	allowance_close(&h->allowance);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	allowance_done(&h->allowance);
	free(h);
}
