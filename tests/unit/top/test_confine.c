/* What is given up, each in a process of its own: there is no way back. */
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Run the body in a child; it says how it went by its exit status: 0, or the line at which it went wrong. */
static void in_child(void (*body)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status))
		fail_msg("line %d or so", WEXITSTATUS(status));
}

#define MUST(condition)                        \
	do {                                   \
		if (!(condition))              \
			_exit(__LINE__ % 250); \
	} while (0)

#define MUST_FAIL(call) MUST((errno = 0, (call) < 0) && errno == EPERM)

static void *go_on(void *context)
{
	int *ends = context;
	char byte;

	/* A thread from before. */
	MUST(read(ends[0], &byte, 1) == 1);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST_FAIL(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
	MUST_FAIL(execl("/bin/true", "true", NULL));
	return NULL;
}

static void *do_nothing(void *context)
{
	return context;
}

static void give_up(void)
{
	pthread_t before, after;
	int ends[2], fd;
	void *result;

	MUST(pipe(ends) == 0);
	MUST(pthread_create(&before, NULL, go_on, ends) == 0);
	kev_confine_memory();
	kev_confine_capabilities();
	MUST(kev_confine() == 0);
	MUST(prctl(PR_GET_DUMPABLE) == 0);
	MUST_FAIL(execl("/bin/true", "true", NULL));
	MUST_FAIL(fork());
	MUST_FAIL(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
	MUST_FAIL(unshare(CLONE_NEWUSER));
	MUST_FAIL(mount("none", "/", "tmpfs", 0, NULL));
	MUST_FAIL(umount2("/nowhere", MNT_DETACH));
	MUST_FAIL(syscall(SYS_bpf, 0, NULL, 0));
	MUST_FAIL(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	MUST_FAIL(syscall(425 /* io_uring_setup */, 1, NULL));
	MUST_FAIL(setresuid(1, 1, 1));
	MUST_FAIL(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	MUST_FAIL(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	/* What is needed. */
	MUST(pthread_create(&after, NULL, do_nothing, ends) == 0);
	MUST(pthread_join(after, &result) == 0 && result == ends);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && close(fd) == 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(fd >= 0 && close(fd) == 0);
	MUST(kill(getpid(), 0) == 0 && setsid() != 0);
	MUST(write(ends[1], "x", 1) == 1);
	MUST(pthread_join(before, NULL) == 0);
}

static void test_gives_up(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	in_child(give_up);
}

static void leave_no_core(void)
{
	struct rlimit core;

	kev_confine_memory();
	MUST(getrlimit(RLIMIT_CORE, &core) == 0);
	MUST(SANITIZED || core.rlim_cur == 0);
	MUST(SANITIZED || prctl(PR_GET_DUMPABLE) == 0);
}

static void test_memory(void **state)
{
	(void)state;
	in_child(leave_no_core);
}

/* The capabilities that /proc says this thread has. */
static unsigned long long effective(void)
{
	unsigned long long found = ~0ULL;
	char line[256];
	FILE *file = fopen("/proc/thread-self/status", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "CapEff:", 7) == 0)
			found = strtoull(line + 7, NULL, 16);
	}
	if (file)
		fclose(file);
	return found;
}

static void keep_few(void)
{
	unsigned long long before = effective();

	kev_confine_capabilities();
	/* CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN; no more than there were */
	MUST(effective() == (before & (SANITIZED ? ~0ULL : 0x200006ULL)));
	MUST(kev_confine() == 0);
	MUST(effective() == (before & (SANITIZED ? ~0ULL : 0x6ULL)));
}

static void test_capabilities(void **state)
{
	(void)state;
	in_child(keep_few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_capabilities),
	};

	if (getenv("KEVFS_UNDER_VALGRIND")) {
		fputs("valgrind does not know seccomp(2)\n", stderr);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
