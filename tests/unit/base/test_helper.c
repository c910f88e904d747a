#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kevfs/base/helper.h"

#define PATIENCE_MS 10000

static char *const environment[] = {(char[]){"A=1"}, NULL};

/* A helper that runs a shell command, and the pipes that it writes into. */
struct fixture {
	struct kev_helper *helper;
	int output[2], errors[2];
	char text[4096], said[4096]; /* what came out of them */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f && pipe2(f->output, O_CLOEXEC) == 0 && pipe2(f->errors, O_CLOEXEC) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kev_helper_destroy(f->helper);
	for (int i = 0; i < 2; i++) {
		if (f->output[i] >= 0)
			close(f->output[i]);
		if (f->errors[i] >= 0)
			close(f->errors[i]);
	}
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *script)
{
	char shell[] = "/bin/sh", c[] = "-c", *copy = strdup(script);
	char *argv[] = {shell, c, copy, NULL};
	const struct kev_helper_config config = {.argv = argv, .envp = environment};

	assert_non_null(copy);
	assert_int_equal(kev_helper_start(&config, &f->helper), 0);
	/* It has its own. */
	memset(copy, 'x', strlen(copy));
	free(copy);
}

static void run(struct fixture *f)
{
	assert_int_equal(kev_helper_run(f->helper, f->output[1], f->errors[1]), 0);
}

static struct kev_helper_result wait_end(struct fixture *f)
{
	struct pollfd ready = {.fd = kev_helper_descriptor(f->helper), .events = POLLIN};
	struct kev_helper_result result = {KEV_HELPER_EXITED, -1};

	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	assert_int_equal(kev_helper_take(f->helper, &result), 0);
	return result;
}

static void assert_end(struct fixture *f, enum kev_helper_end end, int value)
{
	struct kev_helper_result result = wait_end(f);

	assert_int_equal(result.end, end);
	assert_int_equal(result.value, value);
}

/* What is in a pipe now. */
static const char *read_pipe(int fd, char *text, size_t size)
{
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *output(struct fixture *f)
{
	return read_pipe(f->output[0], f->text, sizeof(f->text));
}

static void test_run_tells_all(void **state)
{
	struct fixture *f = *state;
	struct kev_helper_result untouched = {KEV_HELPER_KILLED, 77};

	start(f, "echo out; echo err >&2; cat; echo \"$A$B\"; exit 3");
	assert_int_equal(kev_helper_take(f->helper, &untouched), -EAGAIN);
	assert_int_equal(untouched.value, 77);
	for (int i = 0; i < 3; i++) {
		run(f);
		assert_end(f, KEV_HELPER_EXITED, 3);
		assert_string_equal(output(f), "out\n1\n");
		assert_string_equal(read_pipe(f->errors[0], f->said, sizeof(f->said)), "err\n");
	}
}

static void test_run_killed_by_a_signal(void **state)
{
	struct fixture *f = *state;

	start(f, "kill -SEGV $$");
	run(f);
	assert_end(f, KEV_HELPER_KILLED, SIGSEGV);
}

/* Nothing of ours but what it is given; no terminal; default signals. */
static void test_run_is_clean(void **state)
{
	struct fixture *f = *state;
	int other = open("/dev/zero", O_RDONLY); /* inherited by whoever does not look */
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	assert_true(other >= 0);
	start(f, "cd /proc/self/fd && for i in *; do [ $i -gt 2 ] && readlink $i; done;"
		 "readlink /proc/$PPID/cwd; { true </dev/tty; } 2>&- && echo terminal;"
		 "kill -PIPE $$; echo ignored");
	run(f);
	assert_end(f, KEV_HELPER_KILLED, SIGPIPE);
	assert_string_equal(output(f), "/\n");
	signal(SIGPIPE, before);
	close(other);
}

/* A shell's $(…) around the daemon must not wait for it. */
static void test_start_keeps_no_descriptor(void **state)
{
	struct fixture *f = *state;
	struct pollfd end = {.fd = f->output[0], .events = POLLIN};

	assert_int_equal(fcntl(f->output[1], F_SETFD, 0), 0);
	start(f, "exit");
	close(f->output[1]);
	f->output[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
	assert_int_equal(end.revents & (POLLIN | POLLHUP), POLLHUP);
	run(f);
	assert_end(f, KEV_HELPER_EXITED, 0);
}

static void start_command(struct fixture *f, const char *command, const char *path)
{
	char *name = strdup(command), one[] = "1";
	char *argv[] = {name, one, NULL};
	const struct kev_helper_config config = {.argv = argv, .envp = environment, .path = path};

	kev_helper_destroy(f->helper);
	f->helper = NULL;
	assert_int_equal(kev_helper_start(&config, &f->helper), 0);
	free(name);
	run(f);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_run_looks_in_the_path(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/kevfs-test-XXXXXX", path[64], search[128];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/plugin", directory);
	snprintf(search, sizeof(search), "/nonexistent::bin:/etc/passwd:%s:/bin", directory);
	write_file(path, "#!/bin/sh\necho \"$0 $1\"", 0755);
	start_command(f, "plugin", search);
	assert_end(f, KEV_HELPER_EXITED, 0);
	assert_non_null(strstr(output(f), "/plugin 1\n"));
	start_command(f, "plugin", "/nonexistent:/etc");
	assert_end(f, KEV_HELPER_NOT_RUN, ENOENT);
	start_command(f, "plugin", NULL);
	assert_end(f, KEV_HELPER_NOT_RUN, ENOENT);
	start_command(f, path, "");
	assert_end(f, KEV_HELPER_EXITED, 0);
	/* Found, but it cannot be run: that is what is told, unless another one can. */
	assert_int_equal(chmod(path, 0600), 0);
	start_command(f, "plugin", search);
	assert_end(f, KEV_HELPER_NOT_RUN, EACCES);
	write_file(path, "no program", 0755);
	start_command(f, "plugin", search);
	assert_end(f, KEV_HELPER_NOT_RUN, ENOEXEC);
	/* Relative ones do not count. */
	assert_int_equal(chdir(directory), 0);
	start_command(f, "plugin", ".:");
	assert_end(f, KEV_HELPER_NOT_RUN, ENOENT);
	assert_int_equal(chdir("/"), 0);
	unlink(path);
	rmdir(directory);
}

static void test_run_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	int hold[2];

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	start(f, "echo began; exec sleep 1000");
	run(f);
	run(f);
	assert_end(f, KEV_HELPER_NOT_RUN, EBUSY);
	kev_helper_kill(f->helper);
	assert_end(f, KEV_HELPER_KILLED, SIGKILL);
	run(f);
	kev_helper_kill(f->helper);
	assert_end(f, KEV_HELPER_KILLED, SIGKILL);
	/* With nothing to kill. */
	kev_helper_kill(f->helper);
	assert_int_equal(kev_helper_run(f->helper, hold[1], hold[1]), 0);
	kev_helper_kill(f->helper);
	assert_end(f, KEV_HELPER_KILLED, SIGKILL);
	close(hold[0]);
	close(hold[1]);
}

/* Is everybody gone who holds the other end of the pipe? */
static void assert_all_gone(int fd)
{
	char text[64];
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	do {
		struct pollfd end = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
		n = read(fd, text, sizeof(text));
	} while (n > 0);
	assert_int_equal(n, 0);
}

static void let_go(struct fixture *f)
{
	close(f->output[1]);
	f->output[1] = -1;
}

static void await_word(const struct fixture *f)
{
	struct pollfd word = {.fd = f->output[0], .events = POLLIN};

	assert_int_equal(poll(&word, 1, PATIENCE_MS), 1);
}

static void test_kill_takes_the_group(void **state)
{
	struct fixture *f = *state;

	start(f, "sleep 1000 & sleep 1000 & echo began; wait");
	run(f);
	await_word(f);
	let_go(f);
	kev_helper_kill(f->helper);
	assert_end(f, KEV_HELPER_KILLED, SIGKILL);
	assert_all_gone(f->output[0]);
}

static void test_destroy_ends_the_run(void **state)
{
	struct fixture *f = *state;

	start(f, "sleep 1000 & echo began; wait");
	run(f);
	await_word(f);
	let_go(f);
	kev_helper_destroy(f->helper);
	f->helper = NULL;
	assert_all_gone(f->output[0]);
}

/* Whatever ends the daemon: here it is a child of ours that is killed. */
static void test_daemon_that_is_killed(void **state)
{
	struct fixture *f = *state;
	pid_t daemon = fork();

	if (daemon == 0) {
		start(f, "sleep 1000 & echo began; wait");
		run(f);
		for (;;)
			pause();
	}
	assert_true(daemon > 0);
	let_go(f);
	await_word(f);
	assert_int_equal(kill(daemon, SIGKILL), 0);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	assert_all_gone(f->output[0]);
}

static pid_t pid_of_helper(struct fixture *f)
{
	run(f);
	assert_end(f, KEV_HELPER_EXITED, 0);
	return (pid_t)atoi(output(f)); /* NOLINT(cert-err34-c): a shell's own number */
}

static void test_signals_do_not_reach_it(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};
	struct fixture *f = *state;
	pid_t pid;

	start(f, "echo $PPID");
	pid = pid_of_helper(f);
	assert_true(pid > 1);
	assert_int_not_equal(pid, getpid());
	for (size_t i = 0; i < KEV_ARRAY_LEN(numbers); i++)
		assert_int_equal(kill(pid, numbers[i]), 0);
	assert_int_equal(pid_of_helper(f), pid);
	assert_int_equal(getsid(pid), pid);
}

static void test_helper_that_is_gone(void **state)
{
	struct fixture *f = *state;
	struct pollfd ready;
	struct kev_helper_result result = {KEV_HELPER_KILLED, 77};

	start(f, "echo $PPID");
	assert_int_equal(kill(pid_of_helper(f), SIGKILL), 0);
	ready = (struct pollfd){.fd = kev_helper_descriptor(f->helper), .events = POLLIN};
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	assert_int_equal(kev_helper_take(f->helper, &result), -EPIPE);
	assert_int_equal(result.value, 77);
	assert_int_equal(kev_helper_run(f->helper, f->output[1], f->errors[1]), -EPIPE);
	assert_int_equal(kev_helper_unmount(f->helper, PATIENCE_MS), -EPIPE);
	kev_helper_kill(f->helper);
}

/* Nobody is left to look after what it ran. */
static void test_helper_that_is_killed(void **state)
{
	struct fixture *f = *state;

	start(f, "echo $PPID; exec sleep 1000");
	run(f);
	await_word(f);
	let_go(f);
	assert_int_equal(kill((pid_t)atoi(output(f)), SIGKILL), 0); /* NOLINT(cert-err34-c) */
	assert_all_gone(f->output[0]);
}

static void test_unmount(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/kevfs-test-XXXXXX", script[64];
	struct kev_helper_config config = {.mountpoint = directory};
	struct stat before, mounted, after;
	int fd;

	/* valgrind does not know the system calls that tell mounts apart. */
	if (getenv("KEVFS_UNDER_VALGRIND") || geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	assert_non_null(mkdtemp(directory));
	assert_int_equal(stat(directory, &before), 0);
	assert_int_equal(mount("none", directory, "tmpfs", 0, NULL), 0);
	assert_int_equal(stat(directory, &mounted), 0);
	assert_int_not_equal(mounted.st_dev, before.st_dev);
	assert_int_equal(kev_helper_start(&config, &f->helper), 0);
	/* Also while somebody is inside. */
	snprintf(script, sizeof(script), "%s/file", directory);
	fd = open(script, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(kev_helper_unmount(f->helper, PATIENCE_MS), 0);
	assert_int_equal(stat(directory, &after), 0);
	assert_int_equal(after.st_dev, before.st_dev);
	assert_int_equal(kev_helper_unmount(f->helper, PATIENCE_MS), -EINVAL);
	close(fd);
	rmdir(directory);
	/* It runs nothing. */
	run(f);
	assert_end(f, KEV_HELPER_NOT_RUN, ENOSYS);
}

static void test_unmount_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, "exit");
	assert_int_equal(kev_helper_unmount(f->helper, PATIENCE_MS), -ENOSYS);
}

static void test_destroy_null(void **state)
{
	(void)state;
	kev_helper_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void tell_bereaved(const char *mountpoint, uint64_t mount)
{
	/* It has no descriptor of ours any more: what it can reach is a file. */
	int file = open(mountpoint, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file >= 0) {
		dprintf(file, "%llu", (unsigned long long)mount);
		close(file);
	}
}

/* What is in the file, which is removed. */
static const char *take_file(const char *path, char *text, size_t size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = file < 0 ? -1 : read(file, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (file >= 0)
		close(file);
	unlink(path);
	return text;
}

/* The last word counts, also where it was said just before the end. */
static void test_guard(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/kevfs-helper-XXXXXX";
	const struct kev_helper_config config = {.mountpoint = path, .bereave = tell_bereaved};
	static const uint64_t said[][2] = {{7, UINT64_MAX}, {7, 0}, {0, 0}};
	static const char *const heard[] = {"18446744073709551615", "", ""};
	int file = mkstemp(path);

	assert_true(file >= 0);
	close(file);
	unlink(path);
	for (size_t i = 0; i < KEV_ARRAY_LEN(said); i++) {
		assert_int_equal(kev_helper_start(&config, &f->helper), 0);
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(kev_helper_guard(f->helper, said[i][k]), 0);
		kev_helper_destroy(f->helper);
		f->helper = NULL;
		assert_string_equal(take_file(path, f->text, sizeof(f->text)), heard[i]);
	}
	/* Nobody has asked for it. */
	assert_int_equal(kev_helper_start(&config, &f->helper), 0);
	kev_helper_destroy(f->helper);
	f->helper = NULL;
	assert_string_equal(take_file(path, f->text, sizeof(f->text)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_run_tells_all),
		TEST(test_run_killed_by_a_signal),
		TEST(test_run_is_clean),
		TEST(test_start_keeps_no_descriptor),
		TEST(test_run_looks_in_the_path),
		TEST(test_run_one_at_a_time),
		TEST(test_kill_takes_the_group),
		TEST(test_destroy_ends_the_run),
		TEST(test_daemon_that_is_killed),
		TEST(test_signals_do_not_reach_it),
		TEST(test_helper_that_is_gone),
		TEST(test_helper_that_is_killed),
		TEST(test_unmount),
		TEST(test_unmount_nothing),
		TEST(test_guard),
		cmocka_unit_test(test_destroy_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
