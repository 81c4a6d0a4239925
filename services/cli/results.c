#include "cli/results.h"

#include "base/buf.h"
#include "base/folder.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/summary.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define SUMMARY_BYTES_MAX (1u << 20)

enum err results_file(struct session *s, const char *url, const char *path, struct err_msg *msg)
{
	struct output o;
	enum err e = output_open(&o, path, msg);
	if (!e)
		e = session_stream(s, url, output_data, &o, msg);
	if (!e)
		e = output_commit(&o, msg);
	output_discard(&o);
	return e;
}

static enum err fetch_report(struct session *s, const char *out, json_t **ret_report,
			     struct err_msg *msg)
{
	struct path path;
	json_t *report = NULL;
	enum err e = path_set(&path, msg, "%s/report.json", out);
	if (!e)
		e = results_file(s, "/v1/report", path.text, msg);
	if (e)
		return e;
	report = json_load_file(path.text, 0, NULL);
	if (!report)
		return err_set(msg, ERR_PROTOCOL, "%s is no JSON", path.text);
	*ret_report = report;
	return ERR_OK;
}

/* A plain name without surprises, since it becomes part of a path. */
static bool file_name_is_good(const char *name)
{
	if (!name || !name[0] || name[0] == '.' || strlen(name) > 100)
		return false;
	for (; *name; name++) {
		bool good = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			    (*name >= '0' && *name <= '9') || strchr("._-", *name);
		if (!good)
			return false;
	}
	return true;
}

static enum err fetch_model_files(struct session *s, const json_t *files, const char *folder,
				  struct err_msg *msg)
{
	size_t i;
	const json_t *file;
	json_array_foreach(files, i, file)
	{
		const char *name = json_string_value(file);
		if (!file_name_is_good(name))
			return err_set(msg, ERR_PROTOCOL, "the model has a file with a bad name");
		struct path url, path;
		enum err e = path_set(&url, msg, "/v1/model/%s", name);
		if (!e)
			e = path_set(&path, msg, "%s/%s", folder, name);
		if (!e)
			e = results_file(s, url.text, path.text, msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

/* The new folder takes the old one's place. */
static enum err replace_folder(const char *fresh, const char *path, struct err_msg *msg)
{
	folder_delete(path);
	if (rename(fresh, path) != 0)
		return err_set(msg, ERR_IO, "cannot put the model at %s: %s", path,
			       strerror(errno));
	return ERR_OK;
}

enum err results_model(struct session *s, const char *path, struct err_msg *msg)
{
	struct path fresh;
	json_t *list = NULL;
	enum err e = path_set(&fresh, msg, "%s.tmp", path);
	if (!e)
		e = session_json(s, "/v1/model", NULL, 0, &list, msg);
	if (e)
		return e;
	folder_delete(fresh.text);
	e = path_make_folder(fresh.text, 0777, msg);
	if (!e)
		e = fetch_model_files(s, json_object_get(list, "files"), fresh.text, msg);
	if (!e)
		e = replace_folder(fresh.text, path, msg);
	if (e)
		folder_delete(fresh.text);
	json_decref(list);
	return e;
}

static void summary_print(const json_t *report, const char *out)
{
	struct buf text;
	buf_init(&text, SUMMARY_BYTES_MAX);
	summary_write(report, &text);
	(void)printf("%s  labels: %s/labels.jsonl, model: %s/model, report: %s/report.json\n",
		     buf_str(&text), out, out, out);
	(void)fflush(stdout);
	buf_done(&text);
}

enum err results_write(struct session *s, const char *out, struct err_msg *msg)
{
	struct path labels, model;
	json_t *report = NULL;
	enum err e = path_set(&labels, msg, "%s/labels.jsonl", out);
	if (!e)
		e = path_set(&model, msg, "%s/model", out);
	if (!e)
		e = path_make_folder(out, 0777, msg);
	if (!e)
		e = results_file(s, "/v1/labels", labels.text, msg);
	if (!e)
		e = results_model(s, model.text, msg);
	if (!e)
		e = fetch_report(s, out, &report, msg);
	if (e)
		return e;
	summary_print(report, out);
	json_decref(report);
	return ERR_OK;
}
