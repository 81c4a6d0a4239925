#include "base/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

void cgroup_read(const char *path, char *ret_text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret_text, size - 1);
	if (fd >= 0)
		(void)close(fd);
	ret_text[n > 0 ? n : 0] = '\0';
}
