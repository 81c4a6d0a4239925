#include "trainer/audit.h"

#include "store/audit.h"
#include "trainer/dataset.h"
#include "trainer/model.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS_PER_VIEW 4096u
#define SLOTS_MAX 1000

/* I1: every sample up to the last is there and has its parts. */
static enum err samples_check(struct audit *a, struct dataset *d)
{
	uint64_t count = dataset_sample_count(d);
	for (uint64_t first = 0; first < count; first += ROWS_PER_VIEW) {
		uint64_t rest = count - first;
		size_t rows = rest < ROWS_PER_VIEW ? (size_t)rest : ROWS_PER_VIEW;
		struct dataset_view *v;
		enum err e = dataset_view_open(d, first, rows, &v);
		if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
			audit_fail(a, 1, "of samples %llu to %llu one is missing or malformed",
				   (unsigned long long)first, (unsigned long long)(first + rows));
			continue;
		}
		if (e)
			return e;
		for (size_t i = 0; i < rows; i++)
			if (v->id_bytes[i] == 0 || v->text_bytes[i] == 0)
				audit_fail(a, 1, "sample %llu has no %s",
					   (unsigned long long)first + i,
					   v->id_bytes[i] ? "text" : "id");
		dataset_view_close(v);
	}
	audit_note(a, 1, "%llu samples", (unsigned long long)count);
	return ERR_OK;
}

/* I3: the changes are a log without gaps. */
static enum err changes_check(struct audit *a, struct dataset *d)
{
	int32_t none;
	uint64_t count = dataset_change_count(d);
	enum err e = dataset_labels(d, count, &none, 0, NULL);
	if (e == ERR_CORRUPT || e == ERR_NOT_FOUND)
		audit_fail(a, 3, "of the first %llu label changes some are missing",
			   (unsigned long long)count);
	else if (e)
		return e;
	audit_note(a, 3, "%llu label changes", (unsigned long long)count);
	return ERR_OK;
}

/* I8: a model that is there is whole. */
static void model_check(struct audit *a, const char *folder)
{
	size_t label_count;
	struct err_msg msg = {{0}};
	enum err e = model_folder_check(folder, &label_count, &msg);
	if (e) {
		audit_fail(a, 8, "%s", msg.text);
		return;
	}
	audit_note(a, 8, "%s with %zu labels", folder, label_count);
}

static enum err data_check(struct audit *a, const char *data, struct err_msg *msg)
{
	static const char *const models[] = {"model", "pulled"};
	char path[PATH_MAX];
	struct dataset *d;
	enum err e = dataset_open_stopped(data, &d, msg);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_INVALID : e;
	if (!dataset_records_audit(d, a)) {
		e = samples_check(a, d);
		if (!e)
			e = changes_check(a, d);
	}
	dataset_close(d);
	for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
		int n = snprintf(path, sizeof path, "%s/%s", data, models[i]);
		if (n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0)
			model_check(a, path);
	}
	return e ? err_set(msg, e, "%s: cannot be read to its end: %s", data, err_str(e)) : ERR_OK;
}

/* A trainer's folder, or the one that its replicas share: DATA/0, DATA/1 and so on. */
static enum err folders_check(struct audit *a, const char *data, struct err_msg *msg)
{
	char path[PATH_MAX];
	size_t found = 0;
	enum err e = ERR_OK;
	for (int slot = -1; !e && slot < SLOTS_MAX; slot++) {
		int n = slot < 0 ? snprintf(path, sizeof path, "%s/data.mdb", data)
				 : snprintf(path, sizeof path, "%s/%d/data.mdb", data, slot);
		if (n < 0 || (size_t)n >= sizeof path || access(path, F_OK) != 0)
			continue;
		found++;
		path[(size_t)n - sizeof "/data.mdb" + 1] = '\0';
		e = data_check(a, path, msg);
	}
	if (!e && found == 0)
		e = err_set(msg, ERR_INVALID, "%s: there is no trainer's store", data);
	return e;
}

enum err trainer_audit(const char *data, const char *model, FILE *out, bool *ret_good,
		       struct err_msg *msg)
{
	struct audit a;
	audit_init(&a);
	enum err e = data ? folders_check(&a, data, msg) : ERR_OK;
	if (!e && model)
		model_check(&a, model);
	if (!e)
		*ret_good = audit_print(&a, out);
	return e;
}
