#include "trainer/encoder/encoder_state.h"

#include "base/memory.h"

size_t encoder_bytes(const struct encoder *e, const struct parameters *p,
		     const struct network_limits *limits)
{
	size_t bytes = network_bytes(p, limits, team_size(e->team), e->precision);
	if (limits->training) {
		bytes += optimizer_bytes(p, limits->frozen);
		/* The states of a batch from the cache. */
		if (limits->frozen > 0)
			bytes += limits->tokens_max * p->config.hidden * sizeof(float);
	}
	return bytes;
}

enum err encoder_bytes_check(const struct encoder *e, size_t bytes,
			     const struct network_limits *limits, struct err_msg *msg)
{
	const double gib = 1u << 30;
	uint64_t limit = memory_limit();
	if (bytes <= limit)
		return ERR_OK;
	if (!limits->training)
		return err_set(msg, ERR_LIMIT,
			       "%s needs %.1f GiB of memory and there are %.1f: take a smaller "
			       "checkpoint",
			       e->folder, (double)bytes / gib, (double)limit / gib);
	return err_set(msg, ERR_LIMIT,
		       "training %s needs %.1f GiB of memory and there are %.1f: a smaller "
		       "`batch` (its longest batch has %zu tokens), fewer `tokens` (now %u) or "
		       "more of its %u layers under `freeze` (now %u) help",
		       e->folder, (double)bytes / gib, (double)limit / gib, limits->tokens_max,
		       e->tokens_max, e->config.layers, e->frozen);
}

enum err encoder_needs(const struct encoder *e, size_t class_count,
		       const struct tune_config *config, struct encoder_needs *ret_needs,
		       struct err_msg *msg)
{
	struct parameters p;
	struct network_limits train = tune_limits(config, NULL, e->tokens_max, e->frozen);
	struct network_limits predict = tune_predict_limits(e->tokens_max);
	if (parameters_init(&p, &e->config, class_count))
		return err_set(msg, ERR_NO_MEMORY, "no memory for the encoder's parameters");
	*ret_needs = (struct encoder_needs){
	    .train_bytes = encoder_bytes(e, &p, &train),
	    .predict_bytes = encoder_bytes(e, &p, &predict),
	    .memory_bytes = (size_t)memory_limit(),
	};
	for (size_t i = 0; i < p.count; i++)
		ret_needs->parameter_count += p.list[i].rows * p.list[i].columns;
	parameters_done(&p);
	return ERR_OK;
}
