#include "config/task.h"
#include "config/task_llm.h"

#include "base/buf.h"
#include "base/limits.h"
#include "config/task_read.h"
#include "text/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void task_strings_done(struct task_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct task_strings){0};
}

void task_free(struct task *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->label_count; i++) {
		struct task_label *l = &t->labels[i];
		free(l->name);
		free(l->description);
		task_strings_done(&l->aliases);
		task_strings_done(&l->keywords);
		task_strings_done(&l->examples);
	}
	free(t->labels);
	for (size_t i = 0; i < t->round_count; i++)
		task_llm_done(&t->rounds[i].llm);
	free(t->rounds);
	for (size_t i = 0; i < t->endpoint_count; i++)
		task_endpoint_done(&t->endpoints[i]);
	free(t->endpoints);
	task_llm_done(&t->llm);
	task_llm_done(&t->augment.llm);
	free(t->augment.language);
	task_endpoint_done(&t->embeddings.endpoint);
	free(t->prompt.system);
	free(t->prompt.user);
	free(t->prompt.generate_system);
	free(t->prompt.generate_user);
	free(t->input.text);
	free(t->input.id);
	free(t->input.gold);
	free(t->input.augmented);
	free(t->model.path);
	free(t->name);
	free(t->description);
	free(t);
}

static struct task *task_new(void)
{
	struct task *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->name = strdup("task");
	t->description = strdup("");
	t->input.text = strdup("text");
	if (!t->name || !t->description || !t->input.text) {
		task_free(t);
		return NULL;
	}
	task_llm_init(&t->llm);
	task_llm_init(&t->augment.llm);
	task_endpoint_init(&t->embeddings.endpoint);
	t->embeddings.batch = 64;
	t->cache = true;
	t->cache_bytes_max = (uint64_t)256 << 20;
	t->model = (struct task_model){.folds = 5, .batch = 32, .views = 7};
	t->early_stop = true;
	t->pool = 100;
	t->generate = (struct task_generate){.demonstrations = 100, .style_samples = 10};
	t->seed = 1;
	return t;
}

static size_t task_line(const char *data, size_t offset, size_t size)
{
	size_t line = 1;
	for (size_t i = 0; i < offset && i < size; i++)
		line += data[i] == '\n';
	return line;
}

/* libyaml's complaint, with the line where it knows one. */
static enum err task_yaml_error(const char *name, const char *data, const yaml_parser_t *parser,
				size_t size, struct err_msg *msg)
{
	size_t line = parser->problem_mark.line + 1;
	if (parser->error == YAML_MEMORY_ERROR)
		return err_set(msg, ERR_NO_MEMORY, "%s: %s", name, err_str(ERR_NO_MEMORY));
	if (parser->error == YAML_READER_ERROR)
		return err_set(msg, ERR_INVALID, "%s:%zu: %s; remove them", name,
			       task_line(data, parser->problem_offset, size), parser->problem);
	return err_set(msg, ERR_INVALID,
		       "%s:%zu: not valid YAML: %s%s%s; check the indentation and "
		       "quotes around there",
		       name, line, parser->problem ? parser->problem : "syntax error",
		       parser->context ? " " : "", parser->context ? parser->context : "");
}

static enum err task_read_document(const char *name, yaml_document_t *document, struct task *t,
				   struct err_msg *msg)
{
	const struct fields_file file = {.name = name, .document = document, .msg = msg};
	yaml_node_t *root = yaml_document_get_root_node(document);
	if (!root)
		return err_set(msg, ERR_INVALID,
			       "%s:1: the task file is empty; give at least \"labels\" and \"llm\"",
			       name);
	return task_read(&file, root, t);
}

/* Nothing may follow the first document. */
static enum err task_check_end(const char *name, const char *data, yaml_parser_t *parser,
			       size_t size, struct err_msg *msg)
{
	yaml_document_t document;
	if (!yaml_parser_load(parser, &document))
		return task_yaml_error(name, data, parser, size, msg);
	size_t line = document.start_mark.line + 1;
	bool more = yaml_document_get_root_node(&document) != NULL;
	yaml_document_delete(&document);
	if (more)
		return err_set(msg, ERR_INVALID,
			       "%s:%zu: a second document begins; keep one per file", name, line);
	return ERR_OK;
}

enum err task_parse(const char *name, const void *data, size_t size, struct task **ret_task,
		    struct err_msg *msg)
{
	if (size > TASK_BYTES_MAX)
		return err_set(msg, ERR_LIMIT, "%s: larger than the %u bytes allowed", name,
			       TASK_BYTES_MAX);
	size_t valid = utf8_valid_size(data, size);
	if (valid < size)
		return err_set(msg, ERR_INVALID, "%s:%zu: invalid UTF-8; save the file as UTF-8",
			       name, task_line(data, valid, size));
	struct task *t = task_new();
	yaml_parser_t parser;
	if (!t || !yaml_parser_initialize(&parser)) {
		task_free(t);
		return err_set(msg, ERR_NO_MEMORY, "%s: %s", name, err_str(ERR_NO_MEMORY));
	}
	yaml_parser_set_input_string(&parser, data, size);
	yaml_document_t document;
	enum err err;
	if (yaml_parser_load(&parser, &document)) {
		err = task_read_document(name, &document, t, msg);
		if (!err)
			err = task_check_end(name, data, &parser, size, msg);
		yaml_document_delete(&document);
	} else {
		err = task_yaml_error(name, data, &parser, size, msg);
	}
	yaml_parser_delete(&parser);
	if (err) {
		task_free(t);
		return err;
	}
	*ret_task = t;
	return ERR_OK;
}

enum err task_load(const char *path, struct task **ret_task, struct err_msg *msg)
{
	FILE *file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return err_set(msg, ERR_INVALID,
			       "%s: no such file; check the path, or write one with freeal init",
			       path);
	if (!file)
		return err_set(msg, ERR_INVALID, "%s: cannot be opened: %s", path, strerror(errno));
	struct buf text;
	buf_init(&text, TASK_BYTES_MAX + 1);
	char chunk[16384];
	size_t n;
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && !buf_error(&text))
		buf_add(&text, chunk, n);
	enum err err = buf_error(&text);
	if (ferror(file))
		err = err_set(msg, ERR_INVALID, "%s: cannot be read: %s", path, strerror(errno));
	else if (err)
		err =
		    err_set(msg, err, "%s: larger than the %u bytes allowed", path, TASK_BYTES_MAX);
	else
		err = task_parse(path, buf_str(&text), text.size, ret_task, msg);
	(void)fclose(file);
	buf_done(&text);
	return err;
}

struct source_columns task_columns(const struct task *t)
{
	return (struct source_columns){
	    .text = t->input.text,
	    .id = t->input.id,
	    .gold = t->input.gold,
	    .augmented = t->input.augmented,
	};
}

const char **task_label_names(const struct task *t)
{
	const char **names = calloc(t->label_count, sizeof *names);
	for (size_t i = 0; names && i < t->label_count; i++)
		names[i] = t->labels[i].name;
	return names;
}
