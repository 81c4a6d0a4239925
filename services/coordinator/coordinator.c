#include "coordinator/coordinator.h"

#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/project.h"
#include "coordinator/kept.h"
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

struct store_txn *coordinator_txn(struct coordinator *c)
{
	if (!c->txn && !c->fatal) {
		enum err e = store_begin(c->store, true, &c->txn);
		if (e)
			coordinator_fatal(c, e, "begin");
	}
	return c->txn;
}

void coordinator_fatal(struct coordinator *c, enum err e, const char *what)
{
	if (c->fatal)
		return;
	c->fatal = e;
	log_error("fatal", "what=\"%s\" error=\"%s\"", what, err_str(e));
}

void coordinator_fail(struct coordinator *c, const char *reason)
{
	if (c->failed[0])
		return;
	(void)snprintf(c->failed, sizeof c->failed, "%s", reason);
	log_error("run_failed", "reason=\"%s\"", reason);
}

void coordinator_ack(struct coordinator *c, const struct peer_id *to, const Freeal__WorkName *name,
		     uint32_t attempt)
{
	if (c->ack_count == c->ack_capacity) {
		size_t capacity = c->ack_capacity ? 2 * c->ack_capacity : 256;
		struct ack *acks = realloc(c->acks, capacity * sizeof *acks);
		if (!acks)
			return; /* not acknowledged: it comes again */
		c->acks = acks;
		c->ack_capacity = capacity;
	}
	struct ack *a = &c->acks[c->ack_count++];
	a->to = *to;
	a->attempt = attempt;
	freeal__work_name__init(&a->name);
	a->name.kind = name->kind;
	a->name.round = name->round;
	a->name.item = name->item;
	a->name.slot = name->slot;
}

void coordinator_peer_forget(struct coordinator *c, uint32_t number)
{
	static_assert(PEER_COUNT_MAX == LEASE_NOBODY, "a number for nobody");
	lease_orphan(c->leases, number);
	holders_lose(c->holders, peer_get(c->peers, number)->epoch, c->now_ms + c->ttr_ms);
	grants_leave(c, peer_get(c->peers, number), false);
	peer_remove(c->peers, number);
}

void coordinator_model_path(const struct coordinator *c, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/model", c->project_dir);
	assert(n > 0 && (size_t)n < size);
}

const Freeal__RoundConfig *coordinator_round_config(const struct coordinator *c)
{
	return c->project->rounds[project_config_of(c->project, c->state.round)];
}

const Freeal__Endpoint *coordinator_endpoint_first(const struct coordinator *c)
{
	return c->project->endpoints[coordinator_round_config(c)->llm->endpoints[0]];
}

void coordinator_state_put(struct coordinator *c)
{
	budget_note(c);
	enum err e = meta_put(c->txn, "state", &c->state.base);
	if (!e)
		e = meta_put(c->txn, "counters", &c->counters.base);
	if (!e)
		e = meta_put(c->txn, "open", &c->round.base);
	if (e)
		coordinator_fatal(c, e, "state");
}

enum err coordinator_labels_reserve(struct coordinator *c, uint64_t count)
{
	if (count <= c->labels_capacity)
		return ERR_OK;
	uint64_t capacity = c->labels_capacity ? c->labels_capacity : 1024;
	while (capacity < count)
		capacity *= 2;
	int32_t *labels = realloc(c->labels, capacity * sizeof *labels);
	if (!labels)
		return ERR_NO_MEMORY;
	for (uint64_t i = c->labels_capacity; i < capacity; i++)
		labels[i] = LABEL_NONE;
	c->labels = labels;
	c->labels_capacity = capacity;
	return ERR_OK;
}

/* Reads a file of at most `size_max` bytes; NUL behind it. NULL: errno says why. */
static char *file_read(const char *path, size_t size_max, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *data = malloc(size_max + 1);
	size_t size = 0;
	ssize_t n = 1;
	while (data && size < size_max && (n = read(fd, data + size, size_max - size)) > 0)
		size += (size_t)n;
	(void)close(fd);
	if (!data || n < 0) {
		free(data);
		return NULL;
	}
	data[size] = '\0';
	*ret_size = size;
	return data;
}

/* Written beside, then renamed: there is all of it or what was there before. */
static enum err file_replace(const char *path, const char *data, size_t size)
{
	char fresh[1300];
	(void)snprintf(fresh, sizeof fresh, "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return ERR_IO;
	ssize_t n = write(fd, data, size);
	int synced = fsync(fd);
	(void)close(fd);
	crash_point("task_written");
	if (n != (ssize_t)size || synced != 0 || rename(fresh, path) != 0)
		return ERR_IO;
	crash_point("task_renamed");
	return ERR_OK;
}

/* A message is packed in one way alone. */
static bool message_equal(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t size = protobuf_c_message_get_packed_size(a);
	if (protobuf_c_message_get_packed_size(b) != size)
		return false;
	uint8_t *bytes = malloc(2 * size + 1);
	bool equal = bytes && protobuf_c_message_pack(a, bytes) == size &&
		     protobuf_c_message_pack(b, bytes + size) == size &&
		     memcmp(bytes, bytes + size, size) == 0;
	free(bytes);
	return equal;
}

/* Vectors of two models can't be compared. Keys, limits and prices may change. */
static bool embeddings_same(const Freeal__Embeddings *a, const Freeal__Embeddings *b)
{
	if (!a || !b)
		return !a == !b;
	return strcmp(a->endpoint->url, b->endpoint->url) == 0 &&
	       strcmp(a->endpoint->model, b->endpoint->model) == 0 &&
	       a->dimensions == b->dimensions;
}

/* Whoever writes them may change, as in rounds. */
static bool augment_same(const Freeal__Augment *a, const Freeal__Augment *b)
{
	return a && b ? strcmp(a->language, b->language) == 0 : !a == !b;
}

/* What may not change while a project lives; the message names the key. */
static enum err project_compare(const Freeal__Project *old, const Freeal__Project *fresh,
				struct err_msg *msg)
{
	const char *key = NULL;
	if (fresh->n_labels < old->n_labels)
		key = "labels (they may only grow at the end)";
	for (size_t i = 0; !key && i < old->n_labels; i++)
		if (strcmp(old->labels[i]->name, fresh->labels[i]->name) != 0)
			key = "labels (they may only grow at the end)";
	if (!key && strcmp(old->task, fresh->task) != 0)
		key = "task";
	if (!key && !message_equal(&old->model->base, &fresh->model->base))
		key = "model";
	if (!key && !embeddings_same(old->embeddings, fresh->embeddings))
		key = "embeddings (url, model, dimensions)";
	if (!key && !augment_same(old->augment, fresh->augment))
		key = "augment (its language)";
	if (!key && old->pool != fresh->pool)
		key = "pool";
	if (!key && old->seed != fresh->seed)
		key = "seed";
	if (!key)
		return ERR_OK;
	return err_set(msg, ERR_INVALID,
		       "the task file's %s differs from the project's; take another project "
		       "folder or undo the change",
		       key);
}

/* The task file given, or the project's copy of it. */
static enum err task_open(struct coordinator *c, const char *task_path, struct err_msg *msg)
{
	char copy[1200];
	(void)snprintf(copy, sizeof copy, "%s/task.yaml", c->project_dir);
	if (!task_path && access(copy, R_OK) != 0)
		return err_set(msg, ERR_INVALID, "%s is not a project: it has no task.yaml",
			       c->project_dir);
	enum err e = task_load(task_path ? task_path : copy, &c->task, msg);
	if (e)
		return e;
	c->project = project_from_task(c->task, 1);
	return c->project ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "out of memory");
}

/* Where the store says that it is a copy. */
static void copy_mark_path(const struct coordinator *c, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/coordinator/" PROJECT_COPY_MARK, c->project_dir);
}

/* The project's id: as stored, else a fresh one. */
static enum err id_set(Freeal__Project *fresh, const Freeal__Project *old)
{
	fresh->id.data = malloc(PROJECT_ID_BYTES);
	if (!fresh->id.data)
		return ERR_NO_MEMORY;
	fresh->id.len = PROJECT_ID_BYTES;
	if (old)
		memcpy(fresh->id.data, old->id.data, PROJECT_ID_BYTES);
	else if (getrandom(fresh->id.data, PROJECT_ID_BYTES, 0) != PROJECT_ID_BYTES)
		return ERR_IO;
	return ERR_OK;
}

static enum err project_put(struct coordinator *c, struct err_msg *msg)
{
	enum err e = meta_put(coordinator_txn(c), "project", &c->project->base);
	return e ? err_set(msg, e, "cannot store the project in %s", c->project_dir) : ERR_OK;
}

/* Compares with the stored project and stores this one; copies the task file. */
static enum err project_store(struct coordinator *c, const char *task_path, struct err_msg *msg)
{
	Freeal__Project *old = NULL;
	enum err e = meta_get(coordinator_txn(c), "project", &freeal__project__descriptor, &old);
	if (e && e != ERR_NOT_FOUND)
		return err_set(msg, e, "cannot read the project");
	char mark[1200];
	copy_mark_path(c, mark, sizeof mark);
	bool known = old && old->id.len == PROJECT_ID_BYTES && access(mark, F_OK) != 0;
	e = id_set(c->project, known ? old : NULL);
	if (e)
		(void)err_set(msg, e, "cannot make the project's id: %s", err_str(e));
	if (!e && old) {
		c->project->version = old->version + (task_path != NULL);
		e = project_compare(old, c->project, msg);
	}
	frame_message_free(old);
	if (e || (known && !task_path))
		return e;
	if (!task_path)
		return project_put(c, msg);
	char copy[1200];
	(void)snprintf(copy, sizeof copy, "%s/task.yaml", c->project_dir);
	size_t size;
	char *data = file_read(task_path, 16u << 20, &size);
	e = data ? file_replace(copy, data, size) : ERR_IO;
	free(data);
	return e ? err_set(msg, e, "cannot store the project in %s", c->project_dir)
		 : project_put(c, msg);
}

static enum err labels_load(struct coordinator *c)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = coordinator_labels_reserve(c, c->sample_count + 1);
	if (!e)
		e = store_cursor_open(coordinator_txn(c), TABLE_CHANGES, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		Freeal__ChangeRecord *change = frame_message_unpack(
		    &freeal__change_record__descriptor, value.data, value.size);
		if (!change || change->sample_no >= c->sample_count) {
			frame_message_free(change);
			e = ERR_CORRUPT;
			break;
		}
		crash_point("replay");
		c->labelled += c->labels[change->sample_no] == LABEL_NONE;
		c->labels[change->sample_no] = change->n_candidates ? LABEL_SET : change->class_id;
		frame_message_free(change);
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err holders_get(struct coordinator *c)
{
	Freeal__HoldersRecord *record;
	enum err e =
	    meta_get(coordinator_txn(c), "holders", &freeal__holders_record__descriptor, &record);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	holders_load(c->holders, record, c->now_ms + c->ttr_ms);
	frame_message_free(record);
	return ERR_OK;
}

static enum err state_load(struct coordinator *c)
{
	Freeal__StateRecord *state = NULL;
	Freeal__CounterRecord *counters = NULL;
	Freeal__RoundRecord *open = NULL;
	struct store_txn *txn = coordinator_txn(c);
	freeal__state_record__init(&c->state);
	freeal__counter_record__init(&c->counters);
	freeal__round_record__init(&c->round);
	freeal__usage__init(&c->usage);
	c->state.phase = FREEAL__PHASE__INGEST_PHASE;
	enum err e = meta_get(txn, "state", &freeal__state_record__descriptor, &state);
	if (!e) {
		c->state = *state;
		(void)snprintf(c->stop_reason, sizeof c->stop_reason, "%s", state->stop_reason);
		c->state.stop_reason = c->stop_reason;
		e = meta_get(txn, "counters", &freeal__counter_record__descriptor, &counters);
		if (!e)
			c->counters = *counters;
	}
	if (!e)
		e = meta_get(txn, "open", &freeal__round_record__descriptor, &open);
	if (!e) {
		c->round.asked = open->asked;
		c->round.answered = open->answered;
		c->round.unusable = open->unusable;
		c->round.changed = open->changed;
		if (open->usage)
			c->usage = *open->usage;
	}
	c->round.usage = &c->usage;
	frame_message_free(state);
	frame_message_free(counters);
	frame_message_free(open);
	if (e && e != ERR_NOT_FOUND)
		return e;
	e = batches_load(c->batches, txn, c->now_ms + c->ttr_ms);
	if (!e)
		e = kept_load(txn, c->task->cache ? c->task->cache_bytes_max : 0, &c->kept);
	if (!e)
		e = holders_get(c);
	if (!e)
		e = store_count(txn, TABLE_SAMPLES, &c->sample_count);
	return e ? e : labels_load(c);
}

static enum err bus_open(struct coordinator *c, const struct coordinator_config *config,
			 struct err_msg *msg)
{
	c->zmq = zmq_ctx_new();
	if (!c->zmq || getrandom(c->epoch, sizeof c->epoch, 0) != sizeof c->epoch)
		return err_set(msg, ERR_IO, "cannot start ZeroMQ");
	return socket_bind(c->zmq, config->endpoint, config->auth, &c->socket, msg);
}

/* A project folder that was made for nothing goes again. */
static void project_remove(const char *dir, const char *store_dir)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "owner.lock"};
	char path[1400];
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", store_dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(store_dir);
	(void)rmdir(dir);
}

static enum err project_open(struct coordinator *c, const struct coordinator_config *config,
			     struct err_msg *msg)
{
	char store_dir[1200];
	enum err e = task_open(c, config->task_path, msg);
	if (e)
		return e;
	bool made = mkdir(c->project_dir, 0700) == 0;
	if (!made && errno != EEXIST)
		return err_set(msg, ERR_IO, "cannot make %s: %s", c->project_dir, strerror(errno));
	(void)snprintf(store_dir, sizeof store_dir, "%s/coordinator", c->project_dir);
	e = tables_open(store_dir, &c->store, msg);
	if (!e)
		e = project_store(c, config->task_path, msg);
	if (!e) {
		e = state_load(c);
		if (e)
			(void)err_set(msg, e, "%s: cannot load its state: %s", store_dir,
				      err_str(e));
	}
	if (!e) {
		char mark[1200];
		e = store_commit(c->txn);
		c->txn = NULL;
		copy_mark_path(c, mark, sizeof mark);
		if (!e)
			(void)unlink(mark);
	}
	if (e && made) {
		store_abort(c->txn);
		c->txn = NULL;
		store_close(c->store);
		c->store = NULL;
		project_remove(c->project_dir, store_dir);
	}
	return e;
}

enum err coordinator_open(const struct coordinator_config *config, struct coordinator **ret_c,
			  struct err_msg *msg)
{
	if (strlen(config->project_dir) >= sizeof((struct coordinator *)0)->project_dir)
		return err_set(msg, ERR_INVALID, "the project's path is too long");
	struct coordinator *c = calloc(1, sizeof *c);
	if (!c)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	c->clock = clock_system();
	c->now_ms = clock_mono_ms(&c->clock);
	(void)pthread_mutex_init(&c->status_mutex, NULL);
	(void)snprintf(c->project_dir, sizeof c->project_dir, "%s", config->project_dir);
	(void)snprintf(c->selector_endpoint, sizeof c->selector_endpoint, "%s",
		       config->selector_endpoint ? config->selector_endpoint : "");
	c->ttr_ms = config->ttr_ms ? config->ttr_ms : LEASE_TTR_MS;
	c->leases = lease_table_new(c->ttr_ms);
	c->peers = peer_table_new();
	c->holders = holders_new();
	c->batches = batches_new();
	c->inbox = inbox_new();
	bool made = c->leases && c->peers && c->holders && c->batches && c->inbox;
	enum err e = made ? ERR_OK : ERR_NO_MEMORY;
	if (!e)
		e = project_open(c, config, msg);
	if (!e)
		e = budget_open(c);
	if (!e)
		e = grants_open(c);
	if (!e && config->endpoint)
		e = bus_open(c, config, msg);
	if (e) {
		coordinator_close(c);
		return e;
	}
	*ret_c = c;
	return ERR_OK;
}

void coordinator_close(struct coordinator *c)
{
	if (!c)
		return;
	if (c->leases)
		pull_drop(c);
	store_abort(c->txn);
	frame_message_free(c->pool);
	recalls_done(c);
	batches_free(c->batches);
	agenda_free(c->agenda);
	lease_table_free(c->leases);
	peer_table_free(c->peers);
	holders_free(c->holders);
	reserve_free(c->reserve);
	grants_close(c);
	inbox_free(c->inbox);
	socket_free(c->socket);
	if (c->zmq)
		(void)zmq_ctx_term(c->zmq);
	store_close(c->store);
	if (c->project)
		freeal__project__free_unpacked(c->project, NULL);
	task_free(c->task);
	free(c->labels);
	free(c->acks);
	free(c->status_json);
	(void)pthread_mutex_destroy(&c->status_mutex);
	free(c);
}
