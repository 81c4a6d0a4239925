#include "annotator_llm.h"

#include <jansson.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES_MAX (1 << 20)
#define LARGE_BYTES (3 << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct llm_request requests[LLM_REQUEST_COUNT_MAX];
static const char *refused;	    /* parameter */
static const char *forced_endpoint; /* NULL: all */
static int request_count, busy, busy_max, connection_count, forced_status, delay_ms;

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void llm_reset(void)
{
	pthread_mutex_lock(&lock);
	refused = NULL;
	request_count = busy_max = connection_count = forced_status = delay_ms = 0;
	pthread_mutex_unlock(&lock);
}

void llm_status_set(int status)
{
	pthread_mutex_lock(&lock);
	forced_status = status;
	forced_endpoint = NULL;
	pthread_mutex_unlock(&lock);
}

void llm_endpoint_status_set(const char *endpoint, int status)
{
	pthread_mutex_lock(&lock);
	forced_status = status;
	forced_endpoint = endpoint;
	pthread_mutex_unlock(&lock);
}

int llm_endpoint_count(const char *endpoint)
{
	int n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < request_count; i++)
		n += strcmp(requests[i].endpoint, endpoint) == 0;
	pthread_mutex_unlock(&lock);
	return n;
}

void llm_delay_set(int ms)
{
	pthread_mutex_lock(&lock);
	delay_ms = ms;
	pthread_mutex_unlock(&lock);
}

void llm_refuse_set(const char *parameter)
{
	pthread_mutex_lock(&lock);
	refused = parameter;
	pthread_mutex_unlock(&lock);
}

int llm_request_count(void)
{
	pthread_mutex_lock(&lock);
	int n = request_count;
	pthread_mutex_unlock(&lock);
	return n;
}

int llm_text_count(const char *text, struct llm_request *ret_last)
{
	int n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < request_count; i++) {
		if (strcmp(requests[i].text, text) != 0)
			continue;
		n++;
		if (ret_last)
			*ret_last = requests[i];
	}
	pthread_mutex_unlock(&lock);
	return n;
}

const struct llm_request *llm_request_at(int i)
{
	return &requests[i];
}

int llm_busy_max(void)
{
	pthread_mutex_lock(&lock);
	int n = busy_max;
	pthread_mutex_unlock(&lock);
	return n;
}

int llm_connection_count(void)
{
	pthread_mutex_lock(&lock);
	int n = connection_count;
	pthread_mutex_unlock(&lock);
	return n;
}

static void bytes_send(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		data += n;
		size -= (size_t)n;
	}
}

static void reply(int fd, int status, const char *header, const char *body)
{
	char head[512];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d x\r\n%sContent-Length: %zu\r\n\r\n",
			 status, header, strlen(body));
	bytes_send(fd, head, (size_t)n);
	bytes_send(fd, body, strlen(body));
}

static void reply_content(int fd, const char *content, const char *finish)
{
	char body[512];
	(void)snprintf(body, sizeof body,
		       "{\"choices\":[{\"message\":{\"content\":\"%s\"},\"finish_reason\":\"%s\"}],"
		       "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2}}",
		       content, finish);
	reply(fd, 200, "", body);
}

static void reply_error(int fd, int status, const char *header, const char *code)
{
	char body[256];
	(void)snprintf(body, sizeof body, "{\"error\":{\"message\":\"no\",\"code\":\"%s\"}}", code);
	reply(fd, status, header, body);
}

static void reply_refused(int fd, const char *parameter)
{
	char body[256];
	(void)snprintf(body, sizeof body,
		       "{\"error\":{\"message\":\"Unsupported parameter: '%s'\",\"param\":\"%s\","
		       "\"code\":\"unsupported_parameter\"}}",
		       parameter, parameter);
	reply(fd, 400, "", body);
}

static void reply_large(int fd)
{
	char *body = malloc(LARGE_BYTES + 1);
	memset(body, ' ', LARGE_BYTES);
	body[LARGE_BYTES] = '\0';
	reply(fd, 200, "", body);
	free(body);
}

/* Waits until the client has gone. */
static void hang(int fd)
{
	char c;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (poll(&p, 1, -1) > 0 && recv(fd, &c, 1, 0) > 0)
		;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The count-th of the words with | between them, or the last. */
static void reply_said(int fd, const char *words, int count)
{
	char said[64];
	while (--count > 0 && strchr(words, '|'))
		words = strchr(words, '|') + 1;
	(void)snprintf(said, sizeof said, "%.*s", (int)strcspn(words, "|"), words);
	reply_content(fd, said, "stop");
}

/* `count` requests for this text came, this one included. False: close the connection. */
static bool respond(int fd, const char *text, int count)
{
	bool once = count == 1;
	if (begins(text, "say "))
		reply_said(fd, text + 4, count);
	else if (begins(text, "Label each of these 4 texts."))
		reply_content(fd,
			      "{\\\"3\\\": \\\"negative\\\", \\\"1\\\": \\\"Positive\\\", "
			      "\\\"2\\\": \\\"maybe\\\", \\\"9\\\": \\\"positive\\\"}",
			      "stop");
	else if (begins(text, "bad"))
		reply_content(fd, once || strcmp(text, "bad") == 0 ? "maybe" : "negative", "stop");
	else if (begins(text, "429-once ") && once) {
		char header[64];
		(void)snprintf(header, sizeof header, "Retry-After: %.20s\r\n", text + 9);
		reply_error(fd, 429, header, "rate_limit_exceeded");
	} else if (begins(text, "quota-once") && once)
		reply_error(fd, 429, "Retry-After: 1\r\n", "insufficient_quota");
	else if (begins(text, "500-twice") && count <= 2)
		reply_error(fd, 500, "", "oops");
	else if (strcmp(text, "hang") == 0 || (strcmp(text, "hang-once") == 0 && once)) {
		hang(fd);
		return false;
	} else if (begins(text, "close-once") && once)
		return false;
	else if (begins(text, "large-once") && once)
		reply_large(fd);
	else if (begins(text, "malformed"))
		reply(fd, 200, "", "{\"choices\":[{\"mess");
	else if (begins(text, "length"))
		reply_content(fd, "positive", "length");
	else if (begins(text, "filter"))
		reply_error(fd, 400, "", "content_filter");
	else if (begins(text, "rejected"))
		reply_error(fd, 400, "", "context_length_exceeded");
	else if (begins(text, "Write "))
		reply_content(fd, "```json\\n[\\\"one\\\", \\\"two\\\", \\\"one\\\"]\\n```",
			      "stop");
	else
		reply_content(fd, begins(text, "positive") ? "Positive." : "negative", "stop");
	return true;
}

/* The content of the last of n messages; NULL: there is none. */
static const char *message_text(const json_t *messages, size_t n)
{
	return n ? json_string_value(json_object_get(json_array_get(messages, n - 1), "content"))
		 : NULL;
}

static bool request_take(int fd, const char *head, const char *body, size_t body_size)
{
	json_error_t error;
	json_t *root = json_loadb(body, body_size, JSON_ALLOW_NUL, &error);
	const json_t *messages = json_object_get(root, "messages");
	size_t n = json_array_size(messages);
	const char *text = message_text(messages, n);
	static const char correction[] = "Your last answer can't be used: ";
	bool corrected = n > 3 && text && strncmp(text, correction, sizeof correction - 1) == 0;
	if (corrected)
		text = message_text(messages, n -= 2);
	struct llm_request r = {.at_ms = now_ms(), .turns = (int)n - 1, .corrected = corrected};
	(void)snprintf(r.text, sizeof r.text, "%s", text ? text : "");
	pthread_mutex_lock(&lock);
	const char *parameter = refused && json_object_get(root, refused) ? refused : NULL;
	pthread_mutex_unlock(&lock);
	json_decref(root);
	(void)sscanf(head, "POST /%15[^/]/", r.endpoint);
	const char *authorization = strcasestr(head, "\r\nauthorization: ");
	if (authorization)
		(void)sscanf(authorization + 17, "%63[^\r]", r.authorization);
	int count = 1;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < request_count; i++)
		count += strcmp(requests[i].text, r.text) == 0;
	if (request_count < LLM_REQUEST_COUNT_MAX)
		requests[request_count++] = r;
	busy++;
	busy_max = busy > busy_max ? busy : busy_max;
	bool forced = !forced_endpoint || strcmp(forced_endpoint, r.endpoint) == 0;
	int status = forced ? forced_status : 0, delay = delay_ms;
	pthread_mutex_unlock(&lock);
	if (delay)
		(void)usleep((useconds_t)delay * 1000);
	bool keep = true;
	pthread_mutex_lock(&lock);
	busy--;
	pthread_mutex_unlock(&lock);
	if (status)
		reply_error(fd, status, "", "none");
	else if (parameter)
		reply_refused(fd, parameter);
	else
		keep = respond(fd, r.text, count);
	return keep;
}

/* Reads one request; false: the client has gone, or the connection is to be closed. */
static bool request_read(int fd, char *data, size_t size)
{
	size_t have = 0;
	char *body = NULL;
	while (!body) {
		ssize_t n = recv(fd, data + have, size - have, 0);
		if (n <= 0)
			return false;
		have += (size_t)n;
		data[have] = '\0';
		body = strstr(data, "\r\n\r\n");
	}
	body[2] = '\0';
	body += 4;
	const char *length = strcasestr(data, "\r\ncontent-length: ");
	size_t want = length ? strtoul(length + 18, NULL, 10) : 0;
	while (have < (size_t)(body - data) + want) {
		ssize_t n = recv(fd, data + have, size - have, 0);
		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return request_take(fd, data, body, want);
}

static void *connection_run(void *context)
{
	int fd = (int)(intptr_t)context;
	char *data = malloc(BODY_BYTES_MAX + 1);
	while (request_read(fd, data, BODY_BYTES_MAX))
		;
	free(data);
	close(fd);
	return NULL;
}

static void *server_run(void *context)
{
	int listener = (int)(intptr_t)context;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 512 << 10);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;
		if (fd < 0)
			continue;
		pthread_mutex_lock(&lock);
		connection_count++;
		pthread_mutex_unlock(&lock);
		if (pthread_create(&thread, &attributes, connection_run, (void *)(intptr_t)fd) != 0)
			close(fd);
	}
	return NULL;
}

int llm_start(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	pthread_t thread;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
	    pthread_create(&thread, NULL, server_run, (void *)(intptr_t)fd) != 0)
		return -1;
	(void)pthread_detach(thread);
	return ntohs(address.sin_port);
}
