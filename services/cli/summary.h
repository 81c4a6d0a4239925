/*
 * report.json for people: what was labelled, by whom, in which rounds, at what
 * price, and how good it is where there are gold labels.
 *
 * What of the report is read; whatever is missing is left out:
 *
 *	{"task": "reviews", "samples": 100, "set_aside": 1, "stop_reason": "...",
 *	 "labels": {"positive": 60, ...}, "sources": {"llm": 90, "slm": 10, "human": 0},
 *	 "confidence_mean": 0.9, "seconds": 12.5,
 *	 "rounds": [{"round": 0, "model": "gpt", "shots": 10, "asked": 100, "answered": 98,
 *	             "unusable": 2, "changed": 98, "clean": 60, "pool": 20}, ...],
 *	 "usage": {"requests": 120, "tokens_in": 1000, "tokens_out": 200, "usd": 0.5},
 *	 "gold": {"samples": 100, "accuracy": 0.9, "macro_f1": 0.89, "model_accuracy": 0.85,
 *	          "first_llm": {"samples": 98, "correct": 0.8}, "llm": ..., "filled": ...,
 *	          "clean": ..., "pool": ..., "calibration_error": 0.02}}
 */
#ifndef FREEAL_CLI_SUMMARY_H
#define FREEAL_CLI_SUMMARY_H

#include "base/buf.h"

#include <jansson.h>

void summary_write(const json_t *report, struct buf *out);

#endif
