/* Preloaded into a process: counts the system calls that change files below a folder, and lets one
 * of them fail, or writes all of them down. `system_calls.py` builds, arms and reads this.
 *
 * Calls of a C library's own streams (fopen) and writes through memory maps are not seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum fault { NONE, FAIL_ONCE, NO_SPACE, READ_ONLY, KILL };
enum operation { WRITE, TRUNCATE, SYNC, CREATE, MKDIR, UNLINK, RMDIR, RENAME, LINK, EXCHANGE };

struct state { /* shared with the benchmark and all processes it starts; see system_calls.py */
    int64_t armed, fault, stop_at, count, logging, n_folder;
    char folder[1000], log[1000];
};

struct record {
    int64_t operation, inode, offset, n_path, n_target, n_data;
};

static struct state *state;

static void __attribute__((constructor)) set_up(void) {
    const char *path = getenv("ACE_SYSTEM_CALLS");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *shared = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared != MAP_FAILED) state = shared;
}

static int is_below(const char *path) {
    return strncmp(path, state->folder, state->n_folder) == 0 &&
           (path[state->n_folder] == '/' || path[state->n_folder] == 0);
}

static int of_descriptor(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
    return n > 0 && is_below(path);
}

static int of_name(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        ssize_t n = -1;
        if (folder == AT_FDCWD) n = syscall(SYS_getcwd, base, sizeof base) - 1;
        else if (of_descriptor(folder, base)) n = strlen(base);
        if (n < 0) return 0;
        snprintf(path, PATH_MAX, "%.*s/%s", (int)n, base, name);
    }
    return is_below(path);
}

/* Count a call; return 0 to go on, else the error to fail with. A first half of a write is done
 * where a disk or a kill leaves one: `half` says so. */
static int step(enum operation operation, int *half) {
    int64_t number = __atomic_fetch_add(&state->count, 1, __ATOMIC_SEQ_CST);
    int is_here = number == state->stop_at, is_behind = number >= state->stop_at;
    switch (state->fault) {
    case FAIL_ONCE: return is_here ? EIO : 0;
    case NO_SPACE:
        if (!is_behind || operation == UNLINK || operation == RMDIR) return 0;
        if (half && is_here) *half = 1;
        return ENOSPC;
    case READ_ONLY: return is_behind ? EROFS : 0;
    case KILL:
        if (!is_here) return is_behind ? raise(SIGKILL), EIO : 0;
        if (half && number % 2) *half = 1;
        else raise(SIGKILL);
        return EIO;
    default: return 0;
    }
}

static void note(enum operation operation, int64_t inode, int64_t offset, const char *path,
                 const char *target, const void *data, size_t n_data) {
    if (!state->logging) return;
    struct record head = {operation, inode, offset, strlen(path), strlen(target), n_data};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.n_path},
                            {(void *)target, head.n_target}, {(void *)data, n_data}};
    int fd = syscall(SYS_openat, AT_FDCWD, state->log, O_WRONLY | O_APPEND);
    syscall(SYS_writev, fd, parts, 4);
    syscall(SYS_close, fd);
}

static int64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : (int64_t)found.st_ino;
}

static int fails(int error) {
    errno = error;
    return -1;
}

static int is_armed(void) { return state && state->armed; }

/* ---- contents ---- */

static ssize_t write_at(int fd, const void *data, size_t n, int64_t offset) {
    return offset < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, offset);
}

static ssize_t written(int fd, const void *data, size_t n, int64_t offset) {
    char path[PATH_MAX];
    if (!is_armed() || !of_descriptor(fd, path)) return write_at(fd, data, n, offset);
    int half = 0, error = step(WRITE, &half);
    if (error && half && n > 1) {
        ssize_t done = write_at(fd, data, n / 2, offset);
        if (state->fault == KILL) raise(SIGKILL);
        return done;
    }
    if (error && state->fault == KILL) raise(SIGKILL);
    if (error) return fails(error);
    int64_t at = offset;
    if (state->logging && offset < 0) {
        struct stat found;
        int flags = syscall(SYS_fcntl, fd, F_GETFL);
        at = flags & O_APPEND && !fstat(fd, &found) ? found.st_size : lseek(fd, 0, SEEK_CUR);
    }
    ssize_t done = write_at(fd, data, n, offset);
    if (done > 0) note(WRITE, inode_of(fd), at, path, "", data, done);
    return done;
}

ssize_t write(int fd, const void *data, size_t n) { return written(fd, data, n, -1); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return written(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return written(fd, data, n, at); }

static ssize_t gathered(int fd, const struct iovec *parts, int n_parts, int64_t offset) {
    ssize_t total = 0;
    for (int i = 0; i < n_parts; i++) {
        ssize_t done = written(fd, parts[i].iov_base, parts[i].iov_len,
                               offset < 0 ? -1 : offset + total);
        if (done < 0) return total ? total : -1;
        total += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *parts, int n) { return gathered(fd, parts, n, -1); }
ssize_t pwritev(int fd, const struct iovec *p, int n, off_t at) { return gathered(fd, p, n, at); }
ssize_t pwritev64(int fd, const struct iovec *p, int n, off64_t at) { return gathered(fd, p, n, at); }

/* Copies inside the kernel are refused, so that they become writes. */
ssize_t sendfile(int out, int in, off_t *at, size_t n) {
    char path[PATH_MAX];
    if (is_armed() && of_descriptor(out, path)) return fails(ENOTSOCK);
    return syscall(SYS_sendfile, out, in, at, n);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t n) { return sendfile(out, in, at, n); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *at, size_t n, unsigned flags) {
    char path[PATH_MAX];
    if (is_armed() && of_descriptor(out, path)) return fails(EXDEV);
    return syscall(SYS_copy_file_range, in, from, out, at, n, flags);
}

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    if (!is_armed() || !of_descriptor(fd, path)) return syscall(SYS_ftruncate, fd, size);
    int error = step(TRUNCATE, NULL);
    if (error) return fails(error);
    note(TRUNCATE, inode_of(fd), size, path, "", "", 0);
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

/* Nothing waits for the medium: what would be there is worked out from the record. */
int fsync(int fd) {
    char path[PATH_MAX];
    if (!is_armed() || !of_descriptor(fd, path)) return syscall(SYS_fsync, fd);
    int error = step(SYNC, NULL);
    if (error) return fails(error);
    note(SYNC, inode_of(fd), 0, path, "", "", 0);
    return 0;
}
int fdatasync(int fd) { return fsync(fd); }

/* ---- the clock ---- */

/* It stands still, so that two runs write the same bytes; what waits uses the monotonic one. */
int clock_gettime(clockid_t clock, struct timespec *found) {
    int done = syscall(SYS_clock_gettime, clock, found);
    if (is_armed() && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *found = (struct timespec){1760000000, 0};
    return done;
}
time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *found = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    (void)zone;
    return 0;
}

/* ---- names ---- */

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int changes = flags & (O_CREAT | O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE;
    if (!changes || !is_armed() || !of_name(folder, name, path))
        return syscall(SYS_openat, folder, name, flags, mode);
    struct stat found;
    int is_new = fstatat(folder, name, &found, 0) != 0;
    if (!is_new && (flags & O_EXCL || !(flags & O_TRUNC)))
        return syscall(SYS_openat, folder, name, flags, mode);
    int error = step(is_new ? CREATE : TRUNCATE, NULL);
    if (error) return fails(error);
    int fd = syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0) note(is_new ? CREATE : TRUNCATE, inode_of(fd), 0, path, "", "", 0);
    return fd;
}

#define MODE                                                                                       \
    mode_t mode = 0;                                                                               \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                                     \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

int open(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags, mode); }
int creat(const char *name, mode_t mode) {
    return opened(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    enum operation operation = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    struct stat found;
    if (!is_armed() || !of_name(folder, name, path) ||
        fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW))
        return syscall(SYS_unlinkat, folder, name, flags);
    int error = step(operation, NULL);
    if (error) return fails(error);
    int done = syscall(SYS_unlinkat, folder, name, flags);
    if (!done) note(operation, 0, 0, path, "", "", 0);
    return done;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    if (!is_armed() || !of_name(folder, name, path) || !fstatat(folder, name, &found, 0))
        return syscall(SYS_mkdirat, folder, name, mode);
    int error = step(MKDIR, NULL);
    if (error) return fails(error);
    int done = syscall(SYS_mkdirat, folder, name, mode);
    if (!done) note(MKDIR, 0, 0, path, "", "", 0);
    return done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

static int two_names(enum operation operation, int from, const char *old, int to, const char *new,
                     unsigned flags) {
    char path[PATH_MAX], target[PATH_MAX];
    int number = operation == LINK ? SYS_linkat : SYS_renameat2;
    if (operation == RENAME && flags & RENAME_EXCHANGE) operation = EXCHANGE;
    if (!is_armed() || !of_name(from, old, path) || !of_name(to, new, target))
        return syscall(number, from, old, to, new, flags);
    int error = step(operation, NULL);
    if (error) return fails(error);
    int done = syscall(number, from, old, to, new, flags);
    if (!done) note(operation, 0, 0, path, target, "", 0);
    return done;
}
int rename(const char *old, const char *new) {
    return two_names(RENAME, AT_FDCWD, old, AT_FDCWD, new, 0);
}
int renameat(int from, const char *old, int to, const char *new) {
    return two_names(RENAME, from, old, to, new, 0);
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return two_names(RENAME, from, old, to, new, flags);
}
int link(const char *old, const char *new) {
    return two_names(LINK, AT_FDCWD, old, AT_FDCWD, new, 0);
}
int linkat(int from, const char *old, int to, const char *new, int flags) {
    return two_names(LINK, from, old, to, new, flags);
}
