#include "llm/prompt_pool.h"

#include "llm/prompt_user.h"
#include "text/utf8.h"

#include <assert.h>
#include <stdlib.h>

/* Escapes and templates on top of texts that the bus has carried in one message. */
#define POOL_BYTES_MAX (256u << 20)

struct prompt_pool {
	size_t count;
	struct buf messages; /* one behind the other */
	size_t *ends;
	uint32_t *classes;
};

static enum err messages_write(struct prompt_pool *p, const Freeal__Project *project,
			       const struct prompt_demonstration *demonstrations,
			       struct err_msg *msg)
{
	struct prompt_user user;
	enum err e = prompt_user_init(&user, project);
	if (e)
		return err_set(msg, e, "the demonstrations: %s", err_str(e));
	for (size_t i = 0; !e && i < p->count; i++) {
		const struct prompt_demonstration *d = &demonstrations[i];
		if (d->class_id >= project->n_labels)
			e = err_set(msg, ERR_INVALID, "demonstration %zu has no label", i);
		else if (!utf8_is_valid(d->text.data, d->text.size))
			e = err_set(msg, ERR_INVALID, "demonstration %zu is not UTF-8", i);
		if (e)
			break;
		buf_add_str(&p->messages, ",{\"role\":\"user\",\"content\":\"");
		prompt_user_add(&user, d->text.data, d->text.size, &p->messages);
		buf_add_str(&p->messages, "\"}");
		p->ends[i] = p->messages.size;
		p->classes[i] = d->class_id;
	}
	if (!e && buf_error(&p->messages))
		e = err_set(msg, buf_error(&p->messages), "the demonstrations: %s",
			    err_str(buf_error(&p->messages)));
	prompt_user_done(&user);
	return e;
}

enum err prompt_pool_new(const Freeal__Project *project,
			 const struct prompt_demonstration *demonstrations, size_t count,
			 struct prompt_pool **ret_pool, struct err_msg *msg)
{
	struct prompt_pool *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the demonstrations");
	p->count = count;
	buf_init(&p->messages, POOL_BYTES_MAX);
	p->ends = calloc(count + 1, sizeof *p->ends);
	p->classes = calloc(count + 1, sizeof *p->classes);
	enum err e = p->ends && p->classes
			 ? messages_write(p, project, demonstrations, msg)
			 : err_set(msg, ERR_NO_MEMORY, "no memory for the demonstrations");
	if (e) {
		prompt_pool_free(p);
		return e;
	}
	*ret_pool = p;
	return ERR_OK;
}

void prompt_pool_free(struct prompt_pool *p)
{
	if (!p)
		return;
	buf_done(&p->messages);
	free(p->ends);
	free(p->classes);
	free(p);
}

size_t prompt_pool_count(const struct prompt_pool *p)
{
	return p->count;
}

uint32_t prompt_pool_class(const struct prompt_pool *p, uint32_t number)
{
	assert(number < p->count);
	return p->classes[number];
}

void prompt_pool_add(const struct prompt_pool *p, uint32_t number, struct buf *out)
{
	assert(number < p->count);
	size_t from = number ? p->ends[number - 1] : 0;
	buf_add(out, p->messages.data + from, p->ends[number] - from);
}
