#include "wire/work.h"

bool work_name_equal(const Freeal__WorkName *a, const Freeal__WorkName *b)
{
	return a->kind == b->kind && a->round == b->round && a->item == b->item &&
	       a->slot == b->slot;
}

const char *work_kind_name(Freeal__WorkKind kind)
{
	switch (kind) {
	case FREEAL__WORK_KIND__GENERATE:
		return "generate";
	case FREEAL__WORK_KIND__ANNOTATE:
		return "annotate";
	case FREEAL__WORK_KIND__EMBED:
		return "embed";
	case FREEAL__WORK_KIND__TRAIN:
		return "train";
	case FREEAL__WORK_KIND__SELECT:
		return "select";
	case FREEAL__WORK_KIND__RETRIEVE:
		return "retrieve";
	case FREEAL__WORK_KIND__PREDICT:
		return "predict";
	case FREEAL__WORK_KIND__AUGMENT:
		return "augment";
	default:
		return "unknown";
	}
}
