/*
 * Asking another of the project's programs something: it is run, and what it prints is read.
 */
#ifndef FREEAL_CLI_PROGRAM_H
#define FREEAL_CLI_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs argv[0], a path, and reads what it prints: standard error when `errors`, else standard
 * output; at most size - 1 bytes. False where it can't be run, ends by a signal, prints more, or
 * nothing for `patience_ms`: then it is killed.
 */
bool program_ask(const char *const *argv, bool errors, int patience_ms, char *ret_text, size_t size,
		 int *ret_code);

#endif
