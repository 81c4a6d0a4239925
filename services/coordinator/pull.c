/*
 * Streams pulled from workers behind a result: selection and nearest rows, the model's
 * files. The result counts with the last chunk, in the same transaction.
 */
#include "base/crash.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "wire/frame.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void pull_drop(struct coordinator *c)
{
	if (c->pending.result)
		freeal__result__free_unpacked(c->pending.result, NULL);
	c->pending = (struct pending_pull){0};
	if (c->model_fd >= 0)
		(void)close(c->model_fd);
	c->model_fd = -1;
}

/* PROJECT/model.new, put in the place of PROJECT/model with the last chunk. */
static bool model_path(const struct coordinator *c, char *path, size_t size, const char *folder,
		       const char *name)
{
	int n = snprintf(path, size, "%s/%s%s%s", c->project_dir, folder, name ? "/" : "",
			 name ? name : "");
	return n > 0 && (size_t)n < size;
}

/* Removes the folder and the files in it, as far as they are there. */
static void folder_remove(const char *path)
{
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));)
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(path);
}

void pull_begin(struct coordinator *c, uint32_t peer, uint64_t index, const Freeal__Result *result)
{
	const struct peer *p = peer_get(c->peers, peer);
	if (c->pending.result && peer_id_equal(&c->pending.from, &p->id))
		return; /* sent again; the pull goes on */
	pull_drop(c);
	size_t packed_bytes;
	c->pending.result = frame_result_copy(result, &packed_bytes);
	if (!c->pending.result) {
		coordinator_fatal(c, ERR_NO_MEMORY, "pull");
		return;
	}
	c->pending.from = p->id;
	c->pending.index = index;
	/* The lease is over; the worker keeps its result until it is acknowledged. */
	lease_renew(c->leases, index, peer, c->now_ms);
	char name[STREAM_NAME_BYTES_MAX] = "model", fresh[1400];
	if (c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE &&
	    model_path(c, fresh, sizeof fresh, "model.new", NULL))
		folder_remove(fresh); /* what an earlier pull left */
	if (c->state.phase == FREEAL__PHASE__SELECT_PHASE)
		(void)snprintf(name, sizeof name, "selection/%u", c->state.round);
	else if (c->state.phase == FREEAL__PHASE__RETRIEVE_PHASE)
		(void)snprintf(name, sizeof name, "nearest/%u", c->state.round);
	stream_pull_begin(&c->pending.pull, c->socket, &p->id, name, 0, c->now_ms);
}

static enum err selection_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	Freeal__SelectionChunk *chunk =
	    frame_message_unpack(&freeal__selection_chunk__descriptor, body->data, body->len);
	if (!chunk)
		return ERR_PROTOCOL;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < chunk->n_rows; i++) {
		const Freeal__SelectionRow *row = chunk->rows[i];
		bool valid = row->sample_no < c->state.sample_count && row->slm_label >= 0 &&
			     row->slm_label < (int32_t)c->project->n_labels;
		e = valid ? table_put(coordinator_txn(c), TABLE_SELECTION,
				      store_key_u64(row->sample_no), &row->base)
			  : ERR_PROTOCOL;
	}
	frame_message_free(chunk);
	return e;
}

static enum err nearest_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	Freeal__NearestChunk *chunk =
	    frame_message_unpack(&freeal__nearest_chunk__descriptor, body->data, body->len);
	if (!chunk)
		return ERR_PROTOCOL;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < chunk->n_rows; i++) {
		const Freeal__NearestRow *row = chunk->rows[i];
		bool valid = row->sample_no < c->state.sample_count;
		for (size_t k = 0; k < row->n_demonstrations; k++)
			valid &= row->demonstrations[k] < c->pool->n_demonstrations;
		e = valid ? table_put(coordinator_txn(c), TABLE_NEAREST,
				      store_key_u32_u64(c->state.round, row->sample_no), &row->base)
			  : ERR_PROTOCOL;
	}
	frame_message_free(chunk);
	return e;
}

static bool file_name_is_safe(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && strlen(name) < 128;
}

static enum err model_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	Freeal__FileChunk *chunk =
	    frame_message_unpack(&freeal__file_chunk__descriptor, body->data, body->len);
	char path[1400];
	enum err e = ERR_OK;
	if (!chunk || !file_name_is_safe(chunk->name) ||
	    !model_path(c, path, sizeof path, "model.new", NULL))
		e = ERR_PROTOCOL;
	if (!e && mkdir(path, 0700) != 0 && errno != EEXIST)
		e = ERR_IO;
	if (!e && c->model_fd < 0) {
		(void)model_path(c, path, sizeof path, "model.new", chunk->name);
		c->model_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		e = c->model_fd < 0 ? ERR_IO : ERR_OK;
	}
	if (!e && pwrite(c->model_fd, chunk->data.data, chunk->data.len, (off_t)chunk->offset) !=
		      (ssize_t)chunk->data.len)
		e = ERR_IO;
	if (!e && chunk->last_of_file) {
		if (fsync(c->model_fd) != 0 || close(c->model_fd) != 0)
			e = ERR_IO;
		c->model_fd = -1;
	}
	frame_message_free(chunk);
	return e;
}

static enum err folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	int synced = fsync(fd);
	(void)close(fd);
	return synced == 0 ? ERR_OK : ERR_IO;
}

/* The new model takes the place of the old one in one step, where the file system can:
 * whoever comes finds one of them, also behind a crash. */
static enum err model_publish(struct coordinator *c)
{
	char fresh[1400], model[1400], old[1400];
	if (!model_path(c, fresh, sizeof fresh, "model.new", NULL) ||
	    !model_path(c, model, sizeof model, "model", NULL) ||
	    !model_path(c, old, sizeof old, "model.old", NULL) || folder_sync(fresh))
		return ERR_IO;
	crash_point("model_before");
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, model, RENAME_EXCHANGE) != 0) {
		folder_remove(old);
		(void)rename(model, old); /* the first model has none before it */
		if (rename(fresh, model) != 0)
			return ERR_IO;
	}
	crash_point("model_renamed");
	if (folder_sync(c->project_dir))
		return ERR_IO;
	crash_point("model_after");
	folder_remove(fresh);
	folder_remove(old);
	return ERR_OK;
}

static enum err chunk_put(struct coordinator *c, const Freeal__Chunk *chunk)
{
	switch (c->state.phase) {
	case FREEAL__PHASE__SELECT_PHASE:
		return selection_put(c, &chunk->body);
	case FREEAL__PHASE__RETRIEVE_PHASE:
		return nearest_put(c, &chunk->body);
	default:
		return model_put(c, &chunk->body);
	}
}

void pull_take(struct coordinator *c, const Freeal__Chunk *chunk)
{
	struct pending_pull *p = &c->pending;
	if (!p->result)
		return;
	enum err e = stream_pull_take(&p->pull, c->socket, chunk, c->now_ms);
	if (e == ERR_AGAIN)
		return;
	if (!e)
		e = chunk_put(c, chunk);
	crash_point("pull_chunk");
	const struct lease *lease = lease_find(c->leases, p->index);
	if (!e && lease)
		lease_renew(c->leases, p->index, lease->peer, c->now_ms);
	if (!e && p->pull.done && c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
		e = model_publish(c);
	if (e == ERR_PROTOCOL || e == ERR_NOT_FOUND) {
		log_warn("stream_failed", "stream=%s reason=\"%s\"", p->pull.name, err_str(e));
		pull_drop(c); /* the lease runs out, and the work is done again */
	} else if (e) {
		coordinator_fatal(c, e, p->pull.name);
	} else if (p->pull.done) {
		if (c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
			c->model_peer = peer_find(c->peers, &p->from);
		result_settle(c, p->index, p->result);
		coordinator_ack(c, &p->from, p->result->name, p->result->attempt);
		pull_drop(c);
	}
}
