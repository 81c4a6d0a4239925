/*
 * freeal prompt: the request that a sample is labelled with, as it is sent.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/outlook.h"
#include "cli/path.h"
#include "cli/place.h"
#include "cli/request.h"
#include "cli/session.h"
#include "config/option.h"
#include "llm/client_url.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_BYTES_MAX 2048

struct prompt {
	const char *task, *input, *sample;
	struct place place;
	int64_t round;
	bool raw;
	struct outlook outlook;
	struct request_demonstrations demonstrations;
	json_t *shots; /* of a project; owns the demonstrations' texts */
};

/* Takes the demonstrations that the project has chosen for the sample, if it has. */
static enum err shots_take(struct prompt *p, const json_t *list, struct err_msg *msg)
{
	const Freeal__Project *project = p->outlook.project;
	size_t i;
	const json_t *one;
	json_array_foreach(list, i, one)
	{
		const json_t *text = json_object_get(one, "text");
		const char *label = json_string_value(json_object_get(one, "label"));
		uint32_t class_id = 0;
		while (label && class_id < project->n_labels &&
		       strcmp(project->labels[class_id]->name, label) != 0)
			class_id++;
		if (!label || !json_is_string(text) || i == SHOTS_MAX)
			return err_set(msg, ERR_PROTOCOL, "the coordinator sent no demonstrations");
		if (class_id == project->n_labels)
			return err_set(msg, ERR_INVALID,
				       "%s has no label \"%s\", which the project has; it is "
				       "another project's",
				       p->task, label);
		p->demonstrations.items[i] = (struct prompt_demonstration){
		    {json_string_value(text), json_string_length(text)}, class_id};
	}
	p->demonstrations.count = json_array_size(list);
	return ERR_OK;
}

/* Asks the project's coordinator, or one that is started on it for this. */
static enum err shots_fetch(struct prompt *p, struct err_msg *msg)
{
	const struct session_options options = place_session(&p->place);
	struct session *session = NULL;
	char path[4 * ID_BYTES_MAX + 64];
	char *id = curl_easy_escape(NULL, p->outlook.survey->wanted_id, 0);
	if (!id)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a request");
	(void)snprintf(path, sizeof path, "/v1/shots?id=%s&round=%u", id, (unsigned)p->round);
	curl_free(id);
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = session_json(session, path, NULL, 0, &p->shots, msg);
	session_close(session);
	return e;
}

static enum err demonstrations_find(struct prompt *p, struct err_msg *msg)
{
	request_demonstrations_take(p->outlook.project, (uint32_t)p->round, true,
				    &p->demonstrations);
	if (!p->place.project && !p->place.server)
		return ERR_OK;
	enum err e = shots_fetch(p, msg);
	const json_t *list = json_object_get(p->shots, "demonstrations");
	if (e || json_array_size(list) > 0)
		return e ? e : shots_take(p, list, msg);
	if (p->demonstrations.count > 0)
		console_say(
		    "the project has no demonstrations for this sample in round %u (yet, or "
		    "it isn't asked there); those below stand in their place",
		    (unsigned)p->round);
	return ERR_OK;
}

static enum err head_print(const Freeal__Endpoint *endpoint, struct err_msg *msg)
{
	char url[URL_BYTES_MAX];
	enum err e = client_url_write(endpoint, "/chat/completions", url, sizeof url);
	if (e)
		return err_set(msg, e, "the URL of %s is too long", endpoint->name);
	(void)printf("POST %s\nContent-Type: application/json\n", url);
	const char *name = *endpoint->api_version ? "api-key: " : "Authorization: Bearer ";
	if (*endpoint->key_env)
		(void)printf("%s$%s\n", name, endpoint->key_env);
	else if (*endpoint->key_file)
		(void)printf("%s(the first line of %s)\n", name, endpoint->key_file);
	(void)putchar('\n');
	return ERR_OK;
}

static void notes_say(const struct prompt *p)
{
	const Freeal__Project *project = p->outlook.project;
	const Freeal__Llm *llm = project->rounds[p->round]->llm;
	for (size_t i = 1; i < llm->n_endpoints; i++) {
		const Freeal__Endpoint *e = project->endpoints[llm->endpoints[i]];
		console_say("or %s: model %s at %s", e->name, e->model, e->url);
	}
	if (llm->batch > 1)
		console_say("a run asks up to %u samples in one request; this is what one is asked "
			    "alone",
			    llm->batch);
}

static enum err prompt_show(struct prompt *p, struct err_msg *msg)
{
	enum err e = outlook_init(&p->outlook, p->task, p->input, p->sample, msg);
	if (e)
		return e;
	const Freeal__Project *project = p->outlook.project;
	const struct survey *survey = p->outlook.survey;
	if (!survey->wanted_id)
		return err_set(msg, ERR_INVALID,
			       "%s has no sample %s; give its id, or its number from 1 to %llu",
			       p->input, p->sample, (unsigned long long)survey->counts.samples);
	if ((uint64_t)p->round >= project->n_rounds)
		return err_set(msg, ERR_INVALID, "%s has no round %u; its last one is %zu", p->task,
			       (unsigned)p->round, project->n_rounds - 1);
	e = demonstrations_find(p, msg);
	if (e)
		return e;
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	const Freeal__Llm *llm = project->rounds[p->round]->llm;
	e = request_annotate_write(project, (uint32_t)p->round, &p->demonstrations, &survey->wanted,
				   1, !p->raw, &body);
	if (e)
		(void)err_set(msg, e, "the prompt: %s", err_str(e));
	if (!e && !p->raw)
		e = head_print(project->endpoints[llm->endpoints[0]], msg);
	if (!e)
		(void)fwrite(body.data, 1, body.size, stdout);
	if (!e && !p->raw) {
		(void)putchar('\n');
		notes_say(p);
	}
	buf_done(&body);
	return e;
}

static enum err prompt_parse(struct prompt *p, int argc, char **argv, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &p->input,
	     .arg = "FILE",
	     .help = "samples: CSV, TSV or JSONL, also .gz"},
	    {.name = "sample",
	     .type = OPTION_STRING,
	     .value = &p->sample,
	     .arg = "N",
	     .help = "a sample's id, or its number in the input, from 1 (default 1)"},
	    {.name = "round",
	     .type = OPTION_INT,
	     .value = &p->round,
	     .max = ROUND_COUNT_MAX - 1,
	     .arg = "R",
	     .help = "as it is asked in this round, from 0 (default 0)"},
	    {.name = "raw",
	     .type = OPTION_FLAG,
	     .value = &p->raw,
	     .help = "the body alone, byte by byte"},
	    {.name = "project",
	     .type = OPTION_STRING,
	     .value = &p->place.project,
	     .arg = "DIR",
	     .help = "with the demonstrations that this project has chosen"},
	    PLACE_SERVER_OPTIONS(&p->place),
	};
	const struct option_program program = {
	    .name = "freeal prompt",
	    .usage = "TASK.yaml",
	    .summary = "Prints the request that a sample is labelled with, as it is sent, without "
		       "the key.\nNothing is asked. What is not known before a run stands in <>.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	if (e || rest.done)
		return e;
	p->task = rest.positionals[0];
	if (!p->input)
		return err_set(msg, ERR_INVALID, "give the samples with --input FILE");
	return p->place.project ? path_project(p->place.project, NULL, &p->place.path, msg)
				: ERR_OK;
}

int command_prompt(int argc, char **argv)
{
	struct err_msg msg = {{0}};
	bool done;
	struct prompt *p = calloc(1, sizeof *p);
	if (!p)
		return console_fail(ERR_NO_MEMORY, NULL);
	p->sample = "1";
	enum err e = prompt_parse(p, argc, argv, &done, &msg);
	if (!e && !done)
		e = prompt_show(p, &msg);
	outlook_done(&p->outlook);
	json_decref(p->shots);
	free(p);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
