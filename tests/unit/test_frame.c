/* libs: wire base */
/* Unpacking: what is honest comes through, what is malformed or amplifies does not. */
#include "wire/frame.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t envelope_pack(uint32_t major, uint8_t **ret_data)
{
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__ClassPayload payload = FREEAL__CLASS_PAYLOAD__INIT;
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	Freeal__Result *list[1] = {&result};
	Freeal__Results results = FREEAL__RESULTS__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	payload.class_id = 4;
	annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
	annotation.class_label = &payload;
	annotation.answer.data = (uint8_t *)"a\0b";
	annotation.answer.len = 3;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = UINT64_MAX;
	result.name = &name;
	result.body_case = FREEAL__RESULT__BODY_ANNOTATE;
	result.annotate = &annotation;
	results.results = list;
	results.n_results = 1;
	e.major = major;
	e.body_case = FREEAL__ENVELOPE__BODY_RESULTS;
	e.results = &results;
	*ret_data = malloc(freeal__envelope__get_packed_size(&e));
	return freeal__envelope__pack(&e, *ret_data);
}

static void an_envelope_comes_through(void **state)
{
	(void)state;
	uint8_t *data;
	size_t size = envelope_pack(WIRE_MAJOR, &data);
	struct frame *f;
	struct err_msg msg;
	assert_int_equal(frame_unpack(data, size, &f, &msg), ERR_OK);
	const Freeal__Result *r = frame_envelope(f)->results->results[0];
	assert_int_equal(r->name->item, UINT64_MAX);
	assert_int_equal(r->annotate->class_label->class_id, 4);
	assert_int_equal(r->annotate->answer.len, 3); /* a NUL doesn't cut it */
	frame_free(f);
	free(data);
}

/* D11: another major version is refused, and the message names both. */
static void another_major_version_is_refused(void **state)
{
	(void)state;
	uint8_t *data;
	size_t size = envelope_pack(WIRE_MAJOR + 1, &data);
	struct frame *f;
	struct err_msg msg;
	assert_int_equal(frame_unpack(data, size, &f, &msg), ERR_VERSION);
	assert_string_equal(msg.text, "peer speaks protocol 2, this is 1");
	free(data);
}

/* D2: truncated at every length and with flipped bits: no crash, no read outside. */
static void damaged_frames_do_no_harm(void **state)
{
	(void)state;
	uint8_t *data;
	size_t size = envelope_pack(WIRE_MAJOR, &data);
	struct rng rng = rng_make(1);
	struct err_msg msg;
	for (size_t i = 0; i < 20000; i++) {
		size_t n = i < size ? i : size;
		uint8_t *copy = malloc(n ? n : 1);
		struct frame *f;
		memcpy(copy, data, n);
		if (i >= size)
			copy[rng_below(&rng, n)] ^= (uint8_t)(1u << rng_below(&rng, 8));
		if (frame_unpack(copy, n, &f, &msg) == ERR_OK)
			frame_free(f);
		free(copy);
	}
	free(data);
}

/* D2: a megabyte of two-byte unknown fields would take 44 MiB; the budget says no. */
static void amplifying_frames_are_refused(void **state)
{
	(void)state;
	size_t size = 1u << 20;
	uint8_t *data = malloc(size);
	for (size_t i = 0; i < size; i += 2) {
		data[i] = 0x78; /* field 15, varint */
		data[i + 1] = 0;
	}
	struct frame *f;
	struct err_msg msg;
	assert_int_equal(frame_unpack(data, size, &f, &msg), ERR_PROTOCOL);
	free(data);
}

static void lone_messages_own_their_memory(void **state)
{
	(void)state;
	Freeal__SelectionRow row = FREEAL__SELECTION_ROW__INIT;
	row.sample_no = 9;
	row.slm_label = -1;
	uint8_t data[64];
	size_t size = freeal__selection_row__pack(&row, data);
	Freeal__SelectionRow *copy =
	    frame_message_unpack(&freeal__selection_row__descriptor, data, size);
	assert_non_null(copy);
	assert_int_equal(copy->sample_no, 9);
	assert_int_equal(copy->slm_label, -1);
	frame_message_free(copy);
	assert_null(frame_message_unpack(&freeal__selection_row__descriptor, "\xff\xff", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_envelope_comes_through),
	    cmocka_unit_test(another_major_version_is_refused),
	    cmocka_unit_test(damaged_frames_do_no_harm),
	    cmocka_unit_test(amplifying_frames_are_refused),
	    cmocka_unit_test(lone_messages_own_their_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
