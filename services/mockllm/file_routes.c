#include "mockllm/file_routes.h"

#include "mockllm/multipart.h"
#include "mockllm/page.h"

#include <string.h>

void file_upload_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct multipart_field purpose;
	struct multipart_field content;
	enum err e = multipart_find(request->content_type, request->body, "purpose", &purpose);
	if (e || !chat_text_equal(purpose.value, chat_text_of("batch"))) {
		outcome_error(o, 400, "the form's field 'purpose' must be batch", "invalid_value",
			      "purpose");
		return;
	}
	e = multipart_find(request->content_type, request->body, "file", &content);
	if (e || content.value.size == 0) {
		outcome_error(o, 400, "the form's field 'file' must be a file with something in it",
			      "invalid_value", "file");
		return;
	}
	pthread_mutex_lock(&api->jobs_lock);
	const struct file *file = files_add(&api->files, content.filename, "batch", content.value,
					    clock_wall_ms(&api->clock) / 1000);
	if (file)
		files_write(&o->body, file);
	else
		outcome_error(o, 400, "no room for more files: delete some", "storage_limit", NULL);
	pthread_mutex_unlock(&api->jobs_lock);
}

void file_list_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct page page;
	pthread_mutex_lock(&api->jobs_lock);
	page_begin(&page, &o->body, request->limit, request->after);
	for (size_t i = api->files.count; i > 0; i--) {
		const struct file *file = &api->files.items[i - 1];
		if ((!request->purpose || strcmp(request->purpose, file->purpose) == 0) &&
		    page_next(&page, file->id))
			files_write(&o->body, file);
	}
	page_end(&page);
	pthread_mutex_unlock(&api->jobs_lock);
}

/* The file of the path, or NULL and a 404. The lock is held. */
static struct file *file_of(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct file *file = files_find(&api->files, request->id);
	if (!file)
		outcome_error(o, 404, "no such file", "not_found", "id");
	return file;
}

void file_get_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	pthread_mutex_lock(&api->jobs_lock);
	const struct file *file = file_of(api, request, o);
	if (file)
		files_write(&o->body, file);
	pthread_mutex_unlock(&api->jobs_lock);
}

void file_content_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	pthread_mutex_lock(&api->jobs_lock);
	const struct file *file = file_of(api, request, o);
	if (file) {
		o->content_type = "application/octet-stream";
		buf_add(&o->body, file->data.data, file->data.size);
	}
	pthread_mutex_unlock(&api->jobs_lock);
}

void file_delete_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	pthread_mutex_lock(&api->jobs_lock);
	struct file *file = file_of(api, request, o);
	if (file) {
		buf_printf(&o->body, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}",
			   file->id);
		files_delete(&api->files, file);
	}
	pthread_mutex_unlock(&api->jobs_lock);
}
