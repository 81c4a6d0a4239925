#include "cli/survey.h"

#include "text/source.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct look {
	struct survey *survey;
	size_t texts_max;
	const char *wanted;
	uint64_t wanted_number; /* from 1; 0: `wanted` is no number */
	bool by_id;		/* found by its id */
};

void survey_free(struct survey *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->text_count; i++)
		free((void *)s->texts[i].data);
	free(s->texts);
	free(s->wanted_id);
	free((void *)s->wanted.data);
	free(s);
}

static bool text_copy(const struct source_row *row, struct prompt_text *ret_text)
{
	char *copy = malloc(row->text_size + 1);
	if (!copy)
		return false;
	memcpy(copy, row->text, row->text_size);
	*ret_text = (struct prompt_text){copy, row->text_size};
	return true;
}

static bool wanted_take(struct look *l, const struct source_row *row)
{
	struct survey *s = l->survey;
	free(s->wanted_id);
	free((void *)s->wanted.data);
	s->wanted.data = NULL;
	s->wanted_id = strndup(row->id, row->id_size);
	return s->wanted_id && text_copy(row, &s->wanted);
}

static enum err row_note(struct look *l, const struct source_row *row, struct err_msg *msg)
{
	struct survey *s = l->survey;
	bool ok = true;
	s->counts.samples++;
	s->counts.augmented += row->augmented && row->augmented_size > 0;
	s->counts.text_bytes += row->text_size;
	if (row->text_size > s->counts.text_bytes_max)
		s->counts.text_bytes_max = row->text_size;
	if (s->text_count < l->texts_max) {
		ok = text_copy(row, &s->texts[s->text_count]);
		s->text_count += ok;
	}
	bool same = l->wanted && strlen(l->wanted) == row->id_size &&
		    memcmp(l->wanted, row->id, row->id_size) == 0;
	if (ok && same) {
		l->by_id = true;
		ok = wanted_take(l, row);
	} else if (ok && !l->by_id && l->wanted_number == s->counts.samples) {
		ok = wanted_take(l, row);
	}
	return ok ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory for a sample");
}

static uint64_t number_of(const char *wanted)
{
	size_t size = wanted ? strlen(wanted) : 0;
	bool number = size > 0 && size < 18 && strspn(wanted, "0123456789") == size;
	return number ? strtoull(wanted, NULL, 10) : 0;
}

static enum err rows_read(struct look *l, const struct task *task, const char *input,
			  struct err_msg *msg)
{
	const char **names = task_label_names(task);
	if (!names)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the labels");
	const struct source_options options = {.columns = task_columns(task),
					       .labels = names,
					       .label_count = task->label_count,
					       .optional_missing = true};
	struct source *source = NULL;
	enum err e = source_open(input, &options, &source, msg);
	while (!e) {
		struct source_row row;
		e = source_next(source, &row, msg);
		if (e || !row.text)
			break;
		e = row_note(l, &row, msg);
	}
	source_free(source);
	free(names);
	return e;
}

enum err survey_new(const struct task *task, const char *input, size_t texts_max,
		    const char *wanted, struct survey **ret_survey, struct err_msg *msg)
{
	struct survey *s = calloc(1, sizeof *s);
	if (s)
		s->texts = calloc(texts_max + 1, sizeof *s->texts);
	if (!s || !s->texts) {
		survey_free(s);
		return err_set(msg, ERR_NO_MEMORY, "no memory for the samples");
	}
	struct look look = {.survey = s,
			    .texts_max = texts_max,
			    .wanted = wanted,
			    .wanted_number = number_of(wanted)};
	enum err e = rows_read(&look, task, input, msg);
	if (e) {
		survey_free(s);
		return e;
	}
	assert(s->counts.samples > 0);
	*ret_survey = s;
	return ERR_OK;
}
