/* I7 over the kept replies, whose two tables hold the same ones, as many as the totals say; and
 * over open batch jobs. */
#include "base/limits.h"
#include "coordinator/audit_impl.h"
#include "llm/key.h"
#include "wire/frame.h"

#include <string.h>

static void reply_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__ReplyRecord *reply = message;
	char text[128];
	struct store_value aged = {NULL, 0};
	struct store_key number = store_key_u64(reply->number);
	enum err e = store_get(r->txn, TABLE_AGES, number.bytes, number.size, &aged);
	r->kept.count++;
	r->kept.bytes += reply->body.len + KEPT_ENTRY_BYTES;
	if (reply->number >= r->kept.next)
		r->kept.next = reply->number + 1;
	if (key->size != KEY_BYTES)
		audit_fail(&r->audit, 7, "a kept reply's key has %zu bytes", key->size);
	else if (e || aged.size != key->size || memcmp(aged.data, key->data, key->size) != 0)
		audit_fail(&r->audit, 7, "the kept reply %s is not under its number %llu",
			   audit_key(key, text, sizeof text), (unsigned long long)reply->number);
}

static void batch_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__BatchNote *note = message;
	char text[128];
	if (note->token.len != key->size || memcmp(note->token.data, key->data, key->size) != 0)
		audit_fail(&r->audit, 7, "the batch job %s has another token",
			   audit_key(key, text, sizeof text));
	else if (note->over || note->n_names == 0)
		audit_fail(&r->audit, 7, "the batch job %s is over, or has no works",
			   audit_key(key, text, sizeof text));
}

/* Jobs whose answers are still to be fetched. */
static enum err batches_check(struct audit_run *r)
{
	uint64_t count;
	enum err e = store_count(r->txn, TABLE_BATCHES, &count);
	if (!e)
		e = audit_each(r, TABLE_BATCHES, &freeal__batch_note__descriptor, 7, batch_check);
	if (!e && count > 0)
		audit_note(&r->audit, 7, "%llu open batch jobs", (unsigned long long)count);
	return e;
}

enum err audit_kept(struct audit_run *r)
{
	const Freeal__KeptRecord none = FREEAL__KEPT_RECORD__INIT;
	Freeal__KeptRecord *stored = NULL;
	uint64_t ages = 0;
	freeal__kept_record__init(&r->kept);
	enum err e = meta_get(r->txn, "kept", &freeal__kept_record__descriptor, &stored);
	if (!e || e == ERR_NOT_FOUND)
		e = audit_each(r, TABLE_REPLIES, &freeal__reply_record__descriptor, 7, reply_check);
	if (!e)
		e = store_count(r->txn, TABLE_AGES, &ages);
	const Freeal__KeptRecord *totals = stored ? stored : &none;
	if (!e && (ages != r->kept.count || totals->count != ages ||
		   totals->bytes != r->kept.bytes || totals->next < r->kept.next))
		audit_fail(&r->audit, 7,
			   "there are %llu kept replies of %llu bytes and %llu ages; the totals "
			   "say %llu, of %llu bytes",
			   (unsigned long long)r->kept.count, (unsigned long long)r->kept.bytes,
			   (unsigned long long)ages, (unsigned long long)totals->count,
			   (unsigned long long)totals->bytes);
	else if (!e && totals->bytes > totals->bytes_max)
		audit_fail(&r->audit, 7, "the kept replies have %llu bytes, of at most %llu",
			   (unsigned long long)totals->bytes,
			   (unsigned long long)totals->bytes_max);
	if (!e && totals->count > 0)
		audit_note(&r->audit, 7, "%llu kept replies", (unsigned long long)totals->count);
	frame_message_free(stored);
	return e ? e : batches_check(r);
}
