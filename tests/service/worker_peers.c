#include "worker_peers.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

uint64_t now(void)
{
	struct clock c = clock_system();
	return clock_mono_ms(&c);
}

pid_t process_start(char *const argv[])
{
	char path[512];
	(void)snprintf(path, sizeof path, "%s/%s", PROGRAMS, argv[0]);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execv(path, argv);
		_exit(127);
	}
	return pid;
}

int process_stop(pid_t *pid, int signal_number, uint32_t timeout_ms)
{
	(void)kill(*pid, signal_number);
	int status = 0;
	uint64_t end_ms = now() + timeout_ms;
	while (waitpid(*pid, &status, WNOHANG) == 0) {
		assert_true(now() < end_ms);
		(void)zmq_poll(NULL, 0, 5);
	}
	*pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void process_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

int folder_remove(const char *dir)
{
	char command[128];
	(void)snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

const char *welcome_project_id = "the first project";

Freeal__Model *welcome_model;

void welcome_send(struct socket *s, const struct peer_id *to, const char *selector)
{
	static char *names[CLASS_COUNT] = {"cars", "music", "nature"};
	Freeal__Label labels[CLASS_COUNT], *list[CLASS_COUNT];
	for (int c = 0; c < CLASS_COUNT; c++) {
		freeal__label__init(&labels[c]);
		labels[c].name = names[c];
		list[c] = &labels[c];
	}
	Freeal__Model model = FREEAL__MODEL__INIT;
	model.type = "ngram";
	model.recipe = "default";
	model.folds = FOLD_COUNT;
	Freeal__Project project = FREEAL__PROJECT__INIT;
	project.task = "test";
	project.labels = list;
	project.n_labels = CLASS_COUNT;
	project.model = welcome_model ? welcome_model : &model;
	project.seed = 1;
	project.id = (ProtobufCBinaryData){16, (uint8_t *)welcome_project_id};
	Freeal__Welcome welcome = FREEAL__WELCOME__INIT;
	welcome.project = &project;
	welcome.epoch = (ProtobufCBinaryData){16, (uint8_t *)"0123456789abcdef"};
	welcome.heartbeat_ms = 200;
	welcome.selector = (char *)selector;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &welcome;
	assert_int_equal(socket_send(s, to, &e), ERR_OK);
}

void lease_send(struct socket *s, const struct peer_id *to, Freeal__Work *work)
{
	work->ttr_ms = 10000;
	if (!work->attempt)
		work->attempt = 1;
	Freeal__Work *works[1] = {work};
	Freeal__Lease lease = FREEAL__LEASE__INIT;
	lease.works = works;
	lease.n_works = 1;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_LEASE;
	e.lease = &lease;
	assert_int_equal(socket_send(s, to, &e), ERR_OK);
}

Freeal__Result *result_take(struct socket *s, const struct peer_id *to,
			    const Freeal__Result *result)
{
	Freeal__WorkName *names[1] = {result->name};
	uint32_t attempts[1] = {result->attempt};
	Freeal__Ack ack = FREEAL__ACK__INIT;
	ack.names = names;
	ack.attempts = attempts;
	ack.n_names = ack.n_attempts = 1;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_ACK;
	e.ack = &ack;
	assert_int_equal(socket_send(s, to, &e), ERR_OK);
	Freeal__Result *copy = frame_message_copy(&result->base);
	assert_non_null(copy);
	return copy;
}
