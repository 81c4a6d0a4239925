/* I2 over a file: what somebody was told is stored. */
#include "coordinator/audit_impl.h"
#include "coordinator/label.h"
#include "wire/frame.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of /v1/labels whose label is the LLM's: that answer of that round is there. */
static void answer_check(struct audit_run *r, const json_t *line, const char *id,
			 uint64_t sample_no)
{
	const char *source = json_string_value(json_object_get(line, "source"));
	const char *label = json_string_value(json_object_get(line, "llm_label"));
	uint32_t round = (uint32_t)json_integer_value(json_object_get(line, "round"));
	if (!source || strcmp(source, "llm") != 0 || !label)
		return;
	Freeal__LabelEvent *event = NULL;
	enum err e = table_get(r->txn, TABLE_EVENTS, store_key_u64_u32_u32(sample_no, round, 0),
			       &freeal__label_event__descriptor, &event);
	int32_t class_id = e ? -1 : label_class(event->annotation);
	if (class_id < 0 || class_id >= (int32_t)r->project->n_labels)
		audit_fail(&r->audit, 2, "id \"%s\": its acknowledged answer of round %u is lost",
			   id, round);
	else if (strcmp(r->project->labels[class_id]->name, label) != 0)
		audit_fail(&r->audit, 2, "id \"%s\": the answer of round %u was %s and is %s", id,
			   round, label, r->project->labels[class_id]->name);
	frame_message_free(event);
}

static void line_check(struct audit_run *r, const json_t *line, const char *id, size_t id_bytes)
{
	struct store_value number;
	Freeal__SampleRecord *sample = NULL;
	const json_t *text = json_object_get(line, "text");
	enum err e = store_get(r->txn, TABLE_IDS, id, id_bytes, &number);
	if (!e && number.size != 8)
		e = ERR_CORRUPT;
	uint64_t sample_no = e ? 0 : store_key_read_u64(&number, 0);
	if (!e)
		e = table_get(r->txn, TABLE_SAMPLES, store_key_u64(sample_no),
			      &freeal__sample_record__descriptor, &sample);
	if (e)
		audit_fail(&r->audit, 2, "the acknowledged sample \"%s\" is not there", id);
	else if (text &&
		 (json_string_length(text) != sample->text.len ||
		  memcmp(json_string_value(text), sample->text.data, sample->text.len) != 0))
		audit_fail(&r->audit, 2, "the acknowledged sample \"%s\" has another text", id);
	else
		answer_check(r, line, id, sample_no);
	frame_message_free(sample);
}

enum err audit_acknowledged(struct audit_run *r, const char *path, struct err_msg *msg)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return err_set(msg, ERR_INVALID, "%s: %s", path, strerror(errno));
	char *line = NULL;
	size_t capacity = 0, count = 0;
	ssize_t size;
	enum err e = ERR_OK;
	while (!e && (size = getline(&line, &capacity, file)) > 0) {
		json_t *json = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, NULL);
		const json_t *id = json_object_get(json, "id");
		count++;
		if (json_is_string(id))
			line_check(r, json, json_string_value(id), json_string_length(id));
		else
			e = err_set(msg, ERR_INVALID,
				    "%s, line %zu: it must be a JSON object with an id", path,
				    count);
		json_decref(json);
	}
	if (!e && ferror(file))
		e = err_set(msg, ERR_IO, "%s: %s", path, strerror(errno));
	audit_note(&r->audit, 2, "%zu acknowledged", count);
	free(line);
	(void)fclose(file);
	return e;
}
