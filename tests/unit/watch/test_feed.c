#include "../room.h"
#include "http_stub.h"
#include "sample.h"

#include <errno.h>
#include <stdatomic.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/discovery.h"
#include "kevfs/watch/feed.h"
#include "kevfs/watch/intake.h"

/*
 * The feed with its thread, on a stub of http and one of discovery. The stub's "server" runs inside the
 * feed's thread, in kev_http_run(); the test looks at the store, which any thread may, and at what is atomic.
 */

/* How long anything may take. */
#define PATIENCE_S 20

struct server {
	atomic_bool mute;        /* answers nothing */
	atomic_bool hangs, hung; /* whoever asks waits; somebody does */
	int events_status;       /* of the first page; 0: 200 */
	atomic_int discoveries;  /* questions asked */
	int discovery_result;
	atomic_bool discovery_mute;
	atomic_bool knows_widgets;
	pthread_mutex_t lock;
	char lines[4096]; /* for the watch of events, under lock; of namespaces, for that of "ns" */
	char *flood;      /* for that of the namespace "other", under lock; NULL: nothing */
	atomic_int lists; /* of the events of "ns" */
};

struct world {
	struct sample sample;
	struct kev_cluster_config cluster;
	struct kev_feed_config config;
	struct kev_feed *feed;
	struct server server;
	atomic_int synced, result, progressed;
	struct kev_error why; /* once synced */
};

struct kev_discovery {
	struct kev_discovery_callbacks callbacks;
	bool asked;
};

/* Events of that name find no memory. */
static atomic_bool no_room_for_held;

int __real_kev_store_put(struct kev_store *store, struct kev_event *event, enum kev_origin origin);
int __wrap_kev_store_put(struct kev_store *store, struct kev_event *event, enum kev_origin origin);

int __wrap_kev_store_put(struct kev_store *store, struct kev_event *event, enum kev_origin origin)
{
	if (!atomic_load(&no_room_for_held) || !kev_str_eq(kev_event_name(event, ROOM), KEV_STR("held")))
		return __real_kev_store_put(store, event, origin);
	kev_event_unref(event);
	return -ENOMEM;
}

static char server_url[] = "https://server";
static struct kev_discovery *stub_discovery;
static struct server *stub_server;

struct kev_discovery *kev_discovery_create(
	struct kev_http *http, const struct kev_discovery_callbacks *callbacks)
{
	(void)http;
	stub_discovery = calloc(1, sizeof(*stub_discovery));
	assert_non_null(stub_discovery);
	stub_discovery->callbacks = *callbacks;
	return stub_discovery;
}

void kev_discovery_destroy(struct kev_discovery *discovery)
{
	free(discovery);
}

int kev_discovery_start(struct kev_discovery *discovery)
{
	assert_false(discovery->asked);
	discovery->asked = true;
	atomic_fetch_add(&stub_server->discoveries, 1);
	return 0;
}

static void answer_discovery(struct server *server)
{
	const struct kev_discovery_callbacks *c = &stub_discovery->callbacks;
	const struct kev_error why = {"discovery is out of order"};

	if (!stub_discovery->asked || atomic_load(&server->discovery_mute))
		return;
	stub_discovery->asked = false;
	if (server->discovery_result == 0) {
		c->resource(c->context, KEV_STR(""), KEV_STR("Pod"), KEV_STR("pods"));
		if (atomic_load(&server->knows_widgets))
			c->resource(
				c->context, KEV_STR("example.com"), KEV_STR("Widget"), KEV_STR("widgets"));
	}
	c->done(c->context, server->discovery_result, server->discovery_result ? &why : NULL);
}

static bool begins(const struct kev_http_transfer *transfer, const char *path)
{
	return strncmp(transfer->path, path, strlen(path)) == 0;
}

static void answer_flood(struct kev_http *http, struct server *server, struct kev_http_transfer *transfer)
{
	char *flood;

	pthread_mutex_lock(&server->lock);
	flood = server->flood;
	server->flood = NULL;
	pthread_mutex_unlock(&server->lock);
	if (flood)
		stub_body(http, transfer, flood);
	free(flood);
}

static void answer_watch(struct kev_http *http, struct server *server, struct kev_http_transfer *transfer)
{
	char lines[sizeof(server->lines)];

	if (!transfer->status)
		stub_head(transfer, 200);
	if (begins(transfer, "/api/v1/namespaces/other/events")) {
		answer_flood(http, server, transfer);
		return;
	}
	if (!begins(transfer, "/api/v1/events") && !begins(transfer, "/api/v1/namespaces/ns/events"))
		return;
	pthread_mutex_lock(&server->lock);
	memcpy(lines, server->lines, sizeof(lines));
	server->lines[0] = '\0';
	pthread_mutex_unlock(&server->lock);
	if (lines[0])
		stub_body(http, transfer, lines);
}

static void a_moment(void)
{
	const struct timespec moment = {0, KEV_NS_PER_MS};

	nanosleep(&moment, NULL);
}

/* Answer what was asked. Each answer may start another request, so only the one found first. */
static void serve(struct kev_http *http, void *context)
{
	struct server *server = context;
	struct kev_http_transfer *transfer, *next;

	if (atomic_load(&server->mute))
		return;
	answer_discovery(server);
	for (transfer = http->first; transfer; transfer = next) {
		next = transfer->next;
		if (strstr(transfer->path, "?watch=1")) {
			answer_watch(http, server, transfer);
			continue;
		}
		if (begins(transfer, "/api/v1/namespaces/ns/events"))
			atomic_fetch_add(&server->lists, 1);
		if (strstr(transfer->path, "/events?") && server->events_status)
			stub_answer(http, transfer, server->events_status, "no");
		else if (strstr(transfer->path, "/events?"))
			stub_answer(http, transfer, 200,
				"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":"
				"[{\"metadata\":"
				"{\"namespace\":\"ns\",\"name\":\"first\",\"resourceVersion\":\"1\"}}]}");
		else if (strstr(transfer->path, "/pods?"))
			stub_answer(http, transfer, 200,
				"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[{"
				"\"metadata\":"
				"{\"namespace\":\"ns\",\"name\":\"web\"}}]}");
		else
			stub_answer(http, transfer, 200,
				"{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"10\"},"
				"\"items\":[{\"metadata\":"
				"{\"name\":\"ns\"}}]}");
		return;
	}
}

static void hang_and_serve(struct kev_http *http, void *context)
{
	struct server *server = context;

	while (atomic_load(&server->hangs)) {
		atomic_store(&server->hung, true);
		a_moment();
	}
	serve(http, context);
}

static void on_synced(void *context, int result, const struct kev_error *error)
{
	struct world *world = context;

	if (error)
		world->why = *error;
	atomic_store(&world->result, result);
	atomic_fetch_add(&world->synced, 1);
}

static void on_progress(void *context, const struct kev_feed_progress *progress)
{
	struct world *world = context;

	atomic_store(&world->progressed, (int)progress->events);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	pthread_mutex_init(&world->server.lock, NULL);
	stub_server = &world->server;
	world->cluster.server = server_url;
	world->config = (struct kev_feed_config){.cluster = &world->cluster,
		.clock = kev_clock_system(),
		.store = world->sample.store,
		.health = world->sample.health,
		.max_watches = 250,
		.sync_timeout = 30,
		.synced = on_synced,
		.context = world};
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_feed_destroy(world->feed);
	sample_fini(&world->sample);
	pthread_mutex_destroy(&world->server.lock);
	free(world);
	return 0;
}

static void start(struct world *world)
{
	struct kev_error error = {""};

	assert_int_equal(kev_feed_create(&world->config, &world->feed, &error), 0);
	stub_http->run = hang_and_serve;
	stub_http->context = &world->server;
	assert_int_equal(kev_feed_start(world->feed), 0);
}

#define WAIT_UNTIL(condition)                                        \
	do {                                                         \
		time_t end = time(NULL) + PATIENCE_S;                \
                                                                     \
		while (!(condition)) {                               \
			if (time(NULL) > end)                        \
				fail_msg("in vain: %s", #condition); \
			a_moment();                                  \
		}                                                    \
	} while (0)

static struct kev_store_counts counts(struct world *world)
{
	struct kev_store_counts out;

	kev_store_counts(world->sample.store, &out);
	return out;
}

static void send_line(struct world *world, const char *type, const char *object)
{
	pthread_mutex_lock(&world->server.lock);
	snprintf(world->server.lines + strlen(world->server.lines),
		sizeof(world->server.lines) - strlen(world->server.lines),
		"{\"type\":\"%s\",\"object\":%s}\n", type, object);
	pthread_mutex_unlock(&world->server.lock);
}

static void test_sync_then_live(void **state)
{
	struct world *world = *state;

	world->config.progress = on_progress;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), 0);
	assert_int_equal(counts(world).events, 1);
	assert_int_equal(counts(world).pods, 1);
	assert_int_equal(counts(world).namespaces, 1);
	atomic_store(&world->server.knows_widgets, true);
	send_line(world, "ADDED", sample_event("second", "11", "Widget"));
	WAIT_UNTIL(counts(world).events == 2);
	send_line(world, "DELETED", sample_event("second", "12", "Widget"));
	WAIT_UNTIL(counts(world).events == 1);
	assert_int_equal(atomic_load(&world->synced), 1);
	/* It says when it is to look around again, and keeps to it. */
	assert_true(kev_meter_is_at(kev_store_meter(world->sample.store), KEV_METER_FEEDING));
	assert_in_range(kev_meter_longest(kev_store_meter(world->sample.store), KEV_METER_FEEDING,
				kev_clock_monotonic(kev_clock_system())),
		0, PATIENCE_S * KEV_NS_PER_SEC);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
	assert_false(kev_meter_is_at(kev_store_meter(world->sample.store), KEV_METER_FEEDING));
}

static void test_sync_waits_for_discovery(void **state)
{
	struct world *world = *state;

	atomic_store(&world->server.discovery_mute, true);
	start(world);
	WAIT_UNTIL(counts(world).events == 1 && counts(world).pods == 1 && counts(world).namespaces == 1);
	for (int i = 0; i < 20; i++)
		a_moment();
	assert_int_equal(atomic_load(&world->synced), 0);
	atomic_store(&world->server.discovery_mute, false);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), 0);
}

static bool knows(struct world *world, const char *api_version, const char *kind)
{
	struct kev_kinds *kinds = kev_store_kinds(world->sample.store);
	struct kev_str group, plural;
	bool found = kev_kinds_find(kinds, kev_str_c(api_version), kev_str_c(kind), &group, &plural);

	kev_kinds_unref(kinds);
	return found;
}

static void test_sync_without_discovery_uses_builtin_kinds(void **state)
{
	static const int results[] = {-EACCES, -EPROTO};

	for (size_t i = 0; i < KEV_ARRAY_LEN(results); i++) {
		struct world *world = *state;

		world->server.discovery_result = results[i];
		start(world);
		WAIT_UNTIL(atomic_load(&world->synced));
		assert_int_equal(atomic_load(&world->result), 0);
		assert_true(knows(world, "apps/v1", "Deployment"));
		tear_down(state);
		set_up(state);
	}
}

static void test_sync_selected_namespaces(void **state)
{
	static const char *const namespaces[] = {"ns", "other", NULL};
	struct world *world = *state;

	world->config.namespaces = namespaces;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(counts(world).events, 1);
	/* As given: they are not listed. */
	assert_int_equal(counts(world).namespaces, 2);
}

static void test_create_refuses_a_namespace(void **state)
{
	static const char *const namespaces[] = {"", NULL};
	struct world *world = *state;
	struct kev_error error = {""};

	world->config.namespaces = namespaces;
	assert_int_equal(kev_feed_create(&world->config, &world->feed, &error), -EINVAL);
	assert_null(world->feed);
	assert_string_equal(error.text, "\"\" is no name of a namespace");
}

static void test_sync_forbidden_fails(void **state)
{
	struct world *world = *state;

	world->server.events_status = 403;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), -EACCES);
	assert_string_equal(world->why.text, "events may not be listed in all namespaces at once: no; nor "
					     "may those of namespace ns; -o namespace= names others");
}

static void test_sync_forbidden_patient_waits(void **state)
{
	struct world *world = *state;

	world->server.events_status = 403;
	world->config.patient = true;
	world->config.sync_timeout = 0;
	start(world);
	WAIT_UNTIL(counts(world).pods == 1);
	for (int i = 0; i < 50; i++)
		a_moment();
	assert_int_equal(atomic_load(&world->synced), 0);
}

static void test_sync_times_out(void **state)
{
	struct world *world = *state;

	atomic_store(&world->server.mute, true);
	world->config.sync_timeout = 1;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), -ETIMEDOUT);
	assert_string_equal(world->why.text, "https://server: no answer for 1 s (sync_timeout)");
}

static atomic_llong skew;

static int64_t skewed(void *context)
{
	(void)context;
	return kev_clock_monotonic(kev_clock_system()) + atomic_load(&skew);
}

/* Let the thread look at the clock. */
static void await_ticks(void)
{
	int runs = atomic_load(&stub_http->runs);

	WAIT_UNTIL(atomic_load(&stub_http->runs) >= runs + 3);
}

/* The time of a credential plugin is not the server's. */
static void test_sync_does_not_time_out_while_a_plugin_runs(void **state)
{
	struct world *world = *state;
	const struct kev_clock clock = {skewed, skewed, skewed, NULL};

	atomic_store(&world->server.mute, true);
	world->config.clock = &clock;
	start(world);
	atomic_store(&stub_http->waiting, true);
	await_ticks();
	atomic_fetch_add(&skew, 100 * KEV_NS_PER_SEC);
	await_ticks();
	assert_int_equal(atomic_load(&world->synced), 0);
	atomic_store(&stub_http->waiting, false);
	atomic_fetch_add(&skew, 20 * KEV_NS_PER_SEC);
	await_ticks();
	assert_int_equal(atomic_load(&world->synced), 0);
	atomic_fetch_add(&skew, 20 * KEV_NS_PER_SEC);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), -ETIMEDOUT);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
}

static void test_sync_times_out_with_the_last_reason(void **state)
{
	struct world *world = *state;

	world->server.events_status = 503;
	world->config.sync_timeout = 1;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->result), -ETIMEDOUT);
	assert_string_equal(world->why.text,
		"https://server: listing events: 503: no; so the first sync is given up (sync_timeout=1)");
}

static void test_destroy_waits_for_nobody(void **state)
{
	struct world *world = *state;
	const struct kev_clock *clock = kev_clock_system();
	int64_t begun;

	atomic_store(&world->server.mute, true);
	start(world);
	for (int i = 0; i < 20; i++)
		a_moment();
	begun = kev_clock_monotonic(clock);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
	assert_true(kev_clock_monotonic(clock) - begun < KEV_NS_PER_SEC);
	assert_int_equal(atomic_load(&world->synced), 0);
}

/* A thread that waits for a file cannot be ended. It comes late, and then calls nobody. */
static void test_stop_does_not_wait_for_ever(void **state)
{
	struct world *world = *state;

	atomic_store(&world->server.discovery_mute, true);
	start(world);
	WAIT_UNTIL(counts(world).events == 1 && counts(world).pods == 1 && counts(world).namespaces == 1);
	atomic_store(&world->server.hangs, true);
	WAIT_UNTIL(atomic_load(&world->server.hung));
	atomic_store(&world->server.discovery_mute, false);
	assert_false(kev_feed_stop(world->feed, 20));
	atomic_store(&world->server.hangs, false);
	assert_true(kev_feed_stop(world->feed, PATIENCE_S * 1000));
	assert_int_equal(atomic_load(&world->synced), 0);
	assert_true(kev_feed_stop(NULL, 0));
}

static void test_destroy_without_start(void **state)
{
	struct world *world = *state;

	assert_int_equal(kev_feed_create(&world->config, &world->feed, NULL), 0);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
	kev_feed_destroy(NULL);
}

static void test_unknown_kind_is_asked_for_now_and_then(void **state)
{
	struct world *world = *state;

	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	/* Not more than every 30 s: the first question was just now. */
	send_line(world, "ADDED", sample_event("early", "11", "Widget"));
	WAIT_UNTIL(counts(world).events == 2);
	assert_int_equal(atomic_load(&world->server.discoveries), 1);
}

static int64_t shifted_monotonic(void *context)
{
	const struct kev_clock *clock = kev_clock_system();

	return kev_clock_monotonic(clock) + atomic_load((atomic_llong *)context) * KEV_NS_PER_SEC;
}

static int64_t real_realtime(void *context)
{
	(void)context;
	return kev_clock_realtime(kev_clock_system());
}

/* Live events of a kind that is not known wait for discovery, and so does what comes behind them. */
static void test_unknown_kind_is_held(void **state)
{
	struct world *world = *state;
	atomic_llong shift = 0;
	const struct kev_clock clock = {real_realtime, shifted_monotonic, shifted_monotonic, &shift};

	world->config.clock = &clock;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	atomic_store(&shift, 31);
	atomic_store(&world->server.discovery_mute, true);
	send_line(world, "ADDED", sample_event("held", "11", "Widget"));
	WAIT_UNTIL(atomic_load(&world->server.discoveries) == 2);
	send_line(world, "ADDED", sample_event("behind", "12", "Pod"));
	for (int i = 0; i < 50; i++)
		a_moment();
	assert_int_equal(counts(world).events, 1);
	atomic_store(&world->server.knows_widgets, true);
	atomic_store(&world->server.discovery_mute, false);
	WAIT_UNTIL(counts(world).events == 3);
	assert_true(knows(world, "example.com/v1", "Widget"));

	/* Nobody waits for ever. */
	atomic_store(&shift, 62);
	atomic_store(&world->server.discovery_mute, true);
	send_line(world, "ADDED", sample_event("held-2", "13", "Gadget"));
	WAIT_UNTIL(atomic_load(&world->server.discoveries) == 3);
	atomic_store(&shift, 68);
	WAIT_UNTIL(counts(world).events == 4);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
}

static void test_progress_is_told(void **state)
{
	struct world *world = *state;

	/* Nothing else than discovery is open: the list is complete, the sync is not. */
	atomic_store(&world->server.discovery_mute, true);
	world->config.progress = on_progress;
	start(world);
	WAIT_UNTIL(atomic_load(&world->progressed) == 1);
	atomic_store(&world->server.discovery_mute, false);
	WAIT_UNTIL(atomic_load(&world->synced));
}

/* One too many is put by another watcher than what is lost by that: both list anew. */
static void test_what_is_lost_is_listed_anew(void **state)
{
	static const char *const namespaces[] = {"ns", "other", NULL};
	struct world *world = *state;
	atomic_llong shift = 0;
	const struct kev_clock clock = {real_realtime, shifted_monotonic, shifted_monotonic, &shift};
	size_t size = KEV_INTAKE_HELD_MAX * 128, len = 0;
	char *flood = malloc(size);

	assert_non_null(flood);
	for (unsigned i = 0; i < KEV_INTAKE_HELD_MAX; i++)
		len += (size_t)snprintf(flood + len, size - len,
			"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"namespace\":\"other\",\"name\":"
			"\"n%u\",\"resourceVersion\":\"%u\"}}}\n",
			i, 100 + i);
	world->config.clock = &clock;
	world->config.namespaces = namespaces;
	start(world);
	WAIT_UNTIL(atomic_load(&world->synced));
	assert_int_equal(atomic_load(&world->server.lists), 1);
	atomic_store(&shift, 31);
	atomic_store(&world->server.discovery_mute, true);
	atomic_store(&no_room_for_held, true);
	send_line(world, "ADDED", sample_event("held", "11", "Widget"));
	WAIT_UNTIL(atomic_load(&world->server.discoveries) == 2);
	pthread_mutex_lock(&world->server.lock);
	world->server.flood = flood;
	pthread_mutex_unlock(&world->server.lock);
	WAIT_UNTIL(atomic_load(&world->server.lists) == 2);
	atomic_store(&no_room_for_held, false);
	kev_feed_destroy(world->feed);
	world->feed = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_sync_then_live),
		TEST(test_sync_waits_for_discovery),
		TEST(test_sync_without_discovery_uses_builtin_kinds),
		TEST(test_sync_selected_namespaces),
		TEST(test_create_refuses_a_namespace),
		TEST(test_sync_forbidden_fails),
		TEST(test_sync_forbidden_patient_waits),
		TEST(test_sync_times_out),
		TEST(test_sync_does_not_time_out_while_a_plugin_runs),
		TEST(test_sync_times_out_with_the_last_reason),
		TEST(test_destroy_waits_for_nobody),
		TEST(test_stop_does_not_wait_for_ever),
		TEST(test_destroy_without_start),
		TEST(test_unknown_kind_is_asked_for_now_and_then),
		TEST(test_unknown_kind_is_held),
		TEST(test_what_is_lost_is_listed_anew),
		TEST(test_progress_is_told),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
