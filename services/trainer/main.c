/* freeal-trainer: trains the small model, embeds and predicts for a coordinator; or
 * serves a trained model to `freeal predict`. */
#include "base/processors.h"
#include "config/project.h"
#include "config/service.h"
#include "config/task.h"
#include "store/audit.h"
#include "trainer/audit.h"
#include "trainer/describe.h"
#include "trainer/encoder/ranks.h"
#include "trainer/loop.h"
#include "trainer/plan.h"
#include "trainer/serve.h"

#include <curl/curl.h>

#include <signal.h>

#define THREADS_MAX 256

struct config {
	struct service service;
	const char *coordinator, *data, *serve, *bind, *check, *describe;
	bool audit;
	int64_t threads; /* 0: as many as there are processors */
	int64_t samples;
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
	     .env = "FREEAL_TRAINER_DATA",
	     .type = OPTION_STRING,
	     .value = &c->data,
	     .arg = "DIR",
	     .help = "where copies of the training set are kept; replicas may share it"},
	    {.name = "threads",
	     .env = "FREEAL_THREADS",
	     .type = OPTION_INT,
	     .value = &c->threads,
	     .min = 0,
	     .max = THREADS_MAX,
	     .arg = "N",
	     .help = "threads of a training; 0: one per processor that it may use"},
	    {.name = "serve",
	     .type = OPTION_STRING,
	     .value = &c->serve,
	     .arg = "MODEL_DIR",
	     .help = "answer predict requests from this model instead of training"},
	    {.name = "bind",
	     .env = "FREEAL_BIND",
	     .type = OPTION_STRING,
	     .value = &c->bind,
	     .arg = "ENDPOINT",
	     .help = "with --serve: where to listen"},
	    {.name = "audit",
	     .type = OPTION_FLAG,
	     .value = &c->audit,
	     .help = "check a stopped trainer's --data, or the model to --serve, and exit: 0 good, "
		     "1 not"},
	    {.name = "check",
	     .type = OPTION_STRING,
	     .value = &c->check,
	     .arg = "TASK.yaml",
	     .help = "check whether the task file's model can be trained here, and exit: 0 it can, "
		     "2 not"},
	    {.name = "describe",
	     .type = OPTION_STRING,
	     .value = &c->describe,
	     .arg = "MODEL_DIR",
	     .help = "print what a checkpoint or a model is and needs, and exit: 0 it can be "
		     "trained here, 1 not, 2 none that we know"},
	    {.name = "samples",
	     .type = OPTION_INT,
	     .value = &c->samples,
	     .min = 1,
	     .max = 1000000000,
	     .arg = "N",
	     .help = "with --describe: tell times for so many"},
	    SERVICE_OPTIONS(&c->service),
	};
	enum err e = service_parse(&c->service, entries, sizeof entries / sizeof *entries, argc,
				   argv, ret_done, msg);
	if (e || *ret_done)
		return e;
	if (c->check || c->describe)
		return ERR_OK;
	if (c->audit)
		return c->data || c->serve
			   ? ERR_OK
			   : err_set(msg, ERR_INVALID, "--audit needs --data or --serve");
	if (c->serve && !c->bind)
		return err_set(msg, ERR_INVALID, "--serve needs --bind");
	if (!c->serve && (!c->coordinator || !c->data))
		return err_set(msg, ERR_INVALID, "--coordinator and --data are required");
	return ERR_OK;
}

static int64_t threads_default(void)
{
	uint32_t count = processors_available();
	return count > THREADS_MAX ? THREADS_MAX : count;
}

static int audit(const struct config *c)
{
	struct err_msg msg = {{0}};
	bool good = false;
	audit_guard(c->service.name, c->serve ? c->serve : c->data);
	/* The environment may name data that is not meant. */
	enum err e = trainer_audit(c->serve ? NULL : c->data, c->serve, stdout, &good, &msg);
	return e || good ? service_end(&c->service, e, &msg) : EXIT_CODE_FAILED;
}

static int check(const struct config *c)
{
	struct err_msg msg = {{0}};
	struct task *task;
	enum err e = task_load(c->check, &task, &msg);
	if (e)
		return service_end(&c->service, e, &msg);
	Freeal__Project *project = project_from_task(task, 1);
	task_free(task);
	if (!project)
		return service_end(&c->service, err_set(&msg, ERR_NO_MEMORY, "no memory"), &msg);
	e = plan_check(project, (uint32_t)c->threads, &msg);
	freeal__project__free_unpacked(project, NULL);
	/* Whatever is wrong, the user has to mend it. */
	return service_end(&c->service, e ? ERR_INVALID : ERR_OK, &msg);
}

static int describe(const struct config *c)
{
	struct err_msg msg = {{0}};
	bool good = false;
	enum err e = describe_folder(c->describe, (uint64_t)c->samples, (uint32_t)c->threads,
				     stdout, &good, &msg);
	if (e)
		return service_end(&c->service, ERR_INVALID, &msg);
	return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

/* A rank of an MPI job that rank 0 directs. It ends when that does: mpirun passes signals on to
 * both. */
static int follow(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	ranks_follow();
	ranks_stop();
	return EXIT_CODE_OK;
}

int main(int argc, char **argv)
{
	struct config c = {
	    .service = SERVICE_INIT("freeal-trainer", "trains the small model for a coordinator"),
	    .samples = 10000,
	};
	struct err_msg msg = {0};
	bool done;
	size_t rank = 0;
	enum err e = config_parse(&c, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e && c.audit)
		return audit(&c);
	if (c.threads == 0)
		c.threads = threads_default();
	if (!e && c.check)
		return check(&c);
	if (!e && c.describe)
		return describe(&c);
	if (!e && !c.serve)
		e = ranks_start(&rank, &msg);
	if (!e && rank > 0)
		return follow();
	if (!e)
		e = service_start(&c.service, &msg);
	if (!e && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		e = err_set(&msg, ERR_NO_MEMORY, "can't set up an HTTP client");
	struct auth *auth = NULL;
	if (!e)
		e = auth_load(c.service.key, FREEAL__ROLE__TRAINER, &auth, &msg);
	struct loop_config loop = {.coordinator = c.coordinator,
				   .data = c.data,
				   .thread_count = (uint32_t)c.threads,
				   .auth = auth};
	if (!e)
		e = c.serve ? serve_run(c.serve, (uint32_t)c.threads, c.bind, auth, &msg)
			    : loop_run(&loop, &msg);
	auth_free(auth);
	ranks_stop();
	return service_end(&c.service, e, &msg);
}
