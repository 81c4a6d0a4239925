/*
 * report.json for people: what was labelled, by whom, in which rounds, at what
 * price, and how good it is where there are gold labels.
 *
 * What of the report is read; whatever is missing is left out:
 *
 *	{"task": "reviews", "samples": 100, "set_aside": 1, "stop_reason": "...",
 *	 "labels": [{"name": "positive", "samples": 60}, ...],
 *	 "sources": {"llm": 90, "slm": 10, "human": 0},
 *	 "rounds": [{"round": 0, "model": "gpt", "shots": 10, "asked": 100, "answered": 98,
 *	             "unusable": 2, "changed": 98, "clean": 60, "pool": 20}, ...],
 *	 "requests": 120, "tokens_in": 1000, "tokens_out": 200, "usd": 0.5, "seconds": 12.5,
 *	 "confidence": 0.9,
 *	 "gold": {"samples": 100, "accuracy": 0.9, "macro_f1": 0.89, "llm_accuracy": 0.8,
 *	          "slm_accuracy": 0.85, "clean_accuracy": 0.97, "calibration_error": 0.02}}
 */
#ifndef FREEAL_CLI_SUMMARY_H
#define FREEAL_CLI_SUMMARY_H

#include "base/buf.h"

#include <jansson.h>

void summary_write(const json_t *report, struct buf *out);

#endif
