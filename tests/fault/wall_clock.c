/*
 * Loaded into a service with LD_PRELOAD: the wall clock is as many seconds off as the file
 * FREEAL_TEST_CLOCK says at that moment. The monotonic clock is left alone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset_s(void)
{
	const char *path = getenv("FREEAL_TEST_CLOCK");
	char text[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		ssize_t n = read(fd, text, sizeof text - 1);
		(void)n;
		close(fd);
	}
	return (time_t)strtol(text, NULL, 10);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int code = real(id, ret);
	if (code == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ret->tv_sec += offset_s();
	return code;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	int code = clock_gettime(CLOCK_REALTIME, &now);
	if (code == 0)
		*ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return code;
}

time_t time(time_t *ret)
{
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return (time_t)-1;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
