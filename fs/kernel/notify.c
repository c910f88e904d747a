#include "kevfs/kernel/notify.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"
#include "kevfs/kernel/senders.h"

/* Changes carried over at once. */
#define BATCH 256

/* While something is to be tried again, or is being sent, or requests are parked, the thread looks this
 * often.
 */
#define TICK_MS 20

/* What a storm or a relist took is free again behind it, but in pages between others that are in use. As
 * often as that, where something has changed, they are given back to the system; it takes milliseconds. */
#define RELEASE_NS (60 * KEV_NS_PER_SEC)

/* A reader who holds directories again and again does not fill the log. */
#define HELD_LOG_NS (60 * KEV_NS_PER_SEC)
#define PATH_MAX_SHOWN 4096

/* Directories and logs whose attributes the kernel did not know yet: see again(). */
#define AGAIN_MAX 1024
struct again {
	enum kev_stale_kind kind;
	uint64_t node, offset;
};

struct kev_notify {
	struct kev_notify_config config;
	struct kev_senders *senders;
	pthread_t thread;
	bool started;

	atomic_bool stopping; /* send nothing more */
	atomic_bool synced;   /* the store is complete */
	atomic_bool ended;    /* the thread is about to return */

	pthread_mutex_t lock; /* protects what is to be sent again; a leaf */
	struct again again[AGAIN_MAX];
	size_t again_count;

	/* The thread's own. */
	struct kev_change batch[BATCH];
	bool resync;
	bool behind;                  /* there is no memory to show what the store has */
	bool busy;                    /* something is being sent, or held */
	bool growing;                 /* logs may have grown since they were published last */
	int64_t publish_at;           /* monotonic ns: not before */
	int64_t release_at;           /* likewise: memory is given back */
	bool used;                    /* memory, since it was */
	uint64_t refresh;             /* a directory of which not all was told; 0: none */
	struct kev_senders_held held; /* as it was told last */
	int64_t held_log_at;          /* monotonic ns: not before */
	int64_t halted_log_at;        /* likewise */
	bool halted_told;             /* the log says that nothing goes on */
};

/*
 * The kernel answers ENOENT for an inode that it does not know. Mostly that is the end of it: it holds
 * nothing that could be stale. But a LOOKUP or READDIRPLUS may be on its way that was answered before the
 * change, and then the old attributes arrive after the notification, to stay for ever. So as long as the tree
 * knows the node (somebody was told its number and has not forgotten it), the notification is sent again,
 * until the kernel either takes it or forgets the node.
 *
 * Names need none of this: the kernel serializes inval_entry with the lookups of the same directory. Nor do
 * files, but for logs: a revision's attributes never change.
 */
static void again(struct kev_notify *notify, const struct kev_stale *stale)
{
	bool full = false;
	size_t i = 0;

	pthread_mutex_lock(&notify->lock);
	while (i < notify->again_count && notify->again[i].node != stale->node)
		i++;
	if (i < notify->again_count) {
		/* A listing's invalidation is one of the attributes as well. */
		if (stale->kind == KEV_STALE_LISTING)
			notify->again[i].kind = KEV_STALE_LISTING;
		/* Of sizes the last counts. */
		notify->again[i].offset = stale->offset;
	} else if (i < AGAIN_MAX) {
		notify->again[notify->again_count++] =
			(struct again){stale->kind, stale->node, stale->offset};
	} else {
		full = true;
	}
	pthread_mutex_unlock(&notify->lock);
	if (full)
		kev_log_warning("over %d directories and logs wait for the kernel to take their invalidation",
			AGAIN_MAX);
}

/* A log's last byte, by which the kernel learns the size (publish.h). */
static int store_newline(struct fuse_session *session, const struct kev_stale *stale)
{
	struct fuse_bufvec newline = FUSE_BUFVEC_INIT(1);
	char byte = '\n';

	newline.buf[0].mem = &byte;
	return fuse_lowlevel_notify_store(session, stale->node, (off_t)stale->offset - 1, &newline, 0);
}

/* The only place that notifies. No lock is held here. @return 0 or -errno */
static int call_kernel(struct fuse_session *session, const struct kev_stale *stale)
{
	int r;

	switch (stale->kind) {
	case KEV_STALE_ENTRY:
		return fuse_lowlevel_notify_inval_entry(
			session, stale->node, stale->name, strlen(stale->name));
	case KEV_STALE_LISTING:
		return fuse_lowlevel_notify_inval_inode(session, stale->node, 0, 0);
	case KEV_STALE_ATTR:
		return fuse_lowlevel_notify_inval_inode(session, stale->node, -1, 0);
	case KEV_STALE_TAIL:
		return fuse_lowlevel_notify_inval_inode(session, stale->node, (off_t)stale->offset, 0);
	case KEV_STALE_SIZE:
		r = store_newline(session, stale);
		return r ? r : fuse_lowlevel_notify_inval_inode(session, stale->node, -1, 0);
	}
	return -EINVAL;
}

/* The same, counted, and to be seen while it lasts. */
static int notify_kernel(struct kev_notify *notify, const struct kev_stale *stale)
{
	static const enum kev_meter_counter counters[] = {[KEV_STALE_ENTRY] = KEV_METER_STALE_ENTRIES,
		[KEV_STALE_LISTING] = KEV_METER_STALE_LISTINGS,
		[KEV_STALE_ATTR] = KEV_METER_STALE_ATTRS,
		[KEV_STALE_TAIL] = KEV_METER_STALE_TAILS,
		[KEV_STALE_SIZE] = KEV_METER_STALE_SIZES};
	struct kev_meter *meter = notify->config.meter;
	struct kev_meter_mark *mark =
		kev_meter_begin(meter, KEV_METER_NOTIFYING, kev_clock_monotonic(notify->config.clock));
	int r = call_kernel(notify->config.session, stale);

	/* It may have taken until after the end: nothing else is there any more. */
	if (atomic_load(&notify->stopping))
		return r;
	kev_meter_end(mark);
	kev_meter_add(meter, counters[stale->kind], 1);
	return r;
}

/* In one of the threads that send, or in this one. */
static void send_stale(void *context, const struct kev_stale *stale)
{
	struct kev_notify *notify = context;
	struct kev_attr attr;
	int r;

	if (atomic_load(&notify->stopping))
		return;
	r = notify_kernel(notify, stale);
	if (atomic_load(&notify->stopping))
		return;
	/* libfuse's own, before the kernel has said hello: it knows nothing yet that could be stale. */
	if (r == -ENOSYS)
		return;
	/* Of a file that the kernel does not know (yet) it has no content. */
	if (r == -ENOENT && (stale->kind == KEV_STALE_LISTING || stale->kind == KEV_STALE_ATTR ||
				    stale->kind == KEV_STALE_SIZE)) {
		if (kev_tree_getattr(notify->config.tree, stale->node, &attr) == 0)
			again(notify, stale);
	} else if (r && r != -ENOENT && r != -ENODEV && r != -EBADF && r != -ENOTCONN) {
		kev_meter_add(notify->config.meter, KEV_METER_STALE_REFUSED, 1);
		kev_log_error("the kernel refuses a notification: %s", strerror(-r));
	}
}

/*
 * What went stale goes to the threads that send. But what is told of a log's file holds nobody up, and what
 * follows counts on it having been told: that is sent here, behind all that came before.
 */
static void tell(void *context, const struct kev_stale *stale)
{
	struct kev_notify *notify = context;

	if (atomic_load(&notify->stopping))
		return;
	if (stale->kind != KEV_STALE_TAIL && stale->kind != KEV_STALE_SIZE) {
		kev_senders_push(notify->senders, stale);
		return;
	}
	kev_senders_flush(notify->senders);
	send_stale(notify, stale);
}

/* Of a log whose inode the kernel begins to know late, with a size from before, the last page may have been
 * read and then been filled up with zeros, as a GETATTR raised the size (publish.h). */
static void tell_again(struct kev_notify *notify, const struct again *again)
{
	const struct kev_stale stale = {.kind = again->kind, .node = again->node, .offset = again->offset};
	const struct kev_stale content = {.kind = KEV_STALE_TAIL, .node = again->node, .offset = 0};

	if (again->kind == KEV_STALE_SIZE)
		tell(notify, &content);
	tell(notify, &stale);
}

static void send_again(struct kev_notify *notify)
{
	struct again again[AGAIN_MAX];
	size_t count;

	pthread_mutex_lock(&notify->lock);
	count = notify->again_count;
	notify->again_count = 0;
	memcpy(again, notify->again, count * sizeof(*again));
	pthread_mutex_unlock(&notify->lock);
	for (size_t i = 0; i < count; i++)
		tell_again(notify, &again[i]);
}

static bool is_any_again(struct kev_notify *notify)
{
	bool any;

	pthread_mutex_lock(&notify->lock);
	any = notify->again_count;
	pthread_mutex_unlock(&notify->lock);
	return any;
}

int kev_notify_follow(
	struct kev_tree *tree, struct kev_changes *changes, kev_tree_stale_fn *stale, void *context)
{
	uint64_t missing = 0;
	int r = kev_tree_follow(tree, changes, &missing, stale, context);

	if (missing)
		kev_log_warning("%llu revisions are missing in the logs", (unsigned long long)missing);
	return r;
}

/* Make the tree equal to the store. @return 0 or -ENOMEM */
static int resync_tree(struct kev_notify *notify, kev_tree_stale_fn *stale)
{
	return kev_notify_follow(notify->config.tree, notify->config.changes, stale, notify);
}

/* What was appended to logs is told in steps, each some time after the one before. */
static void publish(struct kev_notify *notify)
{
	const struct kev_clock *clock = notify->config.clock;

	if (!notify->growing || kev_clock_monotonic(clock) < notify->publish_at)
		return;
	notify->growing = kev_tree_publish(notify->config.tree, tell, notify);
	/* From when the last was sent; where no step is to follow, the next begins at once. */
	notify->publish_at =
		notify->growing ? kev_clock_monotonic(clock) + KEV_TREE_PUBLISH_MS * KEV_NS_PER_MS : 0;
}

/* @param at  monotonic ns, soon */
static int ms_until(const struct kev_notify *notify, int64_t at)
{
	int64_t left = at - kev_clock_monotonic(notify->config.clock);

	return left > 0 ? (int)(left / KEV_NS_PER_MS) + 1 : 0;
}

/* How long the thread may wait for changes, as kev_changes_take() has it. */
static int patience(struct kev_notify *notify)
{
	if (notify->growing)
		return ms_until(notify, notify->publish_at);
	if (notify->busy || notify->refresh || notify->resync || is_any_again(notify))
		return TICK_MS;
	return notify->used ? ms_until(notify, notify->release_at) : -1;
}

/* Wait for the first sync; expire parked requests meanwhile. */
static void wait_synced(struct kev_notify *notify)
{
	const struct timespec tick = {0, TICK_MS * KEV_NS_PER_MS};

	while (!atomic_load(&notify->synced) && !atomic_load(&notify->stopping)) {
		nanosleep(&tick, NULL);
		kev_ops_expire(notify->config.ops);
	}
	if (atomic_load(&notify->stopping))
		return;
	/*
	 * No name and no listing is notified before the parked requests are answered: they hold the locks of
	 * their directories, so each side would wait for the other. Nothing needs to be: until now the kernel
	 * was told nothing but the root's attributes, and those take no lock.
	 */
	while (resync_tree(notify, NULL) != 0) {
		if (atomic_load(&notify->stopping))
			return;
		kev_log_error("no memory for the tree; trying again");
		nanosleep(&tick, NULL);
	}
	if (atomic_load(&notify->stopping))
		return; /* what is parked is answered by kev_ops_destroy(): the tree may lack something */
	tell(notify, &(struct kev_stale){.kind = KEV_STALE_ATTR, .node = KEV_TREE_ROOT});
	kev_senders_flush(notify->senders);
	kev_ops_release(notify->config.ops);
}

/* A directory that was held for too long to know what went stale in it meanwhile. */
static void refresh(struct kev_notify *notify)
{
	while (notify->refresh || kev_senders_take_lost(notify->senders, &notify->refresh)) {
		if (kev_tree_refresh(notify->config.tree, notify->refresh, tell, notify) != 0)
			return;
		notify->refresh = 0;
	}
}

static void log_held(struct kev_notify *notify, uint64_t node)
{
	KEV_CLEANUP(buf_fini) struct kev_buf path;

	kev_buf_init(&path, PATH_MAX_SHOWN);
	if (kev_tree_path(notify->config.tree, node, &path) != 0)
		kev_buf_clear(&path);
	kev_log_warning("somebody who lists %.*s does not go on: what changes there is not seen until then",
		(int)path.len, path.len ? path.data : "");
}

/* Nothing goes on, or it does again. Who does that again and again does not fill the log; but what it says
 * last is true, be it late. */
static void log_halted(struct kev_notify *notify, bool halted)
{
	int64_t now = kev_clock_monotonic(notify->config.clock);

	if (halted == notify->halted_told || now < notify->halted_log_at)
		return;
	notify->halted_told = halted;
	if (halted) {
		kev_log_error("local readers hold all of %d directories that can be: nothing that changes "
			      "is seen any more, until one of them goes on",
			KEV_SENDERS_MAX);
		return;
	}
	notify->halted_log_at = now + HELD_LOG_NS;
	kev_log_warning("what changes is seen again");
}

/* Tell of directories that local readers hold, and of their end. Also while this thread waits for who sends.
 */
static void report_held(void *context)
{
	struct kev_notify *notify = context;
	struct kev_senders_held held, before = notify->held;
	uint64_t node;

	while (kev_senders_take_held(notify->senders, &node)) {
		int64_t now = kev_clock_monotonic(notify->config.clock);

		if (now < notify->held_log_at)
			continue;
		notify->held_log_at = now + HELD_LOG_NS;
		log_held(notify, node);
	}
	kev_senders_held(notify->senders, &held);
	log_halted(notify, held.halted_since);
	if (held.count == before.count && held.halted_since == before.halted_since)
		return;
	notify->held = held;
	kev_health_held(notify->config.health,
		&(struct kev_health_held){
			.directories = held.count, .since = held.since, .halted_since = held.halted_since});
	if (!held.count && before.count)
		kev_log_info("no directory is held any more");
}

/* See that everything is sent. */
static void tend(struct kev_notify *notify)
{
	bool was = notify->busy;

	kev_senders_wake(notify->senders);
	notify->busy = kev_senders_tend(notify->senders);
	if (!was && !notify->busy && !notify->held.count && !notify->held.halted_since)
		return;
	report_held(notify);
	refresh(notify);
}

/* Where there is no memory for what is to be shown, all of it is tried again until there is. */
static void report_behind(struct kev_notify *notify)
{
	bool behind = notify->resync || notify->refresh;

	if (behind == notify->behind)
		return;
	notify->behind = behind;
	if (behind)
		kev_log_error("no memory for the tree: what changed is not seen; trying again");
	else
		kev_log_warning("the tree has memory again: what changed is seen");
	kev_health_behind(notify->config.health, behind);
}

/* Give back what was let go of since the last time. */
static void release_memory(struct kev_notify *notify)
{
	int64_t now = kev_clock_monotonic(notify->config.clock);

	if (!notify->used || now < notify->release_at)
		return;
	notify->used = false;
	notify->release_at = now + RELEASE_NS;
	malloc_trim(0);
}

/* Carry over what the journal holds. */
static void carry(struct kev_notify *notify)
{
	bool resync = false;
	size_t count =
		kev_changes_take(notify->config.changes, notify->batch, BATCH, patience(notify), &resync);
	struct kev_meter_mark *mark = kev_meter_begin(
		notify->config.meter, KEV_METER_CARRYING, kev_clock_monotonic(notify->config.clock));

	if (kev_tree_apply(notify->config.tree, notify->batch, count, tell, notify) != 0)
		notify->resync = true;
	for (size_t i = 0; i < count; i++)
		kev_change_fini(&notify->batch[i]);
	/* One that failed before may bring lines, too. */
	resync = resync || notify->resync;
	if (resync) {
		kev_meter_add(notify->config.meter, KEV_METER_RESYNCS, 1);
		notify->resync = resync_tree(notify, tell) != 0;
	}
	notify->growing = notify->growing || count || resync;
	publish(notify);
	send_again(notify);
	tend(notify);
	report_behind(notify);
	notify->used = notify->used || count || resync;
	release_memory(notify);
	kev_meter_end(mark);
}

static void *run(void *context)
{
	struct kev_notify *notify = context;

	pthread_setname_np(pthread_self(), "kevfs-notify");
	if (notify->config.delayed)
		wait_synced(notify);
	/* By the first sync. */
	notify->used = true;
	while (!atomic_load(&notify->stopping) && !kev_changes_closed(notify->config.changes))
		carry(notify);
	atomic_store(&notify->ended, true);
	return NULL;
}

struct kev_notify *kev_notify_create(const struct kev_notify_config *config)
{
	struct kev_notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return NULL;
	notify->config = *config;
	pthread_mutex_init(&notify->lock, NULL);
	notify->senders = kev_senders_create(&(struct kev_senders_config){
		.send = send_stale, .waiting = report_held, .context = notify, .clock = config->clock});
	if (notify->senders)
		return notify;
	kev_notify_destroy(notify);
	return NULL;
}

int kev_notify_start(struct kev_notify *notify)
{
	int r = kev_senders_start(notify->senders);

	if (!r)
		r = kev_thread_start(&notify->thread, run, notify);
	notify->started = r == 0;
	return r;
}

void kev_notify_synced(struct kev_notify *notify)
{
	atomic_store(&notify->synced, true);
}

bool kev_notify_stop(struct kev_notify *notify, int timeout_ms)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};
	bool quiet;
	int waited = 0;

	atomic_store(&notify->stopping, true);
	kev_changes_close(notify->config.changes);
	kev_tree_give_up(notify->config.tree);
	/* Whoever waits for those that send does so no more. */
	quiet = kev_senders_stop(notify->senders, timeout_ms);
	while (notify->started && !atomic_load(&notify->ended) && waited++ < timeout_ms)
		nanosleep(&tick, NULL);
	return quiet && (!notify->started || atomic_load(&notify->ended));
}

bool kev_notify_end(struct kev_notify *notify, int timeout_ms)
{
	bool quiet = kev_notify_stop(notify, timeout_ms);

	if (notify->started)
		pthread_join(notify->thread, NULL);
	notify->started = false;
	return quiet || kev_senders_stop(notify->senders, 0);
}

void kev_notify_abandon(struct kev_notify *notify)
{
	kev_senders_abandon(notify->senders);
}

void kev_notify_destroy(struct kev_notify *notify)
{
	if (!notify)
		return;
	if (notify->senders)
		kev_notify_end(notify, 0);
	kev_senders_destroy(notify->senders);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}
