#include "state.h"

#include <errno.h>
#include <sqlite3.h>

#include "../room.h"
#include "../words.h"
#include "kevfs/store/history.h"

static const struct kev_history_view view = {"https://a:6443", "", NULL};

struct disk {
	char *directory;
	struct kev_history *history;
	struct kev_error error;
};

static void reopen(struct disk *disk)
{
	kev_history_close(disk->history);
	disk->history = NULL;
	if (kev_history_open(disk->directory, &view, 0, &disk->history, &disk->error))
		fail_msg("%s", disk->error.text);
}

static int set_up(void **state)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert_non_null(disk);
	disk->directory = new_directory();
	reopen(disk);
	*state = disk;
	return 0;
}

static int tear_down(void **state)
{
	struct disk *disk = *state;

	kev_history_close(disk->history);
	remove_tree(disk->directory);
	free(disk->directory);
	free(disk);
	return 0;
}

static void begin(struct disk *disk)
{
	assert_int_equal(kev_history_begin(disk->history, &disk->error), 0);
}

static void commit(struct disk *disk)
{
	assert_int_equal(kev_history_commit(disk->history, &disk->error), 0);
}

/* An event that the store has put. */
static struct kev_event *placed(
	const char *namespace_, const char *name, const char *rv, const char *message, int64_t ctime)
{
	struct kev_event *e = event(namespace_, name, rv, message);

	kev_event_set_ctime(e, ctime);
	return e;
}

/* Append a revision, and forget it. @return was it added? */
static bool append(struct disk *disk, struct kev_event *e /* taken */, int64_t when)
{
	bool added = false;

	assert_int_equal(kev_history_append(disk->history, e, when, &added, &disk->error), 0);
	kev_event_unref(e);
	return added;
}

static int note(void *context, const struct kev_history_revision *revision)
{
	struct kev_buf *out = context;
	struct kev_str name = kev_event_name(revision->event, ROOM),
		       version = kev_event_resource_version(revision->event, ROOM);

	kev_buf_printf(out, "%.*s@%.*s%s%s ", (int)name.len, name.data, (int)version.len, version.data,
		revision->gone ? "-" : "", revision->superseded ? "*" : "");
	return 0;
}

/* What a walk gives: "name@version", "-": gone, "*": superseded. */
static const char *walked(struct disk *disk, const struct kev_history_query *query)
{
	static const struct kev_history_query all = {.superseded_bytes = UINT64_MAX};
	static char text[4096];
	struct kev_buf out;
	uint64_t skipped = 0;

	kev_buf_init(&out, sizeof(text) - 1);
	if (kev_history_walk(
		    disk->history, query ? query : &all, words(), note, &out, &skipped, &disk->error))
		fail_msg("%s", disk->error.text);
	assert_int_equal(skipped, 0);
	snprintf(text, sizeof(text), "%.*s", (int)out.len, out.data ? out.data : "");
	kev_buf_fini(&out);
	return text;
}

static void test_append_and_open_again(void **state)
{
	struct disk *disk = *state;
	struct kev_event *one = placed("a", "x", "1", "one", NOON);
	struct kev_history_counts counts;

	begin(disk);
	assert_true(append(disk, kev_event_ref(one), NOON));
	assert_true(append(disk, placed("a", "y", "2", "two", NOON + 1), NOON + 1));
	assert_true(append(disk, placed("a", "x", "3", "three", NOON + 2), NOON + 2));
	assert_true(append(disk, placed("b", "x", "4", "four", NOON + 3), NOON + 3));
	/* Once more, and an older one. */
	assert_false(append(disk, placed("a", "x", "3", "three", NOON + 2), NOON + 5));
	assert_false(append(disk, kev_event_ref(one), NOON + 6));
	commit(disk);
	assert_string_equal(walked(disk, NULL), "x@1* y@2 x@3 x@4 ");
	reopen(disk);
	assert_string_equal(walked(disk, NULL), "x@1* y@2 x@3 x@4 ");
	kev_history_counts(disk->history, &counts);
	assert_int_equal(counts.superseded, 1);
	assert_int_equal(counts.superseded_bytes, kev_event_size(one));
	kev_event_unref(one);
}

static int compare_bytes(void *context, const struct kev_history_revision *revision)
{
	const struct kev_event *want = context;

	assert_true(kev_event_same(want, revision->event));
	assert_str_equal(kev_event_namespace(want), kev_event_namespace(revision->event));
	assert_str_equal(kev_event_node(want), kev_event_node(revision->event));
	assert_str_equal(kev_event_object_name(want), kev_event_object_name(revision->event));
	assert_true(kev_event_mtime(want) == kev_event_mtime(revision->event));
	assert_true(kev_event_written(want) == kev_event_written(revision->event));
	assert_true(kev_event_last_seen(want) == kev_event_last_seen(revision->event));
	assert_true(kev_event_ctime(want) == kev_event_ctime(revision->event));
	assert_int_equal(kev_event_line_size(want), kev_event_line_size(revision->event));
	return 7;
}

/* Names of any bytes; and the callback's value ends a walk. */
static void test_walk_gives_what_was_appended(void **state)
{
	const struct kev_history_query all = {.superseded_bytes = 0};
	struct disk *disk = *state;
	struct kev_event *e = placed("", "a\\u0000/\\ud800'; DROP TABLE revisions", "1", "text\\u0000", NOON);
	uint64_t skipped = 0;

	begin(disk);
	assert_true(append(disk, kev_event_ref(e), NOON));
	commit(disk);
	reopen(disk);
	assert_int_equal(
		kev_history_walk(disk->history, &all, words(), compare_bytes, e, &skipped, &disk->error), 7);
	kev_event_unref(e);
}

static void test_gone_and_removed(void **state)
{
	struct kev_history_counts counts;
	struct disk *disk = *state;
	struct kev_event *x = placed("a", "x", "1", "one", NOON), *y = placed("a", "y", "2", "two", NOON + 1),
			 *other = placed("a", "x", "9", "one", NOON - 5);

	begin(disk);
	append(disk, kev_event_ref(x), NOON);
	append(disk, kev_event_ref(y), NOON);
	assert_int_equal(kev_history_set_gone(disk->history, x, NOON + 7, &disk->error), 0);
	/* Of another revision, and of what is not there. */
	assert_int_equal(kev_history_set_gone(disk->history, other, 0, &disk->error), 0);
	assert_int_equal(kev_history_remove(disk->history, other, &disk->error), 0);
	commit(disk);
	assert_string_equal(walked(disk, NULL), "x@1- y@2 ");
	begin(disk);
	assert_int_equal(kev_history_set_gone(disk->history, x, 0, &disk->error), 0);
	assert_int_equal(kev_history_remove(disk->history, y, &disk->error), 0);
	assert_int_equal(kev_history_remove(disk->history, y, &disk->error), 0);
	commit(disk);
	assert_string_equal(walked(disk, NULL), "x@1 ");
	/* With what it had superseded. */
	begin(disk);
	append(disk, placed("a", "x", "3", "one", NOON + 8), NOON);
	append(disk, placed("b", "x", "4", "one", NOON + 9), NOON);
	append(disk, placed("b", "x", "5", "one", NOON + 10), NOON);
	commit(disk);
	assert_string_equal(walked(disk, NULL), "x@1* x@3 x@4* x@5 ");
	begin(disk);
	kev_event_set_ctime(x, NOON + 8);
	assert_int_equal(kev_history_remove(disk->history, x, &disk->error), 0);
	commit(disk);
	assert_string_equal(walked(disk, NULL), "x@4* x@5 ");
	kev_history_counts(disk->history, &counts);
	assert_int_equal(counts.superseded, 1);
	assert_true(counts.superseded_bytes > 0);
	kev_event_unref(x);
	kev_event_unref(y);
	kev_event_unref(other);
}

static void test_rollback(void **state)
{
	struct disk *disk = *state;
	struct kev_history_counts counts;

	begin(disk);
	append(disk, placed("a", "x", "1", "one", NOON), NOON);
	commit(disk);
	begin(disk);
	append(disk, placed("a", "x", "2", "two", NOON + 1), NOON);
	append(disk, placed("a", "y", "3", "two", NOON + 1), NOON);
	kev_history_rollback(disk->history);
	assert_string_equal(walked(disk, NULL), "x@1 ");
	kev_history_counts(disk->history, &counts);
	assert_int_equal(counts.superseded, 0);
	/* It can go on. */
	begin(disk);
	append(disk, placed("a", "z", "4", "two", NOON + 1), NOON);
	commit(disk);
	/* Without a commit it is as if it had never been. */
	begin(disk);
	append(disk, placed("a", "lost", "5", "two", NOON + 2), NOON);
	reopen(disk);
	assert_string_equal(walked(disk, NULL), "x@1 z@4 ");
}

static void test_queries(void **state)
{
	struct disk *disk = *state;
	struct kev_event *one = placed("a", "x", "1", "one", NOON);
	uint64_t size = kev_event_size(one);

	begin(disk);
	append(disk, kev_event_ref(one), NOON);
	append(disk, placed("b", "x", "2", "one", NOON + 10), NOON + 10);
	append(disk, placed("a", "x", "3", "one", NOON + 20), NOON + 20);
	append(disk, placed("a", "x", "4", "one", NOON + 30), NOON + 30);
	append(disk, placed("a", "y", "5", "one", NOON + 40), NOON + 40);
	commit(disk);
#define QUERY(...) walked(disk, &(struct kev_history_query){.superseded_bytes = UINT64_MAX, __VA_ARGS__})
	assert_string_equal(QUERY(.namespace_ = KEV_STR("a")), "x@1* x@3* x@4 y@5 ");
	assert_string_equal(QUERY(.namespace_ = KEV_STR("b")), "x@2 ");
	assert_string_equal(QUERY(.namespace_ = KEV_STR("c")), "");
	assert_string_equal(
		QUERY(.namespace_ = KEV_STR("a"), .object_kind = KEV_STR("Pod")), "x@1* x@3* x@4 y@5 ");
	assert_string_equal(QUERY(.namespace_ = KEV_STR("a"), .object_kind = KEV_STR("Pod"),
				    .object_name = KEV_STR("web")),
		"x@1* x@3* x@4 y@5 ");
	assert_string_equal(QUERY(.namespace_ = KEV_STR("a"), .object_name = KEV_STR("other")), "");
	assert_string_equal(QUERY(.since = NOON + 10, .until = NOON + 40), "x@2 x@3* x@4 ");
	assert_string_equal(QUERY(.namespace_ = KEV_STR("a"), .since = NOON + 30), "x@4 y@5 ");
	assert_string_equal(walked(disk, &(struct kev_history_query){.superseded_bytes = 0}), "x@2 x@4 y@5 ");
	assert_string_equal(
		walked(disk, &(struct kev_history_query){.superseded_bytes = size}), "x@2 x@3* x@4 y@5 ");
	assert_string_equal(walked(disk, &(struct kev_history_query){.superseded_bytes = 2 * size - 1}),
		"x@2 x@3* x@4 y@5 ");
	assert_string_equal(walked(disk, &(struct kev_history_query){.superseded_bytes = 2 * size}),
		"x@1* x@2 x@3* x@4 y@5 ");
	kev_event_unref(one);
}

/* @return what there is to wait for */
static int64_t purge(struct disk *disk, struct kev_retain limits, int64_t now, unsigned max)
{
	int64_t wait = -1;

	begin(disk);
	assert_int_equal(kev_history_purge(disk->history, &limits, now, max, &wait, &disk->error), 0);
	commit(disk);
	return wait;
}

static void test_purge(void **state)
{
	struct disk *disk = *state;
	struct kev_history_counts counts;
	uint64_t size = 0;

	begin(disk);
	for (int i = 0; i < 6; i++) {
		struct kev_event *e = placed("a", "x", (char[]){(char)('1' + i), '\0'}, "one", NOON + i * S);

		size = kev_event_size(e);
		append(disk, e, NOON + i * S);
	}
	commit(disk);
	/* Revision n was superseded at n. */
	assert_int_equal(purge(disk, (struct kev_retain){.age = 10 * S}, NOON + 10 * S, 100), S);
	assert_string_equal(walked(disk, NULL), "x@1* x@2* x@3* x@4* x@5* x@6 ");
	assert_int_equal(purge(disk, (struct kev_retain){.age = 10 * S}, NOON + 11 * S, 100), S);
	assert_string_equal(walked(disk, NULL), "x@2* x@3* x@4* x@5* x@6 ");
	assert_int_equal(purge(disk, (struct kev_retain){.bytes = size * 3}, NOON, 100), INT64_MAX);
	assert_string_equal(walked(disk, NULL), "x@3* x@4* x@5* x@6 ");
	assert_int_equal(purge(disk, (struct kev_retain){.count = 1}, NOON, 1), 0);
	assert_string_equal(walked(disk, NULL), "x@4* x@5* x@6 ");
	assert_int_equal(purge(disk, (struct kev_retain){.count = 1}, NOON, 100), INT64_MAX);
	assert_string_equal(walked(disk, NULL), "x@5* x@6 ");
	kev_history_counts(disk->history, &counts);
	assert_int_equal(counts.superseded, 1);
	assert_int_equal(counts.superseded_bytes, size);
	assert_int_equal(purge(disk, (struct kev_retain){.age = S}, NOON + 100 * S, 100), INT64_MAX);
	assert_string_equal(walked(disk, NULL), "x@6 ");
}

/* Times that no clock tells: the file is foreign. */
static void test_marks_of_no_clock(void **state)
{
	const struct kev_history_query all = {.superseded_bytes = UINT64_MAX};
	struct disk *disk = *state;
	struct kev_buf out;
	uint64_t skipped = 0;
	sqlite3 *db;

	begin(disk);
	for (int i = 0; i < 3; i++)
		append(disk, placed("a", "x", (char[]){(char)('1' + i), '\0'}, "one", NOON + i), NOON + i);
	commit(disk);
	assert_int_equal(sqlite3_open(in(disk->directory, "events.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				 "UPDATE revisions SET superseded = 9223372036854775807 WHERE id = 1;"
				 "UPDATE revisions SET superseded = 9000000000000000000 WHERE id = 2;"
				 "UPDATE revisions SET gone = 9223372036854775807 WHERE id = 3",
				 NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(
		purge(disk, (struct kev_retain){.age = 36500LL * 86400 * S}, NOON, 10), 36500LL * 86400 * S);
	kev_buf_init(&out, 100);
	assert_int_equal(
		kev_history_walk(disk->history, &all, words(), note, &out, &skipped, &disk->error), 0);
	assert_int_equal(skipped, 3);
	assert_int_equal(out.len, 0);
	kev_buf_fini(&out);
}

/* What is written where nobody finds it again is not said to be safe. */
static void test_directory_was_removed(void **state)
{
	struct disk *disk = *state;

	begin(disk);
	append(disk, placed("a", "x", "1", "one", NOON), NOON);
	commit(disk);
	remove_tree(disk->directory);
	begin(disk);
	append(disk, placed("a", "x", "2", "one", NOON + 1), NOON + 1);
	assert_int_equal(kev_history_commit(disk->history, &disk->error), -EIO);
	assert_non_null(strstr(disk->error.text, "is deleted, moved or covered"));
	kev_history_rollback(disk->history);
	/* Another one may begin there. */
	reopen(disk);
	assert_string_equal(walked(disk, NULL), "");
	begin(disk);
	append(disk, placed("a", "x", "3", "one", NOON + 2), NOON + 2);
	commit(disk);
}

/* What was purged takes no room for ever. */
static void test_trim(void **state)
{
	struct disk *disk = *state;
	static char message[8000];
	size_t full;

	memset(message, 'x', sizeof(message) - 1);
	for (int i = 0; i < 3000; i++) {
		if (i % 500 == 0)
			begin(disk);
		append(disk, placed("a", "x", "1", message, NOON + i), NOON + i);
		if (i % 500 == 499)
			commit(disk);
	}
	reopen(disk);
	full = size_of(in(disk->directory, "events.db"));
	assert_true(full > 20000000);
	assert_int_equal(purge(disk, (struct kev_retain){.count = 1}, NOON, 10000), INT64_MAX);
	for (int i = 0; i < 10; i++)
		assert_int_equal(kev_history_trim(disk->history, &disk->error), 0);
	reopen(disk);
	assert_true(size_of(in(disk->directory, "events.db")) < full / 2);
	assert_string_equal(walked(disk, NULL), "x@1* x@1 ");
}

static void test_compare(void **state)
{
	struct disk *disk = *state;
	struct kev_event *gone = placed("a", "gone", "4", "one", NOON);

	begin(disk);
	append(disk, placed("a", "same", "1", "one", NOON), NOON);
	append(disk, placed("a", "deleted", "2", "one", NOON), NOON);
	append(disk, placed("a", "changed", "3", "one", NOON + 9), NOON);
	append(disk, kev_event_ref(gone), NOON);
	commit(disk);
	begin(disk);
	assert_int_equal(kev_history_compare_begin(disk->history, &disk->error), 0);
	assert_false(append(disk, placed("a", "same", "1", "one", NOON), NOON));
	/* The store is right, whatever its times. */
	assert_true(append(disk, placed("a", "changed", "5", "one", NOON + 1), NOON + 1));
	commit(disk);
	begin(disk);
	kev_event_set_gone(gone, NOON + 2);
	assert_false(append(disk, kev_event_ref(gone), NOON));
	assert_true(append(disk, placed("a", "new", "6", "one", NOON + 1), NOON + 1));
	assert_int_equal(kev_history_compare_end(disk->history, &disk->error), 0);
	commit(disk);
	assert_string_equal(walked(disk, NULL), "same@1 changed@3* gone@4- changed@5 new@6 ");
	/* One that was given up leaves nothing behind. */
	begin(disk);
	assert_int_equal(kev_history_compare_begin(disk->history, &disk->error), 0);
	append(disk, placed("a", "new", "6", "one", NOON + 1), NOON + 1);
	kev_history_rollback(disk->history);
	assert_string_equal(walked(disk, NULL), "same@1 changed@3* gone@4- changed@5 new@6 ");
	kev_event_unref(gone);
}

static void test_kinds_and_completeness(void **state)
{
	struct disk *disk = *state;
	struct kev_kinds *kinds = kev_kinds_create_builtin(), *loaded = kinds;
	struct kev_str group, plural;

	assert_int_equal(kev_history_load_kinds(disk->history, &loaded, &disk->error), 0);
	assert_null(loaded);
	assert_false(kev_history_complete(disk->history));
	assert_int_equal(kev_kinds_add(kinds, KEV_STR("cert-manager.io"), KEV_STR("Certificate"),
				 KEV_STR("certificates")),
		0);
	begin(disk);
	assert_int_equal(kev_history_save_kinds(disk->history, kinds, &disk->error), 0);
	assert_int_equal(kev_history_save_kinds(disk->history, kinds, &disk->error), 0);
	assert_int_equal(kev_history_set_complete(disk->history, &disk->error), 0);
	commit(disk);
	reopen(disk);
	assert_true(kev_history_complete(disk->history));
	assert_int_equal(kev_history_load_kinds(disk->history, &loaded, &disk->error), 0);
	assert_int_equal(kev_kinds_count(loaded), kev_kinds_count(kinds));
	assert_true(kev_kinds_find(
		loaded, KEV_STR("cert-manager.io/v1"), KEV_STR("Certificate"), &group, &plural));
	assert_str_equal(plural, KEV_STR("certificates"));
	kev_kinds_unref(kinds);
	kev_kinds_unref(loaded);
}

/* What is wrong, when it is opened. */
static void refused_to_open(struct disk *disk, const struct kev_history_view *of, int want, const char *words)
{
	struct kev_history *untouched = (struct kev_history *)disk, *out = untouched;

	assert_int_equal(kev_history_open(disk->directory, of, 0, &out, &disk->error), want);
	assert_ptr_equal(out, untouched);
	if (!strstr(disk->error.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, disk->error.text);
}

/* Who only looks is told the same. */
static void refused(struct disk *disk, const struct kev_history_view *of, int want, const char *words)
{
	refused_to_open(disk, of, want, words);
	disk->error.text[0] = '\0';
	assert_int_equal(kev_history_look(disk->directory, of, &disk->error), want);
	if (!strstr(disk->error.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, disk->error.text);
}

static void test_access(void **state)
{
	struct disk *disk = *state;
	struct kev_buf names;
	bool restricted = true;

	kev_buf_init(&names, KEV_HISTORY_NAMES_MAX);
	kev_buf_append_c(&names, "left");
	assert_int_equal(kev_history_load_access(disk->history, &restricted, &names, &disk->error), 0);
	assert_false(restricted);
	assert_int_equal(names.len, 0);
	begin(disk);
	assert_int_equal(
		kev_history_save_access(disk->history, true, (struct kev_str){"a\0bc", 5}, &disk->error), 0);
	commit(disk);
	begin(disk);
	assert_int_equal(kev_history_save_access(disk->history, false, KEV_STR(""), &disk->error), 0);
	kev_history_rollback(disk->history);
	reopen(disk);
	assert_int_equal(kev_history_load_access(disk->history, &restricted, &names, &disk->error), 0);
	assert_true(restricted);
	assert_true(kev_str_eq(kev_buf_str(&names), (struct kev_str){"a\0bc", 5}));
	kev_buf_fini(&names);
}

static void test_refusals(void **state)
{
	struct disk *disk = *state;
	const struct kev_history_view server = {"https://b:6443", "", ""},
				      namespaces = {view.server, "a,b", ""},
				      selector = {view.server, "", "type=Warning"};
	char *path = strdup(in(disk->directory, "events.db"));
	unsigned char *bytes, *at;
	size_t len;

	refused(disk, &view, -EBUSY, "another kevfs");
	kev_history_close(disk->history);
	disk->history = NULL;
	refused(disk, &server, -EINVAL, "https://a:6443");
	refused(disk, &namespaces, -EINVAL,
		"is of all namespaces, and this mount is of the namespaces \"a,b\": each needs");
	refused(disk, &selector, -EINVAL, "the field selector");
	bytes = read_all(path, &len);
	/* The header's user_version, and application_id. */
	bytes[63] = 2;
	write_all(path, bytes, len);
	refused(disk, &view, -EINVAL, "newer kevfs");
	bytes[63] = 1;
	bytes[68] ^= 1;
	write_all(path, bytes, len);
	refused(disk, &view, -EINVAL, "none of kevfs");
	bytes[68] ^= 1;
	/* Another schema: a table's column by another name. */
	at = memmem(bytes, len, "superseded INTEGER", 18);
	assert_non_null(at);
	at[0] = 'S';
	write_all(path, bytes, len);
	refused(disk, &view, -EINVAL, "does not hold what kevfs has made");
	at[0] = 's';
	/* Half of a file, and none of a database. */
	write_all(path, bytes, 8192);
	refused(disk, &view, -EBADMSG, "is damaged");
	memset(bytes, 'x', 100);
	write_all(path, bytes, len);
	refused(disk, &view, -EBADMSG, "is damaged");
	/* Nothing at all is as good as new. */
	write_all(path, bytes, 0);
	reopen(disk);
	assert_string_equal(walked(disk, NULL), "");
	free(bytes);
	free(path);
}

static void test_refusals_of_the_directory(void **state)
{
	struct disk *disk = *state;
	char *mine = disk->directory;

	disk->directory = strdup(in(mine, "events.db"));
	refused(disk, &view, -ENOTDIR, "ot a directory");
	free(disk->directory);
	disk->directory = strdup(in(mine, "events.db/no/such"));
	refused(disk, &view, -ENOTDIR, "ot a directory");
	free(disk->directory);
	assert_int_equal(symlink("/nowhere", in(mine, "link")), 0);
	disk->directory = strdup(in(mine, "link/such"));
	refused_to_open(disk, &view, -ENOENT, "No such file");
	free(disk->directory);
	disk->directory = strdup(in(mine, "new"));
	kev_history_close(disk->history);
	disk->history = NULL;
	reopen(disk);
	kev_history_close(disk->history);
	disk->history = NULL;
	/* Nobody's link is followed. */
	assert_int_equal(unlink(in(disk->directory, "events.db")), 0);
	assert_int_equal(symlink("/nowhere", in(disk->directory, "events.db")), 0);
	refused(disk, &view, -ELOOP, "events.db");
	free(disk->directory);
	disk->directory = mine;
	reopen(disk);
}

/* Nothing is made or written, whatever is there. */
static void test_look(void **state)
{
	struct disk *disk = *state;
	char *odd = strdup(in(disk->directory, "o%41?d#"));
	const struct kev_history_view other = {"https://b:6443", "", ""};

	assert_int_equal(kev_history_look(odd, &view, &disk->error), 0);
	assert_int_equal(access(odd, F_OK), -1);
	assert_int_equal(mkdir(odd, 0700), 0);
	assert_int_equal(kev_history_look(odd, &view, &disk->error), 0);
	assert_int_equal(rmdir(odd), 0);
	kev_history_close(disk->history);
	assert_int_equal(kev_history_open(odd, &view, 0, &disk->history, &disk->error), 0);
	kev_history_close(disk->history);
	disk->history = NULL;
	assert_int_equal(kev_history_look(odd, &view, &disk->error), 0);
	assert_int_equal(kev_history_look(odd, &other, &disk->error), -EINVAL);
	assert_int_equal(unlink(in(odd, "lock")), 0);
	assert_int_equal(unlink(in(odd, "events.db")), 0);
	/* Then there is nothing else. */
	assert_int_equal(rmdir(odd), 0);
	free(odd);
	reopen(disk);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	return st.st_mode & 07777;
}

/* As mkdir -p does it, whatever the umask; and what is there already stays as it is. */
static void test_directories_above_are_made(void **state)
{
	struct disk *disk = *state;
	char *mine = disk->directory;
	mode_t mask = umask(0);

	kev_history_close(disk->history);
	disk->history = NULL;
	assert_int_equal(mkdir(in(mine, "there"), 0755), 0);
	disk->directory = strdup(in(mine, "there/one//two/three/"));
	reopen(disk);
	umask(mask);
	assert_int_equal(mode_of(in(mine, "there")), 0755);
	assert_int_equal(mode_of(in(mine, "there/one")), 0700);
	assert_int_equal(mode_of(in(mine, "there/one/two")), 0700);
	assert_int_equal(mode_of(in(mine, "there/one/two/three")), 0700);
	kev_history_close(disk->history);
	disk->history = NULL;
	free(disk->directory);
	disk->directory = mine;
	reopen(disk);
}

/* As kill -9 leaves it, and a disk that has lost the end of the log: what was committed before is there. */
static void test_truncated_log(void **state)
{
	struct disk *disk = *state, copy = {.directory = new_directory()};
	char want[4096] = "";
	unsigned char *database, *log;
	size_t database_len, log_len, seen = 0;
	static char texts[41][4096];

	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%d", i);
		begin(disk);
		append(disk, placed("a", name, "1", "one", NOON + i), NOON + i);
		commit(disk);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s@1 ", name);
		memcpy(texts[i + 1], want, sizeof(want));
	}
	database = read_all(in(disk->directory, "events.db"), &database_len);
	log = read_all(in(disk->directory, "events.db-wal"), &log_len);
	assert_true(log_len > 100000);
	for (size_t cut = 0; cut <= log_len;
		cut += cut + 4099 > log_len && cut != log_len ? log_len - cut : 4099) {
		const char *found;
		size_t i = 0;

		write_all(in(copy.directory, "events.db"), database, database_len);
		write_all(in(copy.directory, "events.db-wal"), log, cut);
		if (kev_history_open(copy.directory, &view, 0, &copy.history, &copy.error) == 0) {
			found = walked(&copy, NULL);
			while (i <= 40 && strcmp(found, texts[i]) != 0)
				i++;
			/* Of the commits, the first so many; and never fewer than with less of the log. */
			assert_true(i <= 40 && i >= seen);
			seen = i;
		}
		kev_history_close(copy.history);
		copy.history = NULL;
		remove_tree(copy.directory);
		assert_int_equal(mkdir(copy.directory, 0700), 0);
	}
	assert_int_equal(seen, 40);
	remove_tree(copy.directory);
	free(copy.directory);
	free(database);
	free(log);
}

static int touch(void *context, const struct kev_history_revision *revision)
{
	struct kev_buf text;

	/* Each of its bytes can be read. */
	kev_buf_init(&text, KEV_EVENT_SIZE_MAX);
	assert_int_equal(kev_event_append_text(revision->event, &text), 0);
	for (size_t i = 0; i < text.len; i++)
		*(size_t *)context += (unsigned char)text.data[i];
	kev_buf_fini(&text);
	return 0;
}

/* Bits that fell over: whatever is said then, it is said, and nothing is read that is not there. */
static void test_damaged_anywhere(void **state)
{
	const struct kev_history_query all = {.superseded_bytes = UINT64_MAX};
	struct disk *disk = *state;
	char *path = strdup(in(disk->directory, "events.db"));
	uint64_t random = 42;
	unsigned char *bytes;
	size_t len, refusals = 0;

	begin(disk);
	for (int i = 0; i < 60; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%d", i % 40);
		append(disk, placed("a", name, "1", "one", NOON + i), NOON + i);
	}
	commit(disk);
	kev_history_close(disk->history);
	disk->history = NULL;
	bytes = read_all(path, &len);
	for (int round = 0; round < 300; round++) {
		struct kev_history *history = NULL;
		unsigned char saved[8];
		size_t places[8], sum = 0;
		uint64_t skipped = 0;
		int r;

		for (int i = 0; i < 8; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			/* Where the page headers and cell pointers are, more often. */
			places[i] = (random >> 20) % len;
			if (i % 2)
				places[i] = places[i] / 8192 * 8192 + places[i] % 64;
			saved[i] = bytes[places[i]];
			bytes[places[i]] ^= (unsigned char)(1U << (random >> 60) % 8);
		}
		write_all(path, bytes, len);
		r = kev_history_open(disk->directory, &view, 0, &history, &disk->error);
		if (!r)
			r = kev_history_walk(history, &all, words(), touch, &sum, &skipped, &disk->error);
		refusals += r != 0;
		assert_true(r == 0 || disk->error.text[0] != '\0');
		kev_history_close(history);
		for (int i = 8; i-- > 0;)
			bytes[places[i]] = saved[i];
	}
	assert_true(refusals > 30);
	write_all(path, bytes, len);
	reopen(disk);
	free(bytes);
	free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_append_and_open_again),
		TEST(test_walk_gives_what_was_appended),
		TEST(test_gone_and_removed),
		TEST(test_rollback),
		TEST(test_queries),
		TEST(test_purge),
		TEST(test_marks_of_no_clock),
		TEST(test_directory_was_removed),
		TEST(test_trim),
		TEST(test_compare),
		TEST(test_kinds_and_completeness),
		TEST(test_access),
		TEST(test_refusals),
		TEST(test_refusals_of_the_directory),
		TEST(test_directories_above_are_made),
		TEST(test_look),
		TEST(test_truncated_log),
		TEST(test_damaged_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
