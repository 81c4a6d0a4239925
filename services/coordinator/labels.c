#include "coordinator/labels.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *class_name(const Freeal__Project *project, int32_t class_id)
{
	if (class_id < 0 || class_id >= (int32_t)project->n_labels)
		return json_null();
	return json_string(project->labels[class_id]->name);
}

static json_t *candidate_names(const Freeal__Project *project, const struct label_resolved *l)
{
	json_t *names = json_array();
	for (size_t i = 0; i < l->candidate_count; i++)
		(void)json_array_append_new(names, class_name(project, (int32_t)l->candidates[i]));
	return names;
}

static json_t *source_name(Freeal__LabelSource source)
{
	switch (source) {
	case FREEAL__LABEL_SOURCE__LLM:
		return json_string("llm");
	case FREEAL__LABEL_SOURCE__SLM:
		return json_string("slm");
	case FREEAL__LABEL_SOURCE__HUMAN:
		return json_string("human");
	default:
		return json_null();
	}
}

/* The shortest decimal that reads back as the same float, so that ranks survive. */
static json_t *number(float value)
{
	char text[32];
	for (int digits = 6; digits <= 9; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value)
			break;
	}
	return json_real(strtod(text, NULL));
}

void labels_line(const Freeal__Project *project, const struct view_row *row, struct buf *out)
{
	const struct label_resolved *l = &row->label;
	const Freeal__SelectionRow *s = row->selection;
	json_t *json = json_object();
	(void)json_object_set_new(json, "id", json_stringn(row->id, row->id_bytes));
	(void)json_object_set_new(json, "label", class_name(project, l->class_id));
	(void)json_object_set_new(json, "confidence", number(l->confidence));
	(void)json_object_set_new(json, "source", source_name(l->source));
	(void)json_object_set_new(json, "round", json_integer(l->round));
	(void)json_object_set_new(json, "llm_label", class_name(project, l->llm_class_id));
	if (l->candidate_count > 0)
		(void)json_object_set_new(json, "llm_candidates", candidate_names(project, l));
	else if (l->llm_class_id < 0)
		(void)json_object_set_new(
		    json, "llm_reason",
		    json_string(l->asked ? (l->llm_reason ? l->llm_reason : "") : "not_asked"));
	(void)json_object_set_new(json, "slm_label", class_name(project, s ? s->slm_label : -1));
	(void)json_object_set_new(json, "clean_probability",
				  s ? number(s->clean_probability) : json_null());
	(void)json_object_set_new(json, "clean", json_boolean(s && s->clean));
	(void)json_object_set_new(json, "demonstration", json_boolean(row->demonstration));
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(json);
	if (text) {
		buf_add_str(out, text);
		buf_add_char(out, '\n');
	} else {
		out->error = ERR_NO_MEMORY;
	}
	free(text);
}
