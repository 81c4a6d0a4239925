/* libs: wire base proto freeal-trainer trainer_peers.c worker_peers.c */
#include "trainer_peers.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

static uint32_t argmax(const float *row)
{
	uint32_t best = 0;
	for (uint32_t c = 1; c < CLASS_COUNT; c++) {
		if (row[c] > row[best])
			best = c;
	}
	return best;
}

static void test_a_round_and_the_final_model(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	wait_for(p, &p->selector.hello_count, 1);

	embed_lease(p, 0);
	const Freeal__Result *result = wait_result(p);
	assert_int_equal(result->body_case, FREEAL__RESULT__BODY_EMBED);
	assert_true(result->embed->dimensions > 0);
	assert_int_equal(p->vector_count, SAMPLE_COUNT);
	embed_lease(p, 1);
	(void)wait_result(p);
	assert_int_equal(p->vector_count, 2);

	/* It asks for one fold at a time and leaves the others to its replicas. */
	wait_for(p, &p->credit, 1);
	assert_int_equal(p->credit, 1);
	train_lease(p, 0, 1);
	train_lease(p, 1, 1);
	wait_for(p, &p->result_count, 4);
	train_lease(p, 2, 1);
	wait_for(p, &p->result_count, 5);
	size_t right = 0;
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		assert_int_equal(p->oof_count[i], 1);
		float sum = 0;
		for (size_t c = 0; c < CLASS_COUNT; c++)
			sum += p->probabilities[i][c];
		assert_true(fabsf(sum - 1) < 1e-4f);
		right += (int32_t)argmax(p->probabilities[i]) == p->gold[i];
	}
	assert_true(right > SAMPLE_COUNT * 9 / 10);
	for (size_t i = 2; i < 5; i++) {
		assert_string_equal(p->results[i]->error, "");
		assert_true(p->results[i]->train->row_count > SAMPLE_COUNT / 2);
		assert_true(p->results[i]->train->loss > 0);
	}

	train_lease(p, FOLD_COUNT, 1);
	result = wait_result(p);
	assert_true(result->train->model_bytes > 0);
	model_pull(p);

	predict_lease(p, 100, 300);
	result = wait_result(p);
	assert_int_equal(result->body_case, FREEAL__RESULT__BODY_PREDICT);
	assert_int_equal(result->predict->n_class_ids, 200);
	assert_int_equal(result->predict->n_probabilities, 200);
	right = 0;
	for (size_t i = 0; i < 200; i++)
		right += result->predict->class_ids[i] == p->gold[100 + i];
	assert_true(right > 180);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* Starts the trainer on the pulled model and asks it. */
/* Of each set the likeliest class is judged, by a model that has not seen the sample. */
static void test_candidate_sets(void **state)
{
	struct peers *p = *state;
	p->sets = true;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	wait_for(p, &p->selector.hello_count, 1);
	for (uint32_t fold = 0; fold < FOLD_COUNT; fold++)
		train_lease(p, fold, 1);
	wait_for(p, &p->result_count, FOLD_COUNT);
	for (size_t i = 0; i < SAMPLE_COUNT; i++)
		assert_int_equal(p->oof_count[i], 1);
	assert_true(p->sets_right > SAMPLE_COUNT / 3 * 9 / 10);
	train_lease(p, FOLD_COUNT, 1);
	const Freeal__Result *result = wait_result(p);
	/* All but the ones that are missing, which no set stands for. */
	uint64_t labelled = 0;
	for (size_t i = 0; i < SAMPLE_COUNT; i++)
		labelled += i % 3 == 0 || p->labels[i] >= 0;
	assert_int_equal(result->train->row_count, labelled);
}

static void serve_ask(struct peers *p, const char *endpoint)
{
	struct socket *s;
	struct err_msg msg;
	assert_int_equal(
	    socket_connect(p->zmq, endpoint, NULL, FREEAL__ROLE__COORDINATOR, &s, &msg), ERR_OK);
	ProtobufCBinaryData texts[2] = {{15, (uint8_t *)"the brake motor"},
					{16, (uint8_t *)"some tenor opera"}};
	Freeal__PredictRequest request = FREEAL__PREDICT_REQUEST__INIT;
	request.texts = texts;
	request.n_texts = 2;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_PREDICT_REQUEST;
	e.predict_request = &request;
	struct peer_id from;
	struct frame *frame = NULL;
	uint64_t end_ms = now() + 10000;
	while (socket_send(s, NULL, &e) == ERR_AGAIN) {
		assert_true(now() < end_ms);
		(void)zmq_poll(NULL, 0, 5);
	}
	while (socket_receive(s, &from, &frame, &msg) != ERR_OK) {
		assert_true(now() < end_ms);
		(void)zmq_poll(NULL, 0, 5);
	}
	const Freeal__Envelope *answer = frame_envelope(frame);
	assert_int_equal(answer->body_case, FREEAL__ENVELOPE__BODY_PREDICT_REPLY);
	const Freeal__PredictReply *reply = answer->predict_reply;
	assert_string_equal(reply->error, "");
	assert_int_equal(reply->n_class_ids, 2);
	assert_int_equal(reply->class_ids[0], 0);
	assert_int_equal(reply->class_ids[1], 1);
	assert_int_equal(reply->n_probabilities, 2 * CLASS_COUNT);
	assert_int_equal(reply->n_labels, CLASS_COUNT);
	assert_string_equal(reply->labels[2], "nature");
	frame_free(frame);
	socket_free(s);
}

static void test_pulled_model_is_served(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	(void)wait_result(p);
	model_pull(p);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);

	char endpoint[160];
	(void)snprintf(endpoint, sizeof endpoint, "ipc://%s/serve", p->dir);
	char *const argv[] = {"freeal-trainer", "--serve", p->model, "--bind", endpoint, NULL};
	trainer_start(p, argv);
	serve_ask(p, endpoint);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* Recipe "paper": the selector makes a new clean set of the losses of each epoch. */
static void test_clean_set_is_fitted_again(void **state)
{
	struct peers *p = *state;
	p->recipe = "paper";
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	(void)wait_result(p);
	assert_true(p->loss_stream_count > 1);
	assert_int_equal(p->stored_count, p->loss_stream_count);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* Killed between its offer and the pull: the next process does the fold again, from the
 * replica that it has. */
static void test_killed_trainer_does_it_again(void **state)
{
	struct peers *p = *state;
	p->store = false;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, 1, 1);
	wait_for(p, &p->offer_count, 1);
	assert_int_equal(trainer_stop(p, SIGKILL), -1);
	assert_int_equal(p->result_count, 0);

	p->store = true;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	train_lease(p, 1, 2);
	const Freeal__Result *result = wait_result(p);
	assert_int_equal(result->attempt, 2);
	assert_int_equal(p->stored_count, 1);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* The selector goes away with the stream half pulled and comes back as a new process. */
static void test_selector_restart(void **state)
{
	struct peers *p = *state;
	p->store = false;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, 0, 1);
	wait_for(p, &p->offer_count, 1);
	socket_free(p->selector.socket);
	struct err_msg msg;
	p->selector = (struct peer){0};
	p->pull = (struct stream_pull){0};
	assert_int_equal(socket_bind(p->zmq, p->selector_endpoint, NULL, &p->selector.socket, &msg),
			 ERR_OK);
	p->store = true;
	(void)wait_result(p);
	assert_int_equal(p->stored_count, 1);
	assert_true(p->selector.hello_count > 0);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* Stopped with one work running or offered and another waiting: it says that it leaves, so all
 * of its leases come back, and sends no result. */
static void test_stopping_returns_leases(void **state)
{
	struct peers *p = *state;
	p->store = false;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, 0, 1);
	embed_lease(p, 0);
	wait_for(p, &p->lease_renew_count, 1);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
	wait_for(p, &p->leaving_count, 1);
	assert_int_equal(p->result_count, 0);
}

/* A replica that did not train predicts with the model that the coordinator has. */
static void test_model_of_another_trainer(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	(void)wait_result(p);
	model_pull(p);
	predict_lease(p, 100, 300);
	const Freeal__Result *own = wait_result(p);
	assert_int_equal(p->model_request_count, 0);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);

	(void)strcat(p->data, "2");
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	predict_lease(p, 100, 300);
	const Freeal__Result *other = wait_result(p);
	assert_true(p->model_request_count > 0);
	assert_int_equal(other->predict->n_class_ids, 200);
	assert_memory_equal(own->predict->class_ids, other->predict->class_ids,
			    200 * sizeof(int32_t));
	assert_memory_equal(own->predict->probabilities, other->predict->probabilities,
			    200 * sizeof(float));

	/* It has it now; and another model than the one that was ordered is refused. */
	uint32_t requests = p->model_request_count;
	predict_lease(p, 0, 100);
	(void)wait_result(p);
	assert_int_equal(p->model_request_count, requests);
	p->model_checksum++;
	predict_lease(p, 0, 100);
	wait_for(p, &p->result_count, 5);
	assert_non_null(strstr(p->results[4]->error, "model"));
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* PREDICT is answered from the published model while a training waits for the selector. */
static void test_predict_while_training(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	(void)wait_result(p);
	model_pull(p);
	p->recipe = "paper";
	p->store = false;
	train_lease(p, FOLD_COUNT, 2);
	wait_for(p, &p->offer_count, 1);
	predict_lease(p, 0, 200);
	const Freeal__Result *result = wait_result(p);
	assert_int_equal(result->body_case, FREEAL__RESULT__BODY_PREDICT);

	/* A training that is cancelled makes room at once. */
	cancel_send(p, FREEAL__WORK_KIND__TRAIN, FOLD_COUNT);
	p->credit = 0;
	wait_for(p, &p->credit, 1);
	p->store = true;
	p->recipe = "default";
	train_lease(p, 1, 1);
	result = wait_result(p);
	assert_int_equal(result->name->item, 1);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* The coordinator's volume was removed, the trainer's kept. */
static void test_another_project(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, 0, 1);
	(void)wait_result(p);
	uint32_t requests = p->sample_request_count;
	assert_true(requests > 0);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);

	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	train_lease(p, 1, 1);
	(void)wait_result(p);
	assert_int_equal(p->sample_request_count, requests); /* all was here */

	/* First while it runs and holds a lease of the old project, then after a restart. */
	const char *id = welcome_project_id;
	p->store = false;
	train_lease(p, 2, 1);
	p->offer_count = 0;
	wait_for(p, &p->offer_count, 1);
	welcome_project_id = "the next project";
	trainer_welcome(p);
	p->store = true;
	train_lease(p, 0, 1);
	const Freeal__Result *result = wait_result(p);
	assert_int_equal(result->name->item, 0);
	assert_true(p->sample_request_count > requests);
	requests = p->sample_request_count;
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
	welcome_project_id = "the third project";
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 3);
	train_lease(p, 1, 1);
	(void)wait_result(p);
	assert_true(p->sample_request_count > requests);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
	welcome_project_id = id;
}

static bool slot_used(const struct peers *p, unsigned slot)
{
	char path[160];
	(void)snprintf(path, sizeof path, "%s/%u/data.mdb", p->data, slot);
	return access(path, F_OK) == 0;
}

/* Replicas on one folder take a slot each; one that is killed leaves its slot free. */
static void test_slots(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	assert_true(slot_used(p, 0) && !slot_used(p, 1));
	pid_t first = p->pid;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	assert_true(slot_used(p, 1) && !slot_used(p, 2));
	pid_t second = p->pid;
	assert_int_equal(process_stop(&first, SIGKILL, 2000), -1);
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 3);
	assert_false(slot_used(p, 2));
	assert_int_equal(process_stop(&second, SIGTERM, 2000), 0);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* An order that makes no sense is answered with an error, not with silence. */
static void test_impossible_order_is_an_error(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	predict_lease(p, 300, 200);
	wait_for(p, &p->result_count, 1);
	assert_non_null(strstr(p->results[0]->error, "300"));
	predict_lease(p, 0, 10);
	wait_for(p, &p->result_count, 2);
	assert_non_null(strstr(p->results[1]->error, "model"));
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_round_and_the_final_model),
	    TEST(test_candidate_sets),
	    TEST(test_pulled_model_is_served),
	    TEST(test_killed_trainer_does_it_again),
	    TEST(test_selector_restart),
	    TEST(test_stopping_returns_leases),
	    TEST(test_impossible_order_is_an_error),
	    TEST(test_clean_set_is_fitted_again),
	    TEST(test_model_of_another_trainer),
	    TEST(test_predict_while_training),
	    TEST(test_another_project),
	    TEST(test_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
