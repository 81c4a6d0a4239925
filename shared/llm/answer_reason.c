#include "llm/answer.h"

#include <string.h>

static const struct {
	const char *reason, *words;
} reasons[] = {
    {"empty", "it is empty"},
    {"length", "it was cut off before its end; it must be shorter"},
    {"malformed", "it is not well-formed"},
    {"tool_call", "it calls a tool"},
    {"refused", "it is a refusal"},
    {"not_a_label", "it is not one of the labels"},
    {"several_labels", "it names more than one label"},
    {"undecided", "it names too many labels to say anything"},
    {"not_a_list", "it is not a JSON array of strings"},
    {"same_text", "it says the text again"},
    {"too_long", "it is too long"},
    {"missing", "it has no answer about this text"},
    {"duplicate", "it has two answers about one text"},
};

const char *answer_reason_words(const char *reason)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		if (strcmp(reasons[i].reason, reason) == 0)
			return reasons[i].words;
	}
	return "it is not an answer";
}
