#include "text/json_file.h"

#include "text/text_file.h"

enum err json_file_parse(const char *path, const void *data, size_t bytes, json_t **ret_object,
			 struct err_msg *msg)
{
	json_error_t error;
	json_t *root = json_loadb(bytes ? data : "", bytes, JSON_REJECT_DUPLICATES, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
	if (!root)
		return err_set(msg, ERR_CORRUPT, "%s, line %d: %s", path, error.line, error.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(msg, ERR_CORRUPT, "%s is no JSON object", path);
	}
	*ret_object = root;
	return ERR_OK;
}

enum err json_file_load(const char *path, size_t bytes_max, json_t **ret_object,
			struct err_msg *msg)
{
	struct buf text;
	enum err e = text_file_load(path, bytes_max, &text, msg);
	if (e)
		return e;
	e = json_file_parse(path, text.data, text.size, ret_object, msg);
	buf_done(&text);
	return e;
}
