/*
 * Every allocation of the history fails in turn, SQLite's own included: an error says so, and what was
 * committed is there afterwards, whole.
 */
#include "state.h"

#include <errno.h>
#include <sqlite3.h>

#include "../nomem.h"
#include "../words.h"
#include "kevfs/store/archive.h"
#include "kevfs/store/history.h"

static const struct kev_history_view view = {"https://a:6443", "", NULL};
static const struct kev_history_query all = {.superseded_bytes = UINT64_MAX};

/* SQLite's allocator, before ours. */
static sqlite3_mem_methods memory;

static void *sqlite_malloc(int size)
{
	return nomem_fails() ? NULL : memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return nomem_fails() ? NULL : memory.xRealloc(old, size);
}

/* Hundreds of times over, nothing need be on the disk: SQLite finds these before libc's. */
__attribute__((visibility("default"))) int fsync(int fd)
{
	(void)fd;
	return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static int note(void *context, const struct kev_history_revision *revision)
{
	size_t *count = context;
	size_t size = kev_event_size(revision->event);
	char end[2];

	/* Not a part of it is lost. */
	if (kev_event_read(revision->event, size - 2, end, 2) == -ENOMEM)
		return -ENOMEM;
	assert_int_equal(end[0], '}');
	++*count;
	return 0;
}

/* How many revisions the history in a directory holds. */
static size_t revisions_in(const char *directory)
{
	struct kev_history *history = NULL;
	struct kev_error error = {""};
	uint64_t skipped = 0;
	size_t count = 0;

	if (kev_history_open(directory, &view, 0, &history, &error) ||
		kev_history_walk(history, &all, words(), note, &count, &skipped, &error))
		fail_msg("%s", error.text);
	assert_int_equal(skipped, 0);
	kev_history_close(history);
	return count;
}

static struct kev_event *placed(const char *name, const char *rv, int64_t ctime)
{
	struct kev_event *e = event("a", name, rv, "m");

	kev_event_set_ctime(e, ctime);
	return e;
}

struct work {
	char *directory;
	struct kev_event *events[3]; /* the second one supersedes the first */
	struct kev_kinds *kinds;
};

static void make_work(struct work *work)
{
	work->directory = new_directory();
	work->kinds = kev_kinds_create();
	assert_non_null(work->kinds);
	assert_int_equal(kev_kinds_add(work->kinds, KEV_STR("g"), KEV_STR("K"), KEV_STR("ks")), 0);
	work->events[0] = placed("x", "1", NOON);
	work->events[1] = placed("x", "2", NOON + 1);
	work->events[2] = placed("y", "3", NOON + 2);
}

static void end_work(struct work *work)
{
	for (size_t i = 0; i < KEV_ARRAY_LEN(work->events); i++)
		kev_event_unref(work->events[i]);
	kev_kinds_unref(work->kinds);
	free(work->directory);
}

static int open_action(void *context)
{
	const struct work *work = context;
	struct kev_history *history = NULL;
	struct kev_error error = {""};
	int r = kev_history_open(work->directory, &view, 0, &history, &error);

	assert_int_equal(history != NULL, r == 0);
	kev_history_close(history);
	return r;
}

static void test_open_new(void **state)
{
	struct work work = {.directory = new_directory()};
	bool hit = true;
	size_t n;

	(void)state;
	/* Broken off at any place, it can be begun again. */
	for (n = 1; hit; n++) {
		int r;

		nomem_fail_in(n);
		r = open_action(&work);
		hit = nomem_end();
		assert_true(r == 0 || (hit && r == -ENOMEM));
		assert_int_equal(revisions_in(work.directory), 0);
		remove_tree(work.directory);
	}
	assert_true(n > 50);
	free(work.directory);
}

static void test_open_again(void **state)
{
	struct work work = {.directory = new_directory()};

	(void)state;
	assert_int_equal(open_action(&work), 0);
	assert_true(nomem_fail_some(open_action, &work) > 50);
	remove_tree(work.directory);
	free(work.directory);
}

static int write_all_of(const struct work *work, struct kev_history *history)
{
	static const struct kev_retain limits = {.count = 1};
	bool added = false;
	int64_t wait;
	int r = kev_history_begin(history, NULL);

	for (size_t i = 0; i < KEV_ARRAY_LEN(work->events) && !r; i++)
		r = kev_history_append(history, work->events[i], NOON + (int64_t)i, &added, NULL);
	if (!r)
		r = kev_history_set_gone(history, work->events[2], NOON, NULL);
	if (!r)
		r = kev_history_save_kinds(history, work->kinds, NULL);
	if (!r)
		r = kev_history_save_access(history, true, KEV_STR("a"), NULL);
	if (!r)
		r = kev_history_set_complete(history, NULL);
	if (!r)
		r = kev_history_purge(history, &limits, NOON, 10, &wait, NULL);
	return r ? r : kev_history_commit(history, NULL);
}

/* All that was to be committed, or nothing; and then it can be written. */
static void test_write(void **state)
{
	struct work work;
	bool hit = true;
	size_t n;

	(void)state;
	make_work(&work);
	for (n = 1; hit; n++) {
		struct kev_history *history = NULL;
		struct kev_history_counts counts;
		int r;

		assert_int_equal(kev_history_open(work.directory, &view, 0, &history, NULL), 0);
		nomem_fail_in(n);
		r = write_all_of(&work, history);
		hit = nomem_end();
		if (r) {
			assert_true(hit);
			assert_int_equal(r, -ENOMEM);
			kev_history_rollback(history);
			kev_history_counts(history, &counts);
			assert_int_equal(counts.superseded, 0);
			assert_int_equal(write_all_of(&work, history), 0);
		}
		kev_history_counts(history, &counts);
		assert_int_equal(counts.superseded, 1);
		kev_history_close(history);
		assert_int_equal(revisions_in(work.directory), 3);
		remove_tree(work.directory);
	}
	assert_true(n > 5);
	end_work(&work);
}

/* A comparison takes away what the store does not hold; of one that fails, nothing stays. */
static int compare(const struct work *work, struct kev_history *history)
{
	bool added = false;
	int r = kev_history_begin(history, NULL);

	if (!r)
		r = kev_history_compare_begin(history, NULL);
	if (!r)
		r = kev_history_append(history, work->events[1], NOON, &added, NULL);
	if (!r)
		r = kev_history_compare_end(history, NULL);
	if (!r)
		r = kev_history_remove(history, work->events[0], NULL);
	return r ? r : kev_history_commit(history, NULL);
}

static void test_compare(void **state)
{
	struct work work;
	bool hit = true;
	size_t n;

	(void)state;
	make_work(&work);
	for (n = 1; hit; n++) {
		struct kev_history *history = NULL;
		int r;

		assert_int_equal(kev_history_open(work.directory, &view, 0, &history, NULL), 0);
		assert_int_equal(write_all_of(&work, history), 0);
		nomem_fail_in(n);
		r = compare(&work, history);
		hit = nomem_end();
		if (r) {
			assert_true(hit);
			assert_int_equal(r, -ENOMEM);
			kev_history_rollback(history);
			assert_int_equal(compare(&work, history), 0);
		}
		kev_history_close(history);
		assert_int_equal(revisions_in(work.directory), 2);
		remove_tree(work.directory);
	}
	assert_true(n > 5);
	end_work(&work);
}

static int walk_action(void *context)
{
	struct kev_history *history = context;
	static const struct kev_history_query one = {.namespace_ = {"a", 1},
		.object_kind = {"Pod", 3},
		.object_name = {"web", 3},
		.superseded_bytes = 1};
	struct kev_kinds *kinds = NULL;
	struct kev_buf names = {.data = NULL};
	bool restricted = false;
	uint64_t skipped = 0;
	size_t count = 0;
	int r = kev_history_walk(history, &all, words(), note, &count, &skipped, NULL);

	/* What could not be had for want of memory is not taken for nonsense. */
	assert_int_equal(skipped, 0);
	if (!r)
		assert_int_equal(count, 3);
	if (!r)
		r = kev_history_walk(history, &one, words(), note, &count, &skipped, NULL);
	if (!r)
		assert_int_equal(count, 5);
	if (!r)
		r = kev_history_load_kinds(history, &kinds, NULL);
	if (!r) {
		assert_non_null(kinds);
		assert_int_equal(kev_kinds_count(kinds), 1);
		kev_buf_init(&names, 100);
		r = kev_history_load_access(history, &restricted, &names, NULL);
	}
	if (!r) {
		assert_true(restricted);
		assert_true(kev_str_eq(kev_buf_str(&names), KEV_STR("a")));
	}
	kev_buf_fini(&names);
	kev_kinds_unref(kinds);
	return r;
}

static void test_read(void **state)
{
	struct work work;
	struct kev_history *history = NULL;

	(void)state;
	make_work(&work);
	assert_int_equal(kev_history_open(work.directory, &view, 0, &history, NULL), 0);
	assert_int_equal(write_all_of(&work, history), 0);
	assert_true(nomem_fail_some(walk_action, history) > 20);
	kev_history_close(history);
	remove_tree(work.directory);
	end_work(&work);
}

static int look_action(void *context)
{
	return kev_history_look(context, &view, NULL);
}

static void test_look(void **state)
{
	struct kev_history *history = NULL;
	struct work work;

	(void)state;
	make_work(&work);
	assert_int_equal(kev_history_open(work.directory, &view, 0, &history, NULL), 0);
	kev_history_close(history);
	assert_true(nomem_fail_some(look_action, work.directory) > 20);
	remove_tree(work.directory);
	end_work(&work);
}

/* The store that could not be loaded is given up with the archive; another try has it all. */
static int load_action(void *context)
{
	struct kev_archive_config config = *(const struct kev_archive_config *)context;
	struct kev_changes *changes = kev_changes_create(10);
	struct kev_archive *archive = NULL;
	struct kev_store_counts counts;
	int r = -ENOMEM;

	config.store = changes ? kev_store_create(config.clock, changes) : NULL;
	if (config.store)
		r = kev_archive_open(&config, &archive, NULL);
	if (!r)
		r = kev_archive_load(archive, NULL);
	if (!r) {
		kev_store_counts(config.store, &counts);
		assert_int_equal(counts.events, 2);
		assert_int_equal(counts.retained, 1);
	}
	kev_archive_destroy(archive);
	kev_store_destroy(config.store);
	kev_changes_destroy(changes);
	return r;
}

static void test_load(void **state)
{
	struct kev_archive_config config = {.view = view, .clock = kev_clock_system()};
	struct kev_history *history = NULL;
	struct work work;

	(void)state;
	make_work(&work);
	config.directory = work.directory;
	assert_int_equal(kev_history_open(work.directory, &view, 0, &history, NULL), 0);
	assert_int_equal(write_all_of(&work, history), 0);
	kev_history_close(history);
	assert_true(nomem_fail_some(load_action, &config) > 100);
	remove_tree(work.directory);
	end_work(&work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_new),
		cmocka_unit_test(test_open_again),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_load),
	};
	sqlite3_mem_methods ours;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
	ours = memory;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
	/* Else each connection takes a piece of memory in advance, out of which most of its needs are met. */
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
