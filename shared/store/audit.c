#include "store/audit.h"

#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BLOCK_BYTES (1u << 20)

void audit_init(struct audit *a)
{
	memset(a, 0, sizeof *a);
}

void audit_note(struct audit *a, int invariant, const char *fmt, ...)
{
	struct audit_line *l = &a->lines[invariant];
	size_t used = strlen(l->counts);
	va_list args;
	l->checked = true;
	if (used > 0 && used + 2 < sizeof l->counts) {
		memcpy(l->counts + used, ", ", 3);
		used += 2;
	}
	va_start(args, fmt);
	(void)vsnprintf(l->counts + used, sizeof l->counts - used, fmt, args);
	va_end(args);
}

void audit_fail(struct audit *a, int invariant, const char *fmt, ...)
{
	struct audit_line *l = &a->lines[invariant];
	l->checked = true;
	if (l->failures++ > 0)
		return;
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(l->first, sizeof l->first, fmt, args);
	va_end(args);
}

bool audit_print(const struct audit *a, FILE *out)
{
	bool good = true;
	for (int i = 1; i <= AUDIT_INVARIANT_MAX; i++) {
		const struct audit_line *l = &a->lines[i];
		if (!l->checked)
			continue;
		good &= l->failures == 0;
		if (l->failures == 0)
			(void)fprintf(out, "I%d ok (%s)\n", i, l->counts);
		else if (l->failures == 1)
			(void)fprintf(out, "I%d FAILED: %s\n", i, l->first);
		else
			(void)fprintf(out, "I%d FAILED: %s (and %llu more)\n", i, l->first,
				      (unsigned long long)l->failures - 1);
	}
	return good;
}

void audit_secret_add(struct audit *a, const char *secret)
{
	if (!secret || strlen(secret) < AUDIT_SECRET_BYTES_MIN ||
	    a->secret_count == AUDIT_SECRETS_MAX)
		return;
	for (size_t i = 0; i < a->secret_count; i++)
		if (strcmp(a->secrets[i], secret) == 0)
			return;
	a->secrets[a->secret_count++] = secret;
}

void audit_secrets_find(struct audit *a, const void *data, size_t size, const char *where)
{
	for (size_t i = 0; i < a->secret_count; i++)
		if (memmem(data, size, a->secrets[i], strlen(a->secrets[i])))
			audit_fail(a, 10, "%s holds a secret", where);
}

void audit_secrets_find_file(struct audit *a, const char *path)
{
	FILE *file = a->secret_count ? fopen(path, "rbe") : NULL;
	char *block = file ? malloc(2 * FILE_BLOCK_BYTES) : NULL;
	size_t kept = 0, n;
	/* What may be a secret's beginning is kept for the next block. */
	while (block && (n = fread(block + kept, 1, FILE_BLOCK_BYTES, file)) > 0) {
		size_t size = kept + n;
		audit_secrets_find(a, block, size, path);
		kept = size < 4096 ? size : 4096;
		memmove(block, block + size - kept, kept);
	}
	free(block);
	if (file)
		(void)fclose(file);
}

const char *audit_key(const struct store_value *key, char *text, size_t size)
{
	const unsigned char *bytes = key->data;
	bool name = key->size > 0;
	assert(size >= 64);
	for (size_t i = 0; i < key->size; i++)
		name &= isprint(bytes[i]) != 0;
	if (name) {
		(void)snprintf(text, size, "\"%.*s\"", (int)key->size, (const char *)key->data);
		return text;
	}
	/* Numbers, as store_key_... lay them out; a kind may lead. */
	static const unsigned char layouts[][4] = {{8}, {4, 8}, {8, 4, 4}, {1, 8, 4, 4}};
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		const unsigned char *widths = layouts[i];
		if (key->size != (size_t)(widths[0] + widths[1] + widths[2] + widths[3]))
			continue;
		size_t used = 0, at = 0;
		for (size_t k = 0; k < 4 && widths[k]; at += widths[k++]) {
			unsigned long long number = 0;
			for (size_t j = 0; j < widths[k]; j++)
				number = number << 8 | bytes[at + j];
			used += (size_t)snprintf(text + used, size - used, "%s%llu", k ? "/" : "",
						 number);
		}
		return text;
	}
	(void)snprintf(text, size, "of %zu bytes", key->size);
	return text;
}

struct scan {
	struct audit *audit;
	const char *const *tables;
	uint64_t records;
};

static void record_good(void *context, unsigned table, const struct store_value *key,
			const struct store_value *value)
{
	struct scan *s = context;
	s->records++;
	if (s->audit->secret_count == 0)
		return;
	char where[64];
	(void)snprintf(where, sizeof where, "a record of table %s", s->tables[table]);
	audit_secrets_find(s->audit, value->data, value->size, where);
	audit_secrets_find(s->audit, key->data, key->size, where);
}

static void record_bad(void *context, unsigned table, const struct store_value *key,
		       const struct store_value *value)
{
	struct scan *s = context;
	char text[128];
	audit_fail(s->audit, 2, "the record of table %s, key %s, %zu bytes, is damaged",
		   s->tables[table], audit_key(key, text, sizeof text), value->size);
}

enum err audit_records(struct audit *a, struct store_txn *t, const char *const *tables,
		       unsigned table_count)
{
	struct scan s = {.audit = a, .tables = tables};
	bool whole = true;
	for (unsigned i = 0; i < table_count; i++) {
		enum err e = store_scan(t, i, record_good, record_bad, &s);
		if (e)
			audit_fail(a, 2, "table %s can't be read to its end: %s", tables[i],
				   err_str(e));
		whole &= !e;
	}
	audit_note(a, 2, "%llu records of %u tables", (unsigned long long)s.records, table_count);
	if (a->secret_count)
		audit_note(a, 10, "%zu secrets looked for", a->secret_count);
	return whole && a->lines[2].failures == 0 ? ERR_OK : ERR_CORRUPT;
}

static char guard_text[512];

static void guard_tell(int signal_no)
{
	(void)signal_no;
	ssize_t n = write(STDERR_FILENO, guard_text, strlen(guard_text));
	(void)n;
	_exit(EXIT_CODE_STORAGE);
}

void audit_guard(const char *program, const char *dir)
{
	static const int signals[] = {SIGBUS, SIGSEGV, SIGABRT, SIGFPE};
	(void)snprintf(guard_text, sizeof guard_text,
		       "%s: the store %s is damaged: reading it fails; put a backup in its place\n",
		       program, dir);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = {.sa_handler = guard_tell};
		(void)sigemptyset(&action.sa_mask);
		(void)sigaction(signals[i], &action, NULL);
	}
}
