/*
 * Orders: what a leased work tells its worker, read from the store.
 */
#ifndef FREEAL_COORDINATOR_ORDER_H
#define FREEAL_COORDINATOR_ORDER_H

#include "coordinator/coordinator.h"

/* One order under construction and what its pointers need to stay alive. */
struct order {
	Freeal__Work work;
	Freeal__WorkName name;
	union {
		Freeal__GenerateOrder generate;
		Freeal__AnnotateOrder annotate;
		Freeal__EmbedOrder embed;
		Freeal__TrainOrder train;
		Freeal__SelectOrder select;
		Freeal__RetrieveOrder retrieve;
		Freeal__PredictOrder predict;
		Freeal__AugmentOrder augment;
	};
	Freeal__SampleRecord *sample;
	Freeal__NearestRow *nearest;
	Freeal__Pool *pool;
	Freeal__SampleRecord **styles;
	size_t style_count;
	ProtobufCBinaryData *texts;
};

/* The order of work `index` of the phase. order_done also after an error. */
enum err order_make(struct coordinator *c, struct order *o, uint64_t index,
		    uint32_t attempt) WARN_UNUSED;
void order_done(struct order *o);

#endif
