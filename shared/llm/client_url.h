/*
 * Where an endpoint's requests go. Pure.
 */
#ifndef FREEAL_LLM_CLIENT_URL_H
#define FREEAL_LLM_CLIENT_URL_H

#include "base/err.h"
#include "proto/project.pb-c.h"

#include <stddef.h>

/*
 * The URL of `path`, such as "/chat/completions", at an endpoint. With an api_version (Azure)
 * the deployment is the model's name, put in where `url` does not end in one:
 * URL/openai/deployments/MODEL/PATH?api-version=VERSION. ERR_LIMIT.
 */
WARN_UNUSED enum err client_url_write(const Freeal__Endpoint *endpoint, const char *path,
				      char *ret_url, size_t size);

#endif
