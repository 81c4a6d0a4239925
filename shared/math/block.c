#include "math/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)2 << 20)

float *block_new(size_t count)
{
	if (count > SIZE_MAX / sizeof(float) - PAGE_BYTES)
		return NULL;
	size_t bytes = count * sizeof(float);
	if (bytes < 2 * PAGE_BYTES)
		return calloc(count ? count : 1, sizeof(float));
	bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	float *block = aligned_alloc(PAGE_BYTES, bytes);
	if (!block)
		return NULL;
	/* Without them it is slower, nothing else. */
	(void)madvise(block, bytes, MADV_HUGEPAGE);
	memset(block, 0, bytes);
	return block;
}
