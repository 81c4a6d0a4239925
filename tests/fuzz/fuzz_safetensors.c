/* libs: freeal-trainer-lib text base */
/* Weights files: what is accepted lies within the file, each byte in one tensor. */
#include "trainer/encoder/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void tensor_check(const struct safetensors *s, const struct safetensors_tensor *t)
{
	uint64_t elements = 1;
	check(t->dims <= SAFETENSORS_DIMS_MAX && safetensors_find(s, t->name) == t);
	for (size_t i = 0; i < t->dims; i++)
		elements *= t->shape[i];
	check(elements == t->elements);
	if (t->type == SAFETENSORS_OTHER)
		return;
	check(t->bytes == elements * (t->type == SAFETENSORS_F32 ? 4 : 2));
	float *values = malloc(elements * sizeof *values + 1);
	check(values != NULL);
	safetensors_read(s, t, values);
	free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct safetensors *s;
	struct err_msg msg = {""};
	enum err err = safetensors_parse("fuzz.bin", data, size, &s, &msg);
	if (err) {
		check(err == ERR_CORRUPT || err == ERR_LIMIT);
		check(strncmp(msg.text, "fuzz.bin", 8) == 0);
		return 0;
	}
	const unsigned char *end = data + size;
	for (size_t i = safetensors_count(s); i > 0; i--) {
		const struct safetensors_tensor *t = safetensors_at(s, i - 1);
		check(t->data + t->bytes == end);
		end = t->data;
		tensor_check(s, t);
	}
	check(end >= data + 8);
	safetensors_close(s);
	return 0;
}
