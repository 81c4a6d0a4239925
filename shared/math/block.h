/*
 * Memory for large arrays that are read all over the place: on huge pages, where the system
 * has them for those who ask.
 */
#ifndef FREEAL_MATH_BLOCK_H
#define FREEAL_MATH_BLOCK_H

#include <stddef.h>

/* `count` floats that are 0. NULL: no memory. free() it. */
float *block_new(size_t count);

#endif
