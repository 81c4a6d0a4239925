/*
 * A new clean set for the training under way: asked by the job's thread, answered by
 * the loop, which sends the losses to the selector and pulls what it makes of them.
 */
#ifndef FREEAL_TRAINER_REFIT_H
#define FREEAL_TRAINER_REFIT_H

#include "trainer/outbox.h"
#include "trainer/selection.h"

#include <stdatomic.h>
#include <stdint.h>

struct refit;

/* `wake_fd` is an eventfd that the loop polls; borrowed. */
enum err refit_new(int wake_fd, struct refit **ret_refit) WARN_UNUSED;
void refit_free(struct refit *r);

/* On the job's thread: hands over the losses (taken in any case) and waits for the
 * answer. ERR_CANCELLED: `cancel` was set meanwhile. */
enum err refit_ask(struct refit *r, struct outbox_stream *losses, uint32_t epoch,
		   const atomic_bool *cancel, struct selection **ret_selection,
		   struct err_msg *msg) WARN_UNUSED;

/* On the loop: the losses that wait to be sent, which are the caller's now; NULL: none. */
struct outbox_stream *refit_take(struct refit *r, uint32_t *ret_epoch);
/* Answers with a selection, which it takes, or with an error. */
void refit_answer(struct refit *r, struct selection *selection, enum err error, const char *reason);

#endif
