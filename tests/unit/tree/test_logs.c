#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../words.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"

#define NOW_SECOND (WORLD_NOW / WORLD_SECOND)

static int setup(void **state)
{
	struct world *world = world_create();

	world_enable_logs(world, 1 << 20);
	*state = world;
	return 0;
}

static char *read_node(struct world *world, uint64_t node, uint64_t offset, size_t len)
{
	char *text = malloc(len + 1);
	size_t got = 0;

	assert_non_null(text);
	assert_int_equal(kev_tree_read(world->tree, node, offset, text, len, &got), 0);
	assert_true(got <= len);
	text[got] = '\0';
	return text;
}

/* The whole file, as far as it is published; NULL where there is none. */
static char *read_path(struct world *world, const char *path)
{
	struct kev_entry entry = world_find(world, path);
	char *text;

	if (!entry.node)
		return NULL;
	text = read_node(world, entry.node, 0, entry.attr.size);
	assert_int_equal(strlen(text), entry.attr.size);
	world_forget(world, entry.node);
	return text;
}

/* The last word of each line, one behind the other. */
static char *last_words(const char *text)
{
	struct kev_buf out;
	char *words;

	kev_buf_init(&out, 1 << 20);
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *word = end;

		while (word > line && word[-1] != ' ')
			word--;
		kev_buf_append(&out, word, (size_t)(end - word) + 1);
	}
	words = strdup(out.len ? kev_buf_cstr(&out) : "");
	kev_buf_fini(&out);
	return words;
}

/* The messages in a log, each followed by a newline. */
static void assert_log_at(struct world *world, const char *path, const char *expected, int line)
{
	char *text = read_path(world, path), *words;

	if (!text)
		fail_msg("line %d: there is no %s", line, path);
	words = last_words(text);
	if (strcmp(words, expected) != 0)
		fail_msg("line %d: %s has \"%s\" in place of \"%s\"", line, path, words, expected);
	free(words);
	free(text);
}

#define assert_log(world, path, expected) assert_log_at(world, path, expected, __LINE__)

#define ROOT_LOG "/.kevfs/events.log"
#define ROOT_JSONL "/.kevfs/events.jsonl"
#define SHOP_LOG "/.kevfs/namespaces/shop/events.log"
#define SHOP_JSONL "/.kevfs/namespaces/shop/events.jsonl"
#define WEB_LOG "/shop/pods/web/.kevfs/events.log"

static void put(
	struct world *world, const char *name, const char *message, int64_t last_seen, enum kev_origin origin)
{
	world_put(world,
		&(const struct world_event){
			.name = kev_str_c(name), .message = kev_str_c(message), .last_seen = last_seen},
		origin);
}

static void put_live(struct world *world, const char *name, const char *message)
{
	put(world, name, message, NOW_SECOND, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
}

static void test_there_are_none_by_themselves(void **state)
{
	struct world *world = *state;

	put(world, "a", "one", 0, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	assert_false(world_has(world, "/events.log"));
	assert_false(world_has(world, ROOT_LOG));
	assert_false(world_has(world, "/shop/events.jsonl"));
	assert_false(world_has(world, "/shop/pods/web/.kevfs"));
	assert_lists(world, "/shop/pods/web", "events\n");
}

static void test_links(void **state)
{
	static const char *const links[][2] = {{"/events.log", ".kevfs/events.log"},
		{"/events.jsonl", ".kevfs/events.jsonl"},
		{"/shop/events.log", "../.kevfs/namespaces/shop/events.log"},
		{"/shop/events.jsonl", "../.kevfs/namespaces/shop/events.jsonl"},
		{"/shop/pods/web/events.log", ".kevfs/events.log"}};
	struct world *world = *state;

	put(world, "a", "one", 0, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	assert_lists(world, "", "events.jsonl\nevents.log\nshop\n");
	assert_lists(world, "/shop", WORLD_LINKS "events.jsonl\nevents.log\npods\n");
	assert_lists(world, "/shop/pods/web", "events\nevents.log\n");
	assert_lists(world, "/shop/pods/web/.kevfs", "events.log\n");
	assert_lists(world, "/.kevfs", "events.jsonl\nevents.log\nnamespaces\n");
	for (size_t i = 0; i < KEV_ARRAY_LEN(links); i++) {
		struct kev_entry entry = world_find(world, links[i][0]);
		struct kev_buf target;

		assert_int_not_equal(entry.node, 0);
		assert_int_equal(entry.attr.type, KEV_NODE_LINK);
		kev_buf_init(&target, 1000);
		assert_int_equal(kev_tree_readlink(world->tree, entry.node, &target), 0);
		assert_str_equal(kev_buf_str(&target), kev_str_c(links[i][1]));
		assert_int_equal(entry.attr.size, target.len);
		assert_int_equal(entry.attr.mtime, world_attr(world, "/shop/events").mtime);
		kev_buf_fini(&target);
		world_forget(world, entry.node);
	}
}

static void test_first_sync_in_the_order_of_last_seen(void **state)
{
	struct world *world = *state;

	put(world, "a", "third", NOW_SECOND - 1, KEV_ORIGIN_FIRST_SYNC);
	put(world, "b", "first", NOW_SECOND - 9, KEV_ORIGIN_FIRST_SYNC);
	put(world, "c", "second", NOW_SECOND - 5, KEV_ORIGIN_FIRST_SYNC);
	/* The older revision of one that a dump holds twice. */
	put(world, "c", "fourth", NOW_SECOND - 1, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	assert_log(world, ROOT_LOG, "first\nsecond\nthird\nfourth\n");
	assert_log(world, SHOP_LOG, "first\nsecond\nthird\nfourth\n");
	assert_log(world, WEB_LOG, "first\nsecond\nthird\nfourth\n");
	assert_int_equal(world_attr(world, ROOT_LOG).mtime, (NOW_SECOND - 1) * WORLD_SECOND);
	put_live(world, "d", "fifth");
	assert_log(world, ROOT_LOG, "first\nsecond\nthird\nfourth\nfifth\n");
	assert_int_equal(world_attr(world, ROOT_LOG).mtime, WORLD_NOW);
}

static void test_each_log_has_its_own(void **state)
{
	struct world *world = *state;

	world_carry(world, NULL, NULL);
	world_put(world, &(struct world_event){.message = KEV_STR("one")}, KEV_ORIGIN_LIVE);
	world_put(world,
		&(struct world_event){
			.message = KEV_STR("two"), .name = KEV_STR("x"), .object = KEV_STR("db")},
		KEV_ORIGIN_LIVE);
	world_put(world, &(struct world_event){.message = KEV_STR("three"), .namespace_ = KEV_STR("pay")},
		KEV_ORIGIN_LIVE);
	/* An update that moves it to another object. */
	world_put(world, &(struct world_event){.message = KEV_STR("four"), .object = KEV_STR("db")},
		KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_log(world, ROOT_LOG, "one\ntwo\nthree\nfour\n");
	assert_log(world, SHOP_LOG, "one\ntwo\nfour\n");
	assert_log(world, "/.kevfs/namespaces/pay/events.log", "three\n");
	assert_log(world, "/shop/pods/db/.kevfs/events.log", "two\nfour\n");
	assert_false(world_has(world, WEB_LOG));
}

static void test_a_pod_without_events_has_an_empty_log(void **state)
{
	struct world *world = *state;
	struct kev_entry entry;
	char *text;

	assert_int_equal(
		kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), WORLD_NOW - WORLD_SECOND),
		0);
	world_carry(world, NULL, NULL);
	assert_log(world, WEB_LOG, "");
	assert_int_equal(world_attr(world, "/shop/pods/web").mtime, WORLD_NOW - WORLD_SECOND);
	assert_int_equal(world_attr(world, "/shop/pods/web/events").mtime, WORLD_NOW - WORLD_SECOND);
	/* Who waits for its first line gets it. */
	entry = world_find(world, WEB_LOG);
	put_live(world, "a", "one");
	text = read_node(world, entry.node, 0, 1000);
	assert_non_null(strstr(text, "one\n"));
	free(text);
	world_forget(world, entry.node);
}

static void test_jsonl(void **state)
{
	struct world *world = *state;
	struct kev_event *events[2];
	struct kev_buf expected;
	char *text;

	world_carry(world, NULL, NULL);
	events[0] = world_put(world, &(struct world_event){.message = KEV_STR("one")}, KEV_ORIGIN_LIVE);
	kev_event_ref(events[0]);
	events[1] = world_put(world, &(struct world_event){.message = KEV_STR("two")}, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	kev_buf_init(&expected, 10000);
	assert_int_equal(kev_event_append_compact(events[0], &expected), 0);
	assert_int_equal(kev_event_append_compact(events[1], &expected), 0);
	text = read_path(world, ROOT_JSONL);
	assert_string_equal(text, kev_buf_cstr(&expected));
	free(text);
	text = read_path(world, SHOP_JSONL);
	assert_string_equal(text, kev_buf_cstr(&expected));
	free(text);
	kev_buf_fini(&expected);
	kev_event_unref(events[0]);
}

/* Any piece of a log is what stands there in the whole. */
static void test_read_from_anywhere(void **state)
{
	static const char *const paths[] = {ROOT_LOG, ROOT_JSONL, SHOP_LOG, WEB_LOG};
	struct world *world = *state;
	uint64_t random = 7;

	world_carry(world, NULL, NULL);
	for (int i = 0; i < 200; i++) {
		char message[300];

		memset(message, 'm', sizeof(message));
		message[1 + i * 7 % 290] = '\0';
		put(world, "a", message, NOW_SECOND, KEV_ORIGIN_LIVE);
	}
	world_carry(world, NULL, NULL);
	for (size_t p = 0; p < KEV_ARRAY_LEN(paths); p++) {
		struct kev_entry entry = world_find(world, paths[p]);
		char *whole = read_node(world, entry.node, 0, 1 << 20);

		assert_int_equal(strlen(whole), entry.attr.size);
		for (int i = 0; i < 2000; i++) {
			size_t offset, len;
			char *piece;

			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			offset = (random >> 20) % (entry.attr.size + 10);
			len = (random >> 45) % (i % 2 ? 50 : 9000);
			piece = read_node(world, entry.node, offset, len);
			if (offset >= entry.attr.size) {
				assert_string_equal(piece, "");
			} else {
				size_t left = entry.attr.size - offset;

				assert_int_equal(strlen(piece), left < len ? left : len);
				assert_memory_equal(piece, whole + offset, strlen(piece));
			}
			free(piece);
		}
		assert_string_equal((free(whole), whole = read_node(world, entry.node, UINT64_MAX, 10)), "");
		free(whole);
		world_forget(world, entry.node);
	}
}

struct notes {
	struct kev_stale items[200];
	size_t count;
};

static void note(void *context, const struct kev_stale *stale)
{
	struct notes *notes = context;

	assert_true(notes->count < KEV_ARRAY_LEN(notes->items));
	notes->items[notes->count++] = *stale;
}

/* Who knows the file is told in two steps, and never reads less than its size. */
static void test_publish(void **state)
{
	struct world *world = *state;
	struct notes notes = {.count = 0};
	struct kev_entry home, entry;
	struct kev_attr attr;
	size_t first;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	home = world_find(world, "/.kevfs/namespaces/shop");
	entry = world_find(world, SHOP_LOG);
	first = entry.attr.size;
	assert_true(first > 0);
	/* The lookup has been answered since. */
	kev_inode_landed(kev_inodes_find(world->tree->inodes, entry.node));
	assert_false(kev_tree_publish(world->tree, note, &notes));
	put_live(world, "a", "two");
	assert_int_equal(kev_tree_getattr(world->tree, entry.node, &attr), 0);
	assert_int_equal(attr.size, first);
	free(read_node(world, entry.node, first, 1000));
	assert_int_equal(notes.count, 0);

	assert_true(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 1);
	assert_int_equal(notes.items[0].kind, KEV_STALE_TAIL);
	assert_int_equal(notes.items[0].node, entry.node);
	assert_int_equal(notes.items[0].offset, first);
	assert_int_equal(kev_tree_getattr(world->tree, entry.node, &attr), 0);
	assert_int_equal(attr.size, first);

	/* What comes in between waits for its own turn. */
	put_live(world, "a", "three");
	assert_true(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 3);
	assert_int_equal(notes.items[1].kind, KEV_STALE_SIZE);
	assert_int_equal(notes.items[2].kind, KEV_STALE_TAIL);
	assert_int_equal(kev_tree_getattr(world->tree, entry.node, &attr), 0);
	assert_int_equal(notes.items[1].offset, attr.size);
	assert_int_equal(notes.items[2].offset, attr.size);
	assert_true(attr.size > first);
	assert_log(world, SHOP_LOG, "one\ntwo\n");

	/* Looked up just now: a reply may be on its way, and what it says is overtaken. */
	assert_false(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 5);
	assert_int_equal(notes.items[3].kind, KEV_STALE_ENTRY);
	assert_string_equal(notes.items[3].name, KEV_STALE_BARRIER);
	assert_int_equal(notes.items[4].kind, KEV_STALE_SIZE);
	assert_log(world, SHOP_LOG, "one\ntwo\nthree\n");
	assert_false(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 5);
	world_forget(world, home.node);
	world_forget(world, entry.node);
}

/* A log that stands beside the status: of its name nothing is ever told, for that would wait for who lists
 * the directory, and everybody who looks for the status behind it. So the kernel keeps neither. */
static void test_publish_beside_the_status(void **state)
{
	struct world *world = *state;
	struct notes notes = {.count = 0};
	struct kev_entry home = world_find(world, "/.kevfs"), entry;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	entry = world_find(world, ROOT_LOG);
	assert_true(entry.momentary && entry.attr.momentary);
	assert_int_equal(kev_tree_lookup(world->tree, home.node, KEV_STR("events.log.1"), &entry), 0);
	assert_true(entry.node == 0 && entry.momentary);
	/* A directory's name is for ever, what is said of it is not. */
	entry = world_find(world, "/.kevfs/namespaces");
	assert_true(!entry.momentary && entry.attr.momentary);
	world_forget(world, entry.node);
	entry = world_find(world, "/.kevfs/namespaces/shop");
	assert_true(!entry.momentary && !entry.attr.momentary);
	world_forget(world, entry.node);
	entry = world_find(world, ROOT_LOG);
	put_live(world, "a", "two");
	assert_true(kev_tree_publish(world->tree, note, &notes));
	assert_false(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 2);
	assert_int_equal(notes.items[0].kind, KEV_STALE_TAIL);
	assert_int_equal(notes.items[1].kind, KEV_STALE_SIZE);
	world_forget(world, entry.node);
	world_forget(world, entry.node);
	world_forget(world, home.node);
}

/* Who forgets a file that grows is done with it; others learn nothing of what they do not know. */
static void test_publish_to_nobody(void **state)
{
	struct world *world = *state;
	struct notes notes = {.count = 0};
	struct kev_entry entry;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	assert_false(kev_tree_publish(world->tree, note, &notes));
	entry = world_find(world, ROOT_LOG);
	put_live(world, "a", "two");
	assert_true(kev_tree_publish(world->tree, note, &notes));
	world_forget(world, entry.node);
	notes.count = 0;
	assert_false(kev_tree_publish(world->tree, note, &notes));
	assert_int_equal(notes.count, 0);
	assert_log(world, ROOT_LOG, "one\ntwo\n");
}

/* More than one batch holds. */
static void test_publish_many(void **state)
{
	struct world *world = *state;
	struct kev_entry entries[300];
	struct notes notes;

	world_carry(world, NULL, NULL);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < KEV_ARRAY_LEN(entries); i++) {
			char object[16], name[16], path[64];

			snprintf(object, sizeof(object), "o%zu", i);
			snprintf(name, sizeof(name), "n%zu-%d", i, round);
			world_live(world, "shop", object, name);
			world_carry(world, NULL, NULL);
			snprintf(path, sizeof(path), "/shop/pods/o%zu/.kevfs/events.log", i);
			if (round == 0)
				entries[i] = world_find(world, path);
		}
	}
	while (notes.count = 0, kev_tree_publish(world->tree, NULL, &notes))
		;
	for (size_t i = 0; i < KEV_ARRAY_LEN(entries); i++) {
		struct kev_attr attr;

		assert_int_equal(kev_tree_getattr(world->tree, entries[i].node, &attr), 0);
		assert_true(attr.size > entries[i].attr.size);
		world_forget(world, entries[i].node);
	}
}

/* The event again, as a state has it that somebody wrote, or another version: line_size and compact_size are
 * off by so much. */
static void put_restored(struct world *world, const char *name, int off, bool json)
{
	struct kev_event *event = world_make_event(
		world, &(struct world_event){.name = kev_str_c(name), .message = kev_str_c(name)});
	struct kev_event *restored;
	struct kev_event_parts parts;
	struct kev_buf space;
	char *no_json;

	kev_event_set_ctime(event, WORLD_NOW);
	kev_buf_init(&space, KEV_EVENT_SIZE_MAX);
	assert_int_equal(kev_event_take_apart(event, &space, &parts), 0);
	parts.line_size += (uint64_t)(int64_t)off;
	parts.compact_size += (uint64_t)(int64_t)off;
	no_json = malloc(parts.text.len);
	assert_non_null(no_json);
	memset(no_json, 'x', parts.text.len);
	if (!json)
		parts.text.data = no_json;
	assert_int_equal(kev_event_restore(&parts, words(), &restored), 0);
	kev_event_unref(event);
	kev_buf_fini(&space);
	free(no_json);
	assert_int_equal(kev_store_restore(world->store, restored, 0), 0);
	world_carry(world, NULL, NULL);
}

/* One line that does not come out as long as it should is as long all the same, and keeps none from being
 * read. */
static void test_a_line_of_another_length(void **state)
{
	static const struct {
		const char *name;
		int off;
		bool json;
	} cases[] = {
		{"short", 10, true}, {"long", -10, true}, {"no-json", 0, false}, {"\u00e4\u00f6", -1, true}};
	struct world *world = *state;
	char *text, *line;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		put_restored(world, cases[i].name, cases[i].off, cases[i].json);
	put_live(world, "b", "two");
	for (size_t i = 0; i < 2; i++) {
		text = read_path(world, i ? ROOT_JSONL : ROOT_LOG);
		assert_non_null(strstr(text, "one"));
		assert_non_null(strstr(text, "two"));
		for (line = text; *line; line = strchr(line, '\n') + 1)
			assert_non_null(strchr(line, '\n'));
		assert_non_null(strstr(text, i ? "          \n" : "short          \n"));
		/* Cut between two characters. */
		assert_non_null(strstr(text, i ? "\u00e4\u00f6" : "\u00e4 \n"));
		free(text);
	}
}

/* Fill the logs so that they rotate once. */
static void rotate(struct world *world, const char *name, kev_tree_stale_fn *stale, void *context)
{
	struct kev_attr before = world_attr(world, "/.kevfs");

	world->now += WORLD_SECOND;
	kev_tree_set_log_max(world->tree, 1);
	world->tree->usage.nodes -= 2;
	put(world, name, name, NOW_SECOND, KEV_ORIGIN_LIVE);
	world_carry(world, stale, context);
	kev_tree_set_log_max(world->tree, 1 << 20);
	world->tree->usage.nodes -= 2;
	assert_true(world_attr(world, "/.kevfs").mtime > before.mtime);
}

static void test_rotate(void **state)
{
	static const char *const logs[] = {ROOT_LOG, ROOT_JSONL, SHOP_LOG, SHOP_JSONL, WEB_LOG};
	struct world *world = *state;
	struct kev_attr before[KEV_ARRAY_LEN(logs)], moved;
	char path[100];

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	for (size_t i = 0; i < KEV_ARRAY_LEN(logs); i++) {
		before[i] = world_attr(world, logs[i]);
		snprintf(path, sizeof(path), "%s.1", logs[i]);
		assert_false(world_has(world, path));
	}
	rotate(world, "two", NULL, NULL);
	for (size_t i = 0; i < KEV_ARRAY_LEN(logs); i++) {
		snprintf(path, sizeof(path), "%s.1", logs[i]);
		moved = world_attr(world, path);
		assert_int_equal(moved.ino, before[i].ino);
		assert_int_not_equal(world_attr(world, logs[i]).ino, before[i].ino);
		assert_int_equal(world_attr(world, logs[i]).size, 0);
	}
	assert_log(world, ROOT_LOG ".1", "one\ntwo\n");
	assert_log(world, ROOT_LOG, "");
	assert_lists(
		world, "/.kevfs", "events.jsonl\nevents.jsonl.1\nevents.log\nevents.log.1\nnamespaces\n");
	put_live(world, "a", "three");
	assert_log(world, WEB_LOG, "three\n");
	rotate(world, "four", NULL, NULL);
	assert_log(world, WEB_LOG ".1", "three\nfour\n");
	/* A log that got nothing lets go of the old one with the rotation after that. */
	world_put(
		world, &(struct world_event){.name = KEV_STR("x"), .object = KEV_STR("db")}, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	rotate(world, "five", NULL, NULL);
	assert_log(world, "/shop/pods/db/.kevfs/events.log.1", "hello\n");
	rotate(world, "six", NULL, NULL);
	assert_false(world_has(world, "/shop/pods/db/.kevfs/events.log.1"));
	assert_log(world, "/shop/pods/db/.kevfs/events.log", "");
}

/* Who keeps all files of a log open, rotation after rotation, holds what it tells of that often. */
static void test_an_object_that_is_held_often(void **state)
{
	const int times = 1 << 16;
	struct world *world = *state;
	struct kev_object *object;
	struct kev_entry entry;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	entry = world_find(world, "/shop/pods/web");
	object = kev_inode_place(kev_inodes_find(world->tree->inodes, entry.node)).item;
	for (int i = 0; i < times; i++)
		kev_object_hold(object);
	world_forget(world, entry.node);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	/* It is kept: it comes back as the same thing. */
	put_live(world, "a", "two");
	entry = world_find(world, "/shop/pods/web");
	assert_ptr_equal(kev_inode_place(kev_inodes_find(world->tree->inodes, entry.node)).item, object);
	world_forget(world, entry.node);
	assert_log(world, WEB_LOG, "one\ntwo\n");
	for (int i = 0; i < times; i++)
		kev_object_drop(object);
}

/* What the first sync brought counts from when only the logs have it, until they have not either. */
static void test_rotate_what_the_first_sync_brought(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
	struct world *world = *state;
	uint64_t size = 0;

	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		const struct world_event event = {
			.name = kev_str_c(names[i]), .message = kev_str_c(names[i])};

		size = kev_event_compact_size(world_put(world, &event, KEV_ORIGIN_FIRST_SYNC));
	}
	world_carry(world, NULL, NULL);
	kev_tree_set_log_max(world->tree, 2 * size);
	assert_log(world, ROOT_LOG, "a\nb\nc\nd\ne\nf\n");
	world->now += WORLD_SECOND;
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		kev_store_delete(world->store, KEV_STR("shop"), kev_str_c(names[i]));
		world_carry(world, NULL, NULL);
		assert_int_equal(world->tree->rotations, i < 4 ? (i + 1) / 2 : 2);
		if (i == 1)
			assert_log(world, ROOT_LOG ".1", "a\nb\nc\nd\ne\nf\n");
	}
	assert_false(world_has(world, ROOT_LOG ".1"));
	assert_log(world, ROOT_LOG, "");
}

/* Two events of a first sync, of which only one object has heard. */
static struct kev_object *sync_two(struct world *world)
{
	struct kev_object *object;
	struct kev_entry entry;

	put(world, "b", "two", NOW_SECOND - 1, KEV_ORIGIN_FIRST_SYNC);
	put(world, "a", "one", NOW_SECOND - 5, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	entry = world_find(world, "/shop/pods/web");
	object = kev_inode_place(kev_inodes_find(world->tree->inodes, entry.node)).item;
	world_forget(world, entry.node);
	/* No file is made of it yet. */
	assert_int_equal(object->events->implied, KEV_LOG_IMPLIED_CURRENT);
	assert_null(object->events->log.current);
	return object;
}

static void test_an_object_log_is_made_when_somebody_looks(void **state)
{
	struct world *world = *state;
	struct kev_object *object = sync_two(world);

	assert_int_equal(world_attr(world, WEB_LOG).mtime, (NOW_SECOND - 1) * WORLD_SECOND);
	assert_log(world, WEB_LOG, "one\ntwo\n");
	assert_int_equal(object->events->implied, KEV_LOG_NOT_IMPLIED);
	put_live(world, "a", "three");
	assert_log(world, WEB_LOG, "one\ntwo\nthree\n");
	assert_log(world, SHOP_LOG, "one\ntwo\nthree\n");
}

/* What changes then is not what implied it. */
static void test_an_object_log_is_made_before_its_events_change(void **state)
{
	struct world *world = *state;

	assert_int_equal(
		kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), WORLD_NOW - WORLD_SECOND),
		0);
	sync_two(world);
	put_live(world, "a", "three");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	/* Moved to another object. */
	world_put(world,
		&(struct world_event){
			.name = KEV_STR("a"), .message = KEV_STR("four"), .object = KEV_STR("db")},
		KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_log(world, WEB_LOG, "one\ntwo\nthree\n");
	assert_log(world, "/shop/pods/db/.kevfs/events.log", "four\n");
}

static void test_an_object_log_is_made_before_an_event_is_deleted(void **state)
{
	struct world *world = *state;

	sync_two(world);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_carry(world, NULL, NULL);
	assert_log(world, WEB_LOG, "one\ntwo\n");
}

static void test_an_object_log_that_is_implied_rotates(void **state)
{
	struct world *world = *state;
	struct kev_object *object = sync_two(world);
	const struct world_event other = {.name = KEV_STR("c"), .object = KEV_STR("db")};
	uint64_t max = world->tree->log_max;

	for (int i = 0; i < 2; i++) {
		kev_tree_set_log_max(world->tree, 1);
		world_put(world, &other, KEV_ORIGIN_LIVE);
		world_carry(world, NULL, NULL);
		kev_tree_set_log_max(world->tree, max);
		if (i == 0) {
			assert_int_equal(object->events->implied, KEV_LOG_IMPLIED_PREVIOUS);
			assert_log(world, WEB_LOG ".1", "one\ntwo\n");
			assert_log(world, WEB_LOG, "");
		}
	}
	assert_false(world_has(world, WEB_LOG ".1"));
	assert_log(world, WEB_LOG, "");
}

static void test_an_object_log_that_is_implied_ends_with_the_second_rotation(void **state)
{
	struct world *world = *state;
	struct kev_object *object = sync_two(world);
	const struct world_event other = {.name = KEV_STR("c"), .object = KEV_STR("db")};

	kev_tree_set_log_max(world->tree, 1);
	world_put(world, &other, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	world_put(world, &other, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_int_equal(object->events->implied, KEV_LOG_NOT_IMPLIED);
	assert_false(world_has(world, WEB_LOG ".1"));
	assert_log(world, WEB_LOG, "");
}

/* The store is ahead: what a first sync brought is lost to the journal, which has what came behind it. */
static void put_behind_what_is_lost(struct world *world)
{
	struct kev_change change;
	bool resync = false;

	put(world, "a", "one", NOW_SECOND - 5, KEV_ORIGIN_FIRST_SYNC);
	assert_int_equal(kev_changes_take(world->changes, &change, 1, 0, &resync), 0);
	assert_true(resync);
	put(world, "b", "two", NOW_SECOND - 1, KEV_ORIGIN_LIVE);
}

/* The tree is as new as the store, and the journal brings what is newer than what it lost. */
static void test_an_object_log_has_nothing_twice(void **state)
{
	struct world *world = *state;

	put_behind_what_is_lost(world);
	world_follow(world, NULL, NULL);
	world_carry(world, NULL, NULL);
	assert_log(world, WEB_LOG, "one\ntwo\n");
}

/* Nor has one whose journal was read before the tree was compared. */
static void test_an_object_log_that_began_before_the_first_sync(void **state)
{
	struct world *world = *state;

	put_behind_what_is_lost(world);
	world_carry(world, NULL, NULL);
	world_follow(world, NULL, NULL);
	assert_log(world, WEB_LOG, "two\none\n");
	assert_log(world, SHOP_LOG, "two\none\n");
}

/* Nobody has to wait while the log of very many is made. */
static void test_an_object_log_of_many(void **state)
{
	enum { MANY = 300 };
	struct world *world = *state;
	struct kev_object *object;
	struct kev_entry entry;
	struct kev_buf expected;
	char name[16];

	kev_buf_init(&expected, 1 << 20);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		put(world, name, name, NOW_SECOND - MANY + i, KEV_ORIGIN_FIRST_SYNC);
		kev_buf_printf(&expected, "%s\n", name);
	}
	world_carry(world, NULL, NULL);
	entry = world_find(world, "/shop/pods/web");
	object = kev_inode_place(kev_inodes_find(world->tree->inodes, entry.node)).item;
	world_forget(world, entry.node);
	assert_int_equal(object->events->implied, KEV_LOG_NOT_IMPLIED);
	assert_log(world, WEB_LOG, kev_buf_cstr(&expected));
	assert_log(world, SHOP_LOG, kev_buf_cstr(&expected));
	kev_buf_fini(&expected);
}

/* With a record in it that no event is left of. */
static void test_an_object_log_that_is_not_implied(void **state)
{
	struct world *world = *state;

	put(world, "a", "one", NOW_SECOND - 9, KEV_ORIGIN_FIRST_SYNC);
	put(world, "a", "two", NOW_SECOND - 5, KEV_ORIGIN_FIRST_SYNC);
	put(world, "b", "three", NOW_SECOND - 1, KEV_ORIGIN_FIRST_SYNC);
	world_put(world,
		&(struct world_event){
			.name = KEV_STR("c"), .message = KEV_STR("four"), .object = KEV_STR("db")},
		KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	assert_log(world, WEB_LOG, "one\ntwo\nthree\n");
	assert_log(world, "/shop/pods/db/.kevfs/events.log", "four\n");
	put_live(world, "b", "five");
	assert_log(world, WEB_LOG, "one\ntwo\nthree\nfive\n");
}

static void assert_rotations(struct world *world, unsigned expected)
{
	assert_int_equal(world->tree->rotations, expected);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_LOG_ROTATED), expected);
}

/* Some at once, then one in so long, if anything is logged. */
static void test_rotate_not_too_often(void **state)
{
	struct world *world = *state;

	world_carry(world, NULL, NULL);
	kev_tree_set_log_max(world->tree, 1);
	for (unsigned i = 0; i < 100; i++)
		put_live(world, "a", "one");
	assert_rotations(world, 5);
	world->now += WORLD_SECOND / 5 - 1;
	put_live(world, "a", "two");
	assert_rotations(world, 5);
	world->now += 1;
	put_live(world, "a", "three");
	put_live(world, "a", "four");
	assert_rotations(world, 6);
	world->now += 100 * WORLD_SECOND;
	for (unsigned i = 0; i < 100; i++)
		put_live(world, "a", "five");
	assert_rotations(world, 11);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_LOG_APPENDED), 203);
}

/* @return where it stands; notes->count: nowhere */
static size_t find_note(const struct notes *notes, enum kev_stale_kind kind, uint64_t node, const char *name)
{
	size_t at = 0;

	while (at < notes->count && (notes->items[at].kind != kind || notes->items[at].node != node ||
					    strcmp(notes->items[at].name, name) != 0))
		at++;
	return at;
}

static bool is_told(const struct notes *notes, enum kev_stale_kind kind, uint64_t node, const char *name)
{
	return find_note(notes, kind, node, name) < notes->count;
}

static void test_rotate_tells(void **state)
{
	struct world *world = *state;
	struct notes notes = {.count = 0};
	struct kev_entry homes[3], file;
	char *text;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	homes[0] = world_find(world, "/.kevfs");
	homes[1] = world_find(world, "/.kevfs/namespaces/shop");
	homes[2] = world_find(world, "/shop/pods/web/.kevfs");
	file = world_find(world, WEB_LOG);
	rotate(world, "two", note, &notes);
	for (size_t i = 0; i < KEV_ARRAY_LEN(homes); i++) {
		struct kev_attr attr;
		/* Of a name beside the status nothing is told: the kernel does not keep it. */
		bool named = i > 0;

		assert_int_equal(is_told(&notes, KEV_STALE_ENTRY, homes[i].node, "events.log"), named);
		assert_int_equal(is_told(&notes, KEV_STALE_ENTRY, homes[i].node, "events.log.1"), named);
		assert_true(is_told(&notes, KEV_STALE_LISTING, homes[i].node, ""));
		assert_int_equal(kev_tree_getattr(world->tree, homes[i].node, &attr), 0);
		assert_true(attr.mtime > homes[i].attr.mtime);
	}
	/* Its end is told before its name is another one's. */
	assert_true(find_note(&notes, KEV_STALE_SIZE, file.node, "") <
		    find_note(&notes, KEV_STALE_ENTRY, homes[2].node, "events.log"));
	/* Who has it open reads it to its end, also when it is gone. */
	rotate(world, "three", NULL, NULL);
	rotate(world, "four", NULL, NULL);
	while (kev_tree_publish(world->tree, note, &notes))
		;
	assert_true(is_told(&notes, KEV_STALE_SIZE, file.node, ""));
	text = read_node(world, file.node, 0, 1000);
	assert_non_null(strstr(text, "one\n"));
	assert_non_null(strstr(text, "two\n"));
	assert_null(strstr(text, "three\n"));
	free(text);
	for (size_t i = 0; i < KEV_ARRAY_LEN(homes); i++)
		world_forget(world, homes[i].node);
	world_forget(world, file.node);
	assert_int_equal(kev_tree_read(world->tree, file.node, 0, NULL, 0, NULL), -ESTALE);
}

/* Thousands of objects: the lock is let go in between. */
static void test_rotate_many(void **state)
{
	struct world *world = *state;

	world_carry(world, NULL, NULL);
	for (int i = 0; i < 3000; i++) {
		char namespace_[16], object[16];

		snprintf(namespace_, sizeof(namespace_), "ns%d", i % 30);
		snprintf(object, sizeof(object), "o%d", i);
		world_live(world, namespace_, object, object);
	}
	world_carry(world, NULL, NULL);
	rotate(world, "last", NULL, NULL);
	for (int i = 0; i < 3000; i++) {
		char path[100];

		snprintf(path, sizeof(path), "/ns%d/pods/o%d/.kevfs/events.log.1", i % 30, i);
		assert_log(world, path, "hello\n");
	}
}

/* An object that ends takes its log along, but for who has it open; and goes on with it if it comes back. */
static void test_the_end_of_an_object(void **state)
{
	struct world *world = *state;
	struct kev_entry file;

	world_carry(world, NULL, NULL);
	put_live(world, "a", "one");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	assert_false(world_has(world, "/shop"));
	put_live(world, "a", "two");
	assert_log(world, WEB_LOG, "two\n");
	assert_log(world, ROOT_LOG, "one\ntwo\n");
	file = world_find(world, WEB_LOG);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	assert_false(world_has(world, "/shop"));
	put_live(world, "a", "three");
	while (kev_tree_publish(world->tree, NULL, NULL))
		;
	assert_log(world, WEB_LOG, "two\nthree\n");
	world_forget(world, file.node);
}

/* A journal that overflows loses no line, and none is there twice. */
static void test_a_lost_journal(void **state)
{
	struct world *world = *state;

	put(world, "a", "one", NOW_SECOND, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	put(world, "b", "two", NOW_SECOND - 50, KEV_ORIGIN_LIVE);
	put(world, "b", "three", NOW_SECOND - 90, KEV_ORIGIN_LIVE);
	kev_changes_lose(world->changes);
	put(world, "a", "four", NOW_SECOND - 95, KEV_ORIGIN_LIVE);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	put(world, "c", "five", NOW_SECOND - 99, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	put_live(world, "a", "six");
	assert_log(world, ROOT_LOG, "one\ntwo\nthree\nfour\nfive\nsix\n");
	assert_log(world, WEB_LOG, "one\ntwo\nthree\nfour\nfive\nsix\n");
}

/* What is retained is told of: that it went, how long after its last update, whether its pod is there; and
 * that it came back. */
static void test_gone(void **state)
{
	struct world *world = *state;
	const struct kev_retain retain = {.count = 10};
	struct kev_event *event;
	char *text;

	kev_store_set_retain(world->store, &retain);
	world_carry(world, NULL, NULL);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), 0), 0);
	event = world_put(world, &(struct world_event){.message = KEV_STR("one")}, KEV_ORIGIN_LIVE);
	kev_event_ref(event);
	world_carry(world, NULL, NULL);
	world->now += 3600 * WORLD_SECOND;
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("web.1"));
	world_carry(world, NULL, NULL);
	text = read_path(world, WEB_LOG);
	assert_non_null(strstr(text, " shop/pod/web - Gone x1 kevfs web.1 (Tested) 1h1m0s after its "
				     "last update; the pod is there\n"));
	free(text);
	assert_true(world_has(world, "/shop/pods/web/events/web.1"));
	assert_int_equal(kev_store_put(world->store, event, KEV_ORIGIN_LIVE), 0);
	/* Also where the journal loses it. */
	kev_changes_lose(world->changes);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("web.1"));
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("web"));
	world_carry(world, NULL, NULL);
	assert_log(world, ROOT_LOG, "one\nthere\nagain\nthere\n");
	assert_log(world, WEB_LOG, "one\nthere\nagain\nthere\n");
	/* A line of text only. */
	text = read_path(world, ROOT_JSONL);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

/* A resync that is ahead of the journal does not log what the journal will. */
static void test_a_resync_ahead_of_the_journal(void **state)
{
	struct world *world = *state;

	world_carry(world, NULL, NULL);
	put(world, "a", "one", NOW_SECOND, KEV_ORIGIN_LIVE);
	put(world, "a", "two", NOW_SECOND, KEV_ORIGIN_LIVE);
	world_follow(world, NULL, NULL);
	assert_log(world, ROOT_LOG, "");
	world_carry(world, NULL, NULL);
	assert_log(world, ROOT_LOG, "one\ntwo\n");
	assert_log(world, WEB_LOG, "one\ntwo\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_there_are_none_by_themselves, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_first_sync_in_the_order_of_last_seen, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_each_log_has_its_own, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_pod_without_events_has_an_empty_log, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_jsonl, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_read_from_anywhere, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_publish, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_publish_beside_the_status, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_publish_to_nobody, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_publish_many, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_line_of_another_length, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_rotate, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_an_object_that_is_held_often, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_rotate_what_the_first_sync_brought, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_is_made_when_somebody_looks, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_is_made_before_its_events_change, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_is_made_before_an_event_is_deleted, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_that_is_implied_rotates, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_that_is_implied_ends_with_the_second_rotation, setup,
			world_teardown),
		cmocka_unit_test_setup_teardown(test_an_object_log_has_nothing_twice, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_that_began_before_the_first_sync, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_an_object_log_of_many, setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_log_that_is_not_implied, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_rotate_not_too_often, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_rotate_tells, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_rotate_many, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_the_end_of_an_object, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_lost_journal, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_resync_ahead_of_the_journal, setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
