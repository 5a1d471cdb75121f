/* A library to preload into relayd: makes the system calls on files of one directory fail, stall, or be forgotten, and moves the wall clock.
 * Steered while the process runs by the numbers in FAULTS_CONTROL (a file shared by mmap); FAULTS_DIR is the directory; what was synced is
 * copied to FAULTS_SHADOW while that is asked for. Runs on whatever thread makes the call. Must never touch other files or sockets.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024, NAME = 64, PATH = 512, INODES = 64 };
enum { WRITE = 1, SYNC = 2, OPEN = 4, NAMING = 8, TRUNCATE = 16 };

/* The layout is known to disk_faults.py. */
struct control {
    _Atomic int64_t kinds;      /* which calls are counted: the bits above */
    _Atomic int64_t first;      /* the calls from this number (1 is the next after `counted` was set to 0) … */
    _Atomic int64_t last;       /* … to this one fail; 0: none */
    _Atomic int64_t error;      /* with this errno */
    _Atomic int64_t counted;
    _Atomic int64_t failed;
    _Atomic int64_t synced;     /* syncs that succeeded */
    _Atomic int64_t stalls;     /* 1: syncs wait until it is 0 again */
    _Atomic int64_t waiting;    /* syncs that wait */
    _Atomic int64_t clock;      /* added to the wall clock, in nanoseconds */
    _Atomic int64_t shadows;    /* 1: what is synced is copied */
};

static struct control none;
static struct control *control = &none;
static char directory[PATH], shadow[PATH];
static char names[DESCRIPTORS][NAME]; /* of the open files in the directory; "." is the directory itself */
static ino_t durable[INODES];         /* files that were synced, for names they get later */
static _Atomic int durable_count;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL"), *dir = getenv("FAULTS_DIR"), *copies = getenv("FAULTS_SHADOW");
    if (!path || !dir) return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (map == MAP_FAILED) return;
    snprintf(directory, sizeof directory, "%s", dir);
    snprintf(shadow, sizeof shadow, "%s", copies ? copies : "");
    control = map;
}

/* The part of `path` below the directory, "." for the directory, NULL for others. */
static const char *inside(const char *path) {
    size_t size = strlen(directory);
    if (size == 0 || strncmp(path, directory, size) != 0) return NULL;
    if (path[size] == 0) return ".";
    return path[size] == '/' ? path + size + 1 : NULL;
}

static const char *name_of(int file) {
    return file >= 0 && file < DESCRIPTORS && names[file][0] ? names[file] : NULL;
}

/* Counts one call; true, with errno set, when it has to fail. */
static int fails(int kind) {
    if (!(control->kinds & kind)) return 0;
    int64_t number = ++control->counted;
    if (control->first == 0 || number < control->first || number > control->last) return 0;
    control->failed++;
    errno = (int)control->error;
    return 1;
}

/* ---- what survives a power cut */

/* Reads through a descriptor that is open already: to close another one of the same file would give up SQLite's locks on it. */
static void copy(int in, const char *name) {
    char to[2 * PATH], draft[2 * PATH], block[65536];
    snprintf(to, sizeof to, "%s/%s", shadow, name);
    snprintf(draft, sizeof draft, "%s/%s.draft", shadow, name);
    int out = (int)syscall(SYS_openat, AT_FDCWD, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0) return;
    long count, at = 0;
    while ((count = syscall(SYS_pread64, in, block, sizeof block, at)) > 0) {
        syscall(SYS_write, out, block, (size_t)count);
        at += count;
    }
    syscall(SYS_close, out);
    if (count == 0) syscall(SYS_rename, draft, to);
}

static int was_durable(ino_t inode) {
    for (int i = 0; i < durable_count; i++)
        if (durable[i] == inode) return 1;
    return 0;
}

static void file_is_durable(int file, const char *name) {
    struct stat status;
    int at = durable_count;
    if (fstat(file, &status) == 0 && !was_durable(status.st_ino) && at < INODES) {
        durable[at] = status.st_ino;
        durable_count = at + 1;
    }
    copy(file, name);
}

/* Its number may be given to a new file at once, which nobody has synced. */
static void inode_is_gone(ino_t inode) {
    for (int i = 0; i < durable_count; i++)
        if (durable[i] == inode) durable[i] = 0;
}

/* Names that are gone go, new names of synced files come. */
static void directory_is_durable(void) {
    char path[2 * PATH];
    struct dirent *entry;
    struct stat status;
    DIR *listing = opendir(shadow);
    while (listing && (entry = readdir(listing))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &status) == 0) continue;
        snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
        syscall(SYS_unlink, path);
    }
    if (listing) closedir(listing);
    listing = opendir(directory);
    while (listing && (entry = readdir(listing))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || !was_durable(status.st_ino)) continue;
        snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
        if (stat(path, &status) == 0) continue;
        /* A new name of a file that was synced under another one: the master key, never the database. */
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) copy(file, entry->d_name);
        if (file >= 0) syscall(SYS_close, file);
    }
    if (listing) closedir(listing);
}

static int sync_with(int (*how)(int), int file) {
    const char *name = name_of(file);
    if (!name) return how(file);
    if (fails(SYNC)) return -1;
    control->waiting++;
    struct timespec moment = {0, 2000000};
    while (control->stalls) nanosleep(&moment, NULL);
    control->waiting--;
    int result = how(file);
    if (result != 0) return result;
    control->synced++;
    if (control->shadows && shadow[0]) {
        if (strcmp(name, ".") == 0) directory_is_durable(); else file_is_durable(file, name);
    }
    return 0;
}

int fsync(int file) { return sync_with(REAL(fsync), file); }
int fdatasync(int file) { return sync_with(REAL(fdatasync), file); }

/* ---- open and close */

static int opened(int file, const char *name) {
    if (name && file >= 0 && file < DESCRIPTORS) snprintf(names[file], NAME, "%s", name);
    return file;
}

#define MODE(flags, after, mode)                                   \
    if ((flags) & O_CREAT) {                                       \
        va_list more;                                              \
        va_start(more, after);                                     \
        mode = va_arg(more, mode_t);                               \
        va_end(more);                                              \
    }

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE(flags, flags, mode)
    const char *name = inside(path);
    if (name && fails(OPEN)) return -1;
    return opened(REAL(open)(path, flags, mode), name);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE(flags, flags, mode)
    const char *name = inside(path);
    if (name && fails(OPEN)) return -1;
    return opened(REAL(open64)(path, flags, mode), name);
}

int close(int file) {
    if (name_of(file)) names[file][0] = 0;
    return REAL(close)(file);
}

/* ---- writes, lengths, names */

ssize_t write(int file, const void *bytes, size_t count) {
    if (name_of(file) && fails(WRITE)) return -1;
    return REAL(write)(file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    if (name_of(file) && fails(WRITE)) return -1;
    return REAL(pwrite)(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    if (name_of(file) && fails(WRITE)) return -1;
    return REAL(pwrite64)(file, bytes, count, at);
}

int ftruncate(int file, off_t size) {
    if (name_of(file) && fails(TRUNCATE)) return -1;
    return REAL(ftruncate)(file, size);
}

int ftruncate64(int file, off64_t size) {
    if (name_of(file) && fails(TRUNCATE)) return -1;
    return REAL(ftruncate64)(file, size);
}

int rename(const char *from, const char *to) {
    if (inside(to) && fails(NAMING)) return -1;
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
    if (inside(to) && fails(NAMING)) return -1;
    return REAL(link)(from, to);
}

int unlink(const char *path) {
    struct stat status;
    const int is_ours = inside(path) && stat(path, &status) == 0;
    if (inside(path) && fails(NAMING)) return -1;
    const int result = REAL(unlink)(path);
    if (result == 0 && is_ours && status.st_nlink == 1) inode_is_gone(status.st_ino);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    if (inside(path) && fails(NAMING)) return -1;
    return REAL(mkdir)(path, mode);
}

/* ---- the wall clock */

static void moved(struct timespec *time) {
    int64_t nanoseconds = time->tv_nsec + control->clock % 1000000000;
    time->tv_sec += control->clock / 1000000000 + (nanoseconds < 0 ? -1 : nanoseconds / 1000000000);
    time->tv_nsec = (nanoseconds + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (syscall(SYS_clock_gettime, clock, time) != 0) return -1;
    if (control->clock && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) moved(time);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
