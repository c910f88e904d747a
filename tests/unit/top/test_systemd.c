#include "../test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "systemd.h"

/* Where systemd would listen. */
struct world {
	int fd;
	char directory[32];
	char path[64];
	struct kev_systemd systemd;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_non_null(world);
	strcpy(world->directory, "/tmp/kevfs-unit-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->path, sizeof(world->path), "%s/notify", world->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	world->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(world->fd >= 0);
	assert_int_equal(bind(world->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	world->systemd.fd = -1;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_systemd_close(&world->systemd);
	close(world->fd);
	unlink(world->path);
	rmdir(world->directory);
	free(world);
	return 0;
}

/* Each of them NULL: not there. */
static void open_with(struct world *world, const char *name, const char *usec, const char *pid)
{
	const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
	const char *const values[] = {name, usec, pid};

	kev_systemd_close(&world->systemd);
	for (int i = 0; i < 3; i++) {
		if (values[i])
			setenv(names[i], values[i], 1);
		else
			unsetenv(names[i]);
	}
	kev_systemd_open(&world->systemd);
	/* Whatever it was. */
	for (int i = 0; i < 3; i++)
		assert_null(getenv(names[i]));
}

/* @return what has arrived; "" where nothing did */
static const char *received(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(n >= 0 || errno == EAGAIN);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void test_tell(void **state)
{
	struct world *world = *state;

	open_with(world, world->path, NULL, NULL);
	assert_true(kev_systemd_asks(&world->systemd));
	assert_int_equal(world->systemd.watchdog, 0);
	kev_systemd_tell(&world->systemd, "READY=1\nSTATUS=%d events", 7);
	assert_string_equal(received(world->fd), "READY=1\nSTATUS=7 events");
	assert_string_equal(received(world->fd), "");
}

static void test_tell_in_the_abstract(void **state)
{
	struct world *world = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), len;
	char name[128];

	len = snprintf(address.sun_path + 1, 64, "kevfs-unit-%ld", (long)getpid());
	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
		0);
	snprintf(name, sizeof(name), "@%s", address.sun_path + 1);
	open_with(world, name, NULL, NULL);
	kev_systemd_tell(&world->systemd, "READY=1");
	assert_string_equal(received(fd), "READY=1");
	close(fd);
}

static void test_open_what_makes_no_sense(void **state)
{
	struct world *world = *state;
	char longest[sizeof(world->systemd.address.sun_path) + 1];
	const char *const names[] = {NULL, "", "/", "@", "relative", "vsock:2:1234", longest};

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		open_with(world, names[i], "1000000", NULL);
		assert_false(kev_systemd_asks(&world->systemd));
		assert_int_equal(world->systemd.watchdog, 0);
		kev_systemd_tell(&world->systemd, "READY=1");
	}
	/* As long as it may be. */
	longest[sizeof(longest) - 2] = '\0';
	open_with(world, longest, NULL, NULL);
	assert_true(kev_systemd_asks(&world->systemd));
	kev_systemd_tell(&world->systemd, "READY=1");
}

static void test_open_watchdog(void **state)
{
	struct world *world = *state;
	char me[16], other[16];

	snprintf(me, sizeof(me), "%ld", (long)getpid());
	snprintf(other, sizeof(other), "%ld", (long)getppid());
	open_with(world, world->path, "30000000", NULL);
	assert_true(world->systemd.watchdog == 30 * KEV_NS_PER_SEC);
	open_with(world, world->path, "30000000", me);
	assert_true(world->systemd.watchdog == 30 * KEV_NS_PER_SEC);
	open_with(world, world->path, "30000000", other);
	assert_int_equal(world->systemd.watchdog, 0);
	for (const char *const *bad =
			(const char *const[]){"", "0", "-1", "1s", "99999999999999999999", NULL};
		*bad; bad++) {
		open_with(world, world->path, *bad, NULL);
		assert_int_equal(world->systemd.watchdog, 0);
		assert_true(kev_systemd_asks(&world->systemd));
	}
	open_with(world, world->path, "30000000", "one");
	assert_int_equal(world->systemd.watchdog, 0);
}

static void test_tell_cuts_what_is_too_long(void **state)
{
	struct world *world = *state;
	char text[5000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	open_with(world, world->path, NULL, NULL);
	kev_systemd_tell(&world->systemd, "STATUS=%s", text);
	assert_int_equal(strlen(received(world->fd)), 4096);
}

/* Whoever does not listen keeps nobody. */
static void test_tell_nobody(void **state)
{
	struct world *world = *state;

	open_with(world, world->path, NULL, NULL);
	unlink(world->path);
	kev_systemd_tell(&world->systemd, "READY=1");
	kev_systemd_close(&world->systemd);
	kev_systemd_close(&world->systemd);
	assert_false(kev_systemd_asks(&world->systemd));
	kev_systemd_tell(&world->systemd, "READY=1");
	assert_string_equal(received(world->fd), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_tell),
		TEST(test_tell_in_the_abstract),
		TEST(test_open_what_makes_no_sense),
		TEST(test_open_watchdog),
		TEST(test_tell_cuts_what_is_too_long),
		TEST(test_tell_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
