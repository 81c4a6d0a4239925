#include "llm/client_url.h"

#include <stdio.h>
#include <string.h>

enum err client_url_write(const Freeal__Endpoint *endpoint, const char *path, char *ret_url,
			  size_t size)
{
	int written;
	if (!*endpoint->api_version)
		written = snprintf(ret_url, size, "%s%s", endpoint->url, path);
	else if (strstr(endpoint->url, "/openai/deployments/"))
		written = snprintf(ret_url, size, "%s%s?api-version=%s", endpoint->url, path,
				   endpoint->api_version);
	else
		written = snprintf(ret_url, size, "%s/openai/deployments/%s%s?api-version=%s",
				   endpoint->url, endpoint->model, path, endpoint->api_version);
	return written > 0 && (size_t)written < size ? ERR_OK : ERR_LIMIT;
}
