/* libs: freeal-coordinator-lib */
/* A packed batch of samples: refused, or rows that are whole and answered for. */
#include "coordinator/ingest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ingest_batch *b;
	enum err e = ingest_unpack(data, size, 2, &b);
	if (e)
		return e == ERR_INVALID ? 0 : (abort(), 0);
	struct buf reply;
	buf_init(&reply, 16u << 20);
	ingest_reply(b, &reply);
	if (buf_error(&reply))
		abort();
	buf_done(&reply);
	ingest_batch_free(b);
	return 0;
}
