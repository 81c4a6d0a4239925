#include "coordinator/again.h"

#include "coordinator/tables.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEY "again"

struct again {
	uint64_t count; /* samples */
	uint8_t bits[];
};

static size_t bits_bytes(uint64_t count)
{
	return (size_t)(count / 8 + 1);
}

struct again *again_new(uint64_t count)
{
	struct again *a = calloc(1, sizeof *a + bits_bytes(count));
	if (a)
		a->count = count;
	return a;
}

void again_free(struct again *a)
{
	free(a);
}

void again_add(struct again *a, uint64_t sample_no)
{
	assert(sample_no < a->count);
	a->bits[sample_no / 8] |= (uint8_t)(1u << sample_no % 8);
}

bool again_has(const struct again *a, uint64_t sample_no)
{
	return sample_no < a->count && (a->bits[sample_no / 8] >> sample_no % 8 & 1u);
}

enum err again_put(const struct again *a, struct store_txn *t)
{
	return store_put(t, TABLE_META, KEY, strlen(KEY), a, sizeof *a + bits_bytes(a->count));
}

enum err again_get(struct store_txn *t, struct again **ret_again)
{
	struct store_value value;
	uint64_t count;
	enum err e = store_get(t, TABLE_META, KEY, strlen(KEY), &value);
	if (e)
		return e;
	if (value.size < sizeof count)
		return ERR_CORRUPT;
	memcpy(&count, value.data, sizeof count);
	if (count > (uint64_t)value.size * 8 || value.size != sizeof count + bits_bytes(count))
		return ERR_CORRUPT;
	struct again *a = again_new(count);
	if (!a)
		return ERR_NO_MEMORY;
	memcpy(a, value.data, value.size);
	*ret_again = a;
	return ERR_OK;
}
