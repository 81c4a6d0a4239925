#include "mockllm/pieces.h"

#include "text/utf8.h"

#include <assert.h>

enum { PIECE_WORD_MAX = 16 };

/* Where the word that begins at `at` ends; `at` where there is none. */
static size_t word_end(struct chat_text t, size_t at)
{
	const char *end = t.data + t.size;
	const char *start = t.data + at;
	const char *next = start;
	while (next < end) {
		const char *after = next;
		if (!utf8_is_word(utf8_next(&after, end)) || after - start > PIECE_WORD_MAX)
			break;
		next = after;
	}
	return (size_t)(next - t.data);
}

size_t piece_size(struct chat_text t, size_t at)
{
	assert(at < t.size);
	size_t start = at + (t.data[at] == ' ');
	size_t end = word_end(t, start);
	if (end > start)
		return end - at;
	const char *next = t.data + at;
	(void)utf8_next(&next, t.data + t.size);
	return (size_t)(next - t.data) - at;
}

size_t pieces_count(struct chat_text t)
{
	size_t count = 0;
	for (size_t at = 0; at < t.size; at += piece_size(t, at))
		count++;
	return count;
}

size_t pieces_bytes(struct chat_text t, size_t count)
{
	size_t at = 0;
	for (size_t i = 0; i < count && at < t.size; i++)
		at += piece_size(t, at);
	return at;
}
