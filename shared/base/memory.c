#include "base/memory.h"

#include "base/cgroup.h"

#include <stdio.h>
#include <unistd.h>

uint64_t memory_quota(const char *text)
{
	unsigned long long bytes;
	return sscanf(text, "%19llu", &bytes) == 1 ? bytes : 0;
}

uint64_t memory_limit(void)
{
	static const char *const paths[] = {"/sys/fs/cgroup/memory.max",
					    "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
	long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
	uint64_t limit =
	    pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : UINT64_MAX;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char text[64];
		cgroup_read(paths[i], text, sizeof text);
		uint64_t quota = memory_quota(text);
		if (quota > 0 && quota < limit)
			limit = quota;
	}
	return limit;
}
