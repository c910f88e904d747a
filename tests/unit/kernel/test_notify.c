/*
 * The thread that carries changes over, without a kernel: what it notifies is caught where libfuse would
 * write it.
 */
#include "../log_stub.h"
#include "../test.h"
#include "../words.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/fuse.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/event/event.h"
#include "kevfs/kernel/notify.h"
#include "kevfs/kernel/senders.h"
#include "kevfs/store/store.h"

#define SENT_MAX 1000

/* A notification as the kernel gets it. */
struct sent {
	int code;
	uint64_t node;
	int64_t offset, len; /* of INVAL_INODE; of STORE the offset */
};

struct world {
	int64_t now; /* both clocks */
	struct kev_clock clock;
	struct kev_json *json;
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_health *health;
	struct kev_tree *tree;
	struct kev_ops *ops;
	struct fuse_session *session;
	struct kev_notify *notify;

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t cond;
	bool clock_stands; /* whoever asks what time it is waits */
	bool is_asked;
	bool entries_held; /* whoever notifies a name waits */
	bool is_held;
	bool no_memory;         /* for the tree */
	unsigned refuse_stores; /* so many are of a node that the kernel does not know */
	int64_t skew;           /* that the monotonic clock is ahead */
	char said[4096];        /* warnings */
	unsigned releases;      /* how often memory was given back */
	size_t sent_count;
	struct sent sent[SENT_MAX];
};

/* libfuse hands its userdata, the ops, to the I/O callbacks. */
static struct world *the_world;

static int64_t read_realtime(void *context)
{
	struct world *world = context;

	pthread_mutex_lock(&world->lock);
	world->is_asked = true;
	pthread_cond_broadcast(&world->cond);
	while (world->clock_stands)
		pthread_cond_wait(&world->cond, &world->lock);
	pthread_mutex_unlock(&world->lock);
	return world->now;
}

static int64_t read_monotonic(void *context)
{
	struct world *world = context;
	struct timespec now;
	int64_t skew;

	pthread_mutex_lock(&world->lock);
	skew = world->skew;
	pthread_mutex_unlock(&world->lock);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * KEV_NS_PER_SEC + now.tv_nsec + skew;
}

void kev_log(enum kev_log_level level, const char *format, ...)
{
	struct world *world = the_world;
	va_list arguments;
	size_t len;

	if (level > KEV_LOG_WARNING)
		return;
	pthread_mutex_lock(&world->lock);
	len = strlen(world->said);
	va_start(arguments, format);
	vsnprintf(world->said + len, sizeof(world->said) - len, format, arguments);
	va_end(arguments);
	pthread_mutex_unlock(&world->lock);
}

static struct sent parse(int code, const void *body)
{
	const struct fuse_notify_inval_inode_out *inode = body;
	const struct fuse_notify_inval_entry_out *entry = body;
	const struct fuse_notify_store_out *store = body;

	if (code == FUSE_NOTIFY_INVAL_ENTRY)
		return (struct sent){.code = code, .node = entry->parent};
	if (code == FUSE_NOTIFY_STORE)
		return (struct sent){.code = code, .node = store->nodeid, .offset = (int64_t)store->offset};
	assert_int_equal(code, FUSE_NOTIFY_INVAL_INODE);
	return (struct sent){.code = code, .node = inode->ino, .offset = inode->off, .len = inode->len};
}

static int take_locked(struct world *world, const struct sent *sent)
{
	assert_true(world->sent_count < SENT_MAX);
	world->sent[world->sent_count++] = *sent;
	world->is_held = world->entries_held && sent->code == FUSE_NOTIFY_INVAL_ENTRY;
	pthread_cond_broadcast(&world->cond);
	while (world->entries_held && sent->code == FUSE_NOTIFY_INVAL_ENTRY)
		pthread_cond_wait(&world->cond, &world->lock);
	if (sent->code != FUSE_NOTIFY_STORE || !world->refuse_stores)
		return 0;
	world->refuse_stores--;
	return ENOENT;
}

static ssize_t catch (int fd, struct iovec *iov, int count, void *userdata)
{
	struct world *world = the_world;
	struct fuse_out_header header;
	struct sent sent;

	(void)fd, (void)userdata;
	memcpy(&header, iov[0].iov_base, sizeof(header));
	if (header.unique || count < 2)
		return header.len; /* the answer to INIT */
	sent = parse(header.error, iov[1].iov_base);
	pthread_mutex_lock(&world->lock);
	errno = take_locked(world, &sent);
	pthread_mutex_unlock(&world->lock);
	return errno ? -1 : (ssize_t)header.len;
}

static ssize_t no_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)fd, (void)buf, (void)len, (void)userdata;
	return 0;
}

static void say_hello(struct world *world)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in init;
	} request = {{.len = sizeof(request), .opcode = FUSE_INIT, .unique = 1}, {.major = 7, .minor = 31}};
	struct fuse_buf buf = {.size = sizeof(request), .mem = &request};

	fuse_session_process_buf(world->session, &buf);
}

static void create_session(struct world *world)
{
	static const struct fuse_custom_io io = {.writev = catch, .read = no_read};
	char *argv[] = {(char *)(uintptr_t) "kevfs", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	world->session =
		fuse_session_new(&args, kev_ops_table(), sizeof(struct fuse_lowlevel_ops), world->ops);
	fuse_opt_free_args(&args);
	assert_non_null(world->session);
	/* libfuse closes the descriptor itself */
	assert_int_equal(
		fuse_session_custom_io(world->session, &io, open("/dev/null", O_RDWR | O_CLOEXEC)), 0);
	say_hello(world);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	the_world = *state = world;
	pthread_mutex_init(&world->lock, NULL);
	pthread_cond_init(&world->cond, NULL);
	world->now = 1795046400LL * KEV_NS_PER_SEC; /* 2026-11-19 */
	world->clock = (struct kev_clock){.realtime = read_realtime,
		.monotonic = read_monotonic,
		.boottime = read_monotonic,
		.context = world};
	world->json = kev_json_create();
	world->changes = kev_changes_create(16);
	world->store = kev_store_create(&world->clock, world->changes);
	world->tree = kev_tree_create(&world->clock, world->store);
	world->health = kev_health_create(&world->clock);
	kev_tree_set_log_max(world->tree, 1 << 20);
	world->ops = kev_ops_create(&(struct kev_ops_config){.tree = world->tree,
		.clock = &world->clock,
		.health = world->health,
		.meter = kev_store_meter(world->store)});
	create_session(world);
	world->notify = kev_notify_create(&(struct kev_notify_config){.session = world->session,
		.tree = world->tree,
		.changes = world->changes,
		.ops = world->ops,
		.meter = kev_store_meter(world->store),
		.health = world->health,
		.clock = &world->clock});
	return !world->notify;
}

static void set(struct world *world, bool *what, bool value)
{
	pthread_mutex_lock(&world->lock);
	*what = value;
	pthread_cond_broadcast(&world->cond);
	pthread_mutex_unlock(&world->lock);
}

static void await(struct world *world, const bool *what)
{
	pthread_mutex_lock(&world->lock);
	while (!*what)
		pthread_cond_wait(&world->cond, &world->lock);
	pthread_mutex_unlock(&world->lock);
}

static int teardown(void **state)
{
	struct world *world = *state;

	set(world, &world->clock_stands, false);
	set(world, &world->entries_held, false);
	kev_notify_destroy(world->notify);
	kev_ops_destroy(world->ops);
	fuse_session_destroy(world->session);
	kev_tree_destroy(world->tree);
	kev_health_destroy(world->health);
	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
	kev_json_destroy(world->json);
	pthread_cond_destroy(&world->cond);
	pthread_mutex_destroy(&world->lock);
	free(world);
	return 0;
}

static void put_in(struct world *world, const char *namespace_, const char *name)
{
	struct kev_event *event;
	char *text = NULL;

	assert_true(asprintf(&text,
			    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s\","
			    "\"resourceVersion\":\"7\",\"creationTimestamp\":\"2026-11-23T00:00:00Z\"},"
			    "\"involvedObject\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"namespace\":"
			    "\"%s\",\"name\":\"web\"},\"message\":\"hello\"}",
			    name, namespace_, name, namespace_) > 0);
	assert_int_equal(kev_json_scan(world->json, kev_str_c(text), NULL), 0);
	assert_int_equal(kev_event_create(world->json, 0, words(), &event, NULL), 0);
	assert_int_equal(kev_store_put(world->store, event, KEV_ORIGIN_LIVE), 0);
	free(text);
}

static void put(struct world *world, const char *name)
{
	put_in(world, "shop", name);
}

static uint64_t look_up(struct world *world, uint64_t parent, const char *name)
{
	struct kev_entry entry = {0};

	assert_int_equal(kev_tree_lookup(world->tree, parent, kev_str_c(name), &entry), 0);
	assert_int_not_equal(entry.node, 0);
	return entry.node;
}

/* What the journal says first of all; until then nobody looks. */
static void sync_tree(struct world *world)
{
	bool resync;

	kev_changes_take(world->changes, NULL, 0, 0, &resync);
	assert_int_equal(kev_notify_follow(world->tree, world->changes, NULL, NULL), 0);
}

static void await_sent(struct world *world, size_t from, int code, uint64_t node, size_t *at)
{
	pthread_mutex_lock(&world->lock);
	for (*at = from;; (*at)++) {
		while (*at == world->sent_count)
			pthread_cond_wait(&world->cond, &world->lock);
		if (world->sent[*at].code == code && world->sent[*at].node == node)
			break;
	}
	pthread_mutex_unlock(&world->lock);
}

/* The kernel comes to know a log after it was told its size: then that is told again, and all of its content
 * is taken anew. */
static void test_a_size_again(void **state)
{
	struct world *world = *state;
	uint64_t control, log;
	size_t first, again, content;

	put(world, "first");
	sync_tree(world);
	control = look_up(world, KEV_TREE_ROOT, ".kevfs");
	log = look_up(world, control, "events.log");
	world->refuse_stores = 1;
	assert_int_equal(kev_notify_start(world->notify), 0);
	put(world, "second");
	await_sent(world, 0, FUSE_NOTIFY_STORE, log, &first);
	await_sent(world, first + 1, FUSE_NOTIFY_STORE, log, &again);
	await_sent(world, first + 1, FUSE_NOTIFY_INVAL_INODE, log, &content);
	assert_int_equal(content, again - 1);
	assert_int_equal(world->sent[content].offset, 0);
	assert_int_equal(world->sent[content].len, 0);
	assert_int_equal(world->sent[first].offset, world->sent[again].offset);
	kev_tree_forget(world->tree, log, 1);
	kev_tree_forget(world->tree, control, 1);
}

/* Wait for some seconds until the log says that; what it has said is forgotten then. */
static void await_said(struct world *world, const char *what)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};
	bool said = false;

	for (int i = 0; i < 20000 && !said; i++) {
		nanosleep(&tick, NULL);
		pthread_mutex_lock(&world->lock);
		said = strstr(world->said, what);
		if (said)
			world->said[0] = '\0';
		pthread_mutex_unlock(&world->lock);
	}
	assert_true(said);
}

static void await_stale(struct world *world, bool stale)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	for (int i = 0; i < 20000 && kev_health_stale(world->health) != stale; i++)
		nanosleep(&tick, NULL);
	assert_int_equal(kev_health_stale(world->health), stale);
}

int __real_kev_tree_follow(struct kev_tree *tree, struct kev_changes *changes, uint64_t *missing,
	kev_tree_stale_fn *stale, void *context);
int __wrap_kev_tree_follow(struct kev_tree *tree, struct kev_changes *changes, uint64_t *missing,
	kev_tree_stale_fn *stale, void *context);

int __wrap_kev_tree_follow(struct kev_tree *tree, struct kev_changes *changes, uint64_t *missing,
	kev_tree_stale_fn *stale, void *context)
{
	bool fails;

	pthread_mutex_lock(&the_world->lock);
	fails = the_world->no_memory;
	pthread_mutex_unlock(&the_world->lock);
	if (fails)
		return -ENOMEM;
	return __real_kev_tree_follow(tree, changes, missing, stale, context);
}

/* Where there is no memory to show what changed, that is said for as long as it lasts. */
static void test_behind(void **state)
{
	struct world *world = *state;
	struct kev_health_record *record = kev_health_add(world->health, KEV_SCOPE_EVENTS, NULL);
	uint64_t namespace_;

	kev_health_synced(world->health);
	kev_health_connected(world->health, record);
	assert_false(kev_health_stale(world->health));
	put(world, "first");
	world->no_memory = true;
	assert_int_equal(kev_notify_start(world->notify), 0);
	await_said(world, "no memory for the tree");
	await_stale(world, true);
	set(world, &world->no_memory, false);
	await_said(world, "memory again");
	await_stale(world, false);
	namespace_ = look_up(world, KEV_TREE_ROOT, "shop");
	kev_tree_forget(world->tree, namespace_, 1);
}

int __wrap_malloc_trim(size_t pad);

int __wrap_malloc_trim(size_t pad)
{
	assert_int_equal(pad, 0);
	pthread_mutex_lock(&the_world->lock);
	the_world->releases++;
	pthread_mutex_unlock(&the_world->lock);
	return 0;
}

static unsigned releases(struct world *world)
{
	unsigned count;

	pthread_mutex_lock(&world->lock);
	count = world->releases;
	pthread_mutex_unlock(&world->lock);
	return count;
}

static void await_releases(struct world *world, unsigned count)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	for (int i = 0; i < 20000 && releases(world) < count; i++)
		nanosleep(&tick, NULL);
	assert_int_equal(releases(world), count);
}

/* Behind what used memory it is given back once, also where nothing happens any more; but not all the time.
 */
static void test_memory_is_given_back(void **state)
{
	const struct timespec long_enough = {0, 100 * KEV_NS_PER_MS};
	struct world *world = *state;

	put(world, "first");
	sync_tree(world);
	assert_int_equal(kev_notify_start(world->notify), 0);
	await_releases(world, 1);
	pthread_mutex_lock(&world->lock);
	world->skew = 59500 * KEV_NS_PER_MS;
	pthread_mutex_unlock(&world->lock);
	put(world, "second");
	put(world, "third");
	await_releases(world, 2);
	nanosleep(&long_enough, NULL);
	assert_int_equal(releases(world), 2);
}

struct ending {
	struct world *world;
	int result;
	atomic_bool ended;
};

static void *end(void *context)
{
	struct ending *ending = context;

	ending->result = kev_notify_end(ending->world->notify, 10);
	atomic_store(&ending->ended, true);
	return NULL;
}

/* The thread that changes the tree may take long; but what it uses may be taken away afterwards. */
static void test_end_waits_for_the_tree(void **state)
{
	const struct timespec long_enough = {0, 100 * KEV_NS_PER_MS};
	struct world *world = *state;
	struct ending ending = {.world = world};
	struct kev_tree_usage before, after;
	pthread_t thread;

	put(world, "first");
	world->is_asked = false;
	world->clock_stands = true;
	assert_int_equal(kev_notify_start(world->notify), 0);
	await(world, &world->is_asked); /* in a resync */
	kev_tree_usage(world->tree, &before);
	assert_false(kev_notify_stop(world->notify, 10));
	assert_int_equal(pthread_create(&thread, NULL, end, &ending), 0);
	nanosleep(&long_enough, NULL);
	assert_false(atomic_load(&ending.ended));
	set(world, &world->clock_stands, false);
	pthread_join(thread, NULL);
	assert_true(ending.result);
	/* It gave up. */
	kev_tree_usage(world->tree, &after);
	assert_int_equal(after.nodes, before.nodes);
}

/* Not for one that sends: a reader may hold it for ever. */
static void test_end_leaves_who_sends(void **state)
{
	struct world *world = *state;
	uint64_t namespace_;

	put(world, "first");
	sync_tree(world);
	namespace_ = look_up(world, KEV_TREE_ROOT, "shop");
	world->entries_held = true;
	assert_int_equal(kev_notify_start(world->notify), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("other"), 0), 0);
	await(world, &world->is_held);
	assert_false(kev_notify_end(world->notify, 10));
	assert_false(kev_notify_end(world->notify, 10));
	set(world, &world->entries_held, false);
	assert_true(kev_notify_end(world->notify, 10000));
	kev_tree_forget(world->tree, namespace_, 1);
}

/* Hold as many directories as can be: something changes in each of them. */
static void halt(struct world *world, const char *event)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};
	struct kev_health_state state;
	char name[16];

	set(world, &world->entries_held, true);
	for (int i = 0; i < KEV_SENDERS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put_in(world, name, event);
	}
	do {
		nanosleep(&tick, NULL);
		kev_health_get(world->health, &state);
	} while (!state.held.halted_since);
}

/* That nothing goes on is not said as often as somebody likes; but where it lasts, it is. */
static void test_halted_again(void **state)
{
	struct world *world = *state;
	uint64_t nodes[KEV_SENDERS_MAX], namespaces;
	char name[16];

	for (int i = 0; i < KEV_SENDERS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put_in(world, name, "first");
	}
	sync_tree(world);
	namespaces = look_up(world, look_up(world, KEV_TREE_ROOT, ".kevfs"), "namespaces");
	for (int i = 0; i < KEV_SENDERS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		nodes[i] = look_up(world, look_up(world, namespaces, name), "events");
	}
	assert_int_equal(kev_notify_start(world->notify), 0);
	halt(world, "second");
	await_said(world, "nothing that changes is seen any more");
	set(world, &world->entries_held, false);
	await_said(world, "what changes is seen again");
	halt(world, "third");
	pthread_mutex_lock(&world->lock);
	assert_null(strstr(world->said, "nothing that changes"));
	world->skew = 60 * KEV_NS_PER_SEC;
	pthread_mutex_unlock(&world->lock);
	await_said(world, "nothing that changes is seen any more");
	set(world, &world->entries_held, false);
	await_said(world, "what changes is seen again");
	for (int i = 0; i < KEV_SENDERS_MAX; i++)
		kev_tree_forget(world->tree, nodes[i], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_size_again),
		TEST(test_behind),
		TEST(test_memory_is_given_back),
		TEST(test_end_waits_for_the_tree),
		TEST(test_end_leaves_who_sends),
		TEST(test_halted_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
