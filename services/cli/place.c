#include "cli/place.h"

enum err place_parse(struct place *p, const struct option_program *program, int argc, char **argv,
		     bool *ret_done, struct err_msg *msg)
{
	struct option_rest rest;
	enum err e = option_parse(program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	return e || rest.done ? e : path_project(p->project, p->out, &p->path, msg);
}

struct session_options place_session(const struct place *p)
{
	bool here = p->project || p->out;
	return (struct session_options){
	    .project = p->path.text,
	    .server = here ? NULL : p->server,
	    .token_file = p->token_file,
	};
}
