/*
 * usage FILE COMMAND...: runs it, and writes into FILE what it took: wall and CPU seconds, peak memory in
 * bytes.
 *
 * A process inherits the peak of who forked it (setmax_mm_hiwater_rss() in the kernel's exec), so what is
 * forked by a large program, such as the bench, cannot have a small one. This one is small, and its children
 * end with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	double start = now();
	struct rusage used;
	int status = 0;
	FILE *out;
	pid_t child;

	if (argc < 3)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child = fork();
	if (child < 0)
		return 2;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	while (wait4(child, &status, 0, &used) < 0)
		if (errno != EINTR)
			return 2;
	start = now() - start;
	out = fopen(argv[1], "w");
	if (!out ||
		fprintf(out, "%.6f %.6f %lld\n", start, seconds(used.ru_utime) + seconds(used.ru_stime),
			(long long)used.ru_maxrss * 1024) < 0 ||
		fclose(out))
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
