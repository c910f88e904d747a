#include "kevfs/base/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kevfs/base/program.h"

/* The descriptors that it keeps. */
enum { RUNS = 3, UNMOUNTS, FIRST_FREE };

/* What cannot be executed ends with this status, as in a shell; why, the pipe says. */
#define STATUS_NOT_RUN 127

/* A child of ours, and who waits for its end. */
struct task {
	pid_t pid; /* 0: none */
	int why;   /* a pipe that holds an errno if it could not be run */
	int socket;
};

struct process {
	const struct kev_helper_config *config;
	struct task run, unmount;
	int signals;      /* signalfd(2) of SIGCHLD */
	uint64_t guarded; /* the mount that is not to stay behind the daemon; 0: none */
};

/* ---- the children ---- */

static int execute_in(const struct kev_helper_config *config, const char *directory, size_t len)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, directory, config->argv[0]);

	if (n < 0 || (size_t)n >= sizeof(path))
		return ENAMETOOLONG;
	execve(path, config->argv, config->envp);
	return errno;
}

/* @return an errno: of a file that is there but cannot be run, rather than that there is none */
static int execute(const struct kev_helper_config *config)
{
	const char *directory = config->path ? config->path : "";
	int error = ENOENT;

	if (strchr(config->argv[0], '/')) {
		execve(config->argv[0], config->argv, config->envp);
		return errno;
	}
	while (*directory) {
		size_t len = strcspn(directory, ":");

		/* A relative one would be anybody's. */
		if (*directory == '/') {
			int why = execute_in(config, directory, len);

			if (why != ENOENT && why != ENOTDIR)
				error = why;
			if (error != ENOENT && error != EACCES)
				break;
		}
		directory += len + (directory[len] ? 1 : 0);
	}
	return error;
}

static int unmount(const struct kev_helper_config *config)
{
	char name[] = "fusermount3", u[] = "-u", z[] = "-z", end[] = "--";
	char *environment[] = {NULL}, mountpoint[PATH_MAX], program[PATH_MAX];
	char *argv[] = {name, u, z, end, mountpoint, NULL};

	if (umount2(config->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		_exit(0);
	if (errno != EPERM)
		return errno;
	if (snprintf(mountpoint, sizeof(mountpoint), "%s", config->mountpoint) >= PATH_MAX)
		return ENAMETOOLONG;
	if (kev_program_find_fusermount(program) == 0)
		execve(program, argv, environment);
	return EPERM;
}

/* The child's own side; never returns. */
static void be_child(const struct kev_helper_config *config,
	int (*body)(const struct kev_helper_config *config), const int fds[2], int why)
	__attribute__((noreturn));
static void be_child(const struct kev_helper_config *config,
	int (*body)(const struct kev_helper_config *config), const int fds[2], int why)
{
	sigset_t none;
	int error = 0;

	setpgid(0, 0);
	/* If we are killed ourselves. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if ((fds[0] >= 0 && dup2(fds[0], STDOUT_FILENO) < 0) ||
		(fds[1] >= 0 && dup2(fds[1], STDERR_FILENO) < 0))
		error = errno;
	if (!error)
		error = body(config);
	/* A pipe takes so few bytes at once, or nobody reads it. */
	if (write(why, &error, sizeof(error)) < 0)
		_exit(STATUS_NOT_RUN);
	_exit(STATUS_NOT_RUN);
}

/* @return 0 or an errno */
static int launch(struct process *process, struct task *task,
	int (*body)(const struct kev_helper_config *config), const int fds[2])
{
	int ends[2];

	if (task->pid)
		return EBUSY;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return errno;
	task->pid = fork();
	if (task->pid == 0)
		be_child(process->config, body, fds, ends[1]);
	close(ends[1]);
	if (task->pid < 0) {
		int error = errno;

		task->pid = 0;
		close(ends[0]);
		return error;
	}
	/* Both do it: whoever kills the group must find it. */
	setpgid(task->pid, task->pid);
	task->why = ends[0];
	return 0;
}

/* ---- what the daemon asks for ---- */

static void answer(int socket, enum kev_helper_end end, int value)
{
	const struct kev_helper_result result = {end, value};

	/* Few fit, but for each there was an order. */
	(void)send(socket, &result, sizeof(result), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void start_run(struct process *process, const int fds[2])
{
	int error = process->config->argv ? 0 : ENOSYS;

	if (!error && (fds[0] < 0 || fds[1] < 0))
		error = EBADF;
	if (!error)
		error = launch(process, &process->run, execute, fds);
	if (error)
		answer(process->run.socket, KEV_HELPER_NOT_RUN, error);
}

static void start_unmount(struct process *process)
{
	static const int none[] = {-1, -1};
	int error = process->config->mountpoint ? 0 : ENOSYS;

	if (!error)
		error = launch(process, &process->unmount, unmount, none);
	if (error)
		answer(process->unmount.socket, KEV_HELPER_NOT_RUN, error);
}

static void kill_task(const struct task *task)
{
	if (task->pid)
		kill(-task->pid, SIGKILL);
}

/* The descriptors that came along, or -1. */
static void take_descriptors(struct msghdr *message, int fds[2])
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	fds[0] = fds[1] = -1;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(head), 2 * sizeof(int));
}

/* @return false when the daemon is gone */
static bool serve_order(struct process *process, int socket)
{
	struct kev_helper_order order = {0};
	struct iovec piece = {&order, sizeof(order)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fds[2];

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != sizeof(order))
		return false;
	take_descriptors(&message, fds);
	if (socket == RUNS && order.kind == KEV_HELPER_RUN)
		start_run(process, fds);
	else if (socket == RUNS && order.kind == KEV_HELPER_KILL)
		kill_task(&process->run);
	else if (socket == UNMOUNTS && order.kind == KEV_HELPER_UNMOUNT)
		start_unmount(process);
	else if (socket == UNMOUNTS && order.kind == KEV_HELPER_GUARD)
		process->guarded = order.mount;
	for (size_t i = 0; i < KEV_ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return true;
}

static void reap(struct task *task)
{
	int status, why = 0;

	if (!task->pid || waitpid(task->pid, &status, WNOHANG) != task->pid)
		return;
	task->pid = 0;
	if (read(task->why, &why, sizeof(why)) == sizeof(why))
		answer(task->socket, KEV_HELPER_NOT_RUN, why);
	else if (WIFSIGNALED(status))
		answer(task->socket, KEV_HELPER_KILLED, WTERMSIG(status));
	else
		answer(task->socket, KEV_HELPER_EXITED, WEXITSTATUS(status));
	close(task->why);
}

static void serve(struct process *process)
{
	struct pollfd fds[] = {{.fd = RUNS, .events = POLLIN}, {.fd = UNMOUNTS, .events = POLLIN},
		{.fd = process->signals, .events = POLLIN}};
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(fds, KEV_ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[2].revents && read(process->signals, &info, sizeof(info)) > 0) {
			reap(&process->run);
			reap(&process->unmount);
		}
		if ((fds[0].revents && !serve_order(process, RUNS)) ||
			(fds[1].revents && !serve_order(process, UNMOUNTS)))
			return;
	}
}

/* The daemon is gone. What it has asked for last stands in the socket still, if the end of the other one was
 * seen first; and who is unmounting already must not meet what is mounted next. */
static void bereave(struct process *process)
{
	struct pollfd orders = {.fd = UNMOUNTS, .events = POLLIN};

	while (poll(&orders, 1, -1) < 0 || serve_order(process, UNMOUNTS))
		;
	if (!process->guarded || !process->config->mountpoint || !process->config->bereave)
		return;
	if (process->unmount.pid)
		(void)waitpid(process->unmount.pid, NULL, 0);
	process->config->bereave(process->config->mountpoint, process->guarded);
}

/* ---- beginning ---- */

/* The sockets become RUNS and UNMOUNTS, and nothing else stays open. */
static bool keep_descriptors(int runs, int unmounts)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high[2] = {fcntl(runs, F_DUPFD_CLOEXEC, 32), fcntl(unmounts, F_DUPFD_CLOEXEC, 32)};

	if (null < 0 || high[0] < 0 || high[1] < 0)
		return false;
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (dup2(null, fd) < 0)
			return false;
	}
	if (dup3(high[0], RUNS, O_CLOEXEC) < 0 || dup3(high[1], UNMOUNTS, O_CLOEXEC) < 0)
		return false;
	if (close_range(FIRST_FREE, UINT_MAX, 0) < 0) {
		for (int fd = FIRST_FREE; fd < 1024; fd++)
			close(fd);
	}
	return true;
}

/* All but SIGKILL is blocked: who ends the daemon's group of processes, or its session, ends it by way of the
 * daemon. */
static int watch_children(void)
{
	sigset_t all, child;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Whoever ignores it has no children to wait for. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void kev_helper_process(const struct kev_helper_config *config, int runs, int unmounts)
{
	struct process process = {.config = config, .run = {.socket = RUNS}, .unmount = {.socket = UNMOUNTS}};

	/* Who kills all that is called kevfs (pkill) must not kill what unmounts then. */
	prctl(PR_SET_NAME, "kev-helper");
	setsid();
	if (!keep_descriptors(runs, unmounts) || chdir("/") < 0)
		_exit(1);
	process.signals = watch_children();
	if (process.signals < 0)
		_exit(1);
	serve(&process);
	kill_task(&process.run);
	bereave(&process);
	_exit(0);
}
