#include "base/processors.h"

#include "base/cgroup.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

uint32_t processors_quota(const char *text)
{
	unsigned long long quota, period;
	if (sscanf(text, "%19llu %19llu", &quota, &period) != 2 || quota == 0 || period == 0)
		return 0;
	unsigned long long count = (quota - 1) / period + 1;
	return count < UINT32_MAX ? (uint32_t)count : 0;
}

uint32_t processors_available(void)
{
	cpu_set_t set;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t count = online > 0 ? (uint32_t)online : 1;
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		count = (uint32_t)CPU_COUNT(&set);
	char text[64];
	cgroup_read("/sys/fs/cgroup/cpu.max", text, sizeof text);
	uint32_t quota = processors_quota(text);
	return quota > 0 && quota < count ? quota : count;
}
