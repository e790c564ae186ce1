/*
 * A library that servers load before all others, so that their wall clock can be changed and their disk slowed down.
 *
 * libfaketime changes the clock for many programs but hangs redis-server: it looks up the functions that it replaces,
 * which allocates memory while an allocator that asks for the time is still starting. This library looks up nothing.
 * It asks the kernel by system calls and changes the answers by the values in a file that steadfast has mapped as
 * well. The values can therefore change while the server runs. The cost is a system call instead of a call into the
 * vDSO.
 *
 * Not changed: monotonic clocks; waiting until a time of the wall clock, which the kernel does; the times of files.
 * Writes are slowed down if they are made by write and its relatives. Writes of stdio are not, because stdio does not
 * call these functions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "the system calls of a 64-bit machine");

/* The layout of the file that `preload.rs` writes. */
struct control {
    volatile int64_t clock_offset_ns;
    volatile int64_t disk_bytes_per_s;
    /* Written here: how long writes have waited so far, in ns. */
    volatile int64_t disk_waited_ns;
};

static struct control at_peace;
static struct control *control = &at_peace;

__attribute__((constructor)) static void find_control(void) {
    const char *path = getenv("STEADFAST_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
}

static const int64_t SECOND_NS = 1000000000;

static void shift(struct timespec *time) {
    int64_t ns = time->tv_nsec + control->clock_offset_ns % SECOND_NS;
    time->tv_sec += control->clock_offset_ns / SECOND_NS;
    if (ns < 0) {
        ns += SECOND_NS;
        time->tv_sec -= 1;
    } else if (ns >= SECOND_NS) {
        ns -= SECOND_NS;
        time->tv_sec += 1;
    }
    time->tv_nsec = ns;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (syscall(SYS_clock_gettime, clock, time) != 0) return -1;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) shift(time);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}

/* If the bytes went to a file, waits as long as a disk of the current rate takes for this many bytes. */
static ssize_t slowly(int file, ssize_t written) {
    int64_t rate = control->disk_bytes_per_s;
    struct stat about;
    if (rate <= 0 || written <= 0 || fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return written;
    int saved = errno;
    struct timespec left = { written / rate, written % rate * SECOND_NS / rate };
    int64_t takes_ns = left.tv_sec * SECOND_NS + left.tv_nsec;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    __atomic_fetch_add(&control->disk_waited_ns, takes_ns, __ATOMIC_RELAXED);
    errno = saved;
    return written;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return slowly(file, syscall(SYS_write, file, bytes, count));
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return slowly(file, syscall(SYS_pwrite64, file, bytes, count, at));
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return slowly(file, syscall(SYS_pwrite64, file, bytes, count, at));
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    return slowly(file, syscall(SYS_writev, file, parts, count));
}
