#include "http_stub.h"
#include "sample.h"

#include "kevfs/base/log.h"
#include "kevfs/watch/watcher.h"

#define S KEV_NS_PER_SEC

static const char metadata_list[] =
	"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
static const char metadata_watch[] =
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

struct world {
	struct sample sample;
	struct kev_http *http;
	struct kev_intake *intake;
	struct kev_watcher_config config;
	struct kev_watcher *watcher;
	int failed, moved;
	struct kev_error why;
};

static bool never(void *context)
{
	(void)context;
	return false;
}

static uint32_t no_random(void *context)
{
	(void)context;
	return 0;
}

static void on_failed(void *context, struct kev_watcher *watcher, int result, const struct kev_error *why)
{
	struct world *world = context;

	assert_ptr_equal(watcher, world->watcher);
	assert_int_equal(world->failed, 0);
	world->failed = result;
	world->why = *why;
}

static void on_moved(void *context, struct kev_watcher *watcher)
{
	struct world *world = context;

	assert_ptr_equal(watcher, world->watcher);
	world->moved++;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	assert_int_equal(kev_http_create(NULL, NULL, "kevfs/test", &world->http, NULL), 0);
	world->intake = kev_intake_create(world->sample.store, never, NULL);
	assert_non_null(world->intake);
	world->config = (struct kev_watcher_config){.http = world->http,
		.clock = &world->sample.clock,
		.store = world->sample.store,
		.health = world->sample.health,
		.intake = world->intake,
		.server = "https://server",
		.idle_timeout = 30,
		.quiet = true,
		.random = no_random,
		.failed = on_failed,
		.moved = on_moved,
		.context = world};
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_watcher_destroy(world->watcher);
	kev_intake_destroy(world->intake);
	kev_http_destroy(world->http);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

static void start(struct world *world, enum kev_scope_kind kind)
{
	world->config.kind = kind;
	world->watcher = kev_watcher_create(&world->config);
	assert_non_null(world->watcher);
	kev_watcher_start(world->watcher);
}

/* The only request under way, which must be for exactly that path. */
static struct kev_http_transfer *request(struct world *world, const char *path)
{
	struct kev_http_transfer *transfer = world->http->first;

	if (!transfer)
		fail_msg("no request; expected %s", path);
	assert_null(transfer->next);
	assert_string_equal(transfer->path, path);
	return transfer;
}

/* Answer the only request. */
static void answer(struct world *world, const char *path, int status, const char *text)
{
	stub_answer(world->http, request(world, path), status, text);
}

static const char *page_of(const char *kind, const char *rv, const char *token, const char *items)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		"{\"kind\":\"%s\",\"metadata\":{\"resourceVersion\":\"%s\",\"continue\":\"%s\","
		"\"remainingItemCount\":%s},\"items\":[%s]}",
		kind, rv, token, token[0] ? "77" : "0", items);
	return text;
}

static const char *page(const char *rv, const char *token, const char *items)
{
	return page_of("EventList", rv, token, items);
}

static const char *metadata_page(const char *rv, const char *items)
{
	return page_of("PartialObjectMetadataList", rv, "", items);
}

static const char *line(const char *type, const char *object)
{
	static char text[4096];

	snprintf(text, sizeof(text), "{\"type\":\"%s\",\"object\":%s}\n", type, object);
	return text;
}

static const char first_page[] = "/api/v1/events?limit=5000";
static const char watch_10[] =
	"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=10";

/* What comes behind: the last line is to come again, so it begins before that. */
static const char watch_1[] =
	"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=1";
static const char watch_11[] =
	"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=11";

/* To the watch, with the event a@2 in the store. */
static struct kev_http_transfer *start_watching(struct world *world)
{
	start(world, KEV_SCOPE_EVENTS);
	answer(world, first_page, 200, page("10", "", sample_event("a", "2", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "+a@2");
	assert_true(kev_watcher_settled(world->watcher));
	return request(world, watch_10);
}

/* Let the wait pass, which must be so long. */
static void wait(struct world *world, int64_t ns)
{
	assert_null(world->http->first);
	assert_int_equal(kev_watcher_deadline(world->watcher) - world->sample.now, ns);
	world->sample.now += ns - 1;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_null(world->http->first);
	world->sample.now++;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_non_null(world->http->first);
}

static void test_list_pages_then_watch(void **state)
{
	struct world *world = *state;
	struct kev_watcher_progress progress;
	struct kev_http_transfer *transfer;

	start(world, KEV_SCOPE_EVENTS);
	transfer = request(world, first_page);
	assert_string_equal(transfer->accept, "application/json");
	assert_true(transfer->request.gzip);
	assert_int_equal(transfer->request.idle_timeout, 30);
	assert_int_equal(transfer->request.total_timeout, 0);
	world->sample.now += 5;
	stub_answer(world->http, transfer, 200, page("10", "t/1=", sample_event("a", "2", "Pod")));
	kev_watcher_progress(world->watcher, &progress);
	assert_int_equal(progress.items, 1);
	assert_int_equal(progress.remaining, 77);
	assert_int_equal(progress.last_byte, world->sample.now);
	assert_false(kev_watcher_settled(world->watcher));

	answer(world, "/api/v1/events?limit=5000&continue=t%2F1%3D", 200,
		page("10", "", sample_event("b", "2", "Pod")));
	assert_true(kev_watcher_settled(world->watcher));
	kev_watcher_progress(world->watcher, &progress);
	assert_int_equal(progress.items, 2);
	assert_int_equal(progress.remaining, 0);
	transfer = request(world, watch_10);
	assert_string_equal(transfer->accept, "application/json");
	assert_false(transfer->request.gzip);
	assert_int_equal(transfer->request.idle_timeout, 0);
	assert_int_equal(transfer->request.total_timeout, 330);
	assert_string_equal(sample_changes(&world->sample), "+a@2 +b@2");
}

/* Where pages cannot be had, the list is streamed: what it does not hold is gone only at its end. */
static struct kev_health_state health(struct world *world)
{
	struct kev_health_state state;

	kev_health_get(world->sample.health, &state);
	return state;
}

static void test_list_streamed(void **state)
{
	static const char stream[] =
		"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&sendInitialEvents=true&"
		"resourceVersionMatch=NotOlderThan";
	static const char end[] =
		"{\"kind\":\"Event\",\"metadata\":{\"resourceVersion\":\"30\",\"annotations\":{"
		"\"k8s.io/initial-events-end\":\"true\"}}}";
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	kev_health_synced(world->sample.health);
	stub_answer(world->http, transfer, 410, "gone");
	for (int i = 0; i < 2; i++) {
		answer(world, first_page, 200, page("20", "t", sample_event("a", "2", "Pod")));
		answer(world, "/api/v1/events?limit=5000&continue=t", 410, "gone");
		world->sample.now = kev_watcher_deadline(world->watcher);
		kev_watcher_tick(world->watcher, world->sample.now);
	}
	sample_changes(&world->sample);
	transfer = request(world, stream);
	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("ADDED", sample_event("c", "25", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "+c@25");
	assert_true(health(world).stale);
	stub_body(world->http, transfer, line("BOOKMARK", end));
	assert_string_equal(sample_changes(&world->sample), "-a@2");
	/* The watch that brought the list goes on. */
	assert_false(health(world).stale);
	world->sample.now += 3 * S;
	stub_body(world->http, transfer, line("ADDED", sample_event("d", "31", "Pod")));
	stub_done(world->http, transfer, 0, NULL);
	request(world,
		"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=30");
}

static void test_list_metadata_from_the_cache(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_PODS);
	assert_string_equal(
		request(world, "/api/v1/pods?limit=5000&resourceVersion=0")->accept, metadata_list);
	answer(world, "/api/v1/pods?limit=5000&resourceVersion=0", 200,
		metadata_page("10", "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\"}}"));
	assert_string_equal(sample_changes(&world->sample), "+pod ns/web");
	assert_string_equal(request(world, "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&"
					   "resourceVersion=10")
				    ->accept,
		metadata_watch);
}

static void test_list_selected(void **state)
{
	struct world *world = *state;

	world->config.namespace_ = "my ns";
	world->config.field_selector = "type=Warning,reason!=a&b";
	start(world, KEV_SCOPE_EVENTS);
	answer(world,
		"/api/v1/namespaces/my%20ns/"
		"events?limit=5000&fieldSelector=type%3DWarning%2Creason%21%3Da%26b",
		200, page("10", "", ""));
	request(world, "/api/v1/namespaces/my%20ns/"
		       "events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=10&"
		       "fieldSelector=type%3DWarning%2Creason%21%3Da%26b");
}

static void test_watch_follows_and_goes_on(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("MODIFIED", sample_event("a", "11", "Pod")));
	stub_body(world->http, transfer, line("ADDED", sample_event("b", "12", "Pod")));
	stub_body(world->http, transfer, line("DELETED", sample_event("b", "13", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "a@2->11 +b@12 -b@12");
	stub_body(world->http, transfer, line("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"99\"}}"));
	/* What was cut off comes again. */
	stub_body(world->http, transfer, "{\"type\":\"ADDED\",\"obj");
	stub_done(world->http, transfer, 0, NULL);
	transfer = request(world,
		"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=12");
	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("DELETED", sample_event("b", "13", "Pod")));
	stub_body(world->http, transfer, line("ADDED", sample_event("c", "100", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "+c@100");
	assert_true(kev_watcher_settled(world->watcher));
}

static void test_watch_error_410_relists_as_a_diff(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);
	const char *changes;

	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("ADDED", sample_event("b", "11", "Pod")));
	stub_body(world->http, transfer, line("ADDED", sample_event("c", "12", "Pod")));
	sample_changes(&world->sample);
	stub_body(world->http, transfer,
		line("ERROR",
			"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410}"));
	answer(world, first_page, 200, page("50", "t", sample_event("b", "11", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "");
	answer(world, "/api/v1/events?limit=5000&continue=t", 200,
		page("50", "", sample_event("d", "40", "Pod")));
	request(world,
		"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=50");
	/* What the list did not hold is gone, in no order. */
	changes = sample_changes(&world->sample);
	assert_int_equal(strlen(changes), strlen("+d@40 -a@2 -c@12"));
	assert_non_null(strstr(changes, "+d@40"));
	assert_non_null(strstr(changes, "-a@2"));
	assert_non_null(strstr(changes, "-c@12"));
	assert_true(kev_watcher_settled(world->watcher));
}

static void test_watch_tells_its_health(void **state)
{
	struct world *world = *state;
	const struct kev_health_watch *events;
	struct kev_health_state now;

	kev_health_synced(world->sample.health);
	stub_head(start_watching(world), 200);
	assert_false(health(world).stale);
	/* It ends as it should, and begins anew. */
	world->sample.now += 300 * S;
	stub_done(world->http, request(world, watch_10), 0, NULL);
	stub_head(request(world, watch_1), 200);
	stub_body(world->http, request(world, watch_1), line("ADDED", sample_event("a", "2", "Pod")));
	now = health(world);
	events = &now.watches[KEV_SCOPE_EVENTS];
	assert_false(now.stale);
	assert_int_equal(events->reconnects, 1);
	assert_string_equal(events->error.text, "");
	/* It breaks, and the server is away for a while. */
	stub_done(world->http, request(world, watch_1), -ECONNRESET, "https://server: broken off");
	now = health(world);
	assert_true(now.stale);
	assert_string_equal(events->error.text, "https://server: broken off");
	wait(world, 800 * KEV_NS_PER_MS);
	assert_true(health(world).stale);
	answer(world, first_page, 200, page("10", "", sample_event("a", "2", "Pod")));
	assert_true(health(world).stale);
	stub_head(request(world, watch_10), 200);
	now = health(world);
	assert_false(now.stale);
	assert_int_equal(events->reconnects, 2);
	assert_int_equal(events->relists, 1);
	assert_int_equal(events->count, 1);
	/* Whoever is destroyed is not connected. */
	kev_watcher_destroy(world->watcher);
	world->watcher = NULL;
	world->sample.now += KEV_HEALTH_GRACE;
	assert_true(health(world).stale);
}

/* How the only watch is. */
static struct kev_health_detail detail(struct world *world)
{
	struct kev_health_detail *details = NULL, only;
	size_t count = 0;

	assert_int_equal(kev_health_details(world->sample.health, &details, &count), 0);
	assert_int_equal(count, 1);
	only = details[0];
	free(details);
	return only;
}

static void test_watch_tells_how_far_it_is(void **state)
{
	struct world *world = *state;
	const char *text = line("ADDED", sample_event("b", "11", "Pod"));
	struct kev_http_transfer *transfer;
	uint64_t bytes;

	start(world, KEV_SCOPE_EVENTS);
	assert_int_equal(detail(world).phase, KEV_HEALTH_LISTING);
	assert_true(detail(world).silence < 0);
	answer(world, first_page, 200, page("10", "t", ""));
	assert_int_equal(detail(world).phase, KEV_HEALTH_LISTING);
	answer(world, "/api/v1/events?limit=5000&continue=t", 429, "{}");
	assert_int_equal(detail(world).phase, KEV_HEALTH_WAITING);
	world->sample.now = kev_watcher_deadline(world->watcher);
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(detail(world).phase, KEV_HEALTH_LISTING);
	answer(world, "/api/v1/events?limit=5000&continue=t", 200, page("10", "", ""));
	assert_int_equal(detail(world).phase, KEV_HEALTH_CONNECTING);
	assert_string_equal(detail(world).resource_version, "10");
	bytes = detail(world).bytes;
	assert_int_equal(bytes, strlen(page("10", "t", "")) + strlen(page("10", "", "")) + 2);
	transfer = request(world, watch_10);
	world->sample.now += S;
	assert_true(detail(world).silence == S);
	stub_head(transfer, 200);
	assert_int_equal(detail(world).phase, KEV_HEALTH_WATCHING);
	assert_true(detail(world).silence == 0);
	world->sample.now += S;
	stub_body(world->http, transfer, text);
	assert_string_equal(detail(world).resource_version, "11");
	assert_int_equal(detail(world).bytes, bytes + strlen(text));
	assert_true(detail(world).silence == 0);
	assert_int_equal(detail(world).relists, 0);
}

/* Where nothing happened for longer than the server keeps its history. It is compared, and nothing is wrong.
 */
static void test_quiet_watch_is_compared_each_time(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);
	char both[2048];

	kev_health_synced(world->sample.health);
	snprintf(both, sizeof(both), "%s,%s", sample_event("a", "2", "Pod"), sample_event("b", "11", "Pod"));
	for (int i = 0; i < 3; i++) {
		stub_head(transfer, 200);
		if (i == 0)
			stub_body(world->http, transfer, line("ADDED", sample_event("b", "11", "Pod")));
		sample_changes(&world->sample);
		world->sample.now += 450 * S;
		stub_done(world->http, transfer, 0, NULL);
		transfer = world->http->first;
		stub_head(transfer, 200);
		stub_body(world->http, transfer,
			line("ERROR", "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}"));
		assert_false(health(world).stale);
		answer(world, first_page, 200, page("50", "", both));
		assert_string_equal(sample_changes(&world->sample), "");
		transfer = world->http->first;
		assert_false(health(world).stale);
	}
	assert_int_equal(health(world).watches[KEV_SCOPE_EVENTS].relists, 3);
}

static void test_watch_error_429_keeps_its_place(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer,
		line("ERROR", "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":429,"
			      "\"details\":{\"retryAfterSeconds\":7}}"));
	wait(world, 7 * S);
	request(world, watch_1);
}

/* Before its head there is nothing to come again. */
static void test_watch_status_429_keeps_its_place(void **state)
{
	struct world *world = *state;

	stub_answer(world->http, start_watching(world), 429, "Too many requests");
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, watch_10);
}

static void test_watch_garbage_is_mended_by_a_list(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer, "{\"type\":\"ADDED\",\"object\":{\"meta\n");
	assert_non_null(strstr(kev_watcher_why(world->watcher)->text, "watching events"));
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
	assert_int_equal(world->failed, 0);
}

static void test_watch_broken_relists_from_etcd(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("ADDED", sample_event("b", "11", "Pod")));
	stub_done(world->http, transfer, -ECONNRESET, "https://server: broken off");
	assert_string_equal(kev_watcher_why(world->watcher)->text, "https://server: broken off");
	wait(world, 800 * KEV_NS_PER_MS);
	sample_changes(&world->sample);
	answer(world, first_page, 200, page("3", "", sample_event("b", "2", "Pod")));
	/* Another history, and ours is not held against it. */
	assert_non_null(strstr(sample_changes(&world->sample), "b@11->2"));
	request(world,
		"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=3");
}

static void test_watch_without_a_head_is_given_up(void **state)
{
	struct world *world = *state;

	start_watching(world);
	assert_int_equal(kev_watcher_deadline(world->watcher), world->sample.now + 20 * S);
	world->sample.now += 20 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(world->http->cancelled, 1);
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
}

/* That is not the server's time. */
static void test_watch_that_waits_for_a_credential(void **state)
{
	struct world *world = *state;

	start_watching(world);
	atomic_store(&world->http->waiting, true);
	world->sample.now += 19 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(kev_watcher_deadline(world->watcher), world->sample.now + 20 * S);
	world->sample.now += 100 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(world->http->cancelled, 0);
	atomic_store(&world->http->waiting, false);
	world->sample.now += 20 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(world->http->cancelled, 1);
}

static void test_watch_may_be_silent(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	for (int i = 0; i < 100; i++) {
		world->sample.now += 30 * S;
		transfer->heard = world->sample.now;
		kev_watcher_tick(world->watcher, world->sample.now);
	}
	assert_ptr_equal(request(world, watch_10), transfer);
	assert_int_equal(world->http->cancelled, 0);
}

/* But where nobody else is heard on its connection, it begins anew, and its head must come. */
static void test_watch_is_not_silent_alone(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	transfer->heard = world->sample.now;
	world->sample.now += 38 * S - 1;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(world->http->cancelled, 0);
	world->sample.now++;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_int_equal(world->http->cancelled, 1);
	request(world, watch_1);
	world->sample.now += 20 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_true(health(world).stale);
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
}

/* To a second watch; b@12 is the last that the first one brought. */
static struct kev_http_transfer *watch_again(struct world *world)
{
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("ADDED", sample_event("b", "12", "Pod")));
	world->sample.now += 300 * S;
	stub_done(world->http, transfer, 0, NULL);
	sample_changes(&world->sample);
	transfer = request(world, watch_11);
	stub_head(transfer, 200);
	return transfer;
}

/* What came last comes again, which changes nothing, and then what was missed. Until then it is stale. */
static void test_watch_goes_on_in_the_same_history(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer;

	kev_health_synced(world->sample.health);
	world->http->newest = 1;
	transfer = watch_again(world);
	world->sample.now += KEV_HEALTH_GRACE;
	assert_true(health(world).stale);
	world->http->newest = 2;
	/* What is no change says nothing. */
	stub_body(world->http, transfer, line("NOVEL", sample_event("x", "12", "Pod")));
	assert_true(health(world).stale);
	stub_body(world->http, transfer, line("ADDED", sample_event("b", "12", "Pod")));
	assert_false(health(world).stale);
	stub_body(world->http, transfer, line("MODIFIED", sample_event("b", "14", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "b@12->14");
	assert_int_equal(health(world).watches[KEV_SCOPE_EVENTS].relists, 0);
	assert_int_equal(world->moved, 0);
	request(world, watch_11);
}

static void test_watch_in_another_history_lists_anew(void **state)
{
	static const struct {
		const char *type, *name, *rv;
	} others[] = {
		{"ADDED", "c", "12"},    /* another one */
		{"MODIFIED", "b", "13"}, /* it was written otherwise */
		{"DELETED", "b", "12"},  /* … or deleted */
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++) {
		void *own;
		struct world *world;
		struct kev_http_transfer *transfer;

		set_up(&own);
		world = own;
		transfer = watch_again(world);
		stub_body(world->http, transfer,
			line(others[i].type, sample_event(others[i].name, others[i].rv, "Pod")));
		assert_string_equal(sample_changes(&world->sample), "");
		request(world, first_page);
		assert_int_equal(world->moved, 1);
		assert_int_equal(health(world).watches[KEV_SCOPE_EVENTS].relists, 1);
		tear_down(&own);
	}
}

/* A history that is not so far yet is silent until it is; so is a server that is slow, and that concerns
 * nobody else. */
static void test_watch_from_the_future_lists_anew(void **state)
{
	static const struct {
		const char *listed;
		int moved;
	} servers[] = {{"11", 1}, {"12", 0}, {"20", 0}, {"9x", 0}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(servers); i++) {
		void *own;
		struct world *world;

		set_up(&own);
		world = own;
		watch_again(world);
		assert_int_equal(kev_watcher_deadline(world->watcher), world->sample.now + 5 * S);
		world->sample.now += 5 * S;
		kev_watcher_tick(world->watcher, world->sample.now);
		assert_int_equal(world->moved, 0);
		assert_int_equal(world->http->cancelled, 1);
		answer(world, first_page, 200, page(servers[i].listed, "", sample_event("b", "12", "Pod")));
		assert_int_equal(world->moved, servers[i].moved);
		/* The next list is held against nothing. */
		stub_answer(world->http, world->http->first, 410, "{}");
		wait(world, 800 * KEV_NS_PER_MS);
		answer(world, first_page, 200, page("3", "", ""));
		assert_int_equal(world->moved, servers[i].moved);
		tear_down(&own);
	}
}

/* A server that is always slow is not listed ever again at once. */
static void test_watch_silent_again_slows_down(void **state)
{
	struct world *world = *state;

	watch_again(world);
	world->sample.now += 5 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	answer(world, first_page, 200, page("12", "", sample_event("b", "12", "Pod")));
	stub_head(world->http->first, 200);
	world->sample.now += 5 * S;
	stub_done(world->http, world->http->first, 0, NULL);
	stub_head(request(world, watch_11), 200);
	world->sample.now += 5 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_non_null(strstr(kev_watcher_why(world->watcher)->text, "has not come again in 5 s"));
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
	assert_int_equal(world->moved, 0);
}

/* Deletions are lines as any other. */
static void test_watch_behind_a_deletion(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	for (int i = 0; i < 2; i++) {
		stub_head(transfer, 200);
		stub_body(world->http, transfer, line("DELETED", sample_event("a", "12", "Pod")));
		world->sample.now += 300 * S;
		stub_done(world->http, transfer, 0, NULL);
		transfer = request(world, watch_11);
	}
	assert_string_equal(sample_changes(&world->sample), "-a@2");
}

/* Where there is nothing that can come again, a list is short. */
static void test_watch_without_any_line_lists_anew(void **state)
{
	static const char *const versions[] = {"", "abc", "1"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(versions); i++) {
		void *own;
		struct world *world;

		set_up(&own);
		world = own;
		start(world, KEV_SCOPE_EVENTS);
		kev_health_synced(world->sample.health);
		answer(world, first_page, 200,
			page("10", "", versions[i][0] ? sample_event("a", versions[i], "Pod") : ""));
		stub_head(request(world, watch_10), 200);
		world->sample.now += 300 * S;
		stub_done(world->http, request(world, watch_10), 0, NULL);
		request(world, first_page);
		/* Nothing is known to be missing, unless it takes its time. */
		assert_false(health(world).stale);
		world->sample.now += KEV_HEALTH_GRACE;
		assert_true(health(world).stale);
		assert_int_equal(world->moved, 0);
		tear_down(&own);
	}
}

/* Between the list and its watch, the server may change, too. Where every request has a connection of its
 * own, that says nothing. */
static void test_watch_on_a_newer_connection_than_the_list(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_EVENTS);
	for (int i = 0; i < 2; i++) {
		world->http->newest = 2 * (uint64_t)i + 1;
		answer(world, first_page, 200, page("10", "", sample_event("a", "2", "Pod")));
		world->http->newest++;
		if (i == 0)
			stub_head_refused(world->http, request(world, watch_10), 200);
		else
			stub_head(request(world, watch_10), 200);
	}
	request(world, watch_10);
}

static void test_watch_of_pods_on_a_new_connection(void **state)
{
	static const char watch_pods[] =
		"/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=5";
	struct world *world = *state;

	world->http->newest = 1;
	start(world, KEV_SCOPE_PODS);
	answer(world, "/api/v1/pods?limit=5000&resourceVersion=0", 200, metadata_page("5", ""));
	stub_head(request(world, watch_pods), 200);
	world->sample.now += 300 * S;
	stub_done(world->http, request(world, watch_pods), 0, NULL);
	stub_head(request(world, watch_pods), 200);
	world->sample.now += 300 * S;
	stub_done(world->http, request(world, watch_pods), 0, NULL);
	world->http->newest = 2;
	stub_head_refused(world->http, request(world, watch_pods), 200);
	/* Not from the cache. */
	request(world, "/api/v1/pods?limit=5000");
}

/* As nothing but a broken server says it: it is not believed. */
static void test_watch_that_goes_back_lists_anew(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	stub_head(transfer, 200);
	stub_body(world->http, transfer, line("MODIFIED", sample_event("a", "11", "Pod")));
	stub_body(world->http, transfer, line("MODIFIED", sample_event("a", "11", "Pod")));
	stub_body(world->http, transfer, line("DELETED", sample_event("x", "3", "Pod")));
	stub_body(world->http, transfer, line("MODIFIED", sample_event("a", "12", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "a@2->11 a@11->12");
	stub_body(world->http, transfer, line("MODIFIED", sample_event("a", "9", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "");
	assert_non_null(strstr(kev_watcher_why(world->watcher)->text, "goes back"));
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
}

static const char forbidden[] =
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\",\"code\":403,\"message\":"
	"\"events is forbidden: User \\\"x\\\" cannot list resource \\\"events\\\" at the cluster scope\"}";

/* Whether it may be watched, too. */
static const char probe_watch_9[] =
	"/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=9";

static void test_list_forbidden_is_done_without(void **state)
{
	static const char probe[] = "/api/v1/events?limit=1";
	struct world *world = *state;

	start(world, KEV_SCOPE_EVENTS);
	answer(world, first_page, 403, forbidden);
	assert_string_equal(kev_watcher_why(world->watcher)->text,
		"events may not be listed in all namespaces at once: User \"x\" cannot list resource "
		"\"events\" at the cluster scope");
	assert_true(kev_watcher_settled(world->watcher));
	assert_true(kev_watcher_denied(world->watcher));
	assert_false(kev_watcher_listed(world->watcher));
	wait(world, 60 * S);
	answer(world, probe, 403, forbidden);
	wait(world, 60 * S);
	/* What comes with the answer is nobody's: others may be ahead of it. */
	answer(world, probe, 200, page("9", "t", sample_event("a", "1", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "");
	assert_true(kev_watcher_denied(world->watcher));
	stub_head_refused(world->http, request(world, probe_watch_9), 200);
	assert_false(kev_watcher_denied(world->watcher));
	assert_false(kev_watcher_listed(world->watcher));
	answer(world, first_page, 200, page("10", "", sample_event("b", "2", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "+b@2");
	assert_true(kev_watcher_listed(world->watcher));
	assert_int_equal(world->failed, 0);
	request(world, watch_10);
}

/* Forbid what is shown, for as long as it takes to be believed. */
static void forbid(struct world *world, const char *path)
{
	int64_t since = world->sample.now;

	while (!kev_watcher_denied(world->watcher)) {
		assert_true(world->sample.now - since < 20 * S);
		answer(world, path, 403, forbidden);
		if (kev_watcher_denied(world->watcher))
			break;
		world->sample.now = kev_watcher_deadline(world->watcher);
		kev_watcher_tick(world->watcher, world->sample.now);
	}
	assert_true(world->sample.now - since >= 10 * S);
}

/* The store keeps the events: who may see them is another matter. */
static void test_watch_forbidden_keeps_the_events(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer = start_watching(world);

	kev_health_synced(world->sample.health);
	stub_head(transfer, 200);
	stub_done(world->http, transfer, -ECONNRESET, "https://server: broken off");
	world->sample.now = kev_watcher_deadline(world->watcher);
	kev_watcher_tick(world->watcher, world->sample.now);
	forbid(world, first_page);
	assert_false(kev_watcher_listed(world->watcher));
	assert_string_equal(sample_changes(&world->sample), "");
	assert_int_equal(detail(world).phase, KEV_HEALTH_DENIED);
	wait(world, 60 * S);
	answer(world, "/api/v1/events?limit=1", 200, page("9", "", ""));
	stub_head_refused(world->http, request(world, probe_watch_9), 200);
	/* Compared with what there is now. */
	answer(world, first_page, 200, page("20", "", sample_event("b", "12", "Pod")));
	assert_string_equal(sample_changes(&world->sample), "+b@12 -a@2");
	assert_true(kev_watcher_listed(world->watcher));
}

/* May list, not watch: that is a denial in the words of the watch, and lists do not undo it. */
static void test_watch_forbidden_alone(void **state)
{
	static const char no_watch[] =
		"{\"kind\":\"Status\",\"code\":403,\"message\":\"events is forbidden: User "
		"\\\"x\\\" cannot watch resource \\\"events\\\"\"}";
	struct world *world = *state;
	int64_t since;

	kev_health_synced(world->sample.health);
	start_watching(world);
	since = world->sample.now;
	while (!kev_watcher_denied(world->watcher)) {
		assert_true(world->sample.now - since < 20 * S);
		stub_answer(world->http, request(world, watch_10), 403, no_watch);
		if (kev_watcher_denied(world->watcher))
			break;
		world->sample.now = kev_watcher_deadline(world->watcher);
		kev_watcher_tick(world->watcher, world->sample.now);
		answer(world, first_page, 200, page("10", "", sample_event("a", "2", "Pod")));
	}
	assert_true(world->sample.now - since >= 10 * S);
	assert_false(kev_watcher_listed(world->watcher));
	assert_int_equal(detail(world).phase, KEV_HEALTH_DENIED);
	assert_string_equal(kev_watcher_why(world->watcher)->text,
		"events may not be watched in all namespaces at once: "
		"User \"x\" cannot watch resource \"events\"");
	wait(world, 60 * S);
	answer(world, "/api/v1/events?limit=1", 200, page("9", "", ""));
	answer(world, probe_watch_9, 403, no_watch);
	assert_true(kev_watcher_denied(world->watcher));
	wait(world, 60 * S);
	/* It takes its time, and that is no answer. */
	answer(world, "/api/v1/events?limit=1", 200, page("9", "", ""));
	world->sample.now += 20 * S;
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_true(kev_watcher_denied(world->watcher));
	assert_string_equal(sample_changes(&world->sample), "");
}

static void test_watch_forbidden_forgets_the_pods(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_PODS);
	answer(world, "/api/v1/pods?limit=5000&resourceVersion=0", 200,
		metadata_page("10", "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\"}}"));
	stub_done(world->http, world->http->first, -ECONNRESET, "https://server: broken off");
	world->sample.now = kev_watcher_deadline(world->watcher);
	kev_watcher_tick(world->watcher, world->sample.now);
	assert_string_equal(sample_changes(&world->sample), "+pod ns/web");
	forbid(world, "/api/v1/pods?limit=5000");
	assert_string_equal(sample_changes(&world->sample), "-pod ns/web");
}

static void test_stop_does_nothing_any_more(void **state)
{
	struct world *world = *state;

	kev_health_synced(world->sample.health);
	stub_head(start_watching(world), 200);
	kev_watcher_stop(world->watcher);
	assert_null(world->http->first);
	assert_int_equal(kev_watcher_deadline(world->watcher), INT64_MAX);
	kev_watcher_tick(world->watcher, world->sample.now + 1000 * S);
	assert_null(world->http->first);
	assert_int_equal(health(world).watches[KEV_SCOPE_EVENTS].count, 0);
}

static void test_list_forbidden_pods_are_done_without(void **state)
{
	static const char path[] = "/api/v1/pods?limit=5000&resourceVersion=0",
			  again[] = "/api/v1/pods?limit=5000", probe[] = "/api/v1/pods?limit=1",
			  watch[] = "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=1"
				    "&resourceVersion=9";
	struct world *world = *state;

	start(world, KEV_SCOPE_PODS);
	answer(world, path, 403, forbidden);
	assert_true(kev_watcher_settled(world->watcher));
	wait(world, 60 * S);
	assert_int_equal(detail(world).phase, KEV_HEALTH_DENIED);
	answer(world, probe, 403, forbidden);
	assert_int_equal(detail(world).phase, KEV_HEALTH_DENIED);
	assert_string_equal(detail(world).error.text, kev_watcher_why(world->watcher)->text);
	wait(world, 60 * S);
	answer(world, probe, 200, metadata_page("9", ""));
	stub_head_refused(world->http, request(world, watch), 200);
	answer(world, again, 200,
		metadata_page("10", "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\"}}"));
	assert_string_equal(sample_changes(&world->sample), "+pod ns/web");
	assert_int_equal(detail(world).phase, KEV_HEALTH_CONNECTING);
	assert_int_equal(world->failed, 0);
}

static void test_list_fails_with_a_reason(void **state)
{
	static const struct {
		int status, result;
		const char *body, *why;
	} cases[] = {
		{401, -EACCES,
			"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":401,\"message\":"
			"\"Unauthorized\"}",
			"https://server does not accept the credential: 401: Unauthorized"},
		{404, -ENOENT, "404 page not found\n",
			"https://server: listing events: 404: 404 page not found"},
		{200, -EPROTO, "<html>", NULL},
		{200, -EPROTO, "{\"items\":[", NULL},
		{200, -EPROTO, "{\"items\":[]}", NULL},
		{200, -EPROTO, "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}",
			"https://server: listing events: the answer is not a Kubernetes API server's: a list "
			"of "
			"the kind \"PodList\" where EventList was expected"},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;

		start(world, KEV_SCOPE_EVENTS);
		answer(world, first_page, cases[i].status, cases[i].body);
		assert_int_equal(world->failed, cases[i].result);
		if (cases[i].why)
			assert_string_equal(world->why.text, cases[i].why);
		else
			assert_int_equal(strncmp(world->why.text, "https://server: listing events: ", 32), 0);
		tear_down(state);
		set_up(state);
	}
}

static void test_list_broken_fails_with_its_reason(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_EVENTS);
	stub_done(world->http, request(world, first_page), -ECONNREFUSED, "https://server: refused");
	assert_int_equal(world->failed, -ECONNREFUSED);
	assert_string_equal(world->why.text, "https://server: refused");
}

static void test_list_unauthorized_is_tried_once_more(void **state)
{
	struct world *world = *state;

	world->http->can_refresh = true;
	start(world, KEV_SCOPE_EVENTS);
	answer(world, first_page, 401, "");
	assert_int_equal(world->failed, 0);
	answer(world, first_page, 401, "");
	assert_int_equal(world->failed, -EACCES);
}

static void test_list_unauthorized_says_why_there_is_nothing_better(void **state)
{
	struct world *world = *state;

	world->http->cannot_refresh = "exec plugin x: no login";
	start(world, KEV_SCOPE_EVENTS);
	answer(world, first_page, 401, "no");
	assert_int_equal(world->failed, -EACCES);
	assert_string_equal(world->why.text,
		"https://server does not accept the credential: 401: no; exec plugin x: no login");
}

static void test_list_overload_waits(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_EVENTS);
	/* In the body, where no header says it. */
	answer(world, first_page, 429,
		"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":429,\"details\":{\"retryAfterSeconds\":"
		"9}}");
	wait(world, 9 * S);
	answer(world, first_page, 500, "broken");
	wait(world, 1600 * KEV_NS_PER_MS);
	request(world, first_page);
	assert_int_equal(world->failed, 0);
}

static void test_start_without_memory_is_tried_again(void **state)
{
	struct world *world = *state;

	world->http->fail_starts = 1;
	start(world, KEV_SCOPE_EVENTS);
	wait(world, 800 * KEV_NS_PER_MS);
	world->http->fail_starts = 1;
	answer(world, first_page, 200, page("10", "", ""));
	assert_true(kev_watcher_settled(world->watcher));
	wait(world, 1600 * KEV_NS_PER_MS);
	request(world, first_page);
	assert_int_equal(world->failed, 0);
}

static void test_relist_leaves_the_watch(void **state)
{
	struct world *world = *state;

	stub_head(start_watching(world), 200);
	kev_watcher_relist(world->watcher);
	assert_int_equal(world->http->cancelled, 1);
	wait(world, 800 * KEV_NS_PER_MS);
	request(world, first_page);
}

static void test_destroy_ends_the_request(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *transfer;

	start(world, KEV_SCOPE_EVENTS);
	transfer = request(world, first_page);
	stub_head(transfer, 200);
	stub_body(world->http, transfer, "{\"items\":[{\"metadata\":");
	kev_watcher_destroy(world->watcher);
	world->watcher = NULL;
	assert_null(world->http->first);
	kev_watcher_destroy(NULL);
}

static void test_kind(void **state)
{
	struct world *world = *state;

	start(world, KEV_SCOPE_NAMESPACES);
	assert_int_equal(kev_watcher_kind(world->watcher), KEV_SCOPE_NAMESPACES);
	request(world, "/api/v1/namespaces?limit=5000&resourceVersion=0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_list_pages_then_watch),
		TEST(test_list_streamed),
		TEST(test_list_metadata_from_the_cache),
		TEST(test_list_selected),
		TEST(test_watch_follows_and_goes_on),
		TEST(test_watch_tells_its_health),
		TEST(test_watch_error_410_relists_as_a_diff),
		TEST(test_quiet_watch_is_compared_each_time),
		TEST(test_watch_tells_how_far_it_is),
		TEST(test_watch_error_429_keeps_its_place),
		TEST(test_watch_status_429_keeps_its_place),
		TEST(test_watch_garbage_is_mended_by_a_list),
		TEST(test_watch_broken_relists_from_etcd),
		TEST(test_watch_without_a_head_is_given_up),
		TEST(test_watch_that_waits_for_a_credential),
		TEST(test_watch_may_be_silent),
		TEST(test_watch_is_not_silent_alone),
		TEST(test_watch_goes_on_in_the_same_history),
		cmocka_unit_test(test_watch_in_another_history_lists_anew),
		TEST(test_watch_from_the_future_lists_anew),
		TEST(test_watch_silent_again_slows_down),
		TEST(test_watch_behind_a_deletion),
		cmocka_unit_test(test_watch_without_any_line_lists_anew),
		TEST(test_watch_on_a_newer_connection_than_the_list),
		TEST(test_watch_of_pods_on_a_new_connection),
		TEST(test_watch_that_goes_back_lists_anew),
		TEST(test_list_forbidden_is_done_without),
		TEST(test_watch_forbidden_keeps_the_events),
		TEST(test_watch_forbidden_alone),
		TEST(test_watch_forbidden_forgets_the_pods),
		TEST(test_stop_does_nothing_any_more),
		TEST(test_list_forbidden_pods_are_done_without),
		TEST(test_list_fails_with_a_reason),
		TEST(test_list_broken_fails_with_its_reason),
		TEST(test_list_unauthorized_is_tried_once_more),
		TEST(test_list_unauthorized_says_why_there_is_nothing_better),
		TEST(test_list_overload_waits),
		TEST(test_start_without_memory_is_tried_again),
		TEST(test_relist_leaves_the_watch),
		TEST(test_destroy_ends_the_request),
		TEST(test_kind),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
