#include "cli/escape.h"

#include <string.h>

static bool needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

void escape_json(struct buf *out, const char *text, size_t size)
{
	buf_add_char(out, '"');
	size_t from = 0;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (!needs_escape(c))
			continue;
		buf_add(out, text + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)c);
		} else {
			buf_printf(out, "\\u%04x", c);
		}
	}
	buf_add(out, text + from, size - from);
	buf_add_char(out, '"');
}

void escape_csv(struct buf *out, const char *text, size_t size)
{
	bool quote = false;
	for (size_t i = 0; i < size && !quote; i++)
		quote = strchr(",\"\r\n", text[i]) != NULL;
	if (!quote) {
		buf_add(out, text, size);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '"')
			buf_add_char(out, '"');
		buf_add_char(out, text[i]);
	}
	buf_add_char(out, '"');
}
