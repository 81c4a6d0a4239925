/*
 * How many requests an endpoint has in flight at best: found by trying. Pure; time is an
 * argument.
 *
 * By Little's law the answers per second are the requests in flight over the latency, so
 * that latencies alone say whether more in flight bring more answers. The window grows
 * while the latency stays near the lowest that was seen, at first by doubling. Growth that
 * brings no more answers is taken back. Where the latency is far above the lowest, the
 * window shrinks, on trial: if that does not lower the latency, it was not the window's
 * fault, and the new latency counts as the lowest.
 */
#ifndef FREEAL_ANNOTATOR_WINDOW_H
#define FREEAL_ANNOTATOR_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum window_trial { WINDOW_STEADY, WINDOW_GREW, WINDOW_SHRANK };

struct window {
	uint32_t max;
	double size;	 /* 1 .. max */
	bool doubling;	 /* until the first sign of enough */
	double floor_ms; /* lowest mean latency; 0: none yet */
	double mean_ms;	 /* smoothed latency; 0: none yet */
	uint32_t hold;	 /* epochs without another try to grow above the floor */
	/* The change that is on trial, and what was before it. */
	enum window_trial trial;
	double size_before, mean_before_ms;
	uint64_t changed_ms; /* answers to what was sent before say nothing of the new size */
	/* The epoch: some answers at one size. */
	uint32_t answers, in_flight_most;
	double sum_ms;
};

void window_init(struct window *w, uint32_t max);
/* An answer came to a request of `sent_ms`, with `in_flight` under way before it, it included. */
void window_answer(struct window *w, uint32_t in_flight, uint64_t sent_ms, uint64_t now_ms);
/* The endpoint said that this is too much. */
void window_cut(struct window *w, uint64_t now_ms);

#endif
