#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static enum err output_error(const struct output *o, struct err_msg *msg)
{
	enum err e = errno == ENOSPC ? ERR_FULL : ERR_IO;
	return err_set(msg, e, "cannot write %s: %s",
		       o->path.text[0] ? o->path.text : "to standard output", strerror(errno));
}

enum err output_open(struct output *o, const char *path, struct err_msg *msg)
{
	*o = (struct output){0};
	if (!path || strcmp(path, "-") == 0) {
		o->file = stdout;
		return ERR_OK;
	}
	enum err e = path_set(&o->path, msg, "%s", path);
	if (!e)
		e = path_set(&o->temp, msg, "%s.%ld.tmp", path, (long)getpid());
	if (e)
		return e;
	o->file = fopen(o->temp.text, "we");
	return o->file ? ERR_OK : output_error(o, msg);
}

enum err output_commit(struct output *o, struct err_msg *msg)
{
	bool failed = fflush(o->file) != 0 || ferror(o->file);
	if (!o->path.text[0]) {
		o->file = NULL;
		return failed ? output_error(o, msg) : ERR_OK;
	}
	failed = failed || fsync(fileno(o->file)) != 0;
	enum err e = failed ? output_error(o, msg) : ERR_OK;
	if (!e && rename(o->temp.text, o->path.text) != 0)
		e = output_error(o, msg);
	if (e) {
		output_discard(o);
		return e;
	}
	(void)fclose(o->file);
	o->file = NULL;
	return ERR_OK;
}

void output_discard(struct output *o)
{
	if (o->file && o->path.text[0]) {
		(void)fclose(o->file);
		(void)unlink(o->temp.text);
	}
	o->file = NULL;
}

enum err output_data(void *context, const void *data, size_t size, struct err_msg *msg)
{
	struct output *o = context;
	return fwrite(data, 1, size, o->file) == size ? ERR_OK : output_error(o, msg);
}
