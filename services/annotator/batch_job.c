#include "annotator/batch_job.h"

#include "wire/work.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct batch_job *batch_job_new(struct lane *lane)
{
	struct batch_job *j = calloc(1, sizeof *j);
	if (!j)
		return NULL;
	j->lane = lane;
	j->lines = calloc(BATCH_LINES_MAX, sizeof *j->lines);
	buf_init(&j->body, BATCH_FILE_BYTES_MAX);
	batch_file_begin(&j->body);
	if (!j->lines || buf_error(&j->body)) {
		batch_job_free(j);
		return NULL;
	}
	return j;
}

void batch_job_free(struct batch_job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->line_count; i++)
		ask_free(j->lines[i].ask);
	free(j->lines);
	buf_done(&j->body);
	free(j);
}

static void token_set(struct batch_job *j, const uint8_t *token)
{
	memcpy(j->token, token, sizeof j->token);
	(void)sodium_bin2hex(j->word, sizeof j->word, j->token, sizeof j->token);
}

static bool note_usable(const Freeal__BatchNote *note)
{
	return note->token.len == BATCH_TOKEN_BYTES && note->n_names > 0 &&
	       note->n_names <= BATCH_LINES_ADOPTED_MAX && strlen(note->job) < BATCH_ID_BYTES_MAX &&
	       (note->n_keys == 0 || note->n_keys == note->n_names);
}

enum err batch_job_adopt(struct lane *lane, const Freeal__BatchNote *note,
			 struct batch_job **ret_job)
{
	if (!note_usable(note))
		return ERR_INVALID;
	struct batch_job *j = calloc(1, sizeof *j);
	struct batch_line *lines = calloc(note->n_names, sizeof *lines);
	if (!j || !lines) {
		free(j);
		free(lines);
		return ERR_NO_MEMORY;
	}
	buf_init(&j->body, 1);
	j->lane = lane;
	j->lines = lines;
	j->line_count = note->n_names;
	j->adopted = true;
	j->noted = true;
	j->state = *note->job ? BATCH_POLLS : BATCH_FINDS;
	(void)snprintf(j->object.id, sizeof j->object.id, "%s", note->job);
	token_set(j, note->token.data);
	for (size_t i = 0; i < note->n_names; i++) {
		lines[i].name = *note->names[i];
		lines[i].keyed = note->n_keys > 0 && note->keys[i].len == KEY_BYTES;
		if (lines[i].keyed)
			memcpy(lines[i].key.bytes, note->keys[i].data, KEY_BYTES);
	}
	*ret_job = j;
	return ERR_OK;
}

enum err batch_job_add(struct batch_job *j, struct ask *ask, bool keyed, const void *body,
		       size_t size)
{
	char id[96];
	const Freeal__WorkName *n = ask->work->name;
	if (j->line_count == BATCH_LINES_MAX || j->body.size + size + 4096 > BATCH_FILE_BYTES_MAX)
		return ERR_LIMIT;
	(void)snprintf(id, sizeof id, "%d-%" PRIu32 "-%" PRIu64 "-%" PRIu32 "-%" PRIu32,
		       (int)n->kind, n->round, n->item, n->slot, ask->ask_no);
	batch_file_line(&j->body, id, body, size);
	if (buf_error(&j->body))
		return buf_error(&j->body);
	struct batch_line *line = &j->lines[j->line_count++];
	*line = (struct batch_line){.name = *n, .key = ask->key, .keyed = keyed, .ask = ask};
	return ERR_OK;
}

enum err batch_job_seal(struct batch_job *j)
{
	uint8_t token[BATCH_TOKEN_BYTES];
	if (getrandom(token, sizeof token, 0) != sizeof token)
		return ERR_IO;
	token_set(j, token);
	batch_file_end(&j->body);
	return buf_error(&j->body);
}

/* Answers mostly come in the order of the questions. */
static struct batch_line *line_find(struct batch_job *j, const Freeal__WorkName *name)
{
	for (size_t i = 0; i < j->line_count; i++) {
		size_t at = (j->cursor + i) % j->line_count;
		if (!work_name_equal(&j->lines[at].name, name))
			continue;
		j->cursor = at + 1;
		return &j->lines[at];
	}
	return NULL;
}

struct batch_line *batch_job_find(struct batch_job *j, const char *custom_id, uint32_t *ret_ask_no)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	uint32_t kind, ask_no;
	int end = 0;
	if (sscanf(custom_id, "%" SCNu32 "-%" SCNu32 "-%" SCNu64 "-%" SCNu32 "-%" SCNu32 "%n",
		   &kind, &name.round, &name.item, &name.slot, &ask_no, &end) != 5 ||
	    custom_id[end] != '\0' || ask_no == 0)
		return NULL;
	name.kind = (Freeal__WorkKind)kind;
	struct batch_line *line = line_find(j, &name);
	if (!line || line->answered)
		return NULL;
	*ret_ask_no = ask_no;
	return line;
}

bool batch_job_claim(struct batch_job *j, struct ask *ask)
{
	if (!j->adopted || j->state == BATCH_CLOSES)
		return false;
	struct batch_line *line = line_find(j, ask->work->name);
	if (!line || line->answered || line->ask)
		return false;
	line->ask = ask;
	return true;
}

void batch_job_note(struct batch_job *j, bool over, Freeal__WorkName **name_list,
		    ProtobufCBinaryData *keys, Freeal__BatchNote *ret_note)
{
	bool keyed = true;
	freeal__batch_note__init(ret_note);
	for (size_t i = 0; i < j->line_count; i++) {
		struct batch_line *line = &j->lines[i];
		name_list[i] = &line->name;
		keys[i] = (ProtobufCBinaryData){sizeof line->key.bytes, line->key.bytes};
		keyed &= line->keyed;
	}
	ret_note->endpoint = j->lane->position;
	ret_note->token = (ProtobufCBinaryData){sizeof j->token, j->token};
	ret_note->job = j->object.id;
	ret_note->names = name_list;
	ret_note->n_names = j->line_count;
	ret_note->keys = keys;
	ret_note->n_keys = keyed ? j->line_count : 0;
	ret_note->over = over;
}
