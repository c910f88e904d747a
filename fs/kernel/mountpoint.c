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
#include <time.h>
#include <unistd.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/log.h"
#include "kevfs/base/program.h"

#define DEAD "%s holds a dead mount; take it away with: umount -l %s"

/* Mounts of ours that died one above the other. */
#define DEAD_MAX 16

/* A process that was killed gives up its descriptors one after the other; /dev/fuse is one of them. */
#define DYING_STEPS 1000
#define DYING_STEP (10 * KEV_NS_PER_MS)

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

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

/* Does nobody serve what is there? A stat(2) may be answered all the same, from what the kernel has kept. */
static bool is_dead(const char *mountpoint)
{
	struct statfs fs;

	return statfs(mountpoint, &fs) < 0 && errno == ENOTCONN;
}

static dev_t device_at(int directory, const char *path, int flags)
{
	struct statx st;

	if (statx(directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | flags, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

/* The mount that the descriptor is of, and no other: meanwhile another start may have taken it away, and have
 * mounted its own. fusermount3 knows only the path, so there it may come in between still, if it is as fast.
 * @return 1, 0 where it is gone already, or -errno */
static int detach(int mount, const char *mountpoint)
{
	char path[64];
	int r;

	if (device_at(mount, "", AT_EMPTY_PATH) != kev_mountpoint_device(mountpoint))
		return 0;
	if (geteuid() != 0) {
		r = run_fusermount(mountpoint);
		return r ? r : 1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mount);
	if (umount2(path, MNT_DETACH) == 0)
		return 1;
	/* It is mounted nowhere. */
	return errno == EINVAL ? 0 : -errno;
}

/* A mount is there whose process has ended. Only one of ours is ours to take away. */
static int take_dead_away(const char *mountpoint)
{
	int mount = open(mountpoint, O_PATH | O_CLOEXEC), r = -ENOTCONN;
	struct statfs fs;

	if (mount < 0)
		return -errno;
	if (fstatfs(mount, &fs) == 0)
		r = 0;
	else if (is_kevfs(mountpoint))
		r = detach(mount, mountpoint);
	close(mount);
	if (r > 0)
		kev_log_warning("%s held a dead mount of ours, which is taken away", mountpoint);
	return r < 0 ? r : 0;
}

static int refuse_dead(const char *mountpoint, struct kev_error *error)
{
	kev_error_set(error, DEAD, mountpoint, mountpoint);
	return -ENOTCONN;
}

int kev_mountpoint_check(const char *mountpoint, struct kev_error *error)
{
	struct stat st;
	int r;

	if (kev_mountpoint_is_handed(mountpoint))
		return 0;
	if (is_dead(mountpoint))
		return is_kevfs(mountpoint) ? 0 /* kev_mountpoint_prepare() */
					    : refuse_dead(mountpoint, error);
	if (stat(mountpoint, &st) < 0) {
		r = -errno;
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
	for (int i = 0; i < DEAD_MAX && !kev_mountpoint_is_handed(mountpoint) && is_dead(mountpoint); i++) {
		/* Another start may have been faster. */
		if (take_dead_away(mountpoint) && is_dead(mountpoint))
			return refuse_dead(mountpoint, error);
	}
	return kev_mountpoint_check(mountpoint, error);
}

dev_t kev_mountpoint_device(const char *mountpoint)
{
	return device_at(AT_FDCWD, mountpoint, 0);
}

static uint64_t number_at(int directory, const char *path, int flags)
{
	struct statx st;

	if (statx(directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | flags,
		    STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &st) < 0 ||
		!(st.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)))
		return 0;
	return st.stx_mnt_id;
}

uint64_t kev_mountpoint_number(const char *mountpoint)
{
	return number_at(AT_FDCWD, mountpoint, 0);
}

/* @return whether there is nothing more to do */
static bool take_if_dead(const char *mountpoint, uint64_t number)
{
	int mount = open(mountpoint, O_PATH | O_CLOEXEC);
	struct statfs fs;
	bool done = true;

	if (mount < 0)
		return true;
	if (number_at(mount, "", AT_EMPTY_PATH) == number && fstatfs(mount, &fs) < 0) {
		/* A request that the end met is ended with another error than those which come later. */
		done = errno == ENOTCONN;
		if (done && is_kevfs(mountpoint))
			(void)detach(mount, mountpoint);
	}
	close(mount);
	return done;
}

void kev_mountpoint_bereave(const char *mountpoint, uint64_t number)
{
	const struct timespec step = {0, DYING_STEP};

	for (int i = 0; i < DYING_STEPS && number && !take_if_dead(mountpoint, number); i++)
		nanosleep(&step, NULL);
}
