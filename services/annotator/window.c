#include "annotator/window.h"

#include <assert.h>

#define SIZE_FIRST 32
#define EPOCH_ANSWERS_MIN 16
#define NEAR 1.5     /* of the floor: it grows */
#define FAR 2.0	     /* of the floor: it shrinks */
#define SHRINK 0.7   /* enough to be seen in the latency */
#define GROW 1.25    /* a try above the floor */
#define GAIN_MIN 0.3 /* of what growth could bring in answers */
#define HOLD_EPOCHS 8
#define MEAN_WEIGHT 0.05

static double clamp(const struct window *w, double size)
{
	return size < 1 ? 1 : size > w->max ? w->max : size;
}

static void epoch_begin(struct window *w)
{
	w->answers = w->in_flight_most = 0;
	w->sum_ms = 0;
}

static void size_set(struct window *w, double size, enum window_trial trial, double mean_ms,
		     uint64_t now_ms)
{
	size = clamp(w, size);
	if (size == w->size)
		trial = WINDOW_STEADY;
	w->size_before = w->size;
	w->mean_before_ms = mean_ms;
	w->size = size;
	w->trial = trial;
	w->changed_ms = now_ms;
}

void window_init(struct window *w, uint32_t max)
{
	assert(max > 0);
	*w = (struct window){.max = max, .doubling = true};
	w->size = clamp(w, SIZE_FIRST);
}

/* Whether the growth on trial brought too few more answers. */
static bool growth_failed(const struct window *w, double mean_ms)
{
	double could = w->size / w->size_before;
	double did = could * w->mean_before_ms / mean_ms;
	return did - 1 < GAIN_MIN * (could - 1);
}

/* Whether shrinking on trial left the latency about where it was. */
static bool shrinking_failed(const struct window *w, double mean_ms)
{
	return mean_ms > w->mean_before_ms * (2 + w->size / w->size_before) / 3;
}

static void grow(struct window *w, double mean_ms, uint64_t now_ms)
{
	double size = w->size;
	if (w->doubling)
		size *= 2;
	else if (mean_ms <= NEAR * w->floor_ms)
		size += size / 16 > 1 ? size / 16 : 1;
	else
		size = size * GROW > size + 1 ? size * GROW : size + 1;
	size_set(w, size, WINDOW_GREW, mean_ms, now_ms);
}

/* An epoch in which the window was full has ended. */
static void epoch_judge(struct window *w, double mean_ms, uint64_t now_ms)
{
	enum window_trial trial = w->trial;
	w->trial = WINDOW_STEADY;
	if (trial == WINDOW_SHRANK && shrinking_failed(w, mean_ms)) {
		w->floor_ms = mean_ms;
		size_set(w, w->size_before, WINDOW_STEADY, mean_ms, now_ms);
		return;
	}
	bool near = mean_ms <= NEAR * w->floor_ms;
	if (trial == WINDOW_GREW && !near && growth_failed(w, mean_ms)) {
		w->doubling = false;
		w->hold = HOLD_EPOCHS;
		size_set(w, w->size_before, WINDOW_STEADY, mean_ms, now_ms);
		return;
	}
	if (mean_ms > FAR * w->floor_ms) {
		w->doubling = false;
		w->hold = HOLD_EPOCHS;
		size_set(w, w->size * SHRINK, WINDOW_SHRANK, mean_ms, now_ms);
	} else if (near || w->hold == 0) {
		grow(w, mean_ms, now_ms);
	} else {
		w->hold--;
	}
}

void window_answer(struct window *w, uint32_t in_flight, uint64_t sent_ms, uint64_t now_ms)
{
	double latency_ms = now_ms > sent_ms ? (double)(now_ms - sent_ms) : 1;
	w->mean_ms += w->mean_ms > 0 ? MEAN_WEIGHT * (latency_ms - w->mean_ms) : latency_ms;
	if (sent_ms < w->changed_ms)
		return;
	if (in_flight > w->in_flight_most)
		w->in_flight_most = in_flight;
	w->answers++;
	w->sum_ms += latency_ms;
	double enough = w->size / 2;
	if (w->answers < EPOCH_ANSWERS_MIN || w->answers < enough)
		return;
	double mean_ms = w->sum_ms / w->answers;
	bool full = w->in_flight_most >= (uint32_t)w->size;
	epoch_begin(w);
	if (w->floor_ms <= 0 || mean_ms < w->floor_ms)
		w->floor_ms = mean_ms;
	/* Where less is asked than it allows, the latency says nothing about it. */
	if (full)
		epoch_judge(w, mean_ms, now_ms);
}

void window_cut(struct window *w, uint64_t now_ms)
{
	w->doubling = false;
	size_set(w, w->size / 2, WINDOW_STEADY, w->mean_ms, now_ms);
	epoch_begin(w);
}
