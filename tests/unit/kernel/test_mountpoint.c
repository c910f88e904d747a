/*
 * Dead mounts, as a killed process leaves them, in a mount namespace of our own: needs root and /dev/fuse.
 */
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "kevfs/kernel/mountpoint.h"

static char point[] = "/tmp/kevfs-mountpoint-XXXXXX";

/* Done when it was asked which device the descriptor is of: another start may be that fast. */
static void (*meanwhile)(void);

typedef int statx_fn(int directory, const char *path, int flags, unsigned mask, struct statx *out);
statx_fn __real_statx; // NOLINT(bugprone-reserved-identifier)
statx_fn __wrap_statx; // NOLINT(bugprone-reserved-identifier)
int __wrap_statx(int directory, const char *path, int flags, unsigned mask, struct statx *out)
{
	int r = __real_statx(directory, path, flags, mask, out);

	if (!meanwhile || !(flags & AT_EMPTY_PATH))
		return r;
	meanwhile();
	meanwhile = NULL;
	return r;
}

/* Who we are for the code under test: an ordinary user goes by fusermount3. */
static uid_t user;
uid_t __wrap_geteuid(void); // NOLINT(bugprone-reserved-identifier)
uid_t __wrap_geteuid(void)
{
	return user;
}

/* A mount that nobody serves. */
static void mount_dead(const char *type)
{
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];

	assert_true(device >= 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	assert_int_equal(mount("test", point, type, MS_RDONLY, options), 0);
	close(device);
}

static void mount_alive(void)
{
	assert_int_equal(mount("alive", point, "tmpfs", 0, NULL), 0);
}

static bool is_alive(void)
{
	struct statfs fs;

	return statfs(point, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static bool is_mounted(void)
{
	return kev_mountpoint_device(point) != kev_mountpoint_device("/tmp");
}

static void start_another(void)
{
	assert_int_equal(umount2(point, MNT_DETACH), 0);
	mount_alive();
}

static int teardown(void **state)
{
	(void)state;
	meanwhile = NULL;
	user = 0;
	while (umount2(point, MNT_DETACH) == 0)
		;
	return 0;
}

static void test_prepare(void **state)
{
	struct kev_error error = {""};

	(void)state;
	assert_int_equal(kev_mountpoint_prepare(point, &error), 0);
	mount_dead("fuse.kevfs");
	mount_dead("fuse.kevfs");
	assert_int_equal(kev_mountpoint_check(point, &error), 0);
	assert_int_equal(kev_mountpoint_prepare(point, &error), 0);
	assert_false(is_mounted());
	assert_string_equal(error.text, "");
}

static void test_prepare_leaves_others(void **state)
{
	struct kev_error error = {""};

	(void)state;
	mount_dead("fuse.other");
	assert_int_equal(kev_mountpoint_prepare(point, &error), -ENOTCONN);
	assert_non_null(strstr(error.text, "holds a dead mount"));
	error.text[0] = '\0';
	assert_int_equal(kev_mountpoint_check(point, &error), -ENOTCONN);
	assert_non_null(strstr(error.text, "holds a dead mount"));
	assert_true(is_mounted());
}

/* Two starts find the same dead mount; the other one is faster, and what it has mounted stays. */
static void test_prepare_while_another_starts(void **state)
{
	static const uid_t users[] = {0, 1000};
	struct kev_error error = {""};

	for (size_t i = 0; i < KEV_ARRAY_LEN(users); i++) {
		user = users[i];
		mount_dead("fuse.kevfs");
		meanwhile = start_another;
		assert_int_equal(kev_mountpoint_prepare(point, &error), 0);
		assert_null(meanwhile);
		assert_true(is_alive());
		teardown(state);
	}
}

static void unmount_dead(void)
{
	assert_int_equal(umount2(point, MNT_DETACH), 0);
}

/* … or has only taken it away so far. */
static void test_prepare_while_another_takes_away(void **state)
{
	struct kev_error error = {""};

	(void)state;
	mount_dead("fuse.kevfs");
	meanwhile = unmount_dead;
	assert_int_equal(kev_mountpoint_prepare(point, &error), 0);
	assert_null(meanwhile);
	assert_false(is_mounted());
}

static void test_bereave(void **state)
{
	uint64_t number;

	(void)state;
	mount_dead("fuse.kevfs");
	number = kev_mountpoint_number(point);
	assert_int_not_equal(number, 0);
	kev_mountpoint_bereave(point, number + 1);
	kev_mountpoint_bereave(point, 0);
	assert_true(is_mounted());
	kev_mountpoint_bereave(point, number);
	assert_false(is_mounted());
	kev_mountpoint_bereave(point, number);
	assert_false(is_mounted());
}

static void test_bereave_leaves_others(void **state)
{
	(void)state;
	mount_dead("fuse.other");
	kev_mountpoint_bereave(point, kev_mountpoint_number(point));
	assert_true(is_mounted());
	mount_alive();
	kev_mountpoint_bereave(point, kev_mountpoint_number(point));
	assert_true(is_alive());
}

/* It was the one that was asked for when that was looked at. */
static void test_bereave_while_another_starts(void **state)
{
	static const uid_t users[] = {0, 1000};

	for (size_t i = 0; i < KEV_ARRAY_LEN(users); i++) {
		user = users[i];
		mount_dead("fuse.kevfs");
		meanwhile = start_another;
		kev_mountpoint_bereave(point, kev_mountpoint_number(point));
		assert_null(meanwhile);
		assert_true(is_alive());
		teardown(state);
	}
}

static int dying = -1;

/* The kernel asks for nothing before it is told this. */
static void answer_init(void)
{
	static char request[1 << 16];
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} answer = {.header = {.len = sizeof(answer)},
		.init = {
			.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096}};

	assert_true(read(dying, request, sizeof(request)) > 0);
	answer.header.unique = ((const struct fuse_in_header *)(const void *)request)->unique;
	assert_int_equal(write(dying, &answer, sizeof(answer)), sizeof(answer));
}

static void *end_dying(void *context)
{
	const struct timespec while_asked = {0, 200000000};

	(void)context;
	nanosleep(&while_asked, NULL);
	close(dying);
	return NULL;
}

/* The request that waits then fails with ECONNABORTED. */
static void test_bereave_of_who_is_ending(void **state)
{
	char options[100];
	pthread_t thread;

	(void)state;
	dying = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	assert_true(dying >= 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dying);
	assert_int_equal(mount("test", point, "fuse.kevfs", MS_RDONLY, options), 0);
	answer_init();
	assert_int_equal(pthread_create(&thread, NULL, end_dying, NULL), 0);
	kev_mountpoint_bereave(point, kev_mountpoint_number(point));
	pthread_join(thread, NULL);
	assert_false(is_mounted());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_prepare),
		TEST(test_prepare_leaves_others),
		TEST(test_prepare_while_another_starts),
		TEST(test_prepare_while_another_takes_away),
		TEST(test_bereave),
		TEST(test_bereave_leaves_others),
		TEST(test_bereave_while_another_starts),
		TEST(test_bereave_of_who_is_ending),
	};
	int r;

	if (getenv("KEVFS_UNDER_VALGRIND")) {
		fputs("valgrind does not know the system calls that tell mounts apart\n", stderr);
		return 77;
	}
	if (getuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0 || unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		fputs("only root can mount, and only with /dev/fuse\n", stderr);
		return 77;
	}
	if (!mkdtemp(point))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(point);
	return r;
}
