/*
 * A trainer that serves a model, as a child process, and questions to it.
 */
#ifndef FREEAL_CLI_MODEL_SERVER_H
#define FREEAL_CLI_MODEL_SERVER_H

#include "base/err.h"
#include "wire/frame.h"

#include <stddef.h>

struct model_server;

enum err model_server_start(const char *model_folder, const char *log_level,
			    struct model_server **ret_server, struct err_msg *msg) WARN_UNUSED;
void model_server_stop(struct model_server *m);

/*
 * Asks for `count` texts and waits for the reply, which has been checked: `count` class ids,
 * each the number of a label, and count × labels probabilities. The frame is the
 * caller's, to be frame_free'd; the reply lives in it. Without texts the labels
 * alone are of interest.
 */
enum err model_server_ask(struct model_server *m, ProtobufCBinaryData *texts, size_t count,
			  struct frame **ret_frame, const Freeal__PredictReply **ret_reply,
			  struct err_msg *msg) WARN_UNUSED;

#endif
