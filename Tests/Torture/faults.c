/* A disk that hangs and a wall clock that jumps, for one process: loaded before the C library (LD_PRELOAD).
 *
 * TORTURE_FAULTS names a file of two 64-bit integers, mapped: nanoseconds to add to the wall clock, and 1 while writing to disk hangs.
 * Any thread; must never touch the monotonic clock. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct orders {
    volatile int64_t wall_ns;
    volatile int64_t is_stalled;
};

static const struct orders none = {0, 0};

static const struct orders *orders(void)
{
    static const struct orders *mapped;
    if (mapped)
        return mapped;
    const char *path = getenv("TORTURE_FAULTS");
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct orders), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    mapped = p == MAP_FAILED ? &none : p;
    return mapped;
}

static void hang(void)
{
    while (orders()->is_stalled) {
        const struct timespec moment = {0, 10000000};
        nanosleep(&moment, NULL);
    }
}

int fsync(int fd)
{
    hang();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    hang();
    return (int)syscall(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, at);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    const int64_t ns = at->tv_nsec + orders()->wall_ns % 1000000000;
    at->tv_sec += orders()->wall_ns / 1000000000 + (ns < 0 ? -1 : ns / 1000000000);
    at->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
