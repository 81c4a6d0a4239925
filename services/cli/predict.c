/*
 * freeal predict: labels new text with a trained model.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/escape.h"
#include "cli/model_server.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/place.h"
#include "cli/results.h"
#include "cli/run_folder.h"
#include "cli/score.h"
#include "config/option.h"
#include "text/source.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_DEFAULT "out/model"
#define TEXT_DEFAULT "text"
#define BATCH_ROWS 1024
#define SAY_MS 5000u
#define BATCH_BYTES CHUNK_BYTES_TARGET
#define BATCH_BYTES_MAX (BATCH_BYTES + SAMPLE_BYTES_MAX)
#define LINE_BYTES_MAX (BATCH_BYTES_MAX * 6u)

struct batch {
	struct buf texts, ids;
	size_t text_ends[BATCH_ROWS], id_ends[BATCH_ROWS];
	int32_t golds[BATCH_ROWS];
	ProtobufCBinaryData asked[BATCH_ROWS];
	size_t count;
};

struct predict {
	const char *model, *input, *format, *text, *id, *gold, *output_path, *log_level;
	struct place place;	/* the server that has the model, where there is no folder */
	struct path run_folder; /* of a model that was fetched; "" where none was */
	struct path fetched;
	struct task *task; /* the server's, for its columns; NULL: not asked for */
	struct model_server *server;
	struct source *source;
	struct output output;
	char **labels;
	size_t label_count;
	struct score score;
	struct batch *batch;
	uint64_t done, said_ms; /* texts; when that was said last */
};

/* What can be told before the trainer is started. */
static enum err predict_check(const struct predict *p, struct err_msg *msg)
{
	if (!p->input)
		return err_set(msg, ERR_INVALID, "give the file with the texts");
	if (p->format && source_format_parse(p->format) == SOURCE_BY_NAME)
		return err_set(msg, ERR_INVALID, "--format is csv, tsv or jsonl, not %.50s",
			       p->format);
	if (strcmp(p->input, "-") != 0 && access(p->input, R_OK) != 0)
		return err_set(msg, ERR_INVALID, "cannot read %s: %s", p->input, strerror(errno));
	return ERR_OK;
}

/* One of ours, or a checkpoint with a classifier. */
static bool model_is_at(const char *folder)
{
	static const char *const names[] = {"model.json", "config.json"};
	struct path model;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!path_set(&model, NULL, "%s/%s", folder, names[i]) &&
		    access(model.text, F_OK) == 0)
			return true;
	return false;
}

/* The model of the server, in a run folder. */
static enum err predict_fetch(struct predict *p, struct err_msg *msg)
{
	const struct session_options options = {.server = p->place.server,
						.token_file = p->place.token_file};
	struct session *session = NULL;
	enum err e = run_folder_make(&p->run_folder, msg);
	if (!e)
		e = path_set(&p->fetched, msg, "%s/model", p->run_folder.text);
	if (!e)
		e = session_open(&options, &session, msg);
	if (!e)
		e = results_model(session, p->fetched.text, msg);
	session_close(session);
	p->model = p->fetched.text;
	return e;
}

/* The text's column is as the server's task file calls it, if there is one. */
static void predict_columns(struct predict *p)
{
	const struct session_options options = {.server = p->place.server,
						.token_file = p->place.token_file};
	struct session *session = NULL;
	struct err_msg msg;
	if (!p->text && p->place.server && !session_open(&options, &session, &msg) &&
	    !session_task(session, NULL, &p->task, &msg))
		p->text = task_columns(p->task).text;
	session_close(session);
	if (!p->text)
		p->text = TEXT_DEFAULT;
}

/* The model that was given; else that of a run here; else the server's. */
static enum err predict_model(struct predict *p, struct err_msg *msg)
{
	if (!p->model && p->place.server && !model_is_at(MODEL_DEFAULT))
		return predict_fetch(p, msg);
	if (!p->model)
		p->model = MODEL_DEFAULT;
	if (!model_is_at(p->model))
		return err_set(msg, ERR_INVALID,
			       "there is no model at %s; give a run's model folder, OUT/model",
			       p->model);
	return ERR_OK;
}

/* A folder is a model, and what is none a file. */
static enum err predict_positionals(struct predict *p, const struct option_rest *rest,
				    struct err_msg *msg)
{
	for (size_t i = 0; i < rest->positional_count; i++) {
		const char *given = rest->positionals[i];
		bool first = i == 0, last = i + 1 == rest->positional_count;
		bool is_model = first && (path_is_folder(given) || !last || p->input);
		if (is_model)
			p->model = given;
		else if (p->input)
			return err_set(msg, ERR_INVALID, "%s: the texts are given twice", given);
		else
			p->input = given;
	}
	return ERR_OK;
}

static enum err predict_parse(struct predict *p, int argc, char **argv, bool *ret_done,
			      struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &p->input,
	     .arg = "FILE",
	     .help = "texts: CSV, TSV or JSONL, also .gz; - is standard input"},
	    {.name = "format",
	     .type = OPTION_STRING,
	     .value = &p->format,
	     .arg = "FORMAT",
	     .help = "csv, tsv or jsonl (default by the file's name)"},
	    {.name = "text",
	     .type = OPTION_STRING,
	     .value = &p->text,
	     .arg = "COLUMN",
	     .help = "column of the text: its name, or its number from 0 where there is no "
		     "header (default: text, or as in the server's task file)"},
	    {.name = "id",
	     .type = OPTION_STRING,
	     .value = &p->id,
	     .arg = "COLUMN",
	     .help = "column of the id (default: made from the text)"},
	    {.name = "gold",
	     .type = OPTION_STRING,
	     .value = &p->gold,
	     .arg = "COLUMN",
	     .help = "column of the right label: prints accuracy and macro F1"},
	    {.name = "output",
	     .type = OPTION_STRING,
	     .value = &p->output_path,
	     .arg = "FILE",
	     .help = "where to write the labels as JSONL (default standard output)"},
	    PLACE_SERVER_OPTIONS(&p->place),
	    {.name = "log-level",
	     .type = OPTION_STRING,
	     .value = &p->log_level,
	     .arg = "LEVEL",
	     .help = "of the trainer: debug, info, warn or error"},
	};
	const struct option_program program = {
	    .name = "freeal predict",
	    .usage = "[MODEL_DIR] FILE",
	    .summary = "Labels new text with a trained model: the one in out/model, or, where "
		       "there is none,\nthe server's.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_max = 2,
	};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	if (e || rest.done)
		return e;
	e = predict_positionals(p, &rest, msg);
	if (!e)
		e = predict_check(p, msg);
	if (!e)
		e = predict_model(p, msg);
	if (!e)
		predict_columns(p);
	return e;
}

/* The model's label names, which the gold column is read with. */
static enum err predict_labels(struct predict *p, struct err_msg *msg)
{
	struct frame *frame;
	const Freeal__PredictReply *reply;
	enum err e = model_server_ask(p->server, NULL, 0, &frame, &reply, msg);
	if (e)
		return e;
	p->labels = calloc(reply->n_labels, sizeof *p->labels);
	for (size_t i = 0; p->labels && i < reply->n_labels; i++) {
		p->labels[i] = strdup(reply->labels[i]);
		if (!p->labels[i])
			break;
		p->label_count++;
	}
	if (p->label_count < reply->n_labels)
		e = ERR_NO_MEMORY;
	frame_free(frame);
	if (!e)
		e = score_init(&p->score, p->label_count);
	return e ? err_set(msg, e, "no memory") : ERR_OK;
}

static enum err predict_open(struct predict *p, struct err_msg *msg)
{
	const struct source_options options = {
	    .columns = {.text = p->text, .id = p->id, .gold = p->gold},
	    .format = p->format ? source_format_parse(p->format) : SOURCE_BY_NAME,
	    .labels = (const char *const *)p->labels,
	    .label_count = p->label_count,
	};
	enum err e = source_open(p->input, &options, &p->source, msg);
	if (!e)
		e = output_open(&p->output, p->output_path, msg);
	return e;
}

static void batch_add(struct batch *b, const struct source_row *row)
{
	buf_add(&b->texts, row->text, row->text_size);
	buf_add(&b->ids, row->id, row->id_size);
	b->text_ends[b->count] = b->texts.size;
	b->id_ends[b->count] = b->ids.size;
	b->golds[b->count] = row->gold;
	b->count++;
}

static enum err batch_write(struct predict *p, const Freeal__PredictReply *reply,
			    struct err_msg *msg)
{
	struct batch *b = p->batch;
	struct buf out;
	buf_init(&out, LINE_BYTES_MAX);
	for (size_t i = 0; i < b->count; i++) {
		size_t class_id = (size_t)reply->class_ids[i];
		size_t from = i ? b->id_ends[i - 1] : 0;
		const char *label = reply->labels[class_id];
		buf_add_str(&out, "{\"id\":");
		escape_json(&out, b->ids.data + from, b->id_ends[i] - from);
		buf_add_str(&out, ",\"label\":");
		escape_json(&out, label, strlen(label));
		buf_printf(&out, ",\"confidence\":%.6f}\n",
			   (double)reply->probabilities[i * reply->n_labels + class_id]);
		if (p->gold && b->golds[i] >= 0)
			score_add(&p->score, (size_t)b->golds[i], class_id);
	}
	enum err e = buf_error(&out) ? err_set(msg, buf_error(&out), "no memory for a batch")
				     : output_data(&p->output, buf_str(&out), out.size, msg);
	buf_done(&out);
	return e;
}

/* A large model takes long: people see that it goes on. */
static void predict_say(struct predict *p)
{
	struct clock clock = clock_system();
	uint64_t now_ms = clock_mono_ms(&clock);
	char count[32];
	p->done += p->batch->count;
	if (p->said_ms == 0)
		p->said_ms = now_ms;
	if (now_ms - p->said_ms < SAY_MS || !isatty(STDERR_FILENO))
		return;
	console_say("%s texts are labelled", console_count(count, p->done));
	p->said_ms = now_ms;
}

static enum err batch_predict(struct predict *p, struct err_msg *msg)
{
	struct batch *b = p->batch;
	if (!b->count)
		return ERR_OK;
	if (buf_error(&b->texts) || buf_error(&b->ids))
		return err_set(msg, ERR_NO_MEMORY, "no memory for a batch of texts");
	for (size_t i = 0; i < b->count; i++) {
		size_t from = i ? b->text_ends[i - 1] : 0;
		b->asked[i].data = (uint8_t *)b->texts.data + from;
		b->asked[i].len = b->text_ends[i] - from;
	}
	struct frame *frame;
	const Freeal__PredictReply *reply;
	enum err e = model_server_ask(p->server, b->asked, b->count, &frame, &reply, msg);
	if (e)
		return e;
	if (reply->n_labels != p->label_count)
		e = err_set(msg, ERR_PROTOCOL, "the trainer's prediction is malformed");
	else
		e = batch_write(p, reply, msg);
	frame_free(frame);
	predict_say(p);
	b->count = 0;
	buf_reset(&b->texts);
	buf_reset(&b->ids);
	return e;
}

static enum err predict_rows(struct predict *p, struct err_msg *msg)
{
	p->batch = calloc(1, sizeof *p->batch);
	if (!p->batch)
		return err_set(msg, ERR_NO_MEMORY, "no memory");
	buf_init(&p->batch->texts, BATCH_BYTES_MAX);
	buf_init(&p->batch->ids, BATCH_ROWS * (ID_BYTES_MAX + 1));
	for (;;) {
		struct source_row row;
		enum err e = source_next(p->source, &row, msg);
		if (e)
			return e;
		if (!row.text)
			return batch_predict(p, msg);
		batch_add(p->batch, &row);
		if (p->batch->count == BATCH_ROWS || p->batch->texts.size >= BATCH_BYTES)
			e = batch_predict(p, msg);
		if (e)
			return e;
	}
}

static void predict_done(struct predict *p)
{
	output_discard(&p->output);
	source_free(p->source);
	model_server_stop(p->server);
	if (p->batch) {
		buf_done(&p->batch->texts);
		buf_done(&p->batch->ids);
	}
	free(p->batch);
	task_free(p->task);
	if (p->run_folder.text[0]) {
		folder_delete(p->fetched.text);
		run_folder_remove(NULL, p->run_folder.text);
	}
	for (size_t i = 0; i < p->label_count; i++)
		free(p->labels[i]);
	free(p->labels);
	score_done(&p->score);
}

int command_predict(int argc, char **argv)
{
	struct predict p = {.log_level = "warn"};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = predict_parse(&p, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e)
		e = model_server_start(p.model, p.log_level, &p.server, &msg);
	if (!e)
		e = predict_labels(&p, &msg);
	if (!e)
		e = predict_open(&p, &msg);
	if (!e)
		e = predict_rows(&p, &msg);
	if (!e)
		e = output_commit(&p.output, &msg);
	if (!e && p.gold)
		console_say("accuracy %.2f %%, macro F1 %.2f %% on %" PRIu64 " gold labels",
			    100 * score_accuracy(&p.score), 100 * score_macro_f1(&p.score),
			    p.score.rows);
	predict_done(&p);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
