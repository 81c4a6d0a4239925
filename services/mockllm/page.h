/* A page of a list, as the API gives lists of files and batches: youngest first. Pure. */
#ifndef FREEAL_MOCKLLM_PAGE_H
#define FREEAL_MOCKLLM_PAGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { PAGE_ITEMS_MAX = 100, PAGE_ITEMS_DEFAULT = 20 };

struct page {
	struct buf *out;
	size_t limit;
	const char *after; /* the items behind this id alone; NULL: from the first one */
	bool passed;	   /* that id was met */
	size_t count;
	char first[64];
	char last[64];
	bool has_more;
};

/* Begins the list's object. `limit` and `after` are the query's, or NULL. */
void page_begin(struct page *p, struct buf *out, const char *limit, const char *after);
/* Whether the item belongs to the page; the caller then appends its object. */
bool page_next(struct page *p, const char *id);
void page_end(struct page *p);

#endif
