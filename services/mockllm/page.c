#include "mockllm/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void page_begin(struct page *p, struct buf *out, const char *limit, const char *after)
{
	unsigned long wanted = limit ? strtoul(limit, NULL, 10) : PAGE_ITEMS_DEFAULT;
	memset(p, 0, sizeof *p);
	p->out = out;
	p->limit = wanted < 1 ? 1 : wanted > PAGE_ITEMS_MAX ? PAGE_ITEMS_MAX : (size_t)wanted;
	p->after = after;
	p->passed = after == NULL;
	buf_add_str(out, "{\"object\":\"list\",\"data\":[");
}

bool page_next(struct page *p, const char *id)
{
	if (!p->passed) {
		p->passed = strcmp(p->after, id) == 0;
		return false;
	}
	if (p->count == p->limit) {
		p->has_more = true;
		return false;
	}
	if (p->count++ == 0)
		(void)snprintf(p->first, sizeof p->first, "%s", id);
	else
		buf_add_char(p->out, ',');
	(void)snprintf(p->last, sizeof p->last, "%s", id);
	return true;
}

void page_end(struct page *p)
{
	if (p->count > 0)
		buf_printf(p->out, "],\"first_id\":\"%s\",\"last_id\":\"%s\",\"has_more\":%s}",
			   p->first, p->last, p->has_more ? "true" : "false");
	else
		buf_add_str(p->out, "],\"first_id\":null,\"last_id\":null,\"has_more\":false}");
}
