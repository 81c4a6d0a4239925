/* libs: wire base */
/* Key files: what is written is read, and what is wrong is said with its line and without a
 * secret. */
#include "wire/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define OTHER "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define PAIR "public " PUBLIC "\nsecret " SECRET "\n"

struct bench {
	char dir[64], path[96];
};

static int bench_make(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	snprintf(b->dir, sizeof b->dir, "/tmp/freeal-auth-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->path, sizeof b->path, "%s/k.key", b->dir);
	*state = b;
	return 0;
}

static int bench_free(void **state)
{
	struct bench *b = *state;
	unlink(b->path);
	int gone = rmdir(b->dir); /* nothing else may be left */
	free(b);
	return gone;
}

static void file_put(struct bench *b, const char *text, mode_t mode)
{
	FILE *f = fopen(b->path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(b->path, mode), 0);
}

static void what_is_saved_is_loaded(void **state)
{
	struct bench *b = *state;
	struct auth *server, *client, *host, *loaded;
	struct err_msg msg;
	struct stat st;
	assert_int_equal(auth_new(FREEAL__ROLE__SELECTOR, &server, &msg), ERR_OK);
	assert_int_equal(auth_new(FREEAL__ROLE__TRAINER, &client, &msg), ERR_OK);
	assert_int_equal(auth_new(FREEAL__ROLE__ANNOTATOR, &host, &msg), ERR_OK);
	assert_int_equal(auth_client_put(server, client, ""), ERR_OK);
	assert_int_equal(auth_client_put(server, host, "alpha"), ERR_OK);
	auth_server_set(server, client);
	assert_int_equal(auth_save(server, b->path, &msg), ERR_OK);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	assert_int_equal(auth_load(b->path, FREEAL__ROLE__SELECTOR, &loaded, &msg), ERR_OK);
	assert_memory_equal(auth_public(loaded), auth_public(server), AUTH_KEY_BYTES);
	assert_memory_equal(auth_secret(loaded), auth_secret(server), AUTH_KEY_BYTES);
	assert_int_equal(auth_client_count(loaded), 2);
	assert_false(auth_fits(loaded, client));
	auth_server_set(client, server);
	assert_true(auth_fits(loaded, client));
	assert_false(auth_fits(loaded, host));
	assert_int_equal(auth_client(loaded, auth_public(client)), FREEAL__ROLE__TRAINER);
	assert_int_equal(auth_client(loaded, auth_public(host)), FREEAL__ROLE__ANNOTATOR);
	assert_int_equal(auth_client(loaded, auth_public(server)), FREEAL__ROLE__ROLE_NONE);
	assert_memory_equal(auth_server(loaded, FREEAL__ROLE__TRAINER), auth_public(client),
			    AUTH_KEY_BYTES);
	assert_null(auth_server(loaded, FREEAL__ROLE__COORDINATOR));
	assert_false(auth_changed(loaded));

	/* The role's key is replaced, a named one is another. */
	struct auth *next;
	assert_int_equal(auth_new(FREEAL__ROLE__TRAINER, &next, &msg), ERR_OK);
	assert_int_equal(auth_client_put(loaded, next, ""), ERR_OK);
	assert_int_equal(auth_client_count(loaded), 2);
	assert_int_equal(auth_client(loaded, auth_public(client)), FREEAL__ROLE__ROLE_NONE);
	assert_int_equal(auth_save(loaded, b->path, &msg), ERR_OK);
	assert_true(auth_changed(loaded));
	auth_free(next);
	auth_free(loaded);
	auth_free(server);
	auth_free(client);
	auth_free(host);
}

static void no_path_is_no_key(void **state)
{
	struct auth *a = (struct auth *)1;
	struct err_msg msg;
	(void)state;
	assert_int_equal(auth_load(NULL, FREEAL__ROLE__TRAINER, &a, &msg), ERR_OK);
	assert_null(a);
}

/* Each with its line and what is wrong there, and never with a secret. */
static void bad_files_are_explained(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"", "`role`, `public` and `secret`"},
	    {"role trainer\npublic " PUBLIC "\n", "`role`, `public` and `secret`"},
	    {"role farmer\n" PAIR, ":1: the role is annotator"},
	    {"role trainer\nrole trainer\n" PAIR, ":2: there are two `role` lines"},
	    {"role trainer\n" PAIR "secert " SECRET "\n", ":4: expected `role ROLE`"},
	    {SECRET "\nrole trainer\n", ":1: expected `role ROLE`"},
	    {"role trainer\nsecret " SECRET "x\n", ":2: this is no key"},
	    {"role trainer\nsecret D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c~\n",
	     ":2: this is no key"},
	    {"role trainer\npublic short\n", ":2: this is no key"},
	    {"role trainer\npublic " OTHER "\nsecret " SECRET "\n", "doesn't belong"},
	    {"role trainer\n" PAIR "\n# c\nserver moon " OTHER "\n", ":6: the second word"},
	    {"role trainer\n" PAIR "server coordinator\n", ":4: expected"},
	    {"role trainer\n" PAIR "server selector " OTHER "\nserver selector " PUBLIC "\n",
	     ":5: there are two `server`"},
	    {"role selector\n" PAIR "client trainer " OTHER "\nclient annotator " OTHER " a\n",
	     ":5: this client's key is listed twice"},
	    {"role selector\n" PAIR "client trainer " OTHER " a b\n", ":4: expected"},
	    {"role annotator\n" PAIR, "is the key of the role annotator, not of the trainer"},
	};
	struct bench *b = *state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct auth *a = NULL;
		struct err_msg msg = {0};
		file_put(b, cases[i].text, 0600);
		assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_INVALID);
		if (!strstr(msg.text, cases[i].says) || !strstr(msg.text, b->path))
			fail_msg("case %zu: %s", i, msg.text);
		assert_null(strstr(msg.text, "D:)Q"));
		assert_null(a);
	}
}

static void files_are_closed_to_others(void **state)
{
	struct bench *b = *state;
	struct auth *a;
	struct err_msg msg;
	const mode_t good[] = {0600, 0400, 0440, 0660}, bad[] = {0644, 0604, 0602};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		file_put(b, "role trainer\r\n" PAIR, 0600);
		assert_int_equal(chmod(b->path, good[i]), 0);
		assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_OK);
		auth_free(a);
		assert_int_equal(unlink(b->path), 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		file_put(b, "role trainer\n" PAIR, bad[i]);
		assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_INVALID);
		assert_non_null(strstr(msg.text, "chmod 600"));
	}
	assert_int_equal(unlink(b->path), 0);
	assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "freeal keys"));
}

static void a_huge_or_binary_file_is_no_key(void **state)
{
	struct bench *b = *state;
	struct auth *a;
	struct err_msg msg;
	FILE *f = fopen(b->path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < AUTH_FILE_BYTES_MAX + 10; i++)
		fputc('#', f);
	fclose(f);
	chmod(b->path, 0600);
	assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_INVALID);
	f = fopen(b->path, "w");
	assert_non_null(f);
	fwrite("role\0trainer\n", 1, 13, f);
	fclose(f);
	assert_int_equal(auth_load(b->path, FREEAL__ROLE__TRAINER, &a, &msg), ERR_INVALID);
}

static void clients_are_limited(void **state)
{
	struct auth *server, *client;
	struct err_msg msg;
	char name[2 * AUTH_NAME_BYTES_MAX];
	(void)state;
	assert_int_equal(auth_new(FREEAL__ROLE__COORDINATOR, &server, &msg), ERR_OK);
	assert_int_equal(auth_new(FREEAL__ROLE__ANNOTATOR, &client, &msg), ERR_OK);
	for (int i = 0; i < AUTH_CLIENT_COUNT_MAX; i++) {
		snprintf(name, sizeof name, "host-%d", i);
		assert_int_equal(auth_client_put(server, client, name), ERR_OK);
	}
	assert_int_equal(auth_client_put(server, client, "one more"), ERR_LIMIT);
	memset(name, 'n', AUTH_NAME_BYTES_MAX);
	name[AUTH_NAME_BYTES_MAX] = '\0';
	assert_int_equal(auth_client_put(server, client, name), ERR_LIMIT);
	auth_free(server);
	auth_free(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_free)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_saved_is_loaded), TEST(no_path_is_no_key),
	    TEST(bad_files_are_explained), TEST(files_are_closed_to_others),
	    TEST(clients_are_limited),	   TEST(a_huge_or_binary_file_is_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
