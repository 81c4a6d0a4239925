#include "llm/api_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file's first line. */
static bool key_file_read(const char *path, char key[API_KEY_BYTES_MAX + 1])
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool read = fgets(key, API_KEY_BYTES_MAX + 1, file) != NULL;
	(void)fclose(file);
	if (read)
		key[strcspn(key, "\r\n")] = '\0';
	return read;
}

static bool key_usable(const char *key)
{
	for (const char *at = key; *at; at++) {
		if ((unsigned char)*at <= 0x20 || *at == 0x7f)
			return false;
	}
	return *key != '\0';
}

enum err api_key_line(const char *key_env, const char *key_file, bool own_header,
		      char ret_line[API_KEY_LINE_BYTES])
{
	char key[API_KEY_BYTES_MAX + 1] = "";
	enum err e = ERR_OK;
	if (key_env && *key_env) {
		const char *value = getenv(key_env);
		if (!value || strlen(value) > API_KEY_BYTES_MAX)
			return ERR_NOT_FOUND;
		(void)snprintf(key, sizeof key, "%s", value);
	} else if (!key_file_read(key_file, key)) {
		e = ERR_NOT_FOUND;
	}
	if (!e && !key_usable(key))
		e = ERR_NOT_FOUND;
	if (!e)
		(void)snprintf(ret_line, API_KEY_LINE_BYTES, "%s%s",
			       own_header ? "api-key: " : "Authorization: Bearer ", key);
	explicit_bzero(key, sizeof key);
	return e;
}

bool api_key_repeated(const char *key_env, const char *key_file, const char *words)
{
	char line[API_KEY_LINE_BYTES];
	bool keyed = (key_env && *key_env) || (key_file && *key_file);
	if (!keyed || api_key_line(key_env, key_file, true, line))
		return false;
	bool repeated = strstr(words, strchr(line, ' ') + 1) != NULL;
	explicit_bzero(line, sizeof line);
	return repeated;
}
