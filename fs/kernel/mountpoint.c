#include "kevfs/kernel/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kevfs/base/log.h"
#include "kevfs/base/program.h"

#define DEAD "%s holds a dead mount; take it away with: umount -l %s"

/* Mounts of ours that died one above the other. */
#define DEAD_MAX 16

bool kev_mountpoint_is_handed(const char *mountpoint)
{
	return strncmp(mountpoint, "/dev/fd/", 8) == 0;
}

/* A dead mount has no real path, but its parent has, and its name is no link. */
static char *resolve_dead(const char *given)
{
	char *copy = strdup(given), *other = strdup(given), *parent = NULL, *path = NULL;
	const char *name;

	if (!copy || !other)
		goto end;
	name = basename(copy);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0) {
		errno = ENOTCONN;
		goto end;
	}
	parent = realpath(dirname(other), NULL);
	if (parent && asprintf(&path, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0)
		path = NULL;
end:
	free(copy);
	free(other);
	free(parent);
	return path;
}

char *kev_mountpoint_resolve(const char *given)
{
	char *path = realpath(given, NULL);

	return path || errno != ENOTCONN ? path : resolve_dead(given);
}

/* Is what is mounted there, on top, a kevfs? */
static bool is_kevfs(const char *mountpoint)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	const struct mntent *entry;
	bool ours = false;

	if (!mounts)
		return false;
	/* The last one is on top. */
	while ((entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_dir, mountpoint) == 0)
			ours = strcmp(entry->mnt_type, "fuse.kevfs") == 0;
	}
	endmntent(mounts);
	return ours;
}

/* One that lives? A second one would only hide it. Unless something hides it that is mounted above. */
static bool is_mounted(const char *mountpoint)
{
	struct statfs fs;

	return is_kevfs(mountpoint) && statfs(mountpoint, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

/* As an ordinary user: fusermount3 knows who may. */
static int run_fusermount(const char *mountpoint)
{
	char name[] = "fusermount3", unmount[] = "-u", quiet[] = "-q", lazy[] = "-z", end[] = "--";
	char program[PATH_MAX], *path;
	char *arguments[] = {name, unmount, quiet, lazy, end, NULL, NULL};
	pid_t child;
	int r = kev_program_find_fusermount(program), status = 0;

	if (r)
		return r;
	path = strdup(mountpoint);
	if (!path)
		return -ENOMEM;
	arguments[5] = path;
	r = posix_spawn(&child, program, NULL, NULL, arguments, environ);
	free(path);
	if (r)
		return -r;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int detach(const char *mountpoint)
{
	if (geteuid() != 0)
		return run_fusermount(mountpoint);
	return umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ? 0 : -errno;
}

/* A mount is there whose process has ended. Only one of ours is ours to take away. */
static int take_dead_away(const char *mountpoint)
{
	int r = is_kevfs(mountpoint) ? detach(mountpoint) : -ENOTCONN;

	if (!r)
		kev_log_warning("%s held a dead mount of ours, which is taken away", mountpoint);
	return r;
}

int kev_mountpoint_check(const char *mountpoint, struct kev_error *error)
{
	struct stat st;
	int r;

	if (kev_mountpoint_is_handed(mountpoint))
		return 0;
	if (stat(mountpoint, &st) < 0) {
		r = -errno;
		if (r == -ENOTCONN && is_kevfs(mountpoint))
			return 0; /* kev_mountpoint_prepare() */
		if (r == -ENOTCONN)
			kev_error_set(error, DEAD, mountpoint, mountpoint);
		else
			kev_error_set(error, "mountpoint %s: %s", mountpoint, strerror(-r));
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		kev_error_set(error, "mountpoint %s is not a directory", mountpoint);
		return -ENOTDIR;
	}
	if (is_mounted(mountpoint)) {
		kev_error_set(
			error, "%s is mounted already; to mount anew: umount %s", mountpoint, mountpoint);
		return -EBUSY;
	}
	return 0;
}

int kev_mountpoint_prepare(const char *mountpoint, struct kev_error *error)
{
	struct stat st;
	int r;

	for (int i = 0; i < DEAD_MAX && !kev_mountpoint_is_handed(mountpoint); i++) {
		if (stat(mountpoint, &st) == 0 || errno != ENOTCONN)
			break;
		r = take_dead_away(mountpoint);
		if (r) {
			kev_error_set(error, DEAD, mountpoint, mountpoint);
			return r;
		}
	}
	return kev_mountpoint_check(mountpoint, error);
}

dev_t kev_mountpoint_device(const char *mountpoint)
{
	struct statx st;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}
