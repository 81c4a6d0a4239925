/* libs: freeal-coordinator-lib audit_project.c */
/* The audit of a project's store: a sound one passes; a file that is damaged or in use, and what
 * was acknowledged and is lost, are told. */
#include "audit_project.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
}

static void a_sound_store_passes(void **state)
{
	(void)state;
	char *text = project_audit(NULL, ERR_OK, true);
	assert_line(text, "I1 ok (4 samples: 3 answered, 1 set aside, 0 not asked)");
	assert_line(text, "I3 ok (3 label changes, 4 annotations)");
	assert_line(text, "2 kept replies");
	assert_null(strstr(text, "FAILED"));
	free(text);
}

static void data_path(char *path, size_t size)
{
	snprintf(path, size, "%s/coordinator/data.mdb", project_dir);
}

/* B8: a flipped bit is found with its table and key. */
static void a_flipped_bit_is_told_with_its_place(void **state)
{
	(void)state;
	char path[128], *data, *at;
	data_path(path, sizeof path);
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size_t size = (size_t)ftell(f);
	rewind(f);
	data = malloc(size);
	assert_int_equal(fread(data, 1, size, f), size);
	/* In a value, wherever the pages that are in use have it. */
	for (at = data; (at = memmem(at, size - (size_t)(at - data), "text of number 2", 16));) {
		*at++ ^= 1;
	}
	rewind(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
	free(data);
	char *text = project_audit(NULL, ERR_OK, false);
	assert_line(text, "I2 FAILED: the record of table samples, key 2,");
	free(text);
}

static void a_cut_file_is_refused(void **state)
{
	(void)state;
	char path[128];
	struct stat file;
	struct store *s;
	struct err_msg msg;
	data_path(path, sizeof path);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(truncate(path, file.st_size - 2 * 4096), 0);
	free(project_audit(NULL, ERR_CORRUPT, false));
	snprintf(path, sizeof path, "%s/coordinator", project_dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, "data.mdb is cut off"));
}

static void a_running_service_is_left_alone(void **state)
{
	(void)state;
	char path[128];
	struct store *s;
	struct err_msg msg;
	snprintf(path, sizeof path, "%s/coordinator", project_dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_OK);
	free(project_audit(NULL, ERR_BUSY, false));
	store_close(s);
}

static void acknowledge(const char *lines, enum err wanted, bool good, const char *line)
{
	char path[128];
	snprintf(path, sizeof path, "%s/acknowledged", project_dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(lines, f);
	fclose(f);
	char *text = project_audit(path, wanted, good);
	assert_line(text, line);
	free(text);
}

/* I2 against what somebody was told. */
static void acknowledged_lines_must_be_there(void **state)
{
	(void)state;
	acknowledge("{\"id\":\"id1\",\"text\":\"the text of number 1\"}\n{\"id\":\"id2\"}\n",
		    ERR_OK, true, "2 acknowledged");
	acknowledge("{\"id\":\"id1\"}\n{\"id\":\"id9\"}\n", ERR_OK, false,
		    "I2 FAILED: the acknowledged sample \"id9\" is not there");
	acknowledge("{\"id\":\"id1\",\"text\":\"other\"}\n", ERR_OK, false,
		    "I2 FAILED: the acknowledged sample \"id1\" has another text");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"bad\",\"round\":0}\n",
		    ERR_OK, true, "1 acknowledged");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"good\",\"round\":0}\n",
		    ERR_OK, false,
		    "I2 FAILED: id \"id1\": the answer of round 0 was good and is bad");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"bad\",\"round\":1}\n",
		    ERR_OK, false,
		    "I2 FAILED: id \"id1\": its acknowledged answer of round 1 is lost");
	acknowledge("nonsense\n", ERR_INVALID, false, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_sound_store_passes, project_make, project_remove),
	    cmocka_unit_test_setup_teardown(a_flipped_bit_is_told_with_its_place, project_make,
					    project_remove),
	    cmocka_unit_test_setup_teardown(a_cut_file_is_refused, project_make, project_remove),
	    cmocka_unit_test_setup_teardown(a_running_service_is_left_alone, project_make,
					    project_remove),
	    cmocka_unit_test_setup_teardown(acknowledged_lines_must_be_there, project_make,
					    project_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
