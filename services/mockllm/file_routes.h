/* POST, GET and DELETE of /v1/files and what is below it. */
#ifndef FREEAL_MOCKLLM_FILE_ROUTES_H
#define FREEAL_MOCKLLM_FILE_ROUTES_H

#include "mockllm/api.h"

void file_upload_handle(struct api *api, const struct api_request *request, struct outcome *o);
void file_list_handle(struct api *api, const struct api_request *request, struct outcome *o);
void file_get_handle(struct api *api, const struct api_request *request, struct outcome *o);
void file_content_handle(struct api *api, const struct api_request *request, struct outcome *o);
void file_delete_handle(struct api *api, const struct api_request *request, struct outcome *o);

#endif
