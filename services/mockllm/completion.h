/* POST /v1/chat/completions. */
#ifndef FREEAL_MOCKLLM_COMPLETION_H
#define FREEAL_MOCKLLM_COMPLETION_H

#include "mockllm/api.h"

void completion_handle(struct api *api, const struct api_request *request, struct outcome *o);

#endif
