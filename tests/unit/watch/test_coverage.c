#include "../log_stub.h"
#include "http_stub.h"
#include "sample.h"

#include <stdarg.h>

#include "kevfs/base/log.h"
#include "kevfs/watch/coverage.h"

/*
 * What is watched, on a stub of http and a model of a server: it has namespaces with an event and a pod each,
 * and permits what the test says. Requests that a callback or a tick makes are answered in the next round, as
 * kev_http_run() sends them.
 */

#define S KEV_NS_PER_SEC
#define NAMESPACES_MAX 8

struct place {
	const char *name;
	bool exists, events, pods; /* may be listed and watched */
	bool lists;                /* events may be listed, but not watched */
	const char *revision;      /* of its event; NULL: there is none */
	const char *kind;          /* of what that is about; NULL: Pod */
	int status;                /* of all that is asked of it; 0: as is permitted */
};

struct server {
	bool events, pods, namespaces; /* at the cluster scope */
	bool lists;                    /* the same, of events */
	bool get;                      /* a namespace by its name */
	struct place places[NAMESPACES_MAX];
	unsigned version; /* resourceVersion of lists */
	int status;       /* of all answers; 0: as it should be */
};

struct world {
	struct sample sample;
	struct kev_http *http;
	struct kev_intake *intake;
	struct kev_cluster_config cluster;
	struct kev_coverage_config config;
	struct kev_coverage *coverage;
	struct server server;
	char said[4096]; /* warnings */
	bool hold;       /* events of unknown kinds */
};

static struct world *logged;

void kev_log(enum kev_log_level level, const char *format, ...)
{
	size_t len = logged ? strlen(logged->said) : 0;
	va_list arguments;

	if (level > KEV_LOG_WARNING || !logged)
		return;
	va_start(arguments, format);
	vsnprintf(logged->said + len, sizeof(logged->said) - len, format, arguments);
	va_end(arguments);
	len = strlen(logged->said);
	assert_true(len + 2 < sizeof(logged->said));
	memcpy(logged->said + len, "\n", 2);
}

static bool on_unknown_kind(void *context)
{
	const struct world *world = context;

	return world->hold;
}

static uint32_t no_random(void *context)
{
	(void)context;
	return 0;
}

static char server_url[] = "https://server";

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	kev_health_synced(world->sample.health);
	assert_int_equal(kev_http_create(NULL, NULL, "kevfs/test", &world->http, NULL), 0);
	world->intake = kev_intake_create(world->sample.store, on_unknown_kind, world);
	assert_non_null(world->intake);
	world->cluster.server = server_url;
	world->config = (struct kev_coverage_config){.http = world->http,
		.clock = &world->sample.clock,
		.store = world->sample.store,
		.health = world->sample.health,
		.intake = world->intake,
		.cluster = &world->cluster,
		.max_watches = 250,
		.idle_timeout = 30,
		.random = no_random};
	world->server = (struct server){.pods = true,
		.namespaces = true,
		.places = {{.name = "a", .exists = true, .events = true, .revision = "1"},
			{.name = "b", .exists = true, .events = true, .revision = "2"},
			{.name = "c", .exists = true, .revision = "3"}},
		.version = 10};
	logged = world;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	logged = NULL;
	kev_intake_destroy(world->intake);
	kev_coverage_destroy(world->coverage);
	kev_http_destroy(world->http);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

/* The server. */

static struct place *find_place(struct world *world, const char *name, size_t len)
{
	for (size_t i = 0; i < NAMESPACES_MAX && world->server.places[i].name; i++) {
		struct place *place = &world->server.places[i];

		if (strlen(place->name) == len && strncmp(place->name, name, len) == 0)
			return place;
	}
	return NULL;
}

static struct place *place(struct world *world, const char *name)
{
	return find_place(world, name, strlen(name));
}

static void append_item(char *items, const struct place *place, const char *resource)
{
	size_t len = strlen(items);
	const char *comma = len ? "," : "";

	if (!place->exists)
		return;
	if (strcmp(resource, "namespaces") == 0)
		snprintf(items + len, 8192 - len, "%s{\"metadata\":{\"name\":\"%s\"}}", comma, place->name);
	else if (strcmp(resource, "pods") == 0)
		snprintf(items + len, 8192 - len, "%s{\"metadata\":{\"namespace\":\"%s\",\"name\":\"p\"}}",
			comma, place->name);
	else if (place->revision)
		snprintf(items + len, 8192 - len,
			"%s{\"metadata\":{\"namespace\":\"%s\",\"name\":\"e-%s\",\"uid\":\"u\","
			"\"resourceVersion\":\"%s\"},\"involvedObject\":{\"kind\":\"%s\",\"name\":\"p\"}}",
			comma, place->name, place->name, place->revision, place->kind ? place->kind : "Pod");
}

static void answer_list(
	struct world *world, struct kev_http_transfer *transfer, const struct place *of, const char *resource)
{
	static char items[8192], text[16384];
	bool scoped = strstr(transfer->path, "/namespaces/");
	const char *kind = strcmp(resource, "events") == 0 ? "EventList" : "PartialObjectMetadataList";

	items[0] = '\0';
	for (size_t i = 0; i < NAMESPACES_MAX && world->server.places[i].name; i++) {
		if (!scoped || of == &world->server.places[i])
			append_item(items, &world->server.places[i], resource);
	}
	snprintf(text, sizeof(text),
		"{\"kind\":\"%s\",\"metadata\":{\"resourceVersion\":\"%u\"},\"items\":[%s]}", kind,
		world->server.version, items);
	stub_answer(world->http, transfer, 200, text);
}

static void forbid(struct world *world, struct kev_http_transfer *transfer)
{
	stub_answer(world->http, transfer, 403, "no");
}

/* What a path asks for. */
static struct place *read_path(struct world *world, const char *path, char resource[16])
{
	static const char before[] = "/api/v1/namespaces/";
	const char *at = path + strlen("/api/v1/");
	struct place *of = NULL;

	if (strncmp(path, before, strlen(before)) == 0) {
		const char *name = path + strlen(before);
		size_t len = strcspn(name, "/");

		of = find_place(world, name, len);
		at = name[len] ? name + len + 1 : "namespace";
	}
	snprintf(resource, 16, "%.*s", (int)strcspn(at, "?"), at);
	return of;
}

static bool may(const struct world *world, const struct place *of, const char *resource, bool watch)
{
	const struct server *server = &world->server;

	if (strcmp(resource, "namespaces") == 0)
		return server->namespaces;
	if (strcmp(resource, "events") == 0)
		return server->events || (of && of->events) ||
		       (!watch && (server->lists || (of && of->lists)));
	return server->pods || (of && of->pods);
}

static void serve(struct world *world, struct kev_http_transfer *transfer)
{
	char resource[16];
	struct place *of = read_path(world, transfer->path, resource);
	bool watch = strstr(transfer->path, "?watch=1");

	if (strcmp(resource, "namespace") == 0)
		stub_answer(world->http, transfer, world->server.get ? (of ? 200 : 404) : 403, "{}");
	else if (world->server.status || (of && of->status))
		stub_answer(world->http, transfer, world->server.status ? world->server.status : of->status,
			"broken");
	else if (!may(world, of, resource, watch))
		forbid(world, transfer);
	else if (watch && strstr(transfer->path, "&timeoutSeconds=1&"))
		stub_head_refused(world->http, transfer, 200);
	else if (watch)
		stub_head(transfer, 200);
	else
		answer_list(world, transfer, of, resource);
}

/* One round: answer what was asked before it, then let the coverage act. @return whether there was anything
 */
static bool round_trip(struct world *world)
{
	unsigned asked[64];
	size_t count = 0;

	for (struct kev_http_transfer *t = world->http->first; t; t = t->next) {
		if (!t->status)
			asked[count++] = t->number;
		assert_true(count < KEV_ARRAY_LEN(asked));
	}
	for (size_t i = 0; i < count; i++) {
		struct kev_http_transfer *t = world->http->first;

		/* One that was cancelled meanwhile is no more; another may stand in its place by now. */
		while (t && t->number != asked[i])
			t = t->next;
		if (t)
			serve(world, t);
	}
	kev_coverage_tick(world->coverage, world->sample.now);
	return count > 0;
}

static void settle(struct world *world)
{
	while (round_trip(world))
		;
}

static void create(struct world *world)
{
	struct kev_error why = {""};

	assert_int_equal(kev_coverage_create(&world->config, &world->coverage, &why), 0);
	kev_coverage_start(world->coverage);
}

/* To the end of the first sync, which must go well. */
static void begin(struct world *world)
{
	struct kev_error why = {""};

	create(world);
	settle(world);
	if (kev_coverage_failure(world->coverage, &why))
		fail_msg("%s", why.text);
	assert_true(kev_coverage_settled(world->coverage));
	kev_coverage_speak(world->coverage);
}

/* Let time pass, in steps in which whatever is due is done. */
static void pass(struct world *world, int64_t ns)
{
	int64_t end = world->sample.now + ns;

	while (world->sample.now < end) {
		int64_t next = kev_coverage_deadline(world->coverage);

		world->sample.now = next > world->sample.now && next < end ? next : end;
		kev_coverage_tick(world->coverage, world->sample.now);
		settle(world);
	}
}

/* End all watches: each is asked for anew. */
static void end_watches(struct world *world)
{
	world->sample.now += 300 * S;
	for (struct kev_http_transfer *t = world->http->first, *next; t; t = next) {
		next = t->next;
		if (t->status == 200)
			stub_done(world->http, t, 0, NULL);
	}
	settle(world);
}

static void send(struct world *world, const char *path, const char *text)
{
	struct kev_http_transfer *transfer = stub_find(world->http, path);

	assert_non_null(transfer);
	stub_body(world->http, transfer, text);
	kev_coverage_tick(world->coverage, world->sample.now);
	settle(world);
}

/* A line about a namespace. */
static void tell_namespace(struct world *world, const char *type, const char *name)
{
	char line[256];

	snprintf(line, sizeof(line),
		"{\"type\":\"%s\",\"object\":{\"metadata\":{\"name\":\"%s\","
		"\"resourceVersion\":\"%u\"}}}\n",
		type, name, ++world->server.version);
	send(world, "/api/v1/namespaces?watch=1", line);
}

/* The watches that are under way, as text: "events pods a/events". */
static const char *watches(struct world *world)
{
	static char text[1024];
	size_t len = 0;

	text[0] = '\0';
	for (struct kev_http_transfer *t = world->http->first; t; t = t->next) {
		char resource[16];
		const struct place *of = read_path(world, t->path, resource);

		if (!strstr(t->path, "?watch=1"))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s", len ? " " : "",
			of ? of->name : "", of ? "/" : "", resource);
	}
	return text;
}

static bool seen(struct world *world, const char *name)
{
	return kev_store_is_permitted(world->sample.store, kev_str_c(name));
}

static size_t events(struct world *world)
{
	struct kev_store_counts counts;

	kev_store_counts(world->sample.store, &counts);
	return counts.events;
}

static bool is_stale(struct world *world)
{
	return kev_health_stale(world->sample.health);
}

/* The tests. */

static void test_whole(void **state)
{
	struct world *world = *state;

	world->server.events = true;
	begin(world);
	assert_string_equal(watches(world), "events pods namespaces");
	assert_int_equal(events(world), 3);
	assert_true(seen(world, "a") && seen(world, "c") && seen(world, "nobody"));
	assert_string_equal(world->said, "");
	assert_false(is_stale(world));
}

static void test_some_namespaces(void **state)
{
	struct world *world = *state;

	begin(world);
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
	assert_int_equal(events(world), 2);
	assert_true(seen(world, "a") && seen(world, "b"));
	assert_false(seen(world, "c") || seen(world, "nobody"));
	assert_string_equal(world->said,
		"events may not be listed in all namespaces at once: no; 2 of 3 namespaces may be seen\n");
	assert_false(is_stale(world));
}

static void test_pods_of_some_namespaces(void **state)
{
	struct world *world = *state;

	world->server.pods = false;
	place(world, "a")->pods = true;
	place(world, "c")->pods = true;
	begin(world);
	/* Of what is not seen no pods are needed. */
	assert_string_equal(watches(world), "namespaces a/events b/events a/pods");
	assert_string_equal(world->said,
		"events may not be listed in all namespaces at once: no; 2 of 3 namespaces may be seen\n"
		"pods of 1 of 2 namespaces may not be listed; only those that events mention are shown\n");
}

static void test_namespaces_forbidden_means_the_contexts(void **state)
{
	static char own[] = "b";
	struct world *world = *state;

	world->server.namespaces = false;
	world->cluster.namespace_ = own;
	begin(world);
	assert_string_equal(watches(world), "pods b/events");
	assert_true(seen(world, "b"));
	assert_false(seen(world, "a"));
	/* Permitted later: the others are known, too. */
	world->server.namespaces = true;
	pass(world, 60 * S);
	assert_string_equal(watches(world), "pods b/events namespaces a/events");
	assert_true(seen(world, "a"));
}

static void test_namespaces_forbidden_means_default(void **state)
{
	struct world *world = *state;

	world->server.namespaces = false;
	world->server.places[1].name = "default";
	begin(world);
	assert_string_equal(watches(world), "pods default/events");
}

static void check_failure(struct world *world, int result, const char *text)
{
	struct kev_error why = {""};

	create(world);
	settle(world);
	assert_false(kev_coverage_settled(world->coverage));
	assert_int_equal(kev_coverage_failure(world->coverage, &why), result);
	assert_string_equal(why.text, text);
	assert_string_equal(world->said, "");
}

static void test_nothing_may_be_seen(void **state)
{
	struct world *world = *state;

	place(world, "a")->events = place(world, "b")->events = false;
	check_failure(world, -EACCES,
		"events may not be listed in all namespaces at once: no; nor may those of any of the 3 "
		"namespaces");
}

static void test_nothing_may_be_seen_patient_waits(void **state)
{
	struct world *world = *state;
	struct kev_error why;

	world->config.patient = true;
	place(world, "a")->events = place(world, "b")->events = false;
	create(world);
	settle(world);
	assert_int_equal(kev_coverage_failure(world->coverage, &why), 0);
	assert_false(kev_coverage_settled(world->coverage));
	place(world, "b")->events = true;
	pass(world, 2 * S);
	assert_true(kev_coverage_settled(world->coverage));
}

static void test_given(void **state)
{
	static const char *const namespaces[] = {"c", "a", NULL};
	struct world *world = *state;

	world->config.namespaces = namespaces;
	world->server.pods = world->server.namespaces = false;
	place(world, "c")->pods = true;
	begin(world);
	assert_string_equal(watches(world), "a/events");
	assert_true(seen(world, "a"));
	assert_false(seen(world, "b") || seen(world, "c"));
	assert_string_equal(world->said,
		"events of namespace c may not be listed: no; 1 of 2 namespaces may be seen\n"
		"pods of 1 of 1 namespaces may not be listed; only those that events mention are shown\n");
}

static void test_given_and_forbidden(void **state)
{
	static const char *const one[] = {"c", NULL}, *const two[] = {"c", "nobody", NULL};
	static const struct {
		const char *const *namespaces;
		const char *why;
	} cases[] = {
		{one, "events of namespace c may not be listed: no"},
		{two, "events of namespace c may not be listed: no; nor may those of the other 1 namespaces"},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;

		world->config.namespaces = cases[i].namespaces;
		check_failure(world, -EACCES, cases[i].why);
		tear_down(state);
		set_up(state);
	}
}

static void test_given_that_is_not_there(void **state)
{
	static const char *const namespaces[] = {"a", "mistyped", NULL};
	static const struct {
		bool get;
		const char *said;
	} cases[] = {{true, "https://server: there is no namespace mistyped\n"}, {false, ""}};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;

		world->config.namespaces = namespaces;
		world->server.get = cases[i].get;
		/* Of a namespace that is not there, none are listed. */
		world->server.events = true;
		begin(world);
		assert_string_equal(world->said, cases[i].said);
		assert_null(stub_find(world->http, "/api/v1/namespaces/a?"));
		tear_down(state);
		set_up(state);
	}
}

static void test_too_many(void **state)
{
	struct world *world = *state;

	world->config.max_watches = 2;
	check_failure(world, -E2BIG,
		"1 of 3 namespaces cannot be watched one by one, since max_watches is 2: a ClusterRole that "
		"allows "
		"to list and watch events in the API group \"\" would help, or -o namespace= for some of "
		"them");
}

static void test_too_many_given(void **state)
{
	static const char *const namespaces[] = {"a", "b", "c", NULL};
	struct world *world = *state;
	struct kev_error why = {""};

	world->config.max_watches = 2;
	world->config.namespaces = namespaces;
	assert_int_equal(kev_coverage_create(&world->config, &world->coverage, &why), -E2BIG);
	assert_non_null(strstr(why.text, "max_watches is 2"));
	assert_null(world->coverage);
}

static void test_too_many_later(void **state)
{
	struct world *world = *state;
	struct place *more = &world->server.places[3];

	world->config.max_watches = 3;
	begin(world);
	world->said[0] = '\0';
	*more = (struct place){.name = "d", .exists = true, .events = true};
	tell_namespace(world, "ADDED", "d");
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
	assert_false(seen(world, "d"));
	assert_non_null(strstr(world->said, "1 of 4 namespaces cannot be watched one by one"));
	/* Where there is room again, it is taken. */
	tell_namespace(world, "DELETED", "a");
	assert_string_equal(watches(world), "pods namespaces b/events d/events");
	assert_true(seen(world, "d"));
}

/* Pods give way to events. */
static void test_too_many_pods(void **state)
{
	struct world *world = *state;

	world->config.max_watches = 4;
	world->server.pods = false;
	place(world, "a")->pods = place(world, "b")->pods = true;
	begin(world);
	assert_string_equal(watches(world), "namespaces a/events b/events a/pods");
	assert_non_null(strstr(world->said, "pods of 1 of 2 namespaces"));
}

/* Also when there are more namespaces than before. */
static void test_too_many_pods_later(void **state)
{
	struct world *world = *state;

	world->config.max_watches = 5;
	world->server.pods = false;
	place(world, "a")->pods = place(world, "b")->pods = true;
	begin(world);
	assert_string_equal(watches(world), "namespaces a/events b/events a/pods b/pods");
	sample_changes(&world->sample);
	world->server.places[3] = (struct place){.name = "d", .exists = true, .events = true, .pods = true};
	tell_namespace(world, "ADDED", "d");
	assert_string_equal(watches(world), "namespaces a/events b/events b/pods d/events");
	assert_non_null(strstr(sample_changes(&world->sample), "-pod a/p"));
	world->server.places[4] = (struct place){.name = "e", .exists = true, .events = true};
	tell_namespace(world, "ADDED", "e");
	assert_string_equal(watches(world), "namespaces a/events b/events d/events e/events");
	/* And take what is left again. */
	place(world, "e")->exists = false;
	tell_namespace(world, "DELETED", "e");
	assert_string_equal(watches(world), "namespaces a/events b/events d/events a/pods");
}

static void test_namespaces_come_and_go(void **state)
{
	struct world *world = *state;
	struct place *more = &world->server.places[3];

	begin(world);
	sample_changes(&world->sample);
	*more = (struct place){.name = "d", .exists = true, .events = true, .revision = "7", .status = 500};
	tell_namespace(world, "ADDED", "d");
	/* Nobody knows yet what it holds. */
	assert_false(seen(world, "d"));
	assert_true(is_stale(world));
	more->status = 0;
	pass(world, S);
	assert_true(seen(world, "d"));
	assert_false(is_stale(world));
	assert_string_equal(watches(world), "pods namespaces a/events b/events d/events");
	assert_int_equal(events(world), 3);
	/* With it goes all that its watch has not told of. */
	more->exists = false;
	tell_namespace(world, "DELETED", "d");
	assert_false(seen(world, "d"));
	assert_int_equal(events(world), 2);
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
}

/* The intake holds what a namespace's watcher began: that one may go only when it is through. */
static void test_namespace_goes_while_events_are_held(void **state)
{
	struct world *world = *state;

	begin(world);
	kev_intake_go_live(world->intake);
	world->hold = true;
	send(world, "/api/v1/namespaces/a/events?watch=1",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"held\",\"uid\":"
		"\"v\","
		"\"resourceVersion\":\"30\"},\"involvedObject\":{\"kind\":\"Widget\",\"name\":\"w\"}}}\n");
	assert_true(kev_intake_holding(world->intake));
	tell_namespace(world, "DELETED", "a");
	assert_string_equal(watches(world), "pods namespaces b/events");
	assert_int_equal(events(world), 2);
	kev_intake_release(world->intake);
	assert_int_equal(events(world), 1);
	kev_coverage_tick(world->coverage, world->sample.now);
}

/* What the server says of the namespace d, and an event of a kind that is not known. */
static void grant_with_unknown(struct world *world)
{
	world->server.places[3] = (struct place){
		.name = "d", .exists = true, .events = true, .revision = "7", .kind = "Widget"};
	tell_namespace(world, "ADDED", "d");
}

/* It may be seen when what was listed is there, and not before. */
static void test_namespace_is_held(void **state)
{
	struct world *world = *state;

	begin(world);
	kev_intake_go_live(world->intake);
	world->hold = true;
	grant_with_unknown(world);
	assert_true(kev_intake_holding(world->intake));
	assert_string_equal(watches(world), "pods namespaces a/events b/events d/events");
	assert_false(seen(world, "d"));
	pass(world, KEV_HEALTH_GRACE);
	assert_false(seen(world, "d"));
	assert_true(is_stale(world));
	kev_intake_release(world->intake);
	kev_coverage_tick(world->coverage, world->sample.now);
	assert_true(seen(world, "d"));
	assert_int_equal(events(world), 3);
	assert_false(is_stale(world));
}

/* The same of all at once. */
static void test_whole_is_held(void **state)
{
	struct world *world = *state;

	begin(world);
	kev_intake_go_live(world->intake);
	place(world, "c")->kind = "Widget";
	world->hold = true;
	world->server.events = true;
	pass(world, 120 * S);
	assert_true(kev_intake_holding(world->intake));
	assert_false(seen(world, "c"));
	assert_true(is_stale(world));
	kev_intake_release(world->intake);
	kev_coverage_tick(world->coverage, world->sample.now);
	assert_true(seen(world, "c"));
	assert_int_equal(events(world), 3);
	assert_false(is_stale(world));
}

/* What a state directory held is shown from the start, and unknown kinds are asked for: the first sync is
 * over when what was listed is there. */
static void test_first_sync_is_held(void **state)
{
	struct world *world = *state;
	struct kev_error why = {""};

	world->config.shown = true;
	world->server.events = true;
	place(world, "a")->kind = "Widget";
	kev_intake_go_live(world->intake);
	world->hold = true;
	create(world);
	settle(world);
	assert_true(kev_intake_holding(world->intake));
	assert_false(kev_coverage_settled(world->coverage));
	assert_int_equal(kev_coverage_failure(world->coverage, &why), 0);
	kev_intake_release(world->intake);
	kev_coverage_tick(world->coverage, world->sample.now);
	assert_true(kev_coverage_settled(world->coverage));
	assert_int_equal(events(world), 3);
}

static void test_role_goes_and_comes(void **state)
{
	struct world *world = *state;

	begin(world);
	sample_changes(&world->sample);
	world->said[0] = '\0';
	place(world, "a")->events = false;
	end_watches(world);
	/* A server that has just started refuses everybody. */
	assert_true(seen(world, "a"));
	assert_true(is_stale(world));
	pass(world, 9 * S);
	assert_true(seen(world, "a"));
	pass(world, 6 * S);
	assert_false(seen(world, "a"));
	assert_false(is_stale(world));
	assert_string_equal(world->said,
		"events of namespace a may not be listed: no; next try in 0.8 s\n"
		"events of namespace a may not be listed: no; its directory says so\n");
	/* Nothing of it is lost. */
	assert_int_equal(events(world), 2);
	place(world, "a")->events = true;
	place(world, "a")->revision = "20";
	pass(world, 60 * S);
	assert_true(seen(world, "a"));
	assert_string_equal(sample_changes(&world->sample), "-seen a e-a@1->20 +seen a");
}

static void test_other_errors_keep_what_is_shown(void **state)
{
	static const int codes[] = {500, 503, 429, 401};
	struct world *world = *state;

	begin(world);
	for (size_t i = 0; i < KEV_ARRAY_LEN(codes); i++) {
		place(world, "a")->status = codes[i];
		end_watches(world);
		pass(world, 100 * S);
		assert_true(seen(world, "a"));
		assert_true(is_stale(world));
		place(world, "a")->status = 0;
		pass(world, 40 * S);
		assert_false(is_stale(world));
	}
}

/* The list of all is asked for when nobody else brings anything any more, and then it is one watch. */
static void test_cluster_role_comes(void **state)
{
	struct world *world = *state;

	begin(world);
	sample_changes(&world->sample);
	world->server.events = true;
	world->sample.now += 60 * S;
	kev_coverage_tick(world->coverage, world->sample.now);
	assert_non_null(stub_find(world->http, "/api/v1/events?limit=1"));
	round_trip(world);
	assert_non_null(
		stub_find(world->http, "/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&"));
	assert_non_null(stub_find(world->http, "/api/v1/namespaces/a/events?watch=1"));
	/* What the namespaces' watches bring until they are stopped is not newer than the list. */
	place(world, "a")->revision = "30";
	send(world, "/api/v1/namespaces/a/events?watch=1",
		"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"e-a\","
		"\"uid\":\"u\","
		"\"resourceVersion\":\"30\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\"}}}\n");
	assert_string_equal(watches(world), "pods namespaces events");
	assert_string_equal(sample_changes(&world->sample), "e-a@1->30 +e-c@3 +seen all");
	assert_true(seen(world, "c"));
	assert_false(is_stale(world));
}

/* What the mount before could not show in the end. */
static void restrict_to(struct world *world, const char *first, const char *second)
{
	const char *const names[] = {first, second};

	kev_store_restrict(world->sample.store, true);
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++)
		assert_int_equal(kev_store_permit(world->sample.store, kev_str_c(names[i]), true), 0);
	world->config.shown = world->config.patient = true;
}

static void test_restricted_before_all_may_be_seen(void **state)
{
	struct world *world = *state;

	restrict_to(world, "a", "b");
	world->server.events = true;
	create(world);
	kev_coverage_tick(world->coverage, world->sample.now);
	assert_true(seen(world, "a") && !seen(world, "c"));
	assert_false(kev_coverage_settled(world->coverage));
	settle(world);
	assert_true(seen(world, "c"));
	assert_true(kev_coverage_settled(world->coverage));
	assert_string_equal(watches(world), "events pods namespaces");
}

/* Any other error is no answer. */
static void test_restricted_before_and_no_answer(void **state)
{
	struct world *world = *state;

	restrict_to(world, "a", "gone");
	world->server.status = 503;
	create(world);
	settle(world);
	pass(world, 100 * S);
	assert_true(seen(world, "a") && seen(world, "gone") && !seen(world, "c"));
	assert_false(kev_coverage_settled(world->coverage));
}

/* It is as it is now: one that was permitted and is not watched any more cannot be seen. */
static void test_restricted_before_and_now(void **state)
{
	struct world *world = *state;

	restrict_to(world, "a", "gone");
	create(world);
	settle(world);
	pass(world, 30 * S);
	assert_true(kev_coverage_settled(world->coverage));
	assert_true(seen(world, "a") && seen(world, "b"));
	assert_false(seen(world, "c") || seen(world, "gone"));
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
}

static void test_restricted_before_and_given(void **state)
{
	static const char *const namespaces[] = {"a", "c", NULL};
	struct world *world = *state;

	restrict_to(world, "c", "b");
	world->config.namespaces = namespaces;
	create(world);
	/* Before anything is heard: nothing but these is watched. */
	assert_true(seen(world, "c"));
	assert_false(seen(world, "a") || seen(world, "b"));
	settle(world);
	pass(world, 30 * S);
	assert_true(seen(world, "a"));
	assert_false(seen(world, "c"));
}

/* Between the question and the list. */
static void test_cluster_role_comes_in_order(void **state)
{
	struct world *world = *state;

	begin(world);
	world->server.events = true;
	world->sample.now += 60 * S;
	kev_coverage_tick(world->coverage, world->sample.now);
	round_trip(world);
	round_trip(world);
	/* It is about to be sent, and nobody else is there; what is shown stays, as stale. */
	assert_non_null(stub_find(world->http, "/api/v1/events?limit=5000"));
	assert_string_equal(watches(world), "pods namespaces");
	assert_true(seen(world, "a"));
	assert_false(seen(world, "c"));
	world->sample.now += KEV_HEALTH_GRACE;
	assert_true(is_stale(world));
	/* Forbidden after all: back to the namespaces. */
	world->server.events = false;
	sample_changes(&world->sample);
	settle(world);
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
	assert_string_equal(sample_changes(&world->sample), "");
	assert_true(seen(world, "a") && seen(world, "b"));
	assert_false(seen(world, "c"));
}

/* What was asked first and is not answered, or NULL. */
static struct kev_http_transfer *find_asked(struct world *world)
{
	struct kev_http_transfer *t = world->http->first;

	while (t && t->status)
		t = t->next;
	return t;
}

/* What was on its way to a namespace's watcher when the whole was permitted is older than the list, which may
 * be here before the coverage is asked to act: http takes several rounds at once. */
static void test_cluster_role_comes_before_a_line(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *asked, *late;

	begin(world);
	world->server.events = true;
	world->sample.now += 60 * S;
	kev_coverage_tick(world->coverage, world->sample.now);
	place(world, "a")->revision = "12";
	world->server.version = 13;
	sample_changes(&world->sample);
	/* The question, the watch behind it, the list. */
	while ((asked = find_asked(world)))
		serve(world, asked);
	late = stub_find(world->http, "/api/v1/namespaces/a/events?watch=1");
	if (late)
		stub_body(world->http, late,
			"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"e-"
			"a\",\"uid\":\"u\",\"resourceVersion\":\"11\"},\"involvedObject\":{\"kind\":\"Pod\","
			"\"name\":\"p\"}}}\n");
	kev_coverage_tick(world->coverage, world->sample.now);
	settle(world);
	assert_string_equal(sample_changes(&world->sample), "e-a@1->12 +e-c@3 +seen all");
	assert_string_equal(watches(world), "pods namespaces events");
	assert_true(seen(world, "c"));
}

/* The same of pods. */
static void test_pods_come_before_a_line(void **state)
{
	struct world *world = *state;
	struct kev_http_transfer *asked, *late;

	world->server.pods = false;
	place(world, "a")->pods = true;
	begin(world);
	assert_string_equal(watches(world), "namespaces a/events b/events a/pods");
	world->server.pods = true;
	world->sample.now += 60 * S;
	kev_coverage_tick(world->coverage, world->sample.now);
	sample_changes(&world->sample);
	while ((asked = find_asked(world)))
		serve(world, asked);
	late = stub_find(world->http, "/api/v1/namespaces/a/pods?watch=1");
	/* One that was there before, of that name. */
	if (late)
		stub_body(world->http, late,
			"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"p\","
			"\"resourceVersion\":\"9\"}}}\n");
	kev_coverage_tick(world->coverage, world->sample.now);
	settle(world);
	assert_string_equal(sample_changes(&world->sample), "+pod b/p +pod c/p");
	assert_string_equal(watches(world), "namespaces a/events b/events pods");
}

/* The whole may be listed, but not watched: the namespaces' watches are left in peace. */
static void test_cluster_role_without_watch(void **state)
{
	struct world *world = *state;

	world->server.lists = true;
	begin(world);
	assert_true(seen(world, "c"));
	/* First the whole is believed, then "c", which it is the same with. */
	pass(world, 40 * S);
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
	assert_non_null(strstr(world->said, "events may not be watched in all namespaces at once: no; the "
					    "namespaces are watched one by one"));
	assert_true(seen(world, "a") && seen(world, "b"));
	assert_false(seen(world, "c"));
	world->said[0] = '\0';
	sample_changes(&world->sample);
	for (int i = 0; i < 300; i++) {
		pass(world, S);
		assert_true(seen(world, "a") && seen(world, "b"));
		assert_string_equal(watches(world), "pods namespaces a/events b/events");
		assert_false(is_stale(world));
	}
	assert_string_equal(world->said, "");
	assert_string_equal(sample_changes(&world->sample), "");
}

/* Nor is a namespace's. */
static void test_role_without_watch(void **state)
{
	struct world *world = *state;

	place(world, "c")->lists = true;
	begin(world);
	pass(world, 20 * S);
	assert_false(seen(world, "c"));
	assert_non_null(
		strstr(world->said, "events of namespace c may not be watched: no; its directory says so"));
	sample_changes(&world->sample);
	pass(world, 300 * S);
	assert_string_equal(sample_changes(&world->sample), "");
	place(world, "c")->events = true;
	pass(world, 61 * S);
	assert_true(seen(world, "c"));
	assert_string_equal(watches(world), "pods namespaces a/events b/events c/events");
}

static void test_cluster_role_goes(void **state)
{
	struct world *world = *state;

	world->server.events = true;
	begin(world);
	sample_changes(&world->sample);
	world->server.events = false;
	end_watches(world);
	pass(world, 9 * S);
	assert_true(seen(world, "c"));
	place(world, "a")->status = 500;
	pass(world, 6 * S);
	assert_false(seen(world, "c"));
	assert_true(seen(world, "b"));
	/* Its own watcher does not know yet. */
	assert_true(seen(world, "a"));
	place(world, "a")->status = 0;
	pass(world, 10 * S);
	assert_string_equal(watches(world), "pods namespaces b/events a/events");
	/* What was shown stays, until the server has said otherwise. */
	assert_string_equal(sample_changes(&world->sample), "+seen a +seen b +seen c -seen all -seen c");
	assert_int_equal(events(world), 3);
}

/* To where the whole is permitted, and its list does not come: the namespaces are not watched any more, and
 * what they showed stands, as stale. */
static void gather_in_vain(struct world *world)
{
	begin(world);
	world->server.events = true;
	world->sample.now += 60 * S;
	kev_coverage_tick(world->coverage, world->sample.now);
	round_trip(world);
	round_trip(world);
	assert_non_null(stub_find(world->http, "/api/v1/events?limit=5000"));
	assert_string_equal(watches(world), "pods namespaces");
	assert_true(seen(world, "a") && seen(world, "b"));
	assert_false(seen(world, "c"));
	world->server.events = false;
	world->said[0] = '\0';
}

/* Whatever is shown is watched, or stale. */
static void check_shown(struct world *world)
{
	for (size_t i = 0; i < NAMESPACES_MAX && world->server.places[i].name; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/api/v1/namespaces/%s/events?watch=1",
			world->server.places[i].name);
		assert_true(!seen(world, world->server.places[i].name) || stub_find(world->http, path) ||
			    is_stale(world));
	}
}

/* A namespace goes while nobody watches it. */
static void test_cluster_role_fails_without_a_namespace(void **state)
{
	struct world *world = *state;

	gather_in_vain(world);
	place(world, "a")->exists = false;
	tell_namespace(world, "DELETED", "a");
	pass(world, 2 * S);
	assert_string_equal(watches(world), "pods namespaces b/events");
	check_shown(world);
	assert_false(seen(world, "a"));
	/* Nor is anything left of it. */
	assert_int_equal(events(world), 1);
	assert_false(is_stale(world));
}

/* There are more namespaces now than may be watched. */
static void test_cluster_role_fails_with_too_many_namespaces(void **state)
{
	struct world *world = *state;
	struct place *more = &world->server.places[3];

	world->config.max_watches = 3;
	gather_in_vain(world);
	more[0] = (struct place){.name = "a0", .exists = true, .events = true, .revision = "4"};
	more[1] = (struct place){.name = "a1", .exists = true, .events = true, .revision = "5"};
	stub_body(world->http, stub_find(world->http, "/api/v1/namespaces?watch=1"),
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a0\",\"resourceVersion\":\"11\"}}}"
		"\n");
	tell_namespace(world, "ADDED", "a1");
	pass(world, 2 * S);
	assert_string_equal(watches(world), "pods namespaces a/events a0/events a1/events");
	check_shown(world);
	assert_false(seen(world, "b"));
	assert_non_null(strstr(world->said, "2 of 5 namespaces cannot be watched one by one"));
	assert_non_null(strstr(world->said, "they are shown as forbidden"));
	assert_false(is_stale(world));
}

/* With no names to ask for, those of the events are known. */
static void test_cluster_role_goes_without_namespaces(void **state)
{
	struct world *world = *state;

	world->server.events = true;
	world->server.namespaces = false;
	begin(world);
	world->server.events = false;
	end_watches(world);
	pass(world, 20 * S);
	assert_string_equal(watches(world), "pods a/events b/events");
	assert_false(seen(world, "c"));
}

static void test_relist_lists_all(void **state)
{
	struct world *world = *state;

	begin(world);
	kev_coverage_relist(world->coverage);
	assert_string_equal(watches(world), "");
	pass(world, S);
	assert_string_equal(watches(world), "pods namespaces a/events b/events");
}

static void test_progress(void **state)
{
	struct world *world = *state;
	struct kev_coverage_progress progress;

	begin(world);
	kev_coverage_progress(world->coverage, &progress);
	assert_int_equal(progress.items, 2);
	assert_int_equal(progress.remaining, 0);
	assert_int_equal(progress.last_byte, world->sample.now);
	assert_null(kev_coverage_why(world->coverage));
}

static void test_create_refuses_a_name(void **state)
{
	static const char *const namespaces[] = {"", NULL};
	struct world *world = *state;
	struct kev_error why = {""};

	world->config.namespaces = namespaces;
	assert_int_equal(kev_coverage_create(&world->config, &world->coverage, &why), -EINVAL);
	assert_string_equal(why.text, "\"\" is no name of a namespace");
	kev_coverage_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_some_namespaces),
		TEST(test_pods_of_some_namespaces),
		TEST(test_namespaces_forbidden_means_the_contexts),
		TEST(test_namespaces_forbidden_means_default),
		TEST(test_nothing_may_be_seen),
		TEST(test_nothing_may_be_seen_patient_waits),
		TEST(test_given),
		TEST(test_given_and_forbidden),
		TEST(test_given_that_is_not_there),
		TEST(test_too_many),
		TEST(test_too_many_given),
		TEST(test_too_many_later),
		TEST(test_too_many_pods),
		TEST(test_too_many_pods_later),
		TEST(test_namespaces_come_and_go),
		TEST(test_namespace_goes_while_events_are_held),
		TEST(test_namespace_is_held),
		TEST(test_whole_is_held),
		TEST(test_first_sync_is_held),
		TEST(test_role_goes_and_comes),
		TEST(test_other_errors_keep_what_is_shown),
		TEST(test_cluster_role_comes),
		TEST(test_restricted_before_all_may_be_seen),
		TEST(test_restricted_before_and_no_answer),
		TEST(test_restricted_before_and_now),
		TEST(test_restricted_before_and_given),
		TEST(test_cluster_role_comes_in_order),
		TEST(test_cluster_role_comes_before_a_line),
		TEST(test_pods_come_before_a_line),
		TEST(test_cluster_role_without_watch),
		TEST(test_role_without_watch),
		TEST(test_cluster_role_goes),
		TEST(test_cluster_role_fails_without_a_namespace),
		TEST(test_cluster_role_fails_with_too_many_namespaces),
		TEST(test_cluster_role_goes_without_namespaces),
		TEST(test_relist_lists_all),
		TEST(test_progress),
		TEST(test_create_refuses_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
