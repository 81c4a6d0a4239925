/*
 * POST and GET of /v1/batches and what is below it. A batch is `validating` when it is made,
 * `in_progress` when it is looked at next, and is done at the first look after its time.
 */
#ifndef FREEAL_MOCKLLM_BATCH_ROUTES_H
#define FREEAL_MOCKLLM_BATCH_ROUTES_H

#include "mockllm/api.h"

void batch_create_handle(struct api *api, const struct api_request *request, struct outcome *o);
void batch_list_handle(struct api *api, const struct api_request *request, struct outcome *o);
void batch_get_handle(struct api *api, const struct api_request *request, struct outcome *o);
void batch_cancel_handle(struct api *api, const struct api_request *request, struct outcome *o);

#endif
