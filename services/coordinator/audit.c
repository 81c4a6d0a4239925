#include "coordinator/audit.h"

#include "coordinator/audit_impl.h"
#include "coordinator/round.h"
#include "wire/frame.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096

enum err audit_each(struct audit_run *r, enum table table, const ProtobufCMessageDescriptor *type,
		    int invariant, audit_row_fn *row)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	char text[128];
	enum err e = store_cursor_open(r->txn, table, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		void *message = frame_message_unpack(type, value.data, value.size);
		if (message)
			row(r, &key, message);
		else
			audit_fail(&r->audit, invariant, "the record of table %s, key %s, is no %s",
				   tables_names()[table], audit_key(&key, text, sizeof text),
				   type->short_name);
		frame_message_free(message);
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void audit_usage_add(Freeal__CounterRecord *sum, const Freeal__Usage *usage)
{
	if (!usage)
		return;
	sum->requests += usage->requests;
	sum->tokens_in += usage->tokens_in;
	sum->tokens_out += usage->tokens_out;
	sum->nano_usd += usage->nano_usd;
}

/* Where a phase stands in a round: their numbers tell it, but for one. */
static int phase_rank(Freeal__Phase phase)
{
	if (phase == FREEAL__PHASE__AUGMENT_PHASE)
		return 2 * FREEAL__PHASE__EMBED_PHASE - 1;
	return 2 * (int)phase;
}

bool audit_phase_over(const struct audit_run *r, Freeal__Phase phase)
{
	return phase_rank(r->state->phase) > phase_rank(phase);
}

/* I8: what the coordinator can tell of the model without knowing its type. */
static void model_check(struct audit_run *r)
{
	char path[PATH_BYTES];
	struct audit *a = &r->audit;
	json_error_t error;
	if (!audit_phase_over(r, FREEAL__PHASE__FINAL_TRAIN_PHASE))
		return;
	(void)snprintf(path, sizeof path, "%s/model/model.json", r->project_dir);
	json_t *model = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	json_t *labels = json_object_get(model, "labels");
	if (!model)
		audit_fail(a, 8, "%s can't be read: %s", path, error.text);
	else if (json_array_size(labels) == 0 || json_array_size(labels) > r->project->n_labels)
		audit_fail(a, 8, "%s has %zu labels, the project %zu", path,
			   json_array_size(labels), r->project->n_labels);
	for (size_t i = 0; i < json_array_size(labels) && i < r->project->n_labels; i++) {
		const char *name = json_string_value(json_array_get(labels, i));
		if (!name || strcmp(name, r->project->labels[i]->name) != 0)
			audit_fail(a, 8, "%s: label %zu is %s, the project's is %s", path, i,
				   name ? name : "no text", r->project->labels[i]->name);
	}
	audit_note(a, 8, "model with the project's %zu labels", json_array_size(labels));
	json_decref(model);
}

/* I10: the keys that the project's LLMs are asked with. */
static void secrets_take(struct audit_run *r)
{
	for (size_t i = 0; i < r->project->n_endpoints; i++) {
		const char *name = r->project->endpoints[i]->key_env;
		if (name[0] != '\0')
			audit_secret_add(&r->audit, getenv(name));
	}
}

static void secrets_in_files(struct audit_run *r)
{
	static const char *const files[] = {"task.yaml", "model/model.json"};
	char path[PATH_BYTES];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", r->project_dir, files[i]);
		audit_secrets_find_file(&r->audit, path);
	}
	(void)snprintf(path, sizeof path, "%s/logs", r->project_dir);
	DIR *logs = opendir(path);
	for (struct dirent *d; logs && (d = readdir(logs));) {
		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/logs/%s", r->project_dir, d->d_name);
		audit_secrets_find_file(&r->audit, path);
	}
	if (logs)
		(void)closedir(logs);
}

static enum err meta_load(struct audit_run *r, struct err_msg *msg)
{
	enum err e = meta_get(r->txn, "project", &freeal__project__descriptor, (void *)&r->project);
	if (e)
		return err_set(msg, e == ERR_NOT_FOUND ? ERR_INVALID : e,
			       "%s: its store holds no project: %s", r->project_dir, err_str(e));
	e = store_count(r->txn, TABLE_SAMPLES, &r->sample_count);
	if (!e)
		e = meta_get(r->txn, "state", &freeal__state_record__descriptor, (void *)&r->state);
	if (!e)
		e = meta_get(r->txn, "counters", &freeal__counter_record__descriptor,
			     (void *)&r->counters);
	if (!e)
		e = meta_get(r->txn, "open", &freeal__round_record__descriptor, (void *)&r->open);
	return e && e != ERR_NOT_FOUND ? err_set(msg, e, "cannot read the state: %s", err_str(e))
				       : ERR_OK;
}

/* What has to be read a record at a time, and therefore needs sound records. */
static enum err invariants_check(struct audit_run *r, struct err_msg *msg)
{
	/* A project that was made and never served has no state and nothing else. */
	if (!r->state) {
		if (r->sample_count > 0)
			audit_fail(&r->audit, 1, "there are %llu samples, but no state",
				   (unsigned long long)r->sample_count);
		audit_note(&r->audit, 1, "0 samples");
		return ERR_OK;
	}
	if (!r->counters || !r->open)
		return err_set(msg, ERR_CORRUPT, "the state is there without its counters");
	enum err e = audit_samples(r);
	if (!e)
		e = audit_rounds(r);
	if (!e)
		e = audit_kept(r);
	/* The store's version is known to be ours: another one in a record is damage. */
	if (e)
		return err_set(msg, e == ERR_VERSION ? ERR_CORRUPT : e,
			       "cannot read the store to its end: %s", err_str(e));
	model_check(r);
	return ERR_OK;
}

static void run_done(struct audit_run *r)
{
	frame_message_free(r->project);
	frame_message_free(r->state);
	frame_message_free(r->counters);
	frame_message_free(r->open);
	free(r->samples);
	free(r->rounds);
	store_abort(r->txn);
}

static enum err run_check(struct audit_run *r, const char *acknowledged, struct err_msg *msg)
{
	enum err e = meta_load(r, msg);
	if (e && e != ERR_CORRUPT)
		return e;
	if (!e)
		secrets_take(r);
	/* With a damaged record the rest would only repeat that, at length. */
	if (audit_records(&r->audit, r->txn, tables_names(), TABLE_COUNT) || e)
		return r->audit.lines[2].failures ? ERR_OK : e;
	secrets_in_files(r);
	e = invariants_check(r, msg);
	return e || !acknowledged ? e : audit_acknowledged(r, acknowledged, msg);
}

enum err coordinator_audit(const char *project_dir, const char *acknowledged, FILE *out,
			   bool *ret_good, struct err_msg *msg)
{
	struct audit_run r = {.project_dir = project_dir};
	struct store *store = NULL;
	char dir[PATH_BYTES];
	if (snprintf(dir, sizeof dir, "%s/coordinator", project_dir) >= (int)sizeof dir)
		return err_set(msg, ERR_INVALID, "%s: the path is too long", project_dir);
	audit_init(&r.audit);
	freeal__counter_record__init(&r.used);
	enum err e = tables_open_stopped(dir, &store, msg);
	if (e == ERR_NOT_FOUND)
		e = ERR_INVALID;
	if (!e) {
		e = store_begin(store, false, &r.txn);
		if (e)
			(void)err_set(msg, e, "%s: cannot read: %s", dir, err_str(e));
	}
	if (!e)
		e = run_check(&r, acknowledged, msg);
	if (!e)
		*ret_good = audit_print(&r.audit, out);
	run_done(&r);
	store_close(store);
	return e;
}
