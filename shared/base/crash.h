/*
 * Points at which a test kills the process, as a power switch would, or stops it: no handler
 * and no cleanup runs. In a build without -DCRASH_POINTS=ON nothing of them remains.
 *
 *   CRASH_AT=store_commit:3           dies at the third passage of store_commit
 *   CRASH_AT=store_commit:3,ack:1     dies at whichever comes first
 *   STOP_AT=job_start:1,job_start:2   stops there (SIGSTOP) until SIGCONT
 *   CRASH_LIST=FILE                   appends the name of each point passed, a line each
 */
#ifndef FREEAL_BASE_CRASH_H
#define FREEAL_BASE_CRASH_H

#ifdef CRASH_POINTS
/* Any thread may call it. `name` is a word, the same in all of the program. */
void crash_pass(const char *name);
#define crash_point(name) crash_pass(name)
#else
#define crash_point(name) ((void)0)
#endif

#endif
