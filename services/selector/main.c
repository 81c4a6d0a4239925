/* freeal-selector: splits clean from noisy labels, picks demonstrations, and finds each
 * sample's nearest ones, for a coordinator. */
#include "config/service.h"
#include "selector/audit.h"
#include "selector/loop.h"
#include "store/audit.h"

#include <cblas.h>

struct config {
	struct service service;
	const char *coordinator, *data, *bind;
	bool audit;
};

static enum err config_parse(struct config *c, int argc, char **argv, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "coordinator",
	     .env = "FREEAL_COORDINATOR",
	     .type = OPTION_STRING,
	     .value = &c->coordinator,
	     .arg = "ENDPOINT",
	     .help = "the coordinator's bus"},
	    {.name = "data",
	     .env = "FREEAL_SELECTOR_DATA",
	     .type = OPTION_STRING,
	     .value = &c->data,
	     .arg = "DIR",
	     .help = "where embeddings and out-of-fold rows are kept"},
	    {.name = "bind",
	     .env = "FREEAL_BIND",
	     .type = OPTION_STRING,
	     .value = &c->bind,
	     .arg = "ENDPOINT",
	     .help = "where trainers connect to"},
	    {.name = "audit",
	     .type = OPTION_FLAG,
	     .value = &c->audit,
	     .help = "check the stopped selector's --data and exit: 0 good, 1 not"},
	    SERVICE_OPTIONS(&c->service),
	};
	enum err e = service_parse(&c->service, entries, sizeof entries / sizeof *entries, argc,
				   argv, ret_done, msg);
	if (e || *ret_done)
		return e;
	if (c->audit && !c->data)
		return err_set(msg, ERR_INVALID, "--audit needs --data");
	if (!c->audit && (!c->coordinator || !c->data || !c->bind))
		return err_set(msg, ERR_INVALID, "--coordinator, --data and --bind are required");
	return ERR_OK;
}

static int audit(const struct config *c)
{
	struct err_msg msg = {{0}};
	bool good = false;
	audit_guard(c->service.name, c->data);
	enum err e = selector_audit(c->data, stdout, &good, &msg);
	return e || good ? service_end(&c->service, e, &msg) : EXIT_CODE_FAILED;
}

int main(int argc, char **argv)
{
	struct config c = {
	    .service = SERVICE_INIT("freeal-selector",
				    "decides which labels are clean, for a coordinator"),
	};
	struct err_msg msg = {0};
	bool done;
	enum err e = config_parse(&c, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e && c.audit)
		return audit(&c);
	if (!e)
		e = service_start(&c.service, &msg);
	/* The products are small, and one thread gives the same sums on every machine. */
	openblas_set_num_threads(1);
	struct auth *auth = NULL;
	if (!e)
		e = auth_load(c.service.key, FREEAL__ROLE__SELECTOR, &auth, &msg);
	struct loop_config loop = {
	    .coordinator = c.coordinator, .data = c.data, .bind = c.bind, .auth = auth};
	if (!e)
		e = loop_run(&loop, &msg);
	auth_free(auth);
	return service_end(&c.service, e, &msg);
}
