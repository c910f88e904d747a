/* The thread that keeps the history equal to the store. */
#include "../room.h"
#include "state.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <time.h>

#include "kevfs/store/archive.h"

#define DAY (86400 * S)

struct site {
	struct world world;
	char *directory;
	struct kev_archive *archive;
	struct kev_retain retain;
	struct kev_error error;
	struct kev_clock clock;     /* the archive's: the system's … */
	_Atomic int64_t later, set; /* … but later on both, and by how much the wall clock is set besides */
};

static int64_t site_now(void *context)
{
	struct site *site = context;

	return kev_clock_realtime(kev_clock_system()) + site->later + site->set;
}

static int64_t site_monotonic(void *context)
{
	struct site *site = context;

	return kev_clock_monotonic(kev_clock_system()) + site->later;
}

static void open_archive(struct site *site)
{
	const struct kev_archive_config config = {.directory = site->directory,
		.view = {.server = "https://a"},
		.retain = site->retain,
		.clock = &site->clock,
		.store = site->world.store};

	if (kev_archive_open(&config, &site->archive, &site->error))
		fail_msg("%s", site->error.text);
}

/* A store of its own, with what the history holds. */
static void begin_at(struct site *site, int64_t now)
{
	world_init(&site->world);
	site->world.now = now;
	kev_changes_lose(site->world.changes);
	kev_changes_keep_lost(site->world.changes, 1U << 30);
	kev_store_set_retain(site->world.store, &site->retain);
	open_archive(site);
	if (kev_archive_load(site->archive, &site->error))
		fail_msg("%s", site->error.text);
	assert_int_equal(kev_archive_start(site->archive), 0);
}

static void start(struct site *site)
{
	begin_at(site, NOON);
}

static void end(struct site *site)
{
	kev_archive_destroy(site->archive);
	site->archive = NULL;
	world_fini(&site->world);
}

static int set_up(void **state)
{
	struct site *site = calloc(1, sizeof(*site));

	assert_non_null(site);
	site->directory = new_directory();
	site->clock = (struct kev_clock){site_now, site_monotonic, site_monotonic, site};
	/* By our clock, what happens at the store's noon is long ago. */
	site->retain.age = 10000 * DAY;
	start(site);
	*state = site;
	return 0;
}

static int tear_down(void **state)
{
	struct site *site = *state;

	end(site);
	remove_tree(site->directory);
	free(site->directory);
	free(site);
	return 0;
}

static struct kev_archive_status status_of(struct site *site)
{
	struct kev_archive_status status;

	kev_archive_status(site->archive, &status);
	return status;
}

#define WAIT_FOR(condition)                                          \
	do {                                                         \
		const struct timespec tick = {0, 5 * KEV_NS_PER_MS}; \
		int left = 6000;                                     \
                                                                     \
		while (!(condition) && left-- > 0)                   \
			nanosleep(&tick, NULL);                      \
		if (left < 0)                                        \
			fail_msg("never: %s", #condition);           \
	} while (0)

static int note_event(void *context, struct kev_event *e)
{
	struct kev_buf *out = context;
	struct kev_str name = kev_event_name(e, ROOM), version = kev_event_resource_version(e, ROOM);

	kev_buf_printf(out, "%.*s@%.*s:%lld%s ", (int)name.len, name.data, (int)version.len, version.data,
		(long long)(kev_event_ctime(e) - NOON), kev_event_gone(e) ? "-" : "");
	return 0;
}

/* What the store holds: "name@version:ctime", "-": gone. Of one event each: the walk has no order. */
static const char *held(struct site *site)
{
	static char text[1024];
	struct kev_buf out;
	const struct kev_store_visitor visitor = {.event = note_event, .context = &out};

	kev_buf_init(&out, sizeof(text) - 1);
	assert_int_equal(kev_store_walk(site->world.store, &visitor), 0);
	snprintf(text, sizeof(text), "%.*s", (int)out.len, out.data ? out.data : "");
	kev_buf_fini(&out);
	return text;
}

/* Everything that was put before the end is there afterwards, as it was. */
static void test_end_and_start_again(void **state)
{
	struct site *site = *state;

	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	site->world.now += 5;
	put(&site->world, event("a", "x", "2", "two"), KEV_ORIGIN_LIVE);
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("x"));
	assert_string_equal(held(site), "x@2:5- ");
	end(site);
	start(site);
	assert_string_equal(held(site), "x@2:5- ");
	/* Later ctimes than those. */
	put(&site->world, event("a", "x", "3", "three"), KEV_ORIGIN_LIVE);
	assert_string_equal(held(site), "x@3:6 ");
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("x"));
	site->world.now += 10000 * DAY + S;
	kev_store_expire(site->world.store);
	assert_string_equal(held(site), "");
	end(site);
	start(site);
	assert_string_equal(held(site), "");
}

static void test_acknowledged(void **state)
{
	struct site *site = *state;
	struct kev_archive_status status = status_of(site);

	assert_int_equal(status.acknowledged, 0);
	assert_string_equal(status.resource_version, "");
	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	put(&site->world, event("a", "y", "2", "one"), KEV_ORIGIN_LIVE);
	put(&site->world, event("a", "x", "3", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 3);
	status = status_of(site);
	assert_string_equal(status.resource_version, "3");
	assert_int_equal(status.past.superseded, 1);
	assert_false(status.failing);
	/* Nothing new is no revision. */
	put(&site->world, event("a", "x", "3", "two"), KEV_ORIGIN_LIVE);
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("y"));
	put(&site->world, event("a", "z", "4", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 4);
	assert_string_equal(status_of(site).resource_version, "4");
}

/* What the logs tell is kept of every revision, in the order in which they came. */
static void test_load_shows_every_revision(void **state)
{
	struct site *site = *state;
	struct kev_record **lost;
	uint64_t missing;
	char version[16];
	size_t count;

	for (int i = 0; i < 3000; i++) {
		snprintf(version, sizeof(version), "%d", i);
		put(&site->world, event("a", "x", version, "one"), KEV_ORIGIN_LIVE);
	}
	WAIT_FOR(status_of(site).acknowledged == 3000);
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("x"));
	end(site);
	start(site);
	count = kev_changes_take_lost(site->world.changes, &lost, &missing);
	assert_int_equal(count, 3001);
	for (int i = 0; i < 3000; i++) {
		snprintf(version, sizeof(version), "%d", i);
		assert_int_equal(kev_record_occurrence(lost[i]).kind, KEV_OCCURRENCE_SEEN);
		assert_str_equal(kev_event_resource_version(kev_record_occurrence(lost[i]).event, ROOM),
			kev_str_c(version));
	}
	assert_int_equal(kev_record_occurrence(lost[3000]).kind, KEV_OCCURRENCE_GONE);
	assert_int_equal(kev_record_occurrence(lost[3000]).when, NOON);
	kev_records_free(lost, count);
	assert_memory_equal(held(site), "x@2999:", 7);
}

static void test_complete_and_kinds(void **state)
{
	struct site *site = *state;
	struct kev_kinds *kinds = kev_kinds_create();
	struct kev_str group, plural;

	assert_false(kev_archive_complete(site->archive));
	assert_int_equal(kev_kinds_add(kinds, KEV_STR("g"), KEV_STR("Thing"), KEV_STR("things")), 0);
	kev_store_set_kinds(site->world.store, kinds);
	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	kev_archive_synced(site->archive);
	end(site);
	start(site);
	assert_true(kev_archive_complete(site->archive));
	kinds = kev_store_kinds(site->world.store);
	assert_true(kev_kinds_find(kinds, KEV_STR("g/v1"), KEV_STR("Thing"), &group, &plural));
	kev_kinds_unref(kinds);
}

/* The clock is wrong when the next mount begins (a machine without a battery for it), and is set right then:
 * what went an hour ago has not been kept for a day by that. */
static void test_clock_behind_at_the_start(void **state)
{
	struct site *site = *state;

	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("x"));
	end(site);
	site->retain.age = DAY;
	begin_at(site, 5 * S);
	assert_string_equal(held(site), "x@1:0- ");
	kev_store_expire(site->world.store);
	site->world.now = NOON + 3600 * S;
	site->world.set = site->world.now - 6 * S;
	kev_store_expire(site->world.store);
	assert_string_equal(held(site), "x@1:0- ");
	site->world.now = NOON + DAY;
	kev_store_expire(site->world.store);
	assert_string_equal(held(site), "");
}

/* More than the journal holds, while nothing can be written: nobody waits, it is told, and made up for. */
static void test_full_queue(void **state)
{
	struct site *site = *state;
	struct kev_store_counts counts;
	sqlite3 *other;
	char name[16];

	put(&site->world, event("a", "first", "1", "one"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 1);
	assert_int_equal(sqlite3_open(in(site->directory, "events.db"), &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 70000; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		put(&site->world, event("a", name, "2", "one"), KEV_ORIGIN_LIVE);
	}
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("e5"));
	WAIT_FOR(status_of(site).failing);
	assert_non_null(strstr(status_of(site).why.text, "locked"));
	assert_int_equal(status_of(site).acknowledged, 1);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	WAIT_FOR(status_of(site).acknowledged == 70001);
	assert_false(status_of(site).failing);
	assert_string_equal(status_of(site).resource_version, "2");
	end(site);
	start(site);
	kev_store_counts(site->world.store, &counts);
	assert_int_equal(counts.events, 70001);
	assert_int_equal(counts.retained, 1);
}

/* @return what a query of one number gives, by somebody who reads along */
static int64_t read_along(sqlite3 *reader, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t number;

	assert_int_equal(sqlite3_prepare_v2(reader, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

/* The first sync becomes complete while nothing can be written. At no moment may the history say that
 * everything is there when it is not: a kill -9 then would show the next mount a part of it as if it were
 * all. */
static void test_complete_is_not_said_too_early(void **state)
{
	struct site *site = *state;
	int64_t complete = 0, count = 0;
	sqlite3 *other, *reader;
	char name[16];

	assert_int_equal(sqlite3_open(in(site->directory, "events.db"), &other), SQLITE_OK);
	assert_int_equal(sqlite3_open(in(site->directory, "events.db"), &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	put(&site->world, event("a", "first", "1", "one"), KEV_ORIGIN_FIRST_SYNC);
	WAIT_FOR(status_of(site).failing);
	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		put(&site->world, event("a", name, "2", "one"), KEV_ORIGIN_FIRST_SYNC);
	}
	kev_archive_synced(site->archive);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	for (int left = 30000; !complete && left > 0; left--) {
		const struct timespec tick = {0, KEV_NS_PER_MS};

		/* In one transaction: both are of one moment. */
		assert_int_equal(sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
		complete = read_along(reader, "SELECT count(*) FROM meta WHERE key = x'636f6d706c657465'");
		count = read_along(reader, "SELECT count(*) FROM revisions");
		assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
		nanosleep(&tick, NULL);
	}
	assert_int_equal(complete, 1);
	assert_int_equal(count, 30001);
	sqlite3_close(other);
	sqlite3_close(reader);
}

/* What the limits no longer cover goes, also where nothing else happens. */
static void test_purge_by_itself(void **state)
{
	struct site *site = *state;

	end(site);
	site->retain = (struct kev_retain){.age = S / 5};
	start(site);
	/* The store's clock is in the past, so by ours all of this was long ago. */
	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	put(&site->world, event("a", "x", "2", "two"), KEV_ORIGIN_LIVE);
	put(&site->world, event("a", "x", "3", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 3 && status_of(site).past.superseded == 0);
	end(site);
	start(site);
	assert_string_equal(held(site), "x@3:2 ");
}

/* Of superseded revisions only the wall clock says how old they are. It is not believed at once, nor when it
 * was just set. */
static void test_purge_by_a_clock_that_is_set(void **state)
{
	struct site *site = *state;

	end(site);
	site->retain = (struct kev_retain){.age = DAY};
	start(site);
	put(&site->world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	put(&site->world, event("a", "x", "2", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 2);
	assert_int_equal(status_of(site).past.superseded, 1);
	/* It is a day ahead for a moment. */
	site->set = DAY;
	put(&site->world, event("a", "x", "3", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 3);
	assert_int_equal(status_of(site).past.superseded, 2);
	site->later = 601 * S;
	site->set = 0;
	put(&site->world, event("a", "x", "4", "two"), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 4);
	assert_int_equal(status_of(site).past.superseded, 3);
	site->later = 1202 * S;
	WAIT_FOR(status_of(site).past.superseded == 0);
}

static int note_name(void *context, struct kev_str name)
{
	kev_buf_printf(context, "%.*s ", (int)name.len, name.data);
	return 0;
}

/* The namespaces that may be seen. */
static const char *permitted(struct site *site)
{
	static struct kev_buf names;
	const struct kev_store_visitor visitor = {.permitted = note_name, .context = &names};

	kev_buf_fini(&names);
	kev_buf_init(&names, 1000);
	assert_int_equal(kev_store_walk(site->world.store, &visitor), 0);
	return kev_buf_cstr(&names);
}

/* Whose events may be seen is as true as the events: also where nothing else happens. */
static void test_access(void **state)
{
	struct site *site = *state;
	struct kev_store *store = site->world.store;

	put(&site->world, event("c", "hidden", "1", ""), KEV_ORIGIN_LIVE);
	WAIT_FOR(status_of(site).acknowledged == 1);
	kev_store_restrict(store, true);
	assert_int_equal(kev_store_permit(store, KEV_STR("a"), true), 0);
	assert_int_equal(kev_store_permit(store, KEV_STR("b"), true), 0);
	assert_int_equal(kev_store_permit(store, KEV_STR("b"), false), 0);
	end(site);
	start(site);
	assert_true(kev_store_is_restricted(site->world.store));
	assert_string_equal(permitted(site), "a ");
	assert_false(kev_store_is_permitted(site->world.store, KEV_STR("c")));
	assert_string_equal(held(site), "hidden@1:0 ");
	/* Nobody may be seen. */
	assert_int_equal(kev_store_permit(site->world.store, KEV_STR("a"), false), 0);
	end(site);
	start(site);
	assert_true(kev_store_is_restricted(site->world.store));
	assert_string_equal(permitted(site), "");
	kev_store_restrict(site->world.store, false);
	end(site);
	start(site);
	assert_false(kev_store_is_restricted(site->world.store));
	assert_true(kev_store_is_permitted(site->world.store, KEV_STR("c")));
	permitted(site);
}

/* It is written soon, and not only in the end. */
static void test_access_is_written_at_once(void **state)
{
	struct site *site = *state;
	sqlite3 *reader;
	int64_t there = 0;

	kev_archive_synced(site->archive);
	assert_int_equal(sqlite3_open(in(site->directory, "events.db"), &reader), SQLITE_OK);
	WAIT_FOR(read_along(reader, "SELECT count(*) FROM meta WHERE key = x'636f6d706c657465'") == 1);
	kev_store_restrict(site->world.store, true);
	WAIT_FOR((there = read_along(reader,
			  "SELECT count(*) FROM meta WHERE key = CAST('restricted' AS BLOB) AND value = "
			  "CAST('1' AS BLOB)")) == 1);
	assert_int_equal(there, 1);
	sqlite3_close(reader);
}

/* What still writes the store then does no harm: neither to what is written, nor to itself. */
static void test_stop(void **state)
{
	struct site *site = *state;

	put(&site->world, event("a", "kept", "1", ""), KEV_ORIGIN_LIVE);
	kev_archive_stop(site->archive);
	kev_archive_stop(site->archive);
	assert_int_equal(status_of(site).acknowledged, 1);
	put(&site->world, event("a", "late", "2", ""), KEV_ORIGIN_LIVE);
	kev_store_delete(site->world.store, KEV_STR("a"), KEV_STR("kept"));
	end(site);
	start(site);
	assert_string_equal(held(site), "kept@1:0 ");
	kev_archive_stop(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_end_and_start_again),
		TEST(test_acknowledged),
		TEST(test_stop),
		TEST(test_access),
		TEST(test_access_is_written_at_once),
		TEST(test_load_shows_every_revision),
		TEST(test_complete_and_kinds),
		TEST(test_clock_behind_at_the_start),
		TEST(test_full_queue),
		TEST(test_complete_is_not_said_too_early),
		TEST(test_purge_by_itself),
		TEST(test_purge_by_a_clock_that_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
