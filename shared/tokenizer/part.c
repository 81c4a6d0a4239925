#include "tokenizer/tokenizer_impl.h"

#include <string.h>

const char *part_type(const json_t *part)
{
	const char *type = json_string_value(json_object_get(part, "type"));
	if (type)
		return type;
	return !part || json_is_null(part) ? "null" : "value without a type";
}

enum err part_unsupported(struct err_msg *msg, const char *what, const json_t *part,
			  const char *supported)
{
	return err_set(msg, ERR_INVALID, "the %s \"%.60s\" is not supported (%s is)", what,
		       part_type(part), supported);
}

enum err part_bool(const json_t *part, const char *key, bool *ret, struct err_msg *msg)
{
	const json_t *value = json_object_get(part, key);
	if (!value || json_is_null(value))
		return ERR_OK;
	if (!json_is_boolean(value))
		return err_set(msg, ERR_CORRUPT, "\"%s\" is neither true nor false", key);
	*ret = json_is_true(value);
	return ERR_OK;
}

enum err vocabulary_read(struct vocabulary *v, const json_t *object, struct err_msg *msg)
{
	if (json_object_size(object) == 0)
		return err_set(msg, ERR_CORRUPT, "the vocabulary is no object of tokens");
	const char *token;
	json_t *id;
	json_object_foreach((json_t *)object, token, id)
	{
		if (!json_is_integer(id) || json_integer_value(id) < 0)
			return err_set(msg, ERR_CORRUPT, "the id of token \"%.60s\" is no number",
				       token);
		enum err e =
		    vocabulary_add(v, token, strlen(token), (uint64_t)json_integer_value(id), msg);
		if (e)
			return e;
	}
	return ERR_OK;
}
