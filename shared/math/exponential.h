/*
 * e^x in a form that compilers vectorise.
 */
#ifndef FREEAL_MATH_EXPONENTIAL_H
#define FREEAL_MATH_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

/*
 * e^x for x <= 0 (and up to 80) to a relative 2e-7 (Cephes' expf): e^x = 2^n * e^r with |r| <=
 * ln(2) / 2. From about -87.7 down, where floats lose their precision, it is 0; NaN stays NaN.
 */
static inline __attribute__((always_inline)) float exponential(float x)
{
	const float least = -88.0f;	 /* n = -127, whose power is 0 below */
	const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds */
	float bounded = x < least ? least : x;
	float shifted = bounded * 1.44269504f + round;
	float n = shifted - round;
	float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
	float p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * (r * r) + r + 1.0f;
	uint32_t bits; /* its lowest bits are n's */
	float power;
	memcpy(&bits, &shifted, sizeof bits);
	bits = (bits + 127U) << 23;
	memcpy(&power, &bits, sizeof power);
	return p * power;
}

#endif
