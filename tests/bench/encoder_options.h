/*
 * The arguments NAME=VALUE of encoder_bench, and how a failed call ends it.
 */
#ifndef FREEAL_BENCH_ENCODER_OPTIONS_H
#define FREEAL_BENCH_ENCODER_OPTIONS_H

#include "base/err.h"
#include "trainer/encoder/gemm.h"
#include "trainer/encoder/tune.h"

/* Of the call whose result is checked. */
extern struct err_msg msg;

/* `list` ends with NULL and must outlive the options. */
void options_set(char **list);
/* NULL where it is not given. */
const char *option(const char *name);
/* Ends the program where it is not given. */
const char *needed(const char *name);
double number(const char *name, double otherwise);
/* precision=; otherwise the machine's best. */
enum precision precision_read(void);
/* Changes what is given. */
void config_read(struct tune_config *c);
/* Ends the program with `msg`, or with the error's own words. */
void check(enum err e);

#endif
