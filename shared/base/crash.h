/*
 * Points at which a test kills the process, as a power switch would, or stops it: no handler
 * and no cleanup runs. In a build without -DCRASH_POINTS=ON nothing of them remains.
 *
 *   CRASH_AT=store_commit:3           dies at the third passage of store_commit
 *   CRASH_AT=store_commit:3,ack:1     dies at whichever comes first
 *   CRASH_DELAY_MS=50                 the thread stands still so long before, the others go on:
 *                                     what was said too early gets out
 *   STOP_AT=job_start:1,job_start:2   stops there (SIGSTOP) until SIGCONT
 *   CRASH_TEXT=words                  dies where it handles a text that has these words
 *   CRASH_LIST=FILE                   appends the name of each point passed, a line each
 */
#ifndef FREEAL_BASE_CRASH_H
#define FREEAL_BASE_CRASH_H

#include <stddef.h>

#ifdef CRASH_POINTS
/* Any thread may call it. `name` is a word, the same in all of the program. */
void crash_pass(const char *name);
#define crash_point(name) crash_pass(name)
void crash_pass_text(const void *text, size_t size);
#define crash_text(text, size) crash_pass_text(text, size)
#else
#define crash_point(name) ((void)0)
#define crash_text(text, size) ((void)0)
#endif

#endif
