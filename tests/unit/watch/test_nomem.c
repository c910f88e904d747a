/*
 * Every allocation between the network, or a file, and the store fails in turn. What is lost by it is asked
 * for again: with memory there again, the store equals the server. A file is read whole, or not at all.
 */
#include "http_stub.h"
#include "recording.h"

#include "../nomem.h"
#include "../room.h"
#include "../words.h"
#include "kevfs/base/log.h"
#include "kevfs/watch/coverage.h"
#include "kevfs/watch/dump.h"
#include "kevfs/watch/feed.h"
#include "kevfs/watch/kind_watch.h"
#include "kevfs/watch/replay.h"
#include "kevfs/watch/unpack.h"
#include "kevfs/watch/watcher.h"

/* A server's Events, and how they came to be. */
static const struct {
	const char *type, *name;
} script[] = {
	{"ADDED", "a"},
	{"ADDED", "b"},
	{"ADDED", "c"},
	{"MODIFIED", "a"},
	{"DELETED", "b"},
	{"ADDED", "d"},
	{"BOOKMARK", ""},
	{"MODIFIED", "c"},
	{"ADDED", "b"},
	{"DELETED", "d"},
};

/* What is left of them in the end. */
#define AT_LAST "a@4 b@9 c@8"

/* Of the first list; whatever follows comes by watches. */
#define BEGINNING 5

struct world {
	struct sample sample;
	struct kev_http *http;
	struct kev_intake *intake;
	struct kev_watcher *watcher;
	struct kev_kind_watch *kinds;
	bool holding;
	int answered;

	size_t there;                    /* so much of the script has happened */
	struct kev_http_transfer *watch; /* the one that was told so much */
	size_t told;
	bool expired; /* the next watch is refused, once */
};

static uint32_t no_random(void *context)
{
	(void)context;
	return 0;
}

static bool on_unknown(void *context)
{
	struct world *world = context;

	world->holding = true;
	return true;
}

static void on_failed(void *context, struct kev_watcher *watcher, int result, const struct kev_error *why)
{
	(void)context, (void)watcher, (void)result;
	fail_msg("given up: %s", why->text);
}

static void on_answered(void *context)
{
	((struct world *)context)->answered++;
}

static void set_up(struct world *world)
{
	*world = (struct world){.there = BEGINNING, .expired = true};
	sample_init(&world->sample);
	assert_int_equal(kev_http_create(NULL, NULL, "kevfs/test", &world->http, NULL), 0);
}

static void tear_down(struct world *world)
{
	kev_watcher_destroy(world->watcher);
	kev_kind_watch_destroy(world->kinds);
	kev_intake_destroy(world->intake);
	kev_http_destroy(world->http);
	sample_fini(&world->sample);
}

/* The place in the script at which a name came to be as it is now; 0: it is not there. */
static size_t version_of(const struct world *world, const char *name)
{
	size_t version = 0;

	for (size_t i = 0; i < world->there; i++) {
		if (strcmp(script[i].name, name) == 0)
			version = strcmp(script[i].type, "DELETED") == 0 ? 0 : i + 1;
	}
	return version;
}

/* Of a kind that nobody knows, so that they are held for a while. */
static const char *object(const char *name, size_t version)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", version);
	return sample_event(name, text, "Gizmo");
}

/* A list in two pages. */
static void answer_list(struct world *world, struct kev_http_transfer *transfer)
{
	bool second = strstr(transfer->path, "continue=") != NULL;
	char text[4096], page[5000];
	size_t len = 0;

	for (char name[2] = "a"; name[0] <= 'd'; name[0]++) {
		size_t version = version_of(world, name);

		if (version && second == (name[0] > 'a'))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? "," : "",
				object(name, version));
	}
	text[len] = '\0';
	snprintf(page, sizeof(page),
		"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"%zu\",\"continue\":\"%s\"},"
		"\"items\":[%s]}",
		world->there, second ? "" : "t", text);
	stub_answer(world->http, transfer, 200, page);
}

static void tell_line(struct world *world, struct kev_http_transfer *transfer)
{
	size_t version = world->told + 1;
	const char *type = script[world->told].type, *name = script[world->told].name;
	char text[2048];

	if (world->told == world->there)
		world->there++;
	world->told = version;
	snprintf(text, sizeof(text), "{\"type\":\"%s\",\"object\":%s}\n", type, object(name, version));
	/* In two pieces. */
	if (transfer->request.body(transfer->request.context, (struct kev_str){text, 40}) != 0 ||
		transfer->request.body(transfer->request.context, kev_str_c(text + 40)) != 0)
		stub_done(world->http, transfer, -ECANCELED, "stopped");
}

static void answer_watch(struct world *world, struct kev_http_transfer *transfer)
{
	const char *from = strstr(transfer->path, "resourceVersion=");

	if (world->expired) {
		world->expired = false;
		stub_answer(world->http, transfer, 410,
			"{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}");
		return;
	}
	assert_non_null(from);
	if (world->watch != transfer || !transfer->status) {
		world->watch = transfer;
		world->told = (size_t)atoi(from + strlen("resourceVersion="));
		stub_head(transfer, 200);
	} else if (world->told < KEV_ARRAY_LEN(script)) {
		tell_line(world, transfer);
	}
}

/* One thing that happens. */
static void turn(struct world *world)
{
	struct kev_http_transfer *transfer = world->http->first;

	if (!transfer) {
		assert_true(kev_watcher_deadline(world->watcher) < INT64_MAX);
		world->sample.now = kev_watcher_deadline(world->watcher);
		kev_watcher_tick(world->watcher, world->sample.now);
	} else if (strstr(transfer->path, "watch=1")) {
		answer_watch(world, transfer);
	} else {
		answer_list(world, transfer);
	}
	/* The kinds are no better known, and what was held goes through. */
	if (world->holding)
		kev_intake_release(world->intake);
	if (kev_intake_take_lost(world->intake))
		kev_watcher_relist(world->watcher);
	world->holding = false;
	/* From now on kinds that are not known are asked for. */
	if (kev_watcher_settled(world->watcher))
		kev_intake_go_live(world->intake);
}

static bool is_done(const struct world *world)
{
	const struct kev_http_transfer *transfer = world->http->first;

	/* A new request may lie where one was that has ended; but it has no answer yet. */
	return transfer && transfer == world->watch && transfer->status && !world->expired &&
	       world->told == KEV_ARRAY_LEN(script);
}

static int add_name(void *context, struct kev_event *event)
{
	char(*names)[32] = context;
	struct kev_str name = kev_event_name(event, ROOM), version = kev_event_resource_version(event, ROOM);

	snprintf(names[name.data[0] - 'a'], 32, "%.*s@%.*s ", (int)name.len, name.data, (int)version.len,
		version.data);
	return 0;
}

static const char *held(struct world *world)
{
	static char text[200];
	char names[4][32] = {"", "", "", ""};
	const struct kev_store_visitor visitor = {.event = add_name, .context = names};

	assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
	snprintf(text, sizeof(text), "%s%s%s%s", names[0], names[1], names[2], names[3]);
	text[strlen(text) - 1] = '\0';
	return text;
}

static void start_watcher(struct world *world)
{
	const struct kev_watcher_config config = {.http = world->http,
		.clock = &world->sample.clock,
		.store = world->sample.store,
		.health = world->sample.health,
		.kind = KEV_SCOPE_EVENTS,
		.server = "https://server",
		.idle_timeout = 30,
		.random = no_random,
		.failed = on_failed,
		.context = world};
	struct kev_watcher_config whole = config;

	world->intake = kev_intake_create(world->sample.store, on_unknown, world);
	whole.intake = world->intake;
	if (world->intake)
		world->watcher = kev_watcher_create(&whole);
}

static void test_watcher(void **state)
{
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;

		set_up(&world);
		nomem_fail_in(n);
		start_watcher(&world);
		if (!world.watcher) {
			hit = nomem_end();
			assert_true(hit);
			tear_down(&world);
			continue;
		}
		kev_watcher_start(world.watcher);
		for (int i = 0; i < 1000 && !is_done(&world); i++)
			turn(&world);
		hit = nomem_end();
		assert_true(is_done(&world));
		assert_string_equal(held(&world), AT_LAST);
		tear_down(&world);
	}
	assert_true(n > 100);
}

/* ---- discovery ---- */

/* A server of before 1.26: one answer leads to the next. */
static void answer_discovery(struct world *world, struct kev_http_transfer *transfer)
{
	static const struct {
		const char *path, *answer;
	} answers[] = {
		{"/api", "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}"},
		{"/apis", "{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"example.com\","
			  "\"preferredVersion\":{"
			  "\"version\":\"v2\"},\"versions\":[{\"version\":\"v1\"},{\"version\":\"v2\"}]}]}"},
		{"/api/v1", "{\"kind\":\"APIResourceList\",\"resources\":[{\"kind\":\"Pod\",\"name\":"
			    "\"pods\"}]}"},
		{"/apis/example.com/v1", "{\"kind\":\"APIResourceList\",\"resources\":[]}"},
		{"/apis/example.com/v2", "{\"kind\":\"APIResourceList\",\"resources\":[{\"kind\":\"Gizmo\","
					 "\"name\":\"gizmos\"}]}"},
	};
	struct kev_http_response head = {.status = 200, .retry_after = -1, .etag = "\"e\""};

	for (size_t i = 0; i < KEV_ARRAY_LEN(answers); i++) {
		if (strcmp(transfer->path, answers[i].path) != 0)
			continue;
		transfer->status = 200;
		if (transfer->request.head(transfer->request.context, &head) != 0 ||
			transfer->request.body(transfer->request.context, kev_str_c(answers[i].answer)) != 0)
			stub_done(world->http, transfer, -ECANCELED, "stopped");
		else
			stub_done(world->http, transfer, 0, NULL);
		return;
	}
	fail_msg("what is %s?", transfer->path);
}

static void test_kind_watch(void **state)
{
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;
		struct kev_kind_watch_config config;
		struct kev_str group, plural;
		struct kev_kinds *kinds;

		set_up(&world);
		config = (struct kev_kind_watch_config){.http = world.http,
			.clock = &world.sample.clock,
			.store = world.sample.store,
			.random = no_random,
			.answered = on_answered,
			.context = &world};
		nomem_fail_in(n);
		world.kinds = kev_kind_watch_create(&config);
		if (!world.kinds) {
			hit = nomem_end();
			assert_true(hit);
			tear_down(&world);
			continue;
		}
		kev_kind_watch_ask(world.kinds);
		while (!kev_kind_watch_ready(world.kinds)) {
			if (world.http->first) {
				answer_discovery(&world, world.http->first);
				continue;
			}
			assert_true(kev_kind_watch_deadline(world.kinds) < INT64_MAX);
			world.sample.now = kev_kind_watch_deadline(world.kinds);
			kev_kind_watch_tick(world.kinds, world.sample.now);
		}
		hit = nomem_end();
		kinds = kev_store_kinds(world.sample.store);
		assert_true(
			kev_kinds_find(kinds, KEV_STR("example.com/v1"), KEV_STR("Gizmo"), &group, &plural));
		assert_str_equal(plural, KEV_STR("gizmos"));
		kev_kinds_unref(kinds);
		tear_down(&world);
	}
	assert_true(n > 50);
}

/* ---- namespaces one by one ---- */

/* Events are forbidden but in "one" and "two", and pods altogether. */
static void answer_coverage(struct world *world, struct kev_http_transfer *transfer)
{
	static const char prefix[] = "/api/v1/namespaces/";
	bool inside = strncmp(transfer->path, prefix, strlen(prefix)) == 0;
	char page[256];

	if (strstr(transfer->path, "pods?") || (!inside && strstr(transfer->path, "events?")))
		stub_answer(world->http, transfer, 403, "no");
	else if (strstr(transfer->path, "watch=1"))
		stub_head(transfer, 200);
	else if (!inside)
		stub_answer(world->http, transfer, 200,
			"{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":["
			"{\"metadata\":{\"name\":\"one\"}},{\"metadata\":{\"name\":\"two\"}}]}");
	else {
		snprintf(page, sizeof(page),
			"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{"
			"\"metadata\":{\"namespace\":\"%.3s\",\"name\":\"e\",\"resourceVersion\":\"1\"}}]}",
			transfer->path + strlen(prefix));
		stub_answer(world->http, transfer, 200, page);
	}
}

/* What was asked is answered, or time passes. */
static void turn_coverage(struct world *world, struct kev_coverage *coverage)
{
	struct kev_http_transfer *transfer = world->http->first;

	while (transfer && transfer->status)
		transfer = transfer->next;
	if (transfer)
		answer_coverage(world, transfer);
	else if (kev_coverage_deadline(coverage) < INT64_MAX)
		world->sample.now = kev_coverage_deadline(coverage);
	kev_coverage_tick(coverage, world->sample.now);
}

static bool is_covered(const struct world *world)
{
	struct kev_store_counts counts;
	size_t watches = 0;

	for (const struct kev_http_transfer *t = world->http->first; t; t = t->next)
		watches += t->status == 200 && strstr(t->path, "/events?watch=1");
	kev_store_counts(world->sample.store, &counts);
	return watches == 2 && counts.events == 2 &&
	       kev_store_is_permitted(world->sample.store, KEV_STR("one")) &&
	       kev_store_is_permitted(world->sample.store, KEV_STR("two")) &&
	       !kev_store_is_permitted(world->sample.store, KEV_STR("three"));
}

static void test_coverage(void **state)
{
	static char server[] = "https://server";
	const struct kev_cluster_config cluster = {.server = server};
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;
		struct kev_coverage_config config;
		struct kev_coverage *coverage = NULL;
		struct kev_error why = {""};

		set_up(&world);
		world.intake = kev_intake_create(world.sample.store, on_unknown, &world);
		assert_non_null(world.intake);
		config = (struct kev_coverage_config){.http = world.http,
			.clock = &world.sample.clock,
			.store = world.sample.store,
			.health = world.sample.health,
			.intake = world.intake,
			.cluster = &cluster,
			.max_watches = 10,
			.idle_timeout = 30,
			.random = no_random};
		nomem_fail_in(n);
		if (kev_coverage_create(&config, &coverage, NULL) == 0) {
			kev_coverage_start(coverage);
			for (int i = 0; i < 1000 && !is_covered(&world); i++)
				turn_coverage(&world, coverage);
			assert_true(is_covered(&world));
			assert_int_equal(kev_coverage_failure(coverage, &why), 0);
		}
		hit = nomem_end();
		assert_true(coverage || hit);
		kev_coverage_destroy(coverage);
		tear_down(&world);
	}
	assert_true(n > 200);
}

/* ---- what is held ---- */

static int put_gizmo(struct world *world, unsigned number)
{
	char name[16];
	struct kev_json *json = kev_json_create();
	struct kev_event *event = NULL;

	snprintf(name, sizeof(name), "n%u", number);
	assert_non_null(json);
	assert_int_equal(kev_json_scan(json, kev_str_c(sample_event(name, "1", "Gizmo")), NULL), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &event, NULL), 0);
	kev_json_destroy(json);
	if (number == KEV_INTAKE_HELD_MAX)
		nomem_fail_in(2);
	return kev_intake_put(world->intake, event, false);
}

/* Who puts one too many lets all through, also what others have put: of these one finds no memory. */
static void test_what_others_put_is_lost(void **state)
{
	struct kev_store_counts counts;
	struct world world;

	(void)state;
	set_up(&world);
	world.intake = kev_intake_create(world.sample.store, on_unknown, &world);
	assert_non_null(world.intake);
	kev_intake_go_live(world.intake);
	for (unsigned i = 0; i <= KEV_INTAKE_HELD_MAX; i++)
		assert_int_equal(put_gizmo(&world, i), 0);
	assert_true(nomem_end());
	assert_false(kev_intake_holding(world.intake));
	kev_store_counts(world.sample.store, &counts);
	assert_int_equal(counts.events, KEV_INTAKE_HELD_MAX);
	assert_true(kev_intake_take_lost(world.intake));
	assert_false(kev_intake_take_lost(world.intake));
	tear_down(&world);
}

/* ---- the feed, before its thread ---- */

static int feed_action(void *context)
{
	struct world *world = context;
	static char server[] = "https://server";
	struct kev_cluster_config cluster = {.server = server};
	const char *const namespaces[] = {"one", "two", NULL};
	const struct kev_feed_config config = {.cluster = &cluster,
		.clock = &world->sample.clock,
		.store = world->sample.store,
		.health = world->sample.health,
		.namespaces = namespaces,
		.max_watches = 2};
	struct kev_feed *feed = NULL;
	int r = kev_feed_create(&config, &feed, NULL);

	assert_int_equal(feed != NULL, r == 0);
	kev_feed_destroy(feed);
	return r;
}

static void test_feed_create(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	assert_in_range(nomem_fail_some(feed_action, &world), 20, 200);
	tear_down(&world);
}

/* ---- files ---- */

static int dump_action(void *context)
{
	const struct recording *recording = context;
	static const char *const namespaces[] = {"ns", "other", NULL};
	struct kev_error error = {""};
	struct kev_changes *changes = kev_changes_create(100);
	struct kev_store *store = changes ? kev_store_create(kev_clock_system(), changes) : NULL;
	struct kev_store_counts counts;
	int r = store ? kev_dump_load(recording->path, store, namespaces, &error) : -ENOMEM;

	if (!r) {
		kev_store_counts(store, &counts);
		assert_int_equal(counts.events, 2);
		assert_int_equal(counts.namespaces, 2);
	} else if (store) {
		assert_non_null(strstr(error.text, "out of memory"));
	}
	kev_store_destroy(store);
	kev_changes_destroy(changes);
	return r;
}

static void write_lines(struct recording *recording)
{
	recording_line(recording, "ADDED", "a", "1", 0);
	recording_line(recording, "ADDED", "b", "2", 1);
	recording_line(recording, "MODIFIED", "a", "3", 2);
	recording_line(recording, "ADDED", "c", "4", 3);
	recording_line(recording, "DELETED", "c", "5", 4);
	recording_close(recording);
}

static void test_dump_of_a_recording(void **state)
{
	struct recording recording;

	(void)state;
	recording_create(&recording);
	write_lines(&recording);
	assert_true(nomem_fail_some(dump_action, &recording) > 50);
	recording_remove(&recording);
}

static void test_dump_of_a_list(void **state)
{
	struct recording recording;

	(void)state;
	recording_create(&recording);
	fprintf(recording.file, "{\"kind\":\"EventList\",\"metadata\":{},\"items\":[%s,%s]}",
		sample_event("a", "1", "Pod"), sample_event("b", "2", "Pod"));
	recording_close(&recording);
	assert_true(nomem_fail_some(dump_action, &recording) > 50);
	recording_remove(&recording);
}

static int replay_action(void *context)
{
	const struct recording *recording = context;
	struct kev_error error = {""};
	struct kev_replay *replay = NULL;
	struct kev_changes *changes = kev_changes_create(100);
	struct kev_store *store = changes ? kev_store_create(kev_clock_system(), changes) : NULL;
	struct kev_store_counts counts;
	int r = -ENOMEM;

	if (store)
		r = kev_replay_create(&(const struct kev_replay_config){.path = recording->path,
					      .speed = 1000,
					      .clock = kev_clock_system(),
					      .store = store},
			&replay, &error);
	if (!r)
		r = kev_replay_load(replay, &error);
	if (!r) {
		kev_store_counts(store, &counts);
		assert_int_equal(counts.events, 2);
	} else if (store && error.text[0]) {
		assert_non_null(strstr(error.text, "out of memory"));
	}
	kev_replay_destroy(replay);
	kev_store_destroy(store);
	kev_changes_destroy(changes);
	return r;
}

static void test_replay_create(void **state)
{
	struct recording recording;

	(void)state;
	recording_create(&recording);
	write_lines(&recording);
	assert_true(nomem_fail_some(replay_action, &recording) > 50);
	recording_remove(&recording);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watcher),
		cmocka_unit_test(test_kind_watch),
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_what_others_put_is_lost),
		cmocka_unit_test(test_feed_create),
		cmocka_unit_test(test_dump_of_a_recording),
		cmocka_unit_test(test_dump_of_a_list),
		cmocka_unit_test(test_replay_create),
	};

	/* What is lost is told, each time. */
	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
