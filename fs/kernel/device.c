#include "kevfs/kernel/device.h"

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kevfs/kernel/ops.h"

/* The first libfuse that passes the flag on by itself. */
#define PASSES_IT_ON 317

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
		parts[1].iov_len >= offsetof(struct fuse_init_out, flags) + sizeof(uint32_t)) {
		struct fuse_init_out *answer = parts[1].iov_base;

		answer->flags |= FUSE_PARALLEL_DIROPS;
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
