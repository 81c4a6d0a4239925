/* libs: freeal-selector-lib store base proto */
/* The audit of a selector's store: a sound one passes, and each way to break it is told. */
#include "selector/audit.h"
#include "selector/history.h"
#include "selector/history_impl.h"
#include "store/store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES 40u
#define VOCABULARY 40u

static char dir[64];

static void chunk_put(struct history *h, uint64_t seq, uint64_t first, float confidence)
{
	Freeal__SelectionRow rows[2] = {FREEAL__SELECTION_ROW__INIT, FREEAL__SELECTION_ROW__INIT};
	Freeal__SelectionRow *list[2] = {&rows[0], &rows[1]};
	Freeal__SelectionChunk chunk = FREEAL__SELECTION_CHUNK__INIT;
	uint8_t data[256];
	for (int i = 0; i < 2; i++) {
		rows[i].sample_no = first + (uint64_t)i;
		rows[i].confidence = confidence;
	}
	chunk.rows = list;
	chunk.n_rows = 2;
	size_t size = freeal__selection_chunk__pack(&chunk, data);
	assert_int_equal(history_rows_put(h, HISTORY_SELECTION, 0, seq, data, size), ERR_OK);
}

static void sound_put(struct history *h)
{
	float floats[SAMPLES * 2];
	Freeal__VectorChunk vectors = FREEAL__VECTOR_CHUNK__INIT;
	for (size_t i = 0; i < SAMPLES * 2; i++)
		floats[i] = (float)i;
	vectors.dimensions = 2;
	vectors.vectors = (ProtobufCBinaryData){sizeof floats, (uint8_t *)floats};
	assert_int_equal(history_vectors_put(h, VOCABULARY, &vectors), ERR_OK);
	assert_int_equal(history_rows_begin(h, HISTORY_SELECTION, 0), ERR_OK);
	chunk_put(h, 0, 0, 0.5f);
	chunk_put(h, 1, 2, 0.5f);
	assert_int_equal(history_rows_end(h, HISTORY_SELECTION, 0, 2), ERR_OK);
	/* One that was interrupted is none. */
	assert_int_equal(history_rows_begin(h, HISTORY_SELECTION, 1), ERR_OK);
}

static void change_history(void (*change)(struct history *))
{
	struct history *h;
	struct err_msg msg;
	assert_int_equal(history_open(dir, &h, &msg), ERR_OK);
	change(h);
	assert_int_equal(history_commit(h), ERR_OK);
	history_close(h);
}

static int folder_make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/freeal-audit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	change_history(sound_put);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static char *audit(bool wanted_good)
{
	char *text = NULL;
	size_t size;
	bool good = false;
	struct err_msg msg = {{0}};
	FILE *out = open_memstream(&text, &size);
	enum err e = selector_audit(dir, out, &good, &msg);
	fclose(out);
	if (e || good != wanted_good)
		fail_msg("%s\n%s", msg.text, text);
	return text;
}

static void a_sound_store_passes(void **state)
{
	(void)state;
	char *text = audit(true);
	assert_non_null(strstr(text, "I1 ok (40 embeddings)\n"));
	assert_non_null(strstr(text, "I4 ok (1 streams, 4 rows)\n"));
	free(text);
}

static struct store_key block_key(uint32_t block)
{
	return store_key_u64_u32_u32(VOCABULARY, 0, block);
}

static void block_lose(struct history *h)
{
	struct store_key key = block_key(1);
	assert_int_equal(history_write_begin(h), ERR_OK);
	assert_int_equal(store_delete(h->txn, TABLE_VECTORS, key.bytes, key.size), ERR_OK);
}

static void block_cut(struct history *h)
{
	struct store_key key = block_key(2);
	assert_int_equal(history_write_begin(h), ERR_OK);
	assert_int_equal(store_put(h->txn, TABLE_VECTORS, key.bytes, key.size, "cut", 3), ERR_OK);
}

static void vector_not_finite(struct history *h)
{
	float floats[2] = {1, NAN};
	Freeal__VectorChunk vectors = FREEAL__VECTOR_CHUNK__INIT;
	vectors.first = 17;
	vectors.dimensions = 2;
	vectors.vectors = (ProtobufCBinaryData){sizeof floats, (uint8_t *)floats};
	assert_int_equal(history_vectors_put(h, VOCABULARY, &vectors), ERR_OK);
}

static void chunk_lose(struct history *h)
{
	struct store_key key = store_key_u32_u64(0, 1);
	assert_int_equal(history_write_begin(h), ERR_OK);
	assert_int_equal(store_delete(h->txn, TABLE_SELECTION, key.bytes, key.size), ERR_OK);
}

static void rows_disordered(struct history *h)
{
	chunk_put(h, 1, 1, 0.5f);
}

static void confidence_too_high(struct history *h)
{
	chunk_put(h, 1, 2, 1.5f);
}

static void stream_unknown(struct history *h)
{
	uint64_t count = 1;
	assert_int_equal(history_write_begin(h), ERR_OK);
	assert_int_equal(store_put(h->txn, TABLE_META, "nonsense", 8, &count, sizeof count),
			 ERR_OK);
}

static void each_damage_is_told(void **state)
{
	static const struct {
		void (*change)(struct history *);
		const char *line;
	} mutations[] = {
	    {block_lose, "I1 FAILED: embeddings are missing before sample 32"},
	    {block_cut, "I1 FAILED: the embeddings from sample 32 are malformed"},
	    {vector_not_finite, "I1 FAILED: the embeddings from sample 16 are malformed"},
	    {chunk_lose, "I4 FAILED: selection/0 has 2 chunks, number 1 is missing"},
	    {rows_disordered, "I4 FAILED: selection/0, chunk 1 is malformed"},
	    {confidence_too_high, "I4 FAILED: selection/0, chunk 1 is malformed"},
	    {stream_unknown, "I4 FAILED: there is a stream \"nonsense\""},
	};
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		if (i > 0)
			assert_int_equal(folder_remove(state) || folder_make(state), 0);
		change_history(mutations[i].change);
		char *text = audit(false);
		if (!strstr(text, mutations[i].line))
			fail_msg("no \"%s\" in\n%s", mutations[i].line, text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_sound_store_passes, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(each_damage_is_told, folder_make, folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
