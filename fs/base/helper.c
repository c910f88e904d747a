#include "kevfs/base/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kevfs/base/helper_process.h"

/* Having seen that we are gone, it ends at once. */
#define END_STEPS 400
#define END_STEP (5 * KEV_NS_PER_MS)

struct kev_helper {
	pid_t pid;
	int runs, unmounts; /* sockets */
};

static void close_pair(const int ends[2])
{
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

static int open_sockets(int runs[2], int unmounts[2])
{
	int r = 0;

	runs[0] = runs[1] = unmounts[0] = unmounts[1] = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, runs) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, unmounts) < 0) {
		r = -errno;
		close_pair(runs);
		close_pair(unmounts);
	}
	return r;
}

int kev_helper_start(const struct kev_helper_config *config, struct kev_helper **out)
{
	struct kev_helper *helper = calloc(1, sizeof(*helper));
	int runs[2], unmounts[2], r;

	if (!helper)
		return -ENOMEM;
	r = open_sockets(runs, unmounts);
	if (r) {
		free(helper);
		return r;
	}
	helper->pid = fork();
	if (helper->pid == 0)
		kev_helper_process(config, runs[1], unmounts[1]);
	if (helper->pid < 0) {
		r = -errno;
		close_pair(runs);
		close_pair(unmounts);
		free(helper);
		return r;
	}
	close(runs[1]);
	close(unmounts[1]);
	helper->runs = runs[0];
	helper->unmounts = unmounts[0];
	*out = helper;
	return 0;
}

void kev_helper_destroy(struct kev_helper *helper)
{
	const struct timespec step = {0, END_STEP};

	if (!helper)
		return;
	close(helper->runs);
	close(helper->unmounts);
	for (int i = 0; i < END_STEPS; i++) {
		if (waitpid(helper->pid, NULL, WNOHANG) != 0)
			goto ended;
		nanosleep(&step, NULL);
	}
	kill(helper->pid, SIGKILL);
	(void)waitpid(helper->pid, NULL, 0);
ended:
	free(helper);
}

static int order(int socket, enum kev_helper_order_kind kind, uint64_t mount, const int fds[], size_t count)
{
	struct kev_helper_order text;
	struct iovec piece = {&text, sizeof(text)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {.room = {0}};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	/* Also what is between the members. */
	memset(&text, 0, sizeof(text));
	text.kind = kind;
	text.mount = mount;
	if (count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(count * sizeof(int))};
		memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	}
	if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int kev_helper_run(struct kev_helper *helper, int output, int errors)
{
	const int fds[] = {output, errors};

	return order(helper->runs, KEV_HELPER_RUN, 0, fds, KEV_ARRAY_LEN(fds));
}

void kev_helper_kill(struct kev_helper *helper)
{
	/* If it is gone, so is what it ran. */
	(void)order(helper->runs, KEV_HELPER_KILL, 0, NULL, 0);
}

int kev_helper_descriptor(const struct kev_helper *helper)
{
	return helper->runs;
}

static int take(int socket, struct kev_helper_result *out)
{
	struct kev_helper_result result;
	ssize_t n;

	do
		n = recv(socket, &result, sizeof(result), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n != sizeof(result))
		return -EPIPE;
	*out = result;
	return 0;
}

int kev_helper_take(struct kev_helper *helper, struct kev_helper_result *out)
{
	return take(helper->runs, out);
}

int kev_helper_unmount(struct kev_helper *helper, int timeout_ms)
{
	struct pollfd answer = {.fd = helper->unmounts, .events = POLLIN};
	struct kev_helper_result result;
	int r = order(helper->unmounts, KEV_HELPER_UNMOUNT, 0, NULL, 0);

	if (r)
		return r;
	do
		r = poll(&answer, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r ? -errno : -ETIMEDOUT;
	r = take(helper->unmounts, &result);
	if (r)
		return r;
	if (result.end == KEV_HELPER_KILLED)
		return -EINTR;
	/* 0 or an errno; fusermount3 says why on its standard error only, and ends with 1, which is EPERM. */
	return -result.value;
}

int kev_helper_guard(struct kev_helper *helper, uint64_t mount)
{
	return order(helper->unmounts, KEV_HELPER_GUARD, mount, NULL, 0);
}
