#include "llm/batch_api.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void batch_file_begin(struct buf *out)
{
	buf_add_str(out, "--" BATCH_BOUNDARY "\r\n"
			 "Content-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
			 "--" BATCH_BOUNDARY "\r\n"
			 "Content-Disposition: form-data; name=\"file\"; "
			 "filename=\"freeal.jsonl\"\r\n"
			 "Content-Type: application/jsonl\r\n\r\n");
}

void batch_file_line(struct buf *out, const char *custom_id, const void *body, size_t size)
{
	buf_printf(out,
		   "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
		   "\"body\":",
		   custom_id);
	buf_add(out, body, size);
	buf_add_str(out, "}\n");
}

void batch_file_end(struct buf *out)
{
	buf_add_str(out, "\r\n--" BATCH_BOUNDARY "--\r\n");
}

void batch_create_write(struct buf *out, const char *file_id, const char *token)
{
	buf_printf(out,
		   "{\"input_file_id\":\"%s\",\"endpoint\":\"/v1/chat/completions\","
		   "\"completion_window\":\"24h\",\"metadata\":{\"freeal\":\"%s\"}}",
		   file_id, token);
}

/* An id goes into a URL: one of another server's making must not lead elsewhere. */
static bool id_copy(const json_t *value, char *out)
{
	const char *id = json_string_value(value);
	size_t size = id ? strlen(id) : 0;
	if (size == 0 || size >= BATCH_ID_BYTES_MAX ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != size)
		return false;
	memcpy(out, id, size + 1);
	return true;
}

enum err batch_file_parse(const char *body, size_t size, char *ret_id)
{
	json_t *root = json_loadb(body, size, 0, NULL);
	bool found = id_copy(json_object_get(root, "id"), ret_id);
	json_decref(root);
	return found ? ERR_OK : ERR_PROTOCOL;
}

static bool status_read(const char *text, enum batch_status *ret_status)
{
	static const struct {
		const char *name;
		enum batch_status status;
	} known[] = {
	    {"validating", BATCH_RUNS}, {"in_progress", BATCH_RUNS}, {"finalizing", BATCH_RUNS},
	    {"cancelling", BATCH_RUNS}, {"completed", BATCH_ENDED},  {"expired", BATCH_ENDED},
	    {"cancelled", BATCH_ENDED}, {"failed", BATCH_FAILED},
	};
	for (size_t i = 0; text && i < sizeof known / sizeof *known; i++) {
		if (strcmp(text, known[i].name) == 0) {
			*ret_status = known[i].status;
			return true;
		}
	}
	return false;
}

static enum err object_read(const json_t *root, struct batch_object *ret_object)
{
	struct batch_object o = {.status = BATCH_RUNS};
	if (!id_copy(json_object_get(root, "id"), o.id) ||
	    !status_read(json_string_value(json_object_get(root, "status")), &o.status))
		return ERR_PROTOCOL;
	/* null, or not there, while there is none. */
	(void)id_copy(json_object_get(root, "output_file_id"), o.output_file);
	(void)id_copy(json_object_get(root, "error_file_id"), o.error_file);
	const json_t *errors = json_object_get(json_object_get(root, "errors"), "data");
	const json_t *first = json_array_get(errors, 0);
	const char *code = json_string_value(json_object_get(first, "code"));
	const char *message = json_string_value(json_object_get(first, "message"));
	(void)snprintf(o.error, sizeof o.error, "%.60s%s%.180s", code ? code : "",
		       code && message ? ": " : "", message ? message : "");
	*ret_object = o;
	return ERR_OK;
}

enum err batch_object_parse(const char *body, size_t size, struct batch_object *ret_object)
{
	json_t *root = json_loadb(body, size, 0, NULL);
	enum err e = object_read(root, ret_object);
	json_decref(root);
	return e;
}

enum err batch_list_find(const char *body, size_t size, const char *token,
			 struct batch_object *ret_object, char *ret_after)
{
	json_t *root = json_loadb(body, size, 0, NULL);
	const json_t *data = json_object_get(root, "data");
	enum err e = json_is_array(data) ? ERR_NOT_FOUND : ERR_PROTOCOL;
	size_t count = json_array_size(data);
	for (size_t i = 0; i < count && e == ERR_NOT_FOUND; i++) {
		const json_t *item = json_array_get(data, i);
		const char *word =
		    json_string_value(json_object_get(json_object_get(item, "metadata"), "freeal"));
		if (word && strcmp(word, token) == 0)
			e = object_read(item, ret_object);
	}
	ret_after[0] = '\0';
	if (e == ERR_NOT_FOUND && json_is_true(json_object_get(root, "has_more")) && count > 0 &&
	    !id_copy(json_object_get(json_array_get(data, count - 1), "id"), ret_after))
		e = ERR_PROTOCOL;
	json_decref(root);
	return e;
}

enum err batch_answer_parse(const char *line, size_t size, struct batch_answer *ret_answer)
{
	struct batch_answer a = {.root = json_loadb(line, size, JSON_ALLOW_NUL, NULL), .error = ""};
	const json_t *response = json_object_get(a.root, "response");
	const json_t *error = json_object_get(a.root, "error");
	const json_t *body = json_object_get(response, "body");
	a.custom_id = json_string_value(json_object_get(a.root, "custom_id"));
	json_int_t status = json_integer_value(json_object_get(response, "status_code"));
	a.status = status >= 100 && status <= 599 ? (uint32_t)status : 0;
	const char *code = json_string_value(json_object_get(error, "code"));
	a.error = code ? code : "";
	a.body = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	if (a.custom_id && a.body) {
		*ret_answer = a;
		return ERR_OK;
	}
	enum err e = a.custom_id ? ERR_NO_MEMORY : ERR_PROTOCOL;
	batch_answer_done(&a);
	return e;
}

void batch_answer_done(struct batch_answer *a)
{
	free(a->body);
	json_decref(a->root);
}
