#include "mockllm/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 };

/* The delimiter "\r\n--BOUNDARY"; false where the type is another. */
static bool delimiter_of(const char *type, char ret_delimiter[BOUNDARY_MAX + 8])
{
	static const char form[] = "multipart/form-data";
	if (!type || strncasecmp(type, form, sizeof form - 1) != 0)
		return false;
	const char *at = strcasestr(type, "boundary=");
	if (!at)
		return false;
	at += strlen("boundary=");
	bool quoted = *at == '"';
	at += quoted;
	size_t size = strcspn(at, quoted ? "\"" : "; \t");
	if (size == 0 || size > BOUNDARY_MAX)
		return false;
	(void)snprintf(ret_delimiter, BOUNDARY_MAX + 8, "\r\n--%.*s", (int)size, at);
	return true;
}

/* A parameter of Content-Disposition such as name="..."; size 0 where it is not there. */
static struct chat_text parameter(struct chat_text head, const char *start)
{
	const char *at = memmem(head.data, head.size, start, strlen(start));
	if (!at)
		return (struct chat_text){"", 0};
	at += strlen(start);
	size_t left = (size_t)(head.data + head.size - at);
	const char *end = memchr(at, '"', left);
	return end ? (struct chat_text){at, (size_t)(end - at)} : (struct chat_text){"", 0};
}

static size_t find(struct chat_text t, size_t from, const char *what, size_t size)
{
	const char *at = from < t.size ? memmem(t.data + from, t.size - from, what, size) : NULL;
	return at ? (size_t)(at - t.data) : t.size;
}

enum err multipart_find(const char *content_type, struct chat_text body, const char *name,
			struct multipart_field *ret_field)
{
	char delimiter[BOUNDARY_MAX + 8];
	if (!delimiter_of(content_type, delimiter))
		return ERR_INVALID;
	size_t size = strlen(delimiter);
	/* The first one may stand at the very beginning, without its line break. */
	size_t at = body.size >= size - 2 && memcmp(body.data, delimiter + 2, size - 2) == 0
			? size - 2
			: find(body, 0, delimiter, size) + size;
	while (at + 2 <= body.size && memcmp(body.data + at, "--", 2) != 0) {
		size_t head_end = find(body, at, "\r\n\r\n", 4);
		size_t end = find(body, head_end + 2, delimiter, size);
		if (head_end == body.size || end == body.size)
			return ERR_INVALID;
		struct chat_text head = {body.data + at, head_end - at};
		/* A part without content ends where its head does. */
		size_t start = head_end + 4 < end ? head_end + 4 : end;
		if (chat_text_equal(parameter(head, " name=\""), chat_text_of(name))) {
			ret_field->value = (struct chat_text){body.data + start, end - start};
			ret_field->filename = parameter(head, " filename=\"");
			return ERR_OK;
		}
		at = end + size;
	}
	return at + 2 <= body.size ? ERR_NOT_FOUND : ERR_INVALID;
}
