#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kevfs/base/log.h"

/* How long a parent that is to exit may take. */
#define PARENT_MS 2000

static void wait_for_child(int fd, pid_t child, void (*up)(void *context, pid_t child), void *context)
	__attribute__((noreturn));
static void wait_for_child(int fd, pid_t child, void (*up)(void *context, pid_t child), void *context)
{
	char ready;
	ssize_t n;
	int status = 0;

	do
		n = read(fd, &ready, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1 && up)
		up(context, child);
	if (n == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	kev_log_error("ended by signal %d (%s) before the mount was there", WTERMSIG(status),
		strsignal(WTERMSIG(status)));
	_exit(128 + WTERMSIG(status));
}

void kev_daemon_open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int kev_daemon_fork(void (*ready)(void *context, pid_t child), void *context)
{
	int ends[2];
	pid_t parent = getpid(), child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		int r = -errno;

		close(ends[0]);
		close(ends[1]);
		return r;
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_child(ends[0], child, ready, context);
	}
	close(ends[0]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(128 + SIGTERM);
	return ends[1];
}

/* The pipe has no reader any more, then. Until systemd has heard of us from the parent, it does not listen to
 * us. */
static void wait_parent_gone(int fd)
{
	struct pollfd pipe_ = {.fd = fd};

	while (poll(&pipe_, 1, PARENT_MS) < 0 && errno == EINTR)
		;
}

void kev_daemon_ready(int fd)
{
	const char ready = 1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ssize_t n;

	setsid();
	/* A daemon must not keep anybody's directory busy. "/" is always there. */
	if (chdir("/") < 0)
		kev_log_warning("chdir /: %s", strerror(errno));
	kev_log_set_sink(KEV_LOG_SYSLOG);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	prctl(PR_SET_PDEATHSIG, 0);
	do
		n = write(fd, &ready, 1);
	while (n < 0 && errno == EINTR);
	/* Nobody hears it: the parent was killed meanwhile. The session takes the signal, and unmounts. */
	if (n < 0)
		kill(getpid(), SIGTERM);
	else
		wait_parent_gone(fd);
	close(fd);
}
