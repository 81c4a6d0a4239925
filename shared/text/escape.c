#include "text/escape.h"

#include <string.h>

static void byte_add(struct buf *out, unsigned char c)
{
	static const char shorts[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
					 {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};
	for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
		if (shorts[i][0] == (char)c) {
			buf_add_char(out, '\\');
			buf_add_char(out, shorts[i][1]);
			return;
		}
	}
	buf_printf(out, "\\u%04x", c);
}

void escape_add(struct buf *out, const void *text, size_t size)
{
	const unsigned char *at = text, *end = at + size, *run = at;
	for (; at < end; at++) {
		if (*at >= 0x20 && *at != '"' && *at != '\\')
			continue;
		buf_add(out, run, (size_t)(at - run));
		byte_add(out, *at);
		run = at + 1;
	}
	buf_add(out, run, (size_t)(end - run));
}
