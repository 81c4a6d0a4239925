/*
 * What this process's control group (a container's limits) grants. Inside a container the
 * group's own files are at the root of the mount.
 */
#ifndef FREEAL_BASE_CGROUP_H
#define FREEAL_BASE_CGROUP_H

#include <stddef.h>

/* The file's text, such as "/sys/fs/cgroup/cpu.max"; "" where there is none. Cut to `size` with
 * its NUL. */
void cgroup_read(const char *path, char *ret_text, size_t size);

#endif
