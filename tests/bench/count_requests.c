/*
 * Counts what the kernel asks a FUSE daemon, by opcode. Preloaded into the daemon, it looks at the head of
 * every request that comes out of /dev/fuse; the daemon itself knows nothing of it, and needs no privilege.
 * What kernels offer (the tracepoint fuse_request_send) is for root only, newer than Debian 12, and sees
 * everybody's mounts.
 *
 * KEVFS_BENCH_COUNTS names a file of KINDS numbers of 64 bits, each in the place of its opcode, that the
 * bench reads at any time. The first one counts what could not be understood: the counts are right only while
 * it is 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#define KINDS 64
#define NOT_UNDERSTOOD 0

#define FUSE_MAJOR 10
#define FUSE_MINOR 229

static _Atomic uint64_t *counts;

__attribute__((constructor)) static void map_counts(void)
{
	const size_t size = KINDS * sizeof(*counts);
	const char *path = getenv("KEVFS_BENCH_COUNTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		perror("count_requests: KEVFS_BENCH_COUNTS");
		_exit(1);
	}
	close(fd);
	counts = map;
}

static int is_fuse(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(FUSE_MAJOR, FUSE_MINOR);
}

/* A read gives one request, whole. */
static void count(const void *data, size_t len, size_t whole)
{
	struct fuse_in_header head;
	unsigned kind = NOT_UNDERSTOOD;

	if (len >= sizeof(head)) {
		memcpy(&head, data, sizeof(head));
		if (head.len == whole && head.opcode < KINDS)
			kind = head.opcode;
	}
	atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
}

ssize_t read(int fd, void *data, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);
	ssize_t got;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "read");
	got = next(fd, data, size);
	if (got > 0 && counts && is_fuse(fd))
		count(data, (size_t)got, (size_t)got);
	return got;
}

ssize_t readv(int fd, const struct iovec *parts, int number)
{
	static ssize_t (*next)(int, const struct iovec *, int);
	ssize_t got;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "readv");
	got = next(fd, parts, number);
	if (got > 0 && counts && is_fuse(fd))
		count(parts->iov_base, parts->iov_len < (size_t)got ? parts->iov_len : (size_t)got,
			(size_t)got);
	return got;
}

/* What goes into a pipe cannot be looked at. libfuse does that only for daemons that write. */
ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags)
{
	static ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned);
	ssize_t got;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "splice");
	got = next(in, in_offset, out, out_offset, size, flags);
	if (got > 0 && counts && is_fuse(in))
		count("", 0, (size_t)got);
	return got;
}
