/*
 * freeal backup: a copy of a project that can be one itself, made while the project runs.
 *
 * What selector and trainers have stored is not in it: they make it again. The store comes
 * first, so that the model is at least as new as it. DIR/coordinator is put in its place last:
 * a folder that has one is complete.
 */
#include "base/buf.h"
#include "base/folder.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/results.h"
#include "cli/session.h"
#include "config/option.h"
#include "config/project.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODEL_FILE "model.json"
#define MODEL_FILE_BYTES_MAX (16u << 20)
#define MODEL_TRIES 5

struct backup {
	struct path folder;	    /* DIR */
	struct path store, fresh;   /* DIR/coordinator; what becomes it */
	struct path task, data;	    /* DIR/task.yaml; data.mdb in `fresh` */
	struct path mark;	    /* PROJECT_COPY_MARK in `fresh` */
	struct path model, partial; /* DIR/model; what becomes it */
};

static enum err paths_set(struct backup *b, const char *folder, struct err_msg *msg)
{
	enum err e = path_set_folder(&b->folder, folder, msg);
	const char *dir = b->folder.text;
	if (!e)
		e = path_set(&b->store, msg, "%s/coordinator", dir);
	if (!e)
		e = path_set(&b->fresh, msg, "%s/coordinator.new", dir);
	if (!e)
		e = path_set(&b->data, msg, "%s/coordinator.new/data.mdb", dir);
	if (!e)
		e = path_set(&b->mark, msg, "%s/coordinator.new/" PROJECT_COPY_MARK, dir);
	if (!e)
		e = path_set(&b->task, msg, "%s/task.yaml", dir);
	if (!e)
		e = path_set(&b->model, msg, "%s/model", dir);
	return e ? e : path_set(&b->partial, msg, "%s/model.tmp", dir);
}

/* The folder is missing or empty. */
static enum err folder_check(const char *path, struct err_msg *msg)
{
	DIR *dir = opendir(path);
	if (!dir && errno == ENOENT)
		return ERR_OK;
	if (!dir)
		return err_set(msg, ERR_INVALID, "%s: %s", path, strerror(errno));
	const struct dirent *entry;
	enum err e = ERR_OK;
	while (!e && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			e = err_set(msg, ERR_INVALID,
				    "%s is not empty; give a folder that is, or is not there",
				    path);
	(void)closedir(dir);
	return e;
}

static enum err text_add(void *context, const void *data, size_t size, struct err_msg *msg)
{
	struct buf *text = context;
	buf_add(text, data, size);
	return buf_error(text) ? err_set(msg, ERR_LIMIT, "the model's description is too large")
			       : ERR_OK;
}

/* The description that was fetched is still the model's. */
static enum err model_compare(struct session *s, const struct backup *b, bool *ret_same,
			      struct err_msg *msg)
{
	struct buf now;
	struct path path;
	char block[4096];
	size_t at = 0, n;
	enum err e = path_set(&path, msg, "%s/" MODEL_FILE, b->model.text);
	FILE *file = e ? NULL : fopen(path.text, "re");
	buf_init(&now, MODEL_FILE_BYTES_MAX);
	if (!e)
		e = session_stream(s, "/v1/model/" MODEL_FILE, text_add, &now, msg);
	bool same = file != NULL;
	while (same && (n = fread(block, 1, sizeof block, file)) > 0) {
		same = at + n <= now.size && memcmp(now.data + at, block, n) == 0;
		at += n;
	}
	*ret_same = same && at == now.size;
	if (file)
		(void)fclose(file);
	buf_done(&now);
	return e;
}

/* The files come one by one: again where another model was published meanwhile. */
static enum err model_fetch(struct session *s, const struct backup *b, struct err_msg *msg)
{
	bool same = false;
	enum err e = ERR_OK;
	for (int i = 0; !e && !same && i < MODEL_TRIES; i++) {
		e = results_model(s, b->model.text, msg);
		if (e == ERR_NOT_FOUND && i == 0)
			return ERR_OK; /* there is none yet */
		if (!e)
			e = model_compare(s, b, &same, msg);
	}
	return e || same ? e : err_set(msg, ERR_AGAIN, "the model changes all the time");
}

static enum err store_put(const struct backup *b, struct err_msg *msg)
{
	FILE *mark = fopen(b->mark.text, "we");
	if (!mark || fclose(mark) != 0)
		return err_set(msg, ERR_IO, "cannot write %s: %s", b->mark.text, strerror(errno));
	enum err e = folder_sync(b->fresh.text, msg);
	if (!e && rename(b->fresh.text, b->store.text) != 0)
		e = err_set(msg, ERR_IO, "cannot put the copy at %s: %s", b->store.text,
			    strerror(errno));
	return e ? e : folder_sync(b->folder.text, msg);
}

/* Leaves nothing of a copy that failed. */
static void backup_discard(const struct backup *b)
{
	folder_delete(b->fresh.text);
	folder_delete(b->store.text);
	folder_delete(b->model.text);
	folder_delete(b->partial.text);
	(void)unlink(b->task.text);
	(void)rmdir(b->folder.text);
}

static enum err backup_make(const struct place *place, const char *folder, struct backup *b,
			    struct err_msg *msg)
{
	const struct session_options options = place_session(place);
	struct session *session = NULL;
	enum err e = paths_set(b, folder, msg);
	if (!e)
		e = folder_check(b->folder.text, msg);
	if (!e)
		e = session_open(&options, &session, msg);
	if (e)
		return e;
	e = path_make_folder(b->folder.text, 0700, msg);
	if (!e)
		e = path_make_folder(b->fresh.text, 0700, msg);
	if (!e)
		e = results_file(session, "/v1/backup", b->data.text, msg);
	if (!e)
		e = results_file(session, "/v1/task", b->task.text, msg);
	if (!e)
		e = model_fetch(session, b, msg);
	if (!e)
		e = store_put(b, msg);
	session_close(session);
	if (e)
		backup_discard(b);
	return e;
}

int command_backup(int argc, char **argv)
{
	struct place place = {0}, copy = {0};
	const struct audit_places all = {0};
	const struct option_entry entries[] = {PLACE_OPTIONS(&place)};
	const struct option_program program = {
	    .name = "freeal backup",
	    .usage = "DIR",
	    .summary = "Copies a project into DIR, while it runs or not, and audits the copy. "
		       "`freeal run` goes on from it with --project DIR.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct err_msg msg = {{0}};
	struct option_rest rest;
	struct backup b;
	enum err e = option_parse(&program, argc, argv, &rest, &msg);
	if (!e && rest.done)
		return EXIT_CODE_OK;
	if (!e)
		e = path_project(place.project, place.out, &place.path, &msg);
	if (!e)
		e = backup_make(&place, rest.positionals[0], &b, &msg);
	if (e)
		return console_fail(e, &msg);
	copy.path = b.folder;
	int code = audit_places(&copy, &all);
	if (code == EXIT_CODE_OK)
		(void)printf("%s: a copy of the project; `freeal run` with --project %s goes on "
			     "from it\n",
			     b.folder.text, b.folder.text);
	return code;
}
