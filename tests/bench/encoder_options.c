#include "encoder_options.h"

#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **arguments;
struct err_msg msg;

void options_set(char **list)
{
	arguments = list;
}

const char *option(const char *name)
{
	size_t size = strlen(name);
	for (char **a = arguments; *a; a++)
		if (strncmp(*a, name, size) == 0 && (*a)[size] == '=')
			return *a + size + 1;
	return NULL;
}

const char *needed(const char *name)
{
	const char *value = option(name);
	if (!value)
		fprintf(stderr, "encoder_bench: %s= is missing\n", name);
	if (!value)
		exit(2);
	return value;
}

double number(const char *name, double otherwise)
{
	const char *value = option(name);
	return value ? strtod(value, NULL) : otherwise;
}

void check(enum err e)
{
	if (e)
		die(msg.text[0] ? msg.text : err_str(e));
}

enum precision precision_read(void)
{
	const char *name = option("precision");
	if (!name)
		return gemm_precision_best();
	return strcmp(name, "bf16") == 0 ? PRECISION_BF16 : PRECISION_FP32;
}

void config_read(struct tune_config *c)
{
	const char *views = option("views");
	c->epochs = (uint32_t)number("epochs", c->epochs);
	c->batch_rows = (uint32_t)number("batch", c->batch_rows);
	c->rate = number("rate", c->rate);
	c->rate_warmup = number("rate_warmup", c->rate_warmup);
	c->mixup = number("mixup", c->mixup) > 0;
	c->consistency = number("consistency", c->consistency) > 0;
	if (views)
		c->views = views[0] == 'a'		 ? TUNE_VIEWS_ALL
			   : strcmp(views, "noisy") == 0 ? TUNE_VIEWS_NOISY
							 : TUNE_VIEWS_NONE;
	c->robust.noisy_weight = number("noisy_weight", c->robust.noisy_weight);
	c->robust.warmup_share = number("warmup", c->robust.warmup_share);
	c->robust.ramp_share = number("ramp", c->robust.ramp_share);
	c->robust.flatten = number("flatten", c->robust.flatten) > 0;
	c->robust.seed = (uint64_t)number("seed", 1);
}
