/* libs: llm base */
#include "llm/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hex(const struct key *key, char *out)
{
	for (size_t i = 0; i < KEY_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", key->bytes[i]);
}

/* By Python's hashlib.blake2b(b"/chat/completions\0" + slot + body, digest_size=32). */
static void key_is_blake2b_of_what_is_sent(void **state)
{
	(void)state;
	char text[2 * KEY_BYTES + 1];
	struct key key = key_make("/chat/completions", 0, "{\"model\":\"m\"}", 13);
	hex(&key, text);
	assert_string_equal(text,
			    "2d8ffda21476f1395a871e34c66a4fa6bd893a783af9b9a8fc40c5e6ac0608e7");
	key = key_make("/chat/completions", 7, "{\"model\":\"m\"}", 13);
	hex(&key, text);
	assert_string_equal(text,
			    "448d45c08167365b07d6365d4c7f44f655022fd57da11b94da1d6befd38e6c13");
}

static void key_tells_path_slot_and_body_apart(void **state)
{
	(void)state;
	const struct key keys[] = {
	    key_make("/a", 0, "bc", 2), key_make("/ab", 0, "c", 1),   key_make("/a", 1, "bc", 2),
	    key_make("/a", 0, "bd", 2), key_make("/a", 256, "bc", 2), key_make("/a", 0, "", 0),
	    key_make("/a", 0, "bc", 3),
	};
	size_t count = sizeof keys / sizeof *keys;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&keys[i], &keys[k], sizeof keys[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_is_blake2b_of_what_is_sent),
	    cmocka_unit_test(key_tells_path_slot_and_body_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
