/*
 * The commands of encoder_bench that take the times of a network outside of an encoder, on texts
 * that are given as ids.
 */
#ifndef FREEAL_BENCH_ENCODER_TIMES_H
#define FREEAL_BENCH_ENCODER_TIMES_H

/* Steps of training on the lines as they come. */
void run_step(void);
/* Passes over all texts. */
void run_infer(void);
/* Epochs behind the warm-up, from one clean set to the next. */
void run_epoch(void);

#endif
