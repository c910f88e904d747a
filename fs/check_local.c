#include "check_run.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "resolve.h"

#include "kevfs/base/error.h"
#include "kevfs/kernel/mountpoint.h"
#include "kevfs/store/archive.h"

#define DEVICE "/dev/fuse"
#define HELPER "fusermount3"
#define CONFIGURATION "/etc/fuse.conf"

/* Where libfuse looks first, as it is built. */
#define HELPER_DIRECTORY "/usr/bin"

#define CONFIGURATION_MAX 65536

/* ---- the device, and who may mount ---- */

static void check_device(struct kev_check *check)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		kev_check_ok(&check->report, DEVICE, "may be opened");
		return;
	}
	kev_check_fail(&check->report, KEV_CHECK_LOCAL, DEVICE,
		errno == EACCES || errno == EPERM
			? "as root: chmod 666 /dev/fuse; in a container: start it with --device /dev/fuse"
			: "as root: modprobe fuse; in a container: start it with --device /dev/fuse",
		"%s", strerror(errno));
}

/* May this process mount by itself? */
static bool may_mount(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &header, data) != 0)
		return geteuid() == 0;
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

static bool is_program(const char *directory, size_t len, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%.*s/%s", (int)len, directory, HELPER);

	return n > 0 && n < PATH_MAX && access(out, X_OK) == 0;
}

/* Where libfuse finds it. */
static bool find_helper(char out[PATH_MAX])
{
	const char *path = getenv("PATH");

	if (is_program(HELPER_DIRECTORY, sizeof(HELPER_DIRECTORY) - 1, out))
		return true;
	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len && is_program(path, len, out))
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* Why what is found there gives no rights; NULL: it does. */
static const char *why_powerless(const char *path)
{
	struct statvfs fs;
	struct stat st;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return "this process may not get new rights (no_new_privs)";
	if (stat(path, &st) < 0)
		return strerror(errno);
	if (!(st.st_mode & S_ISUID) || st.st_uid != 0)
		return "it is not setuid root";
	if (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOSUID)
		return "its filesystem is mounted nosuid";
	return NULL;
}

static void check_helper(struct kev_check *check)
{
	char path[PATH_MAX];
	const char *why;

	if (may_mount()) {
		kev_check_ok(&check->report, HELPER, "not needed: we may mount by ourselves");
		return;
	}
	if (!find_helper(path)) {
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, HELPER, "install fuse3",
			"it is not there, and without it only root mounts");
		return;
	}
	why = why_powerless(path);
	if (why && geteuid() == 0)
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, HELPER,
			"in a container: start it with --cap-add SYS_ADMIN --device /dev/fuse",
			"we are root, but may not mount (no CAP_SYS_ADMIN); and %s: %s", path, why);
	else if (why)
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, HELPER,
			"as root: chmod u+s it, or mount as root", "%s: %s", path, why);
	else
		kev_check_ok(&check->report, HELPER, "%s mounts for us", path);
}

/* ---- allow_other ---- */

/* Is the option among "a,b=c,d"? */
static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	while (options && *options) {
		size_t n = strcspn(options, ",");

		if (n == len && strncmp(options, name, len) == 0)
			return true;
		options += n + (options[n] == ',');
	}
	return false;
}

/* As fusermount3 reads it: a line of its own, blanks around it; a '#' begins a comment. */
static bool says_allow_other(FILE *file)
{
	static const char word[] = "user_allow_other";
	char line[256];

	for (size_t bytes = 0; bytes < CONFIGURATION_MAX && fgets(line, sizeof(line), file);
		bytes += strlen(line)) {
		const char *at = line + strspn(line, " \t");
		size_t len = strcspn(at, "# \t\r\n");

		if (len == sizeof(word) - 1 && strncmp(at, word, len) == 0)
			return true;
	}
	return false;
}

static void check_allow_other(struct kev_check *check)
{
	FILE *file;
	bool said;

	if (!has_option(check->options->mount_options, "allow_other"))
		return;
	if (may_mount()) {
		kev_check_ok(&check->report, "allow_other", "root needs no permission for it");
		return;
	}
	file = fopen(CONFIGURATION, "re");
	said = file && says_allow_other(file);
	if (said)
		kev_check_ok(&check->report, "allow_other", "%s permits it", CONFIGURATION);
	else
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "allow_other",
			"as root: echo user_allow_other >> " CONFIGURATION, "%s does not permit it%s%s",
			CONFIGURATION, file ? "" : ": ", file ? "" : strerror(errno));
	if (file)
		fclose(file);
}

/* ---- the mountpoint, and the directory of -o state ---- */

/* What is looked at by a thread that may hang in it: either may be on a server that is gone. */
struct place {
	const struct kev_options *options; /* never freed before the end */
	const char *server;                /* nor this; NULL: not known */
	char *path;                        /* absolute */
	char *state;
	struct kev_error why; /* what is wrong */
	const char *next;     /* what to do */
	bool missing, remote; /* of the state directory: it will be made; it is on another machine */
};

static void destroy_place(struct place *place)
{
	if (!place)
		return;
	free(place->path);
	free(place->state);
	free(place);
}

/* Ordinary users mount only on what is theirs: fusermount3 looks at this. */
static int check_owner(struct place *place)
{
	struct stat st;

	if (may_mount() || stat(place->path, &st) < 0)
		return 0;
	if (access(place->path, W_OK) < 0 || ((st.st_mode & S_ISVTX) && st.st_uid != getuid())) {
		kev_error_set(&place->why, "%s: not a directory of yours, which you may write", place->path);
		place->next = "mount on one of your own, or as root";
		return -EACCES;
	}
	return 0;
}

static int look_at_mountpoint(void *context)
{
	struct place *place = context;
	const char *given = place->options->mountpoint;
	int r;

	place->path = kev_mountpoint_is_handed(given) ? strdup(given) : kev_mountpoint_resolve(given);
	if (!place->path) {
		r = -errno;
		kev_error_set(&place->why, "%s: %s", given, strerror(-r));
		place->next = r == -ENOENT ? "make it: mkdir" : NULL;
		return r;
	}
	r = kev_mountpoint_check(place->path, &place->why);
	return r ? r : check_owner(place);
}

static void check_mountpoint(struct kev_check *check, char **out)
{
	const char *given = check->options->mountpoint;
	struct place *place;
	int r;

	if (!given)
		return;
	place = calloc(1, sizeof(*place));
	if (place)
		place->options = check->options;
	r = place ? kev_check_bounded(check, KEV_CHECK_STEP, look_at_mountpoint, place) : -ENOMEM;
	if (r == -ETIMEDOUT || !place) {
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "mountpoint",
			"is it on a filesystem whose server is gone?", "%s: %s", given,
			r == -ETIMEDOUT ? "it does not answer" : strerror(ENOMEM));
		return;
	}
	if (r) {
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "mountpoint", place->next, "%s",
			place->why.text[0] ? place->why.text : strerror(-r));
	} else {
		kev_check_ok(&check->report, "mountpoint", "%s", place->path);
		*out = strdup(place->path);
	}
	destroy_place(place);
}

static bool is_on(const char *path, const uint32_t types[], size_t count)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((uint32_t)fs.f_type == types[i])
			return true;
	}
	return false;
}

/* SQLite's files do not work on these: NFS, and Windows' shares by their three numbers. */
static bool is_remote(const char *path)
{
	static const uint32_t types[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42, 0xfe534d42};

	return is_on(path, types, KEV_ARRAY_LEN(types));
}

/* Root may write to these, says access(2), but nobody can make a file or a directory there. */
static bool is_kernels(const char *path)
{
	static const uint32_t types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, DEVPTS_SUPER_MAGIC};

	return is_on(path, types, KEV_ARRAY_LEN(types));
}

/* It is made where it is missing, and so is what it lies in: then what is there already counts. */
static int look_at_directory(struct place *place, char *path)
{
	struct stat st;
	int r = stat(path, &st) < 0 ? -errno : 0;

	for (; r == -ENOENT && strcmp(path, "/") != 0; place->missing = true) {
		path = dirname(path);
		r = stat(path, &st) < 0 ? -errno : 0;
	}
	/* Before what it permits: of a file, root may not "search" it either. */
	if (!r && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (!r && access(path, W_OK | X_OK) < 0)
		r = -errno;
	if (!r && is_kernels(path)) {
		kev_error_set(&place->why,
			"%s: no files can be made in this filesystem, which is the kernel's", place->state);
		place->next = "name a directory on a disk";
		return -EROFS;
	}
	if (r)
		kev_error_set(&place->why, "%s: %s", path, strerror(-r));
	else
		place->remote = is_remote(path);
	return r;
}

/* Would the mount take what is there? */
static int look_at_history(struct place *place)
{
	KEV_CLEANUP(buf_fini) struct kev_buf namespaces;
	struct kev_history_view view = {
		.server = place->server, .field_selector = place->options->field_selector};
	int r;

	kev_buf_init(&namespaces, SIZE_MAX);
	r = kev_resolve_namespaces(place->options, &namespaces);
	view.namespaces = namespaces.data;
	if (!r)
		r = kev_archive_look(place->state, &view, &place->why);
	if (r == -EBUSY)
		place->next = "unmount that one first, or name another directory";
	return r;
}

static int look_at_state(void *context)
{
	struct place *place = context;
	char *copy;
	int r = kev_resolve_state(place->options, place->path, &place->state, &place->why);

	if (r)
		return r;
	copy = strdup(place->state);
	r = copy ? look_at_directory(place, copy) : -ENOMEM;
	free(copy);
	return r || place->missing || !place->server ? r : look_at_history(place);
}

static void report_state(struct kev_check *check, const struct place *place, int r)
{
	if (r)
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "state", place->next, "%s",
			place->why.text[0] ? place->why.text : strerror(-r));
	else if (place->remote)
		kev_check_warn(&check->report, "state", "keep it on a disk of this machine",
			"%s is on another machine's filesystem", place->state);
	else
		kev_check_ok(&check->report, "state", "%s %s", place->state,
			place->missing ? "can be made" : "may be written");
}

static void check_state(struct kev_check *check, const char *mountpoint)
{
	struct place *place;
	int r;

	if (!check->options->state)
		return;
	if (!kev_archive_is_there()) {
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "state", "build it with SQLite",
			"this kevfs was built without it");
		return;
	}
	place = calloc(1, sizeof(*place));
	if (place) {
		place->options = check->options;
		place->server = check->cluster ? check->cluster->server : NULL;
		place->path = mountpoint ? strdup(mountpoint) : NULL;
	}
	r = place ? kev_check_bounded(check, KEV_CHECK_STEP, look_at_state, place) : -ENOMEM;
	if (r == -ETIMEDOUT || !place) {
		kev_check_fail(&check->report, KEV_CHECK_LOCAL, "state",
			"is it on a filesystem whose server is gone?", "%s: %s", check->options->state,
			r == -ETIMEDOUT ? "it does not answer" : strerror(ENOMEM));
		return;
	}
	report_state(check, place, r);
	destroy_place(place);
}

void kev_check_local(struct kev_check *check)
{
	char *mountpoint = NULL;

	check_device(check);
	check_helper(check);
	check_allow_other(check);
	check_mountpoint(check, &mountpoint);
	check_state(check, mountpoint);
	free(mountpoint);
}
