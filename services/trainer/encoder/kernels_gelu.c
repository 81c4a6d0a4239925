/* GELU with the error function, u * F(u), where F is the standard normal distribution's. */
#include "math/exponential.h"
#include "math/simd.h"
#include "trainer/encoder/kernels.h"
#include "trainer/encoder/kernels_row.h"

#include <math.h>

/*
 * F(u) to 2e-7; *ret_power = e^(-u^2 / 2). F(-a) = e^(-a^2 / 2) * r(1 / (1 + a / 4)) for a >= 0,
 * where the polynomial r is erfcx(a / sqrt 2) / 2 to a relative 1.2e-8 up to a = 13.3, from where
 * on the power is 0 (least squares, weighted until the largest error was least).
 */
ROW_INLINE float normal_below(float u, float *ret_power)
{
	float a = fabsf(u);
	float t = 1.0f / (1.0f + 0.25f * a);
	float r = 3.469188139e-02f;
	r = r * t - 2.002065778e-01f;
	r = r * t + 4.044471383e-01f;
	r = r * t - 3.460496664e-01f;
	r = r * t + 3.149614632e-01f;
	r = r * t - 2.602993138e-02f;
	r = r * t + 1.235355288e-01f;
	r = r * t + 9.439316392e-02f;
	r = r * t + 1.002813578e-01f;
	r = r * t - 2.436191062e-05f;
	float power = exponential(-0.5f * a * a);
	float sign = copysignf(1.0f, u);
	*ret_power = power;
	return 0.5f + 0.5f * sign - sign * (power * r);
}

ROW_INLINE void piece_gelu(const float *bias, size_t count, float *u, float *ret)
{
#pragma omp simd
	for (size_t j = 0; j < count; j++) {
		float power, x = u[j] + bias[j];
		u[j] = x;
		ret[j] = x * normal_below(x, &power);
	}
}

SIMD_FUSED_VERSIONS
void kernel_gelu(const float *bias, size_t rows, size_t columns, float *u, float *ret,
		 bf16 *ret_half)
{
	float piece[ROW_PIECE];
	for (size_t i = 0; i < rows; i++)
		for (size_t at = 0; at < columns; at += ROW_PIECE) {
			size_t count = row_piece(columns, at), here = i * columns + at;
			float *out = ret ? ret + here : piece;
			piece_gelu(bias + at, count, u + here, out);
			if (ret_half)
				row_half(out, count, ret_half + here);
		}
}

/* gelu'(u) = F(u) + u * F'(u). */
ROW_INLINE void piece_gelu_backward(const float *u, const float *dy, size_t count, float *dbias,
				    float *ret)
{
	const float root = 0.3989422804f; /* 1 / sqrt(2 pi) */
#pragma omp simd
	for (size_t j = 0; j < count; j++) {
		float power, below = normal_below(u[j], &power);
		float du = dy[j] * (below + u[j] * power * root);
		ret[j] = du;
		dbias[j] += du;
	}
}

SIMD_FUSED_VERSIONS
void kernel_gelu_backward(const float *u, const float *dy, size_t rows, size_t columns, float *ret,
			  bf16 *ret_half, float *dbias)
{
	float piece[ROW_PIECE];
	for (size_t i = 0; i < rows; i++)
		for (size_t at = 0; at < columns; at += ROW_PIECE) {
			size_t count = row_piece(columns, at), here = i * columns + at;
			float *out = ret ? ret + here : piece;
			piece_gelu_backward(u + here, dy + here, count, dbias + at, out);
			if (ret_half)
				row_half(out, count, ret_half + here);
		}
}
