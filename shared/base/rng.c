#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct rng rng_make(uint64_t seed)
{
	return (struct rng){.state = hash_mix(seed, 0x66726565616cULL)};
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	assert(n > 0);
	/* Rejects the few words that would favour small numbers. */
	uint64_t limit = UINT64_MAX - UINT64_MAX % n;
	uint64_t x;
	do
		x = rng_u64(r);
	while (x >= limit);
	return x % n;
}

double rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_double(r);
	double v = rng_double(r);
	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static double rng_gamma(struct rng *r, double shape)
{
	if (shape < 1.0)
		return rng_gamma(r, shape + 1.0) * pow(1.0 - rng_double(r), 1.0 / shape);
	double d = shape - 1.0 / 3.0;
	double c = 1.0 / sqrt(9.0 * d);
	for (;;) {
		double x = rng_normal(r);
		double v = 1.0 + c * x;
		if (v <= 0.0)
			continue;
		v = v * v * v;
		double u = 1.0 - rng_double(r);
		if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

double rng_beta(struct rng *r, double a)
{
	assert(a > 0.0);
	double x = rng_gamma(r, a);
	double y = rng_gamma(r, a);
	return x + y > 0.0 ? x / (x + y) : 0.5;
}

void rng_shuffle(struct rng *r, uint32_t *items, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = rng_below(r, i);
		uint32_t swapped = items[i - 1];
		items[i - 1] = items[other];
		items[other] = swapped;
	}
}

uint64_t hash_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * 0x9e3779b97f4a7c15ULL + b + 0x7f4a7c15f39cc060ULL;
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93ULL;
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93ULL;
	return z ^ (z >> 32);
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = hash_mix(seed, size);
	while (size >= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		h = hash_mix(h, word);
		p += 8;
		size -= 8;
	}
	uint64_t tail = 0;
	for (size_t i = 0; i < size; i++)
		tail |= (uint64_t)p[i] << (8 * i);
	return size ? hash_mix(h, tail) : h;
}
