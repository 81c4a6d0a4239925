/* libs: freeal-trainer-lib text base */
/* A checkpoint's config.json: what is accepted has the shape of a network, what is not has a
 * message. */
#include "trainer/encoder/config.h"

#include "text/json_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *object;
	struct encoder_config c;
	struct err_msg msg = {""};
	enum err err = json_file_parse("fuzz.json", data, size, &object, &msg);
	check(!err || err == ERR_CORRUPT);
	if (!err) {
		err = encoder_config_read("fuzz.json", object, &c, &msg);
		check(!err || err == ERR_INVALID);
		json_decref(object);
	}
	if (err) {
		check(strncmp(msg.text, "fuzz.json", 9) == 0);
		return 0;
	}
	check(c.family <= ENCODER_DISTILBERT && c.heads > 0 && c.hidden % c.heads == 0);
	check(c.hidden <= 8192 && c.layers > 0 && c.layers <= 256 && c.intermediate > 0);
	check(c.vocabulary > 0 && c.vocabulary <= 4u << 20 && c.positions <= 65536);
	check(encoder_config_tokens_max(&c) >= 3 && encoder_config_tokens_max(&c) <= c.positions);
	check((c.types == 0) == (c.family == ENCODER_DISTILBERT));
	check(c.epsilon > 0 && c.initializer_range > 0);
	check(c.dropout >= 0 && c.dropout < 1 && c.dropout_attention >= 0 &&
	      c.dropout_attention < 1 && c.dropout_head >= 0 && c.dropout_head < 1);
	return 0;
}
