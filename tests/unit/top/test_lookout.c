#include "../test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../nomem.h"
#include "lookout.h"

#include "kevfs/base/log.h"

#define S KEV_NS_PER_SEC
#define NOON (1782907200LL * S)
#define PATIENCE_S 20

struct world {
	_Atomic int64_t now;
	struct kev_clock clock;
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_meter *meter;
	struct kev_health *health;
	struct kev_health_record *watch;
	struct kev_systemd systemd;
	int fd; /* systemd's end */
	struct kev_lookout_config config;
	struct kev_lookout *lookout;
	struct kev_meter_mark *feed;
};

static int64_t realtime(void *context)
{
	return NOON + atomic_load(&((struct world *)context)->now);
}

static int64_t monotonic(void *context)
{
	return atomic_load(&((struct world *)context)->now);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	socklen_t len = sizeof(world->systemd.address);

	assert_non_null(world);
	world->clock = (struct kev_clock){realtime, monotonic, monotonic, world};
	world->changes = kev_changes_create(10);
	world->store = kev_store_create(&world->clock, world->changes);
	world->meter = kev_store_meter(world->store);
	world->health = kev_health_create(&world->clock);
	world->watch = kev_health_add(world->health, KEV_SCOPE_EVENTS, NULL);
	world->feed = kev_meter_begin(world->meter, KEV_METER_FEEDING, INT64_MAX / 2);
	world->systemd.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	world->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* A name that the kernel chooses. */
	world->systemd.address.sun_family = AF_UNIX;
	assert_int_equal(
		bind(world->fd, (const struct sockaddr *)&world->systemd.address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(world->fd, (struct sockaddr *)&world->systemd.address, &len), 0);
	world->systemd.address_len = len;
	world->config = (struct kev_lookout_config){.systemd = &world->systemd,
		.clock = &world->clock,
		.health = world->health,
		.store = world->store,
		.fed = true};
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_lookout_destroy(world->lookout);
	kev_lookout_destroy(NULL);
	kev_systemd_close(&world->systemd);
	close(world->fd);
	kev_health_destroy(world->health);
	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
	free(world);
	return 0;
}

static void connect_watch(struct world *world)
{
	kev_health_connected(world->health, world->watch);
	kev_health_synced(world->health);
}

static void assert_describes(struct world *world, const char *expected)
{
	struct kev_buf text;

	kev_buf_init(&text, 4096);
	assert_int_equal(kev_lookout_describe(&world->config, &text), 0);
	assert_string_equal(kev_buf_cstr(&text), expected);
	kev_buf_fini(&text);
}

static void test_describe(void **state)
{
	static const struct kev_error why = {"https://server: refused"};
	struct world *world = *state;

	assert_describes(world, "first sync: 0 events so far");
	kev_health_failed(world->health, world->watch, &why);
	assert_describes(world, "first sync: 0 events so far: https://server: refused");
	connect_watch(world);
	assert_describes(world, "in sync: 0 events");
	kev_health_ended(world->health, world->watch);
	assert_describes(world, "in sync: 0 events");
	kev_health_failed(world->health, world->watch, &why);
	atomic_store(&world->now, 40 * S);
	assert_describes(world, "not connected for 40 s: https://server: refused");
	atomic_store(&world->now, -40 * S);
	assert_describes(world, "not connected for 0 s: https://server: refused");
}

static void test_describe_readers_that_hold_all(void **state)
{
	struct world *world = *state;

	connect_watch(world);
	kev_health_held(world->health, &(struct kev_health_held){.directories = 16, .halted_since = 1});
	assert_describes(
		world, "nothing that changes is seen: local readers hold all directories that can be held");
	kev_health_held(world->health, &(struct kev_health_held){.directories = 15});
	assert_describes(world, "in sync: 0 events");
}

static void test_describe_a_reader_that_holds_a_directory(void **state)
{
	struct world *world = *state;
	struct kev_meter_mark *mark = kev_meter_begin(world->meter, KEV_METER_NOTIFYING, 0);
	struct kev_meter_mark *carrying = kev_meter_begin(world->meter, KEV_METER_CARRYING, 0);

	connect_watch(world);
	atomic_store(&world->now, 5 * S - 1);
	assert_describes(world, "in sync: 0 events");
	atomic_store(&world->now, 3600 * S);
	assert_null(kev_lookout_hanging(&world->config, 3600 * S));
	assert_describes(world, "in sync: 0 events; a local reader has been holding a directory for 3600 s");
	/* If it is not that, it is we. */
	kev_meter_end(mark);
	assert_non_null(kev_lookout_hanging(&world->config, 3600 * S));
	kev_meter_end(carrying);
}

static void test_hanging(void **state)
{
	struct world *world = *state;
	struct kev_meter_mark *mark;

	assert_null(kev_lookout_hanging(&world->config, 0));
	mark = kev_meter_begin(world->meter, KEV_METER_ANSWERING, 0);
	assert_null(kev_lookout_hanging(&world->config, 60 * S - 1));
	assert_string_equal(kev_lookout_hanging(&world->config, 60 * S), "a FUSE request is not answered");
	kev_meter_end(mark);
	mark = kev_meter_begin(world->meter, KEV_METER_CARRYING, 0);
	assert_null(kev_lookout_hanging(&world->config, 60 * S - 1));
	assert_string_equal(
		kev_lookout_hanging(&world->config, 60 * S), "the thread that changes the tree hangs");
	atomic_store(&world->now, 60 * S);
	assert_describes(world, "the thread that changes the tree hangs");
	kev_meter_end(mark);
	/* From when it was to look around. */
	kev_meter_renew(world->feed, 100 * S);
	assert_null(kev_lookout_hanging(&world->config, 160 * S - 1));
	assert_string_equal(
		kev_lookout_hanging(&world->config, 160 * S), "the thread that follows the cluster hangs");
	kev_meter_end(world->feed);
	assert_string_equal(
		kev_lookout_hanging(&world->config, 0), "the thread that follows the cluster has ended");
	/* A file is followed by none. */
	world->config.fed = false;
	assert_null(kev_lookout_hanging(&world->config, 0));
}

/* Before it is a reason to restart anything. */
static void test_describe_a_feed_that_hangs(void **state)
{
	struct world *world = *state;

	kev_health_set_meter(world->health, world->meter);
	connect_watch(world);
	kev_meter_renew(world->feed, 100 * S);
	atomic_store(&world->now, 130 * S - 1);
	assert_describes(world, "in sync: 0 events");
	atomic_store(&world->now, 130 * S);
	assert_describes(world,
		"the thread that follows the cluster was to go on 30 s ago, and hangs: is a file of the "
		"kubeconfig where nobody answers?");
	assert_null(kev_lookout_hanging(&world->config, 130 * S));
	kev_meter_end(world->feed);
	kev_health_set_meter(world->health, NULL);
}

/* The next datagram. */
static const char *receive(struct world *world)
{
	static char text[4096];
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	ssize_t n;

	assert_int_equal(setsockopt(world->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	n = recv(world->fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		fail_msg("in vain: %s", strerror(errno));
	text[n] = '\0';
	return text;
}

static void start(struct world *world)
{
	world->lookout = kev_lookout_create(&world->config);
	assert_non_null(world->lookout);
	assert_int_equal(kev_lookout_start(world->lookout), 0);
}

/* What is the same but for numbers waits; what is not does not. */
static void test_status_is_told_when_it_changes(void **state)
{
	static const struct kev_error why = {"refused"};
	struct world *world = *state;

	connect_watch(world);
	start(world);
	assert_string_equal(receive(world), "STATUS=in sync: 0 events");
	kev_health_ended(world->health, world->watch);
	kev_health_failed(world->health, world->watch, &why);
	assert_string_equal(receive(world), "STATUS=not connected for 0 s: refused");
	atomic_store(&world->now, 3 * S);
	atomic_store(&world->now, 10 * S);
	assert_string_equal(receive(world), "STATUS=not connected for 10 s: refused");
	kev_health_connected(world->health, world->watch);
	assert_string_equal(receive(world), "STATUS=in sync: 0 events");
}

static void test_watchdog_stops_while_something_hangs(void **state)
{
	struct world *world = *state;
	struct kev_meter_mark *mark;

	world->systemd.watchdog = 40 * KEV_NS_PER_MS;
	connect_watch(world);
	start(world);
	assert_string_equal(receive(world), "WATCHDOG=1");
	assert_string_equal(receive(world), "STATUS=in sync: 0 events");
	atomic_store(&world->now, 20 * KEV_NS_PER_MS);
	assert_string_equal(receive(world), "WATCHDOG=1");
	mark = kev_meter_begin(world->meter, KEV_METER_ANSWERING, 0);
	atomic_store(&world->now, 100 * S);
	assert_string_equal(receive(world), "STATUS=a FUSE request is not answered");
	/* It comes round, and only then it is told. */
	kev_meter_end(mark);
	assert_string_equal(receive(world), "WATCHDOG=1");
}

static void test_destroy_without_start(void **state)
{
	struct world *world = *state;

	world->lookout = kev_lookout_create(&world->config);
	assert_non_null(world->lookout);
}

/* What cannot be told is not told in part. */
static int describe(void *context)
{
	struct kev_buf text;
	int r;

	kev_buf_init(&text, 4096);
	r = kev_lookout_describe(context, &text);
	kev_buf_fini(&text);
	return r;
}

static int create(void *context)
{
	struct kev_lookout *lookout = kev_lookout_create(context);

	kev_lookout_destroy(lookout);
	return lookout ? 0 : -ENOMEM;
}

static void test_without_memory(void **state)
{
	struct world *world = *state;

	assert_int_equal(nomem_fail_each(create, &world->config), 1);
	assert_in_range(nomem_fail_each(describe, &world->config), 1, 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_describe),
		TEST(test_describe_a_reader_that_holds_a_directory),
		TEST(test_describe_readers_that_hold_all),
		TEST(test_hanging),
		TEST(test_describe_a_feed_that_hangs),
		TEST(test_status_is_told_when_it_changes),
		TEST(test_watchdog_stops_while_something_hangs),
		TEST(test_destroy_without_start),
		TEST(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
