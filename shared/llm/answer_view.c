#include "llm/answer_view.h"

#include "base/limits.h"
#include "llm/answer_impl.h"
#include "text/utf8.h"

#include <string.h>

/* A review may begin as a refusal does; few go on like one. */
static bool speaks_of_itself(const char *text, size_t size)
{
	static const char *const words[] = {"help", "assist", "comply", "request",
					    "language model"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (memmem(text, size, words[i], strlen(words[i])))
			return true;
	}
	return false;
}

const char *answer_view(const char *text, size_t size, size_t *ret_size, const char **ret_reason)
{
	struct buf folded;
	*ret_reason = "";
	answer_think_strip(&text, &size, NULL);
	utf8_trim(&text, &size);
	if (size >= 2 && text[0] == '"' && text[size - 1] == '"' &&
	    !memchr(text + 1, '"', size - 2)) {
		text++;
		size -= 2;
		utf8_trim(&text, &size);
	}
	buf_init(&folded, 4 * ANSWER_BYTES_MAX);
	utf8_fold_add(&folded, text, size < ANSWER_BYTES_MAX ? size : ANSWER_BYTES_MAX);
	if (size == 0)
		*ret_reason = "empty";
	else if (size > SAMPLE_BYTES_MAX)
		*ret_reason = "too_long";
	else if (!buf_error(&folded) && answer_refuses(folded.data, folded.size) &&
		 speaks_of_itself(folded.data, folded.size))
		*ret_reason = "refused";
	buf_done(&folded);
	*ret_size = size;
	return **ret_reason ? NULL : text;
}
