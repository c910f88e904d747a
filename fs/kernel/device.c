#include "kevfs/kernel/device.h"

#include <linux/fuse.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kevfs/kernel/ops.h"

/* The first libfuse that passes the flag on by itself. */
#define PASSES_IT_ON 317

/* struct fuse_init_out of <linux/fuse.h>: major, minor, max_readahead, flags. */
#define INIT_FLAGS_AT (3 * sizeof(uint32_t))
#define INIT_PARALLEL_DIROPS (1U << 18)

static ssize_t device_read(int fd, void *data, size_t len, void *userdata)
{
	(void)userdata;
	return read(fd, data, len);
}

static ssize_t device_writev(int fd, struct iovec *parts, int count, void *userdata)
{
	const struct fuse_out_header *header = parts[0].iov_base;

	/* The header, then the answer; an error has none. A notification, which answers nothing (0), may come
	 * from its thread just before. */
	if (header->unique != 0 && kev_ops_answers_init(userdata) && count == 2 &&
		parts[1].iov_len >= INIT_FLAGS_AT + sizeof(uint32_t)) {
		char *at = (char *)parts[1].iov_base + INIT_FLAGS_AT;
		uint32_t flags;

		memcpy(&flags, at, sizeof(flags));
		flags |= INIT_PARALLEL_DIROPS;
		memcpy(at, &flags, sizeof(flags));
	}
	return writev(fd, parts, count);
}

int kev_device_attach(struct fuse_session *session)
{
	const struct fuse_custom_io io = {.read = device_read, .writev = device_writev};

	if (fuse_version() >= PASSES_IT_ON)
		return 0;
	return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}
