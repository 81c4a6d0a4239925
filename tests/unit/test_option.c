/* libs: config text base */
/* Options: flags, environment, ranges, secrets, help. */
#include "config/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool verbose;
	const char *out;
	int64_t threads;
	double share;
	const char *token;
} config;

static const struct option_entry entries[] = {
    {.name = "verbose", .type = OPTION_FLAG, .value = &config.verbose, .help = "say more"},
    {.name = "out",
     .env = "T_OUT",
     .type = OPTION_STRING,
     .value = &config.out,
     .arg = "DIR",
     .help = "where results go"},
    {.name = "threads",
     .env = "T_THREADS",
     .type = OPTION_INT,
     .value = &config.threads,
     .min = 1,
     .max = 64,
     .arg = "N",
     .help = "threads to use"},
    {.name = "share", .type = OPTION_DOUBLE, .value = &config.share, .help = "a number"},
    {.name = "token",
     .env = "T_TOKEN",
     .type = OPTION_STRING,
     .value = &config.token,
     .secret = true,
     .help = "the token"},
};

static const struct option_program program = {
    .name = "freeal test",
    .usage = "FILE [MORE]",
    .summary = "Tests options.",
    .entries = entries,
    .entry_count = sizeof entries / sizeof *entries,
    .positional_max = 2,
};

static int setup(void **state)
{
	(void)state;
	config.verbose = false;
	config.out = "out";
	config.threads = 4;
	config.share = 0.5;
	config.token = NULL;
	unsetenv("T_OUT");
	unsetenv("T_THREADS");
	unsetenv("T_TOKEN");
	return 0;
}

/* Splits at spaces and parses; the words live on in static memory. */
static enum err parse(const char *line, struct option_rest *rest, struct err_msg *msg)
{
	static char words[1000];
	static char *argv[50];
	int argc = 1;
	char *state;
	argv[0] = "program";
	strcpy(words, line);
	for (char *w = strtok_r(words, " ", &state); w; w = strtok_r(NULL, " ", &state))
		argv[argc++] = w;
	argv[argc] = NULL;
	msg->text[0] = '\0';
	return option_parse(&program, argc, argv, rest, msg);
}

static void test_forms(void **state)
{
	(void)state;
	struct option_rest rest;
	struct err_msg msg;
	assert_int_equal(parse("a --threads 8 --share=-1e-3 - --verbose --out x", &rest, &msg),
			 ERR_OK);
	assert_int_equal(config.threads, 8);
	assert_true(config.share == -1e-3);
	assert_true(config.verbose);
	assert_string_equal(config.out, "x");
	assert_false(rest.done);
	assert_int_equal(rest.positional_count, 2);
	assert_string_equal(rest.positionals[0], "a");
	assert_string_equal(rest.positionals[1], "-");

	assert_int_equal(parse("--verbose=false --out= -- --threads", &rest, &msg), ERR_OK);
	assert_false(config.verbose);
	assert_string_equal(config.out, "");
	assert_int_equal(rest.positional_count, 1);
	assert_string_equal(rest.positionals[0], "--threads");
}

static void test_environment(void **state)
{
	(void)state;
	struct option_rest rest;
	struct err_msg msg;
	setenv("T_THREADS", "16", 1);
	setenv("T_OUT", "", 1);
	setenv("T_TOKEN", "abc", 1);
	assert_int_equal(parse("", &rest, &msg), ERR_OK);
	assert_int_equal(config.threads, 16);
	assert_string_equal(config.out, "out");
	assert_string_equal(config.token, "abc");
	assert_int_equal(parse("--threads 2", &rest, &msg), ERR_OK);
	assert_int_equal(config.threads, 2);
	setenv("T_THREADS", "many", 1);
	assert_int_equal(parse("--threads 2", &rest, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "T_THREADS: \"many\" is not a whole number");
}

static void test_errors(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"--colour", "unknown option --colour; freeal test --help lists them"},
	    {"--thread=3", "unknown option --thread; "},
	    {"-x", "unknown option -x; "},
	    {"--threads", "--threads needs a value: --threads N"},
	    {"--threads x", "--threads: \"x\" is not a whole number"},
	    {"--threads 1.5", "--threads: \"1.5\" is not a whole number"},
	    {"--threads=", "--threads: \"\" is not a whole number"},
	    {"--threads 0", "--threads: 0 is out of range; give 1 to 64"},
	    {"--threads 99999999999999999999", "--threads: \"99999999999999999999\" is not"},
	    {"--share nan", "--share: \"nan\" is not a number"},
	    {"--verbose=maybe", "--verbose: \"maybe\" is neither true nor false"},
	    {"--token abc", "--token is secret and visible to others here; set T_TOKEN instead"},
	    {"a b c", "unexpected argument \"c\"; usage: freeal test [OPTIONS] FILE [MORE]"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct option_rest rest;
		struct err_msg msg;
		assert_int_equal(parse(cases[i][0], &rest, &msg), ERR_INVALID);
		if (strncmp(msg.text, cases[i][1], strlen(cases[i][1])) != 0)
			assert_string_equal(msg.text, cases[i][1]);
	}
}

/* What a function prints. */
static const char *printed(void (*print)(const struct option_program *p, FILE *out))
{
	static char text[4000];
	FILE *out = fmemopen(text, sizeof text, "w");
	assert_non_null(out);
	print(&program, out);
	fclose(out);
	return text;
}

static void test_print(void **state)
{
	(void)state;
	assert_string_equal(printed(option_print),
			    "verbose=false out=out threads=4 share=0.5 token=unset\n");
	config.token = "abc";
	assert_null(strstr(printed(option_print), "abc"));
	assert_non_null(strstr(printed(option_print), "token=set\n"));
	assert_string_equal(printed(option_help),
			    "Usage: freeal test [OPTIONS] FILE [MORE]\n"
			    "\n"
			    "Tests options.\n"
			    "\n"
			    "Options:\n"
			    "  --verbose                  say more\n"
			    "  --out DIR                  where results go (default out) [T_OUT]\n"
			    "  --threads N                threads to use (default 4) [T_THREADS]\n"
			    "  --share VALUE              a number (default 0.5)\n"
			    "  T_TOKEN                    the token [environment only]\n"
			    "  --help                     show this help\n"
			    "  --version                  show the version\n");
}

static void test_help_and_version(void **state)
{
	(void)state;
	struct option_rest rest;
	struct err_msg msg;
	static const char *const lines[] = {"--help", "-h", "--version", "--nonsense --help"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		assert_int_equal(parse(lines[i], &rest, &msg), ERR_OK);
		assert_true(rest.done);
	}
	assert_int_equal(parse("-- --help", &rest, &msg), ERR_OK);
	assert_false(rest.done);
	assert_int_equal(rest.positional_count, 1);
}

static void test_missing_positional(void **state)
{
	(void)state;
	struct option_program p = program;
	p.positional_min = 1;
	struct option_rest rest;
	struct err_msg msg;
	char *argv[] = {"program", NULL};
	assert_int_equal(option_parse(&p, 1, argv, &rest, &msg), ERR_INVALID);
	assert_string_equal(msg.text,
			    "an argument is missing; usage: freeal test [OPTIONS] FILE [MORE]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_forms, setup),
	    cmocka_unit_test_setup(test_environment, setup),
	    cmocka_unit_test_setup(test_errors, setup),
	    cmocka_unit_test_setup(test_print, setup),
	    cmocka_unit_test_setup(test_help_and_version, setup),
	    cmocka_unit_test_setup(test_missing_positional, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
