/* POST /v1/chat/completions, and the same as a line of a batch. */
#ifndef FREEAL_MOCKLLM_COMPLETION_H
#define FREEAL_MOCKLLM_COMPLETION_H

#include "mockllm/api.h"

void completion_handle(struct api *api, const struct api_request *request, struct outcome *o);

/* Without limits, records and a count as in flight; `url` is the line's. */
void completion_line(struct api *api, const char *url, struct chat_text body, struct outcome *o);

#endif
