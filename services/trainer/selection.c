#include "trainer/selection.h"

#include <stdlib.h>

enum err selection_new(size_t count, struct selection **ret_selection)
{
	struct selection *s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NO_MEMORY;
	size_t n = count ? count : 1;
	s->count = count;
	s->clean = calloc(n, sizeof *s->clean);
	s->overrule = calloc(n, sizeof *s->overrule);
	s->slm_labels = calloc(n, sizeof *s->slm_labels);
	s->class_ids = calloc(n, sizeof *s->class_ids);
	if (!s->clean || !s->overrule || !s->slm_labels || !s->class_ids) {
		selection_free(s);
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		s->slm_labels[i] = s->class_ids[i] = -1;
	*ret_selection = s;
	return ERR_OK;
}

void selection_free(struct selection *s)
{
	if (!s)
		return;
	free(s->clean);
	free(s->overrule);
	free(s->slm_labels);
	free(s->class_ids);
	free(s);
}

void selection_add(struct selection *s, const Freeal__SelectionChunk *chunk)
{
	for (size_t i = 0; i < chunk->n_rows; i++) {
		const Freeal__SelectionRow *row = chunk->rows[i];
		if (row->sample_no >= s->count)
			continue;
		s->clean[row->sample_no] = row->clean != 0;
		s->overrule[row->sample_no] = row->overrule != 0;
		s->slm_labels[row->sample_no] = row->slm_label;
		s->class_ids[row->sample_no] = row->class_id;
		s->row_count++;
	}
}
