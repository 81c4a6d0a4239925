#include "trainer/encoder/dropout.h"

#include "base/rng.h"

#include <assert.h>
#include <math.h>

struct dropout dropout_site_make(const struct dropout_step *step, uint32_t layer,
				 enum dropout_site site, float rate)
{
	assert(rate >= 0.0f && rate < 1.0f);
	uint32_t threshold = (uint32_t)lrintf(rate * 65536.0f);
	threshold = threshold < 65535 ? threshold : 65535;
	uint64_t key = hash_mix(step->seed, step->step);
	return (struct dropout){
	    .key = hash_mix(key, (uint64_t)layer * 256 + (uint64_t)site),
	    .threshold = threshold,
	    .scale = (float)(1.0 / (1.0 - (double)threshold / 65536.0)),
	};
}

uint64_t dropout_row_key(const struct dropout *d, uint64_t text, uint32_t position)
{
	return hash_mix(hash_mix(d->key, text), position);
}

void dropout_row(const struct dropout *d, uint64_t row_key, uint32_t first, size_t columns,
		 float *ret)
{
	for (size_t i = 0; i < columns; i++) {
		uint32_t column = first + (uint32_t)i;
		uint32_t word = dropout_word(row_key, column / 2);
		uint32_t bits = column % 2 ? word >> 16 : word & 0xffff;
		ret[i] = bits < d->threshold ? 0.0f : d->scale;
	}
}
