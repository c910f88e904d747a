/*
 * The operations without a kernel: requests are handed to libfuse as the kernel would write them, replies are
 * caught where libfuse would write them back.
 */
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "../nomem.h"
#include "../words.h"
#include "kevfs/event/event.h"
#include "kevfs/kernel/ops.h"
#include "kevfs/kernel/stat.h"
#include "kevfs/store/store.h"

#define NAME "web-1.18ead12a14b3bd3f"
#define MTIME 0x18ead12a14b3bd3fLL

static const char event_text[] = "{\"metadata\":{\"name\":\"" NAME
				 "\",\"namespace\":\"default\",\"uid\":\"u1\",\"resourceVersion\":\"7\","
				 "\"creationTimestamp\":\"2026-11-23T00:00:00Z\"},\"involvedObject\":{"
				 "\"kind\":\"Pod\",\"apiVersion\":\"v1\","
				 "\"namespace\":\"default\",\"name\":\"web-1\"},\"message\":\"hello\"}";

struct world {
	int64_t now; /* both clocks */
	struct kev_clock clock;
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_health *health;
	struct kev_tree *tree;
	struct kev_ops *ops;
	struct fuse_session *session;
	struct kev_event *event; /* borrowed from the store */

	/* The replies since ask(). */
	char reply[70000];
	size_t reply_len;
	int replies;
	int fail_replies; /* the next writes fail with this errno */
};

static int64_t read_clock(void *context)
{
	return ((struct world *)context)->now;
}

static ssize_t catch_reply(int fd, struct iovec *iov, int count, void *userdata);
static ssize_t no_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)fd, (void)buf, (void)len, (void)userdata;
	return 0;
}

/* libfuse hands its userdata, the ops, to the I/O callbacks: find the world from there. */
static struct world *the_world;

static ssize_t catch_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	struct world *world = the_world;

	(void)fd, (void)userdata;
	if (world->fail_replies) {
		errno = world->fail_replies;
		return -1;
	}
	world->reply_len = 0;
	for (int i = 0; i < count; i++) {
		assert_true(world->reply_len + iov[i].iov_len <= sizeof(world->reply));
		memcpy(world->reply + world->reply_len, iov[i].iov_base, iov[i].iov_len);
		world->reply_len += iov[i].iov_len;
	}
	world->replies++;
	return (ssize_t)world->reply_len;
}

/* Hand over one request. */
static void ask(
	struct world *world, uint32_t opcode, uint64_t unique, uint64_t node, const void *body, size_t len)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + len), .opcode = opcode, .unique = unique, .nodeid = node};
	char request[1024];
	struct fuse_buf buf = {.size = header.len, .mem = request};

	assert_true(header.len <= sizeof(request));
	memcpy(request, &header, sizeof(header));
	if (len)
		memcpy(request + sizeof(header), body, len);
	world->replies = 0;
	world->reply_len = 0;
	fuse_session_process_buf(world->session, &buf);
}

/* The one reply there was to request unique. @return its error, negative as in the protocol */
static int reply_error(const struct world *world, uint64_t unique)
{
	struct fuse_out_header header;

	assert_int_equal(world->replies, 1);
	assert_true(world->reply_len >= sizeof(header));
	memcpy(&header, world->reply, sizeof(header));
	assert_int_equal(header.len, world->reply_len);
	assert_int_equal(header.unique, unique);
	return header.error;
}

static const char *reply_body(const struct world *world)
{
	return world->reply + sizeof(struct fuse_out_header);
}

static struct fuse_entry_out lookup(struct world *world, uint64_t parent, const char *name)
{
	struct fuse_entry_out entry;

	ask(world, FUSE_LOOKUP, 100, parent, name, strlen(name) + 1);
	assert_int_equal(reply_error(world, 100), 0);
	memcpy(&entry, reply_body(world), sizeof(entry));
	return entry;
}

static uint64_t walk(struct world *world, const char *path)
{
	char *copy = strdup(path), *rest = copy;
	uint64_t node = KEV_TREE_ROOT;

	while (rest)
		node = lookup(world, node, strsep(&rest, "/")).nodeid;
	free(copy);
	return node;
}

static void fill(struct world *world)
{
	struct kev_json *json = kev_json_create();

	assert_int_equal(kev_json_scan(json, kev_str_c(event_text), NULL), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &world->event, NULL), 0);
	kev_json_destroy(json);
	assert_int_equal(kev_store_put(world->store, world->event, KEV_ORIGIN_FIRST_SYNC), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("default"), KEV_NS_PER_SEC), 0);
	assert_int_equal(kev_tree_resync(world->tree, NULL, NULL), 0);
}

static struct world *create_with(bool parked, bool xattr)
{
	static const struct fuse_custom_io io = {.writev = catch_reply, .read = no_read};
	char *argv[] = {(char *)(uintptr_t) "kevfs", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_init_in init = {.major = 7, .minor = 31, .flags = UINT32_MAX & ~(uint32_t)FUSE_INIT_EXT};
	struct world *world = calloc(1, sizeof(*world));

	the_world = world;
	world->now = 1795046400LL * KEV_NS_PER_SEC; /* 2026-11-19 */
	world->clock = (struct kev_clock){read_clock, read_clock, read_clock, world};
	world->changes = kev_changes_create(16);
	world->store = kev_store_create(&world->clock, world->changes);
	world->tree = kev_tree_create(&world->clock, world->store);
	world->health = kev_health_create(&world->clock);
	kev_tree_set_about(world->tree, &(struct kev_tree_about){.health = world->health, .source = "prod"});
	world->ops = kev_ops_create(&(struct kev_ops_config){.tree = world->tree,
		.clock = &world->clock,
		.uid = 1,
		.gid = 2,
		.umask = 0027,
		.xattr = xattr,
		.health = world->health,
		.meter = kev_store_meter(world->store),
		.parked = parked,
		.park_timeout = 30});
	world->session =
		fuse_session_new(&args, kev_ops_table(), sizeof(struct fuse_lowlevel_ops), world->ops);
	fuse_opt_free_args(&args);
	assert_non_null(world->session);
	/* libfuse closes the descriptor itself */
	assert_int_equal(
		fuse_session_custom_io(world->session, &io, open("/dev/null", O_RDWR | O_CLOEXEC)), 0);
	ask(world, FUSE_INIT, 1, 0, &init, sizeof(init));
	assert_int_equal(reply_error(world, 1), 0);
	return world;
}

static struct world *create(bool parked)
{
	return create_with(parked, true);
}

static void destroy(struct world *world)
{
	kev_ops_destroy(world->ops);
	fuse_session_destroy(world->session);
	kev_tree_destroy(world->tree);
	kev_health_destroy(world->health);
	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
	free(world);
}

static void test_init_asks_for_what_makes_it_fast(void **state)
{
	struct world *world = create(false);
	struct fuse_init_out init = {0};

	(void)state;
	memcpy(&init, reply_body(world), sizeof(init));
	assert_true(init.flags & FUSE_DO_READDIRPLUS);
	assert_false(init.flags & FUSE_READDIRPLUS_AUTO);
	assert_true(init.flags & FUSE_CACHE_SYMLINKS);
	assert_false(init.flags & FUSE_AUTO_INVAL_DATA);
	destroy(world);
}

static void test_lookup_of_nothing_is_remembered(void **state)
{
	struct world *world = create(false);
	struct fuse_entry_out entry;

	(void)state;
	fill(world);
	entry = lookup(world, KEV_TREE_ROOT, "no-such");
	assert_int_equal(entry.nodeid, 0);
	assert_true(entry.entry_valid > 365 * 86400);
	destroy(world);
}

static void test_lookup_name_too_long(void **state)
{
	struct world *world = create(false);
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	ask(world, FUSE_LOOKUP, 5, KEV_TREE_ROOT, name, sizeof(name));
	assert_int_equal(reply_error(world, 5), -ENAMETOOLONG);
	destroy(world);
}

static void test_lookup_gives_the_attributes(void **state)
{
	struct world *world = create(false);
	struct fuse_entry_out entry;

	(void)state;
	fill(world);
	entry = lookup(world, walk(world, "default/pods/web-1/events"), NAME);
	assert_int_equal(entry.attr.mode, S_IFREG | 0440);
	assert_int_equal(entry.attr.uid, 1);
	assert_int_equal(entry.attr.gid, 2);
	assert_int_equal(entry.attr.nlink, 1);
	assert_int_equal(entry.attr.size, kev_event_size(world->event));
	assert_int_equal(entry.attr.blocks, (entry.attr.size + 511) / 512);
	assert_int_equal(entry.attr.mtime, MTIME / KEV_NS_PER_SEC);
	assert_int_equal(entry.attr.mtimensec, MTIME % KEV_NS_PER_SEC);
	assert_int_equal(entry.attr.atime, entry.attr.mtime);
	assert_true(entry.attr_valid > 365 * 86400);
	entry = lookup(world, KEV_TREE_ROOT, "default");
	assert_int_equal(entry.attr.mode, S_IFDIR | 0550);
	entry = lookup(world, entry.nodeid, "events");
	assert_int_equal(entry.attr.mode, S_IFLNK | 0777);
	destroy(world);
}

static void test_read_in_pieces(void **state)
{
	struct world *world = create(false);
	struct fuse_read_in read = {.size = 100};
	char *expected, *got;
	size_t size, len = 0;
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events/" NAME);
	size = kev_event_size(world->event);
	expected = calloc(1, size);
	got = calloc(1, size + 100);
	assert_int_equal(kev_event_read(world->event, 0, expected, size), size);
	do {
		read.offset = len;
		ask(world, FUSE_READ, 9, node, &read, sizeof(read));
		assert_int_equal(reply_error(world, 9), 0);
		memcpy(got + len, reply_body(world), world->reply_len - sizeof(struct fuse_out_header));
		len += world->reply_len - sizeof(struct fuse_out_header);
	} while (world->reply_len > sizeof(struct fuse_out_header));
	assert_int_equal(len, size);
	assert_memory_equal(got, expected, size);
	read.offset = UINT64_MAX; /* a negative off_t */
	ask(world, FUSE_READ, 9, node, &read, sizeof(read));
	assert_int_equal(reply_error(world, 9), 0);
	assert_int_equal(world->reply_len, sizeof(struct fuse_out_header));
	read.offset = 0;
	ask(world, FUSE_READ, 9, KEV_TREE_ROOT, &read, sizeof(read));
	assert_int_equal(reply_error(world, 9), -EISDIR);
	ask(world, FUSE_READ, 9, 4711, &read, sizeof(read));
	assert_int_equal(reply_error(world, 9), -ESTALE);
	free(expected);
	free(got);
	destroy(world);
}

static void test_open_is_the_kernels_own_business(void **state)
{
	struct world *world = create(false);
	struct fuse_open_in open_in = {.flags = O_RDONLY};

	(void)state;
	ask(world, FUSE_OPEN, 3, KEV_TREE_ROOT, &open_in, sizeof(open_in));
	assert_int_equal(reply_error(world, 3), -ENOSYS);
	ask(world, FUSE_OPENDIR, 4, KEV_TREE_ROOT, &open_in, sizeof(open_in));
	assert_int_equal(reply_error(world, 4), -ENOSYS);
	destroy(world);
}

static void test_readlink(void **state)
{
	struct world *world = create(false);
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/events");
	ask(world, FUSE_READLINK, 6, node, NULL, 0);
	assert_int_equal(reply_error(world, 6), 0);
	assert_str_equal(
		((struct kev_str){reply_body(world), world->reply_len - sizeof(struct fuse_out_header)}),
		KEV_STR("../.kevfs/namespaces/default/events"));
	destroy(world);
}

/* Asks for an attribute's value with room for size bytes. @return the error, negative as in the protocol */
static int getxattr(struct world *world, uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	char body[sizeof(in) + 300];

	memcpy(body, &in, sizeof(in));
	memcpy(body + sizeof(in), name, strlen(name) + 1);
	ask(world, FUSE_GETXATTR, 7, node, body, sizeof(in) + strlen(name) + 1);
	return reply_error(world, 7);
}

static int listxattr(struct world *world, uint64_t node, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};

	ask(world, FUSE_LISTXATTR, 8, node, &in, sizeof(in));
	return reply_error(world, 8);
}

static struct kev_str reply_bytes(const struct world *world)
{
	return (struct kev_str){reply_body(world), world->reply_len - sizeof(struct fuse_out_header)};
}

static uint32_t reply_size(const struct world *world)
{
	struct fuse_getxattr_out out;

	assert_int_equal(reply_bytes(world).len, sizeof(out));
	memcpy(&out, reply_body(world), sizeof(out));
	return out.size;
}

static void test_getxattr(void **state)
{
	struct world *world = create(false);
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events/" NAME);
	assert_int_equal(getxattr(world, node, "user.kevfs.message", 100), 0);
	assert_str_equal(reply_bytes(world), KEV_STR("hello"));
	assert_int_equal(getxattr(world, node, "user.kevfs.message", 5), 0);
	assert_int_equal(getxattr(world, node, "user.kevfs.message", 4), -ERANGE);
	assert_int_equal(getxattr(world, node, "user.kevfs.message", 0), 0);
	assert_int_equal(reply_size(world), 5);
	assert_int_equal(getxattr(world, node, "user.kevfs.type", 100), -ENODATA);
	assert_int_equal(getxattr(world, node, "user.kevfs.", 100), -ENODATA);
	assert_int_equal(getxattr(world, node, "user.other", 100), -EOPNOTSUPP);
	assert_int_equal(getxattr(world, node, "security.capability", 100), -EOPNOTSUPP);
	assert_int_equal(getxattr(world, 4711, "system.posix_acl_access", 100), -EOPNOTSUPP);
	assert_int_equal(getxattr(world, 4711, "user.kevfs.type", 100), -ESTALE);
	/* Nothing but events has any. */
	assert_int_equal(getxattr(world, KEV_TREE_ROOT, "user.kevfs.type", 100), -ENODATA);
	assert_int_equal(getxattr(world, walk(world, "default/events"), "user.kevfs.stale", 100), -ENODATA);
	destroy(world);
}

static void test_listxattr(void **state)
{
	static const char names[] =
		"user.kevfs.stale\0user.kevfs.message\0user.kevfs.object\0user.kevfs.count"
		"\0user.kevfs.first_seen\0user.kevfs.last_seen\0user.kevfs.uid\0"
		"user.kevfs.resource_version";
	struct world *world = create(false);
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events/" NAME);
	assert_int_equal(listxattr(world, node, 0), 0);
	assert_int_equal(reply_size(world), sizeof(names));
	assert_int_equal(listxattr(world, node, sizeof(names)), 0);
	assert_str_equal(reply_bytes(world), ((struct kev_str){names, sizeof(names)}));
	assert_int_equal(listxattr(world, node, sizeof(names) - 1), -ERANGE);
	assert_int_equal(listxattr(world, KEV_TREE_ROOT, 100), 0);
	assert_int_equal(reply_bytes(world).len, 0);
	assert_int_equal(listxattr(world, 4711, 100), -ESTALE);
	destroy(world);
}

static void test_xattr_stale(void **state)
{
	struct world *world = create(false);
	struct kev_health_record *watch = kev_health_add(world->health, KEV_SCOPE_EVENTS, NULL);
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events/" NAME);
	assert_int_equal(getxattr(world, node, "user.kevfs.stale", 1), 0);
	assert_str_equal(reply_bytes(world), KEV_STR("1"));
	kev_health_connected(world->health, watch);
	kev_health_synced(world->health);
	assert_int_equal(getxattr(world, node, "user.kevfs.stale", 1), 0);
	assert_str_equal(reply_bytes(world), KEV_STR("0"));
	destroy(world);
}

/* Without -o xattr the kernel need not ask a second time. */
static void test_xattr_off(void **state)
{
	struct world *world = create_with(false, false);

	(void)state;
	fill(world);
	assert_int_equal(getxattr(world, KEV_TREE_ROOT, "user.kevfs.type", 100), -ENOSYS);
	assert_int_equal(listxattr(world, KEV_TREE_ROOT, 100), -ENOSYS);
	destroy(world);
}

static void readdirplus(struct world *world, uint64_t node, uint32_t size)
{
	struct fuse_read_in read = {.size = size};

	ask(world, FUSE_READDIRPLUS, 8, node, &read, sizeof(read));
}

static void test_readdirplus_counts_what_it_gave(void **state)
{
	struct world *world = create(false);
	struct fuse_forget_in forget = {.nlookup = 1};
	struct fuse_direntplus first;
	struct kev_attr attr;
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events");
	readdirplus(world, node, 4096);
	assert_int_equal(reply_error(world, 8), 0);
	/* ".", ".." and the event: the last one */
	memcpy(&first,
		world->reply + world->reply_len -
			FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + strlen(NAME)),
		sizeof(first));
	assert_int_equal(first.dirent.namelen, strlen(NAME));
	assert_int_equal(kev_tree_getattr(world->tree, first.entry_out.nodeid, &attr), 0);
	ask(world, FUSE_FORGET, 0, first.entry_out.nodeid, &forget, sizeof(forget));
	assert_int_equal(world->replies, 0);
	assert_int_equal(kev_tree_getattr(world->tree, first.entry_out.nodeid, &attr), -ESTALE);
	destroy(world);
}

/* The caller was killed: the reply is refused, and the kernel has no reference. */
static void test_a_reply_that_fails_is_undone(void **state)
{
	struct world *world = create(false);
	struct kev_attr attr;
	uint64_t events, before, after;

	(void)state;
	fill(world);
	events = walk(world, "default/pods/web-1/events");
	before = lookup(world, events, NAME).nodeid;
	kev_tree_forget(world->tree, before, 1);
	world->fail_replies = ENOENT;
	ask(world, FUSE_LOOKUP, 7, events, NAME, sizeof(NAME));
	readdirplus(world, events, 4096);
	world->fail_replies = 0;
	/* Nobody knows any of the numbers that were given. */
	after = lookup(world, events, NAME).nodeid;
	for (uint64_t node = before; node < after; node++)
		assert_int_equal(kev_tree_getattr(world->tree, node, &attr), -ESTALE);
	kev_tree_forget(world->tree, after, 1);
	assert_int_equal(kev_tree_getattr(world->tree, after, &attr), -ESTALE);
	destroy(world);
}

static void test_readdir_with_no_room(void **state)
{
	struct world *world = create(false);

	(void)state;
	fill(world);
	readdirplus(world, KEV_TREE_ROOT, 0);
	assert_int_equal(reply_error(world, 8), 0);
	assert_int_equal(world->reply_len, sizeof(struct fuse_out_header));
	destroy(world);
}

static void test_statfs_tells_the_truth_and_alarms_nobody(void **state)
{
	struct world *world = create(false);
	struct fuse_statfs_out out;

	(void)state;
	fill(world);
	ask(world, FUSE_STATFS, 2, KEV_TREE_ROOT, NULL, 0);
	assert_int_equal(reply_error(world, 2), 0);
	memcpy(&out, reply_body(world), sizeof(out));
	assert_int_equal((out.st.blocks - out.st.bfree) * out.st.frsize, 4096); /* one small event */
	assert_true(out.st.bfree * 2 >= out.st.blocks);
	assert_true(out.st.ffree * 2 >= out.st.files);
	/* /, default, its four links, pods, web-1, its events, the event */
	assert_int_equal(out.st.files - out.st.ffree, 10);
	destroy(world);
}

static void test_parked_requests_wait_for_the_tree(void **state)
{
	struct world *world = create(true);

	(void)state;
	ask(world, FUSE_LOOKUP, 20, KEV_TREE_ROOT, "default", 8);
	assert_int_equal(world->replies, 0);
	kev_ops_expire(world->ops);
	assert_int_equal(world->replies, 0);
	fill(world);
	kev_ops_release(world->ops);
	assert_int_equal(reply_error(world, 20), 0);
	/* nothing is parked any more */
	assert_int_not_equal(lookup(world, KEV_TREE_ROOT, "default").nodeid, 0);
	destroy(world);
}

static void test_parked_umount_never_waits(void **state)
{
	struct world *world = create(true);
	struct fuse_getattr_in getattr = {0};

	(void)state;
	ask(world, FUSE_GETATTR, 21, KEV_TREE_ROOT, &getattr, sizeof(getattr));
	assert_int_equal(reply_error(world, 21), 0);
	ask(world, FUSE_STATFS, 20, KEV_TREE_ROOT, NULL, 0);
	assert_int_equal(reply_error(world, 20), 0);
	destroy(world);
}

/* A health check must not hang; and nothing that it is told may be kept for longer. */
static void test_parked_status_never_waits(void **state)
{
	struct world *world = create(true);
	struct fuse_getattr_in getattr = {0};
	struct fuse_read_in read = {.size = 4096};
	struct fuse_attr_out attr;
	struct fuse_entry_out control, status;

	(void)state;
	control = lookup(world, KEV_TREE_ROOT, ".kevfs");
	assert_int_equal(control.entry_valid + control.entry_valid_nsec, 0);
	assert_int_equal(control.attr_valid + control.attr_valid_nsec, 0);
	ask(world, FUSE_GETATTR, 21, control.nodeid, &getattr, sizeof(getattr));
	assert_int_equal(reply_error(world, 21), 0);
	memcpy(&attr, reply_body(world), sizeof(attr));
	assert_int_equal(attr.attr_valid + attr.attr_valid_nsec, 0);
	status = lookup(world, control.nodeid, "status");
	assert_int_not_equal(status.nodeid, 0);
	assert_int_equal(status.entry_valid + status.entry_valid_nsec, 0);
	ask(world, FUSE_READ, 22, status.nodeid, &read, sizeof(read));
	assert_int_equal(reply_error(world, 22), 0);
	assert_int_equal(world->reply_len, sizeof(struct fuse_out_header) + status.attr.size);
	assert_non_null(memmem(reply_body(world), (size_t)status.attr.size, "\"synced\": false", 15));
	/* What else is in there waits. */
	ask(world, FUSE_LOOKUP, 23, control.nodeid, "namespaces", 11);
	assert_int_equal(world->replies, 0);
	ask(world, FUSE_READDIR, 24, control.nodeid, &read, sizeof(read));
	assert_int_equal(world->replies, 0);
	fill(world);
	kev_ops_release(world->ops);
	assert_int_equal(world->replies, 2);
	control = lookup(world, KEV_TREE_ROOT, ".kevfs");
	assert_true(control.entry_valid > 365 * 86400 && control.attr_valid > 365 * 86400);
	status = lookup(world, control.nodeid, "status");
	assert_int_equal(status.entry_valid + status.entry_valid_nsec, 0);
	assert_true(status.attr_valid > 365 * 86400);
	destroy(world);
}

static void test_parked_requests_end_with_eagain(void **state)
{
	struct world *world = create(true);

	(void)state;
	ask(world, FUSE_LOOKUP, 22, KEV_TREE_ROOT, "default", 8);
	world->now += 30 * KEV_NS_PER_SEC - 1;
	kev_ops_expire(world->ops);
	assert_int_equal(world->replies, 0);
	world->now += 1;
	kev_ops_expire(world->ops);
	assert_int_equal(reply_error(world, 22), -EAGAIN);
	destroy(world);
}

static void test_parked_requests_can_be_interrupted(void **state)
{
	struct world *world = create(true);
	struct fuse_interrupt_in interrupt = {.unique = 24};

	(void)state;
	readdirplus(world, KEV_TREE_ROOT, 4096);
	ask(world, FUSE_LOOKUP, 24, KEV_TREE_ROOT, "default", 8);
	ask(world, FUSE_LOOKUP, 25, KEV_TREE_ROOT, "default", 8);
	ask(world, FUSE_INTERRUPT, 26, 0, &interrupt, sizeof(interrupt));
	kev_ops_expire(world->ops);
	assert_int_equal(reply_error(world, 24), -EINTR);
	/* the others still wait, and what comes behind the one that went still finds its place */
	ask(world, FUSE_LOOKUP, 27, KEV_TREE_ROOT, "default", 8);
	assert_int_equal(world->replies, 0);
	kev_ops_release(world->ops);
	assert_int_equal(world->replies, 3);
	destroy(world);
}

static void test_parked_requests_are_bounded(void **state)
{
	struct world *world = create(true);

	(void)state;
	for (uint64_t i = 0; i < KEV_OPS_PARKED_MAX; i++) {
		ask(world, FUSE_LOOKUP, 100 + i, KEV_TREE_ROOT, "default", 8);
		assert_int_equal(world->replies, 0);
	}
	ask(world, FUSE_LOOKUP, 50, KEV_TREE_ROOT, "default", 8);
	assert_int_equal(reply_error(world, 50), -EAGAIN);
	world->replies = 0;
	kev_ops_destroy(world->ops);
	assert_int_equal(world->replies, KEV_OPS_PARKED_MAX);
	world->ops = NULL;
	destroy(world);
}

static struct kev_meter_times times(const struct world *world, enum kev_meter_operation operation)
{
	struct kev_meter_times times;

	kev_meter_times(kev_store_meter(world->store), operation, &times);
	return times;
}

/* How often it was answered, however long it took. */
static uint64_t answered(const struct world *world, enum kev_meter_operation operation)
{
	struct kev_meter_times all = times(world, operation);
	uint64_t sum = 0;

	for (int i = 0; i <= KEV_METER_BOUNDS; i++)
		sum += all.counts[i];
	return sum;
}

static void test_every_operation_is_counted(void **state)
{
	struct world *world = create(false);
	struct fuse_getattr_in getattr = {0};
	struct fuse_open_in open_in = {.flags = O_RDONLY};
	struct fuse_forget_in forget = {.nlookup = 1};
	struct fuse_read_in range = {.size = 4096};
	uint64_t node;

	(void)state;
	fill(world);
	node = walk(world, "default/pods/web-1/events/" NAME);
	assert_int_equal(answered(world, KEV_METER_LOOKUP), 5);
	ask(world, FUSE_GETATTR, 2, node, &getattr, sizeof(getattr));
	ask(world, FUSE_OPEN, 3, node, &open_in, sizeof(open_in));
	ask(world, FUSE_READ, 4, node, &range, sizeof(range));
	ask(world, FUSE_READLINK, 5, walk(world, "default/events"), NULL, 0);
	ask(world, FUSE_READDIR, 6, KEV_TREE_ROOT, &range, sizeof(range));
	readdirplus(world, KEV_TREE_ROOT, 4096);
	ask(world, FUSE_STATFS, 7, KEV_TREE_ROOT, NULL, 0);
	getxattr(world, node, "user.kevfs.stale", 1);
	listxattr(world, node, 0);
	ask(world, FUSE_FORGET, 8, node, &forget, sizeof(forget));
	assert_int_equal(answered(world, KEV_METER_LOOKUP), 7);
	for (int i = KEV_METER_FORGET; i < KEV_METER_OPERATIONS; i++) {
		/* statx is there with a later libfuse. */
		assert_int_equal(answered(world, (enum kev_meter_operation)i), i == KEV_METER_STATX ? 0 : 1);
		assert_int_equal(times(world, (enum kev_meter_operation)i).failed, 0);
	}
	/* What could not be answered. */
	ask(world, FUSE_GETATTR, 9, 4711, &getattr, sizeof(getattr));
	assert_int_equal(times(world, KEV_METER_GETATTR).failed, 1);
	assert_int_equal(answered(world, KEV_METER_GETATTR), 2);
	assert_int_equal(getxattr(world, KEV_TREE_ROOT, "security.capability", 1), -EOPNOTSUPP);
	assert_int_equal(times(world, KEV_METER_GETXATTR).failed, 0);
	assert_false(kev_meter_is_at(kev_store_meter(world->store), KEV_METER_ANSWERING));
	destroy(world);
}

/* It is the caller's time that counts. */
static void test_time_in_the_park_counts(void **state)
{
	struct world *world = create(true);

	(void)state;
	ask(world, FUSE_LOOKUP, 20, KEV_TREE_ROOT, "default", 8);
	ask(world, FUSE_LOOKUP, 21, KEV_TREE_ROOT, "default", 8);
	assert_int_equal(answered(world, KEV_METER_LOOKUP), 0);
	assert_false(kev_meter_is_at(kev_store_meter(world->store), KEV_METER_ANSWERING));
	world->now += KEV_NS_PER_SEC;
	fill(world);
	kev_ops_release(world->ops);
	assert_int_equal(times(world, KEV_METER_LOOKUP).counts[KEV_METER_BOUNDS - 1], 2);
	assert_true(times(world, KEV_METER_LOOKUP).ns == 2 * KEV_NS_PER_SEC);
	destroy(world);
	world = create(true);
	ask(world, FUSE_LOOKUP, 22, KEV_TREE_ROOT, "default", 8);
	world->now += 30 * KEV_NS_PER_SEC;
	kev_ops_expire(world->ops);
	assert_int_equal(times(world, KEV_METER_LOOKUP).counts[KEV_METER_BOUNDS], 1);
	assert_int_equal(times(world, KEV_METER_LOOKUP).failed, 1);
	destroy(world);
}

static void test_stat_fill_x(void **state)
{
	static const struct kev_stat_config config = {.uid = 1, .gid = 2, .umask = 0027, .mtime_last = true};
	struct kev_attr attr = {.type = KEV_NODE_FILE,
		.ino = 77,
		.size = 513,
		.nlink = 1,
		.mtime = MTIME,
		.last = MTIME + 5,
		.ctime = MTIME + 7,
		.birth = 3 * KEV_NS_PER_SEC + 9};
	struct statx stx;

	(void)state;
	kev_stat_fill_x(&config, &attr, &stx);
	assert_int_equal(stx.stx_mask, STATX_BASIC_STATS | STATX_BTIME);
	assert_int_equal(stx.stx_ino, 77);
	assert_int_equal(stx.stx_mode, S_IFREG | 0440);
	assert_int_equal(stx.stx_uid, 1);
	assert_int_equal(stx.stx_gid, 2);
	assert_int_equal(stx.stx_size, 513);
	assert_int_equal(stx.stx_blocks, 2);
	assert_int_equal(stx.stx_btime.tv_sec, 3);
	assert_int_equal(stx.stx_btime.tv_nsec, 9);
	assert_int_equal(stx.stx_mtime.tv_nsec, (MTIME + 5) % KEV_NS_PER_SEC);
	assert_int_equal(stx.stx_ctime.tv_nsec, (MTIME + 7) % KEV_NS_PER_SEC);
	attr.birth = 0;
	kev_stat_fill_x(&config, &attr, &stx);
	assert_int_equal(stx.stx_mask, STATX_BASIC_STATS);
}

/* ---- without memory ---- */

/* Everything that the kernel asks below the root, each once. @return the first error, negative */
static int ask_all(struct world *world, uint64_t events, uint64_t file, uint64_t link)
{
	struct fuse_read_in read = {.size = 4096};
	struct {
		struct fuse_getxattr_in in;
		char name[24];
	} xattr = {{.size = 100}, "user.kevfs.message"};
	const struct {
		uint32_t opcode;
		uint64_t node;
		const void *body;
		size_t len;
	} questions[] = {
		{FUSE_LOOKUP, events, NAME, sizeof(NAME)},
		{FUSE_READDIR, events, &read, sizeof(read)},
		{FUSE_READDIRPLUS, events, &read, sizeof(read)},
		{FUSE_READ, file, &read, sizeof(read)},
		{FUSE_READLINK, link, NULL, 0},
		{FUSE_GETXATTR, file, &xattr, sizeof(xattr.in) + sizeof("user.kevfs.message")},
		{FUSE_LISTXATTR, file, &xattr.in, sizeof(xattr.in)},
	};
	int first = 0;

	for (size_t i = 0; i < KEV_ARRAY_LEN(questions); i++) {
		int r;

		ask(world, questions[i].opcode, 30 + i, questions[i].node, questions[i].body,
			questions[i].len);
		/* There is an answer in any case, and one. */
		r = reply_error(world, 30 + i);
		/* The list of the names is longer than that. */
		if (questions[i].opcode == FUSE_LISTXATTR && r == -ERANGE)
			r = 0;
		first = first ? first : r;
	}
	return first;
}

static void test_without_memory(void **state)
{
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world *world = create(false);
		uint64_t events, file, link, after;
		struct kev_attr attr;
		int r;

		fill(world);
		events = walk(world, "default/pods/web-1/events");
		file = lookup(world, events, NAME).nodeid;
		link = walk(world, "default/events");
		nomem_fail_in(n);
		r = ask_all(world, events, file, link);
		hit = nomem_end();
		/* A listing that breaks off is given as far as it came. */
		assert_true(r == 0 || (hit && r == -ENOMEM));
		assert_int_equal(ask_all(world, events, file, link), 0);
		/* What was looked up is known as often as the kernel was told: a lookup and a listing, of
		 * each round those that it heard of. */
		after = lookup(world, events, NAME).nodeid;
		assert_int_equal(after, file);
		kev_tree_forget(world->tree, file, 6);
		if (!hit)
			assert_int_equal(kev_tree_getattr(world->tree, file, &attr), -ESTALE);
		destroy(world);
	}
	assert_true(n > 10);
}

static int create_action(void *context)
{
	struct kev_ops *ops = kev_ops_create(context);

	kev_ops_destroy(ops);
	return ops ? 0 : -ENOMEM;
}

static void test_create_without_memory(void **state)
{
	struct world *world = create(false);
	struct kev_ops_config config = {.tree = world->tree, .clock = &world->clock};

	(void)state;
	assert_int_equal(nomem_fail_each(create_action, &config), 2);
	destroy(world);
}

/* Who cannot be kept waiting is told so. */
static void test_park_without_memory(void **state)
{
	struct world *world = create(true);

	(void)state;
	nomem_fail_in(1);
	ask(world, FUSE_LOOKUP, 22, KEV_TREE_ROOT, "default", 8);
	assert_true(nomem_end());
	assert_int_equal(reply_error(world, 22), -ENOMEM);
	ask(world, FUSE_LOOKUP, 23, KEV_TREE_ROOT, "default", 8);
	assert_int_equal(world->replies, 0);
	fill(world);
	kev_ops_release(world->ops);
	assert_int_equal(reply_error(world, 23), 0);
	destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_asks_for_what_makes_it_fast),
		cmocka_unit_test(test_lookup_of_nothing_is_remembered),
		cmocka_unit_test(test_lookup_name_too_long),
		cmocka_unit_test(test_lookup_gives_the_attributes),
		cmocka_unit_test(test_read_in_pieces),
		cmocka_unit_test(test_open_is_the_kernels_own_business),
		cmocka_unit_test(test_readlink),
		cmocka_unit_test(test_readdirplus_counts_what_it_gave),
		cmocka_unit_test(test_a_reply_that_fails_is_undone),
		cmocka_unit_test(test_readdir_with_no_room),
		cmocka_unit_test(test_statfs_tells_the_truth_and_alarms_nobody),
		cmocka_unit_test(test_parked_requests_wait_for_the_tree),
		cmocka_unit_test(test_getxattr),
		cmocka_unit_test(test_listxattr),
		cmocka_unit_test(test_xattr_stale),
		cmocka_unit_test(test_xattr_off),
		cmocka_unit_test(test_parked_umount_never_waits),
		cmocka_unit_test(test_parked_status_never_waits),
		cmocka_unit_test(test_parked_requests_end_with_eagain),
		cmocka_unit_test(test_parked_requests_can_be_interrupted),
		cmocka_unit_test(test_parked_requests_are_bounded),
		cmocka_unit_test(test_every_operation_is_counted),
		cmocka_unit_test(test_time_in_the_park_counts),
		cmocka_unit_test(test_stat_fill_x),
		cmocka_unit_test(test_without_memory),
		cmocka_unit_test(test_create_without_memory),
		cmocka_unit_test(test_park_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
