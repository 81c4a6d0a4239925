/* libs: freeal-trainer-lib store base proto */
/* The audit of a trainer's folder: a sound one passes, and each way to break it is told. */
#include "store/store.h"
#include "trainer/audit.h"
#include "trainer/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { SAMPLES, CHANGES, META, TABLES };

static const char *const tables[TABLES] = {"samples", "changes", "meta"};
static char dir[64], slot[80];

static void samples_add(struct dataset *d)
{
	Freeal__SampleRow rows[3];
	Freeal__SampleRow *list[3];
	Freeal__SampleChunk chunk = FREEAL__SAMPLE_CHUNK__INIT;
	for (int i = 0; i < 3; i++) {
		freeal__sample_row__init(&rows[i]);
		rows[i].id = (ProtobufCBinaryData){2, (uint8_t *)"id"};
		rows[i].text = (ProtobufCBinaryData){4, (uint8_t *)"text"};
		list[i] = &rows[i];
	}
	chunk.rows = list;
	chunk.n_rows = 3;
	assert_int_equal(dataset_samples_add(d, 0, &chunk), ERR_OK);
}

static void changes_add(struct dataset *d, uint64_t first)
{
	uint64_t sample_nos[2] = {0, 1};
	int32_t class_ids[2] = {1, 0};
	Freeal__ChangeChunk chunk = FREEAL__CHANGE_CHUNK__INIT;
	chunk.sample_nos = sample_nos;
	chunk.n_sample_nos = 2;
	chunk.class_ids = class_ids;
	chunk.n_class_ids = 2;
	assert_int_equal(dataset_changes_add(d, first, &chunk), ERR_OK);
}

static int folder_make(void **state)
{
	(void)state;
	struct dataset *d;
	struct err_msg msg;
	strcpy(dir, "/tmp/freeal-audit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(slot, sizeof slot, "%s/0", dir);
	assert_int_equal(dataset_open(slot, &d, &msg), ERR_OK);
	samples_add(d);
	changes_add(d, 0);
	changes_add(d, 2);
	dataset_close(d);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static char *audit(const char *model, enum err wanted, bool wanted_good)
{
	char *text = NULL;
	size_t size;
	bool good = false;
	struct err_msg msg = {{0}};
	FILE *out = open_memstream(&text, &size);
	enum err e = trainer_audit(model ? NULL : dir, model, out, &good, &msg);
	fclose(out);
	if (e != wanted || good != wanted_good)
		fail_msg("%s\n%s", msg.text, text);
	return text;
}

static void a_sound_store_passes(void **state)
{
	(void)state;
	char *text = audit(NULL, ERR_OK, true);
	assert_non_null(strstr(text, "I1 ok (3 samples)\n"));
	assert_non_null(strstr(text, "I3 ok (4 label changes)\n"));
	free(text);
}

static void sample_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(1);
	assert_int_equal(store_delete(t, SAMPLES, key.bytes, key.size), ERR_OK);
}

static void sample_cut(struct store_txn *t)
{
	struct store_key key = store_key_u64(1);
	assert_int_equal(store_put(t, SAMPLES, key.bytes, key.size, "cut", 3), ERR_OK);
}

static void changes_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(0);
	assert_int_equal(store_delete(t, CHANGES, key.bytes, key.size), ERR_OK);
}

static void model_tear(struct store_txn *t)
{
	(void)t;
	char path[128];
	snprintf(path, sizeof path, "%s/model", slot);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/model/model.json", slot);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"format\":", f);
	fclose(f);
}

static void each_damage_is_told(void **state)
{
	static const struct {
		void (*change)(struct store_txn *);
		const char *line;
	} mutations[] = {
	    {sample_lose, "I1 FAILED: of samples 0 to 2 one is missing or malformed"},
	    {sample_cut, "I1 FAILED: of samples 0 to 3 one is missing or malformed"},
	    {changes_lose, "I3 FAILED: of the first 4 label changes some are missing"},
	    {model_tear, "I8 FAILED: "},
	};
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		struct store *s;
		struct store_txn *t;
		struct err_msg msg;
		if (i > 0)
			assert_int_equal(folder_remove(state) || folder_make(state), 0);
		assert_int_equal(store_open(slot, tables, TABLES, 1, &s, &msg), ERR_OK);
		assert_int_equal(store_begin(s, true, &t), ERR_OK);
		mutations[i].change(t);
		assert_int_equal(store_commit(t), ERR_OK);
		store_close(s);
		char *text = audit(NULL, ERR_OK, false);
		if (!strstr(text, mutations[i].line))
			fail_msg("no \"%s\" in\n%s", mutations[i].line, text);
		free(text);
	}
}

static void a_folder_without_a_store_is_told(void **state)
{
	(void)state;
	snprintf(slot, sizeof slot, "rm -rf %s/0", dir);
	assert_int_equal(system(slot), 0);
	free(audit(NULL, ERR_INVALID, false));
	char *text = audit("/tmp/freeal-there-is-no-model", ERR_OK, false);
	assert_non_null(strstr(text, "I8 FAILED: "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_sound_store_passes, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(each_damage_is_told, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(a_folder_without_a_store_is_told, folder_make,
					    folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
