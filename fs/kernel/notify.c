#include "kevfs/kernel/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"

/* Changes carried over at once. */
#define BATCH 256

/* While something is to be tried again, or requests are parked, the thread looks this often. */
#define TICK_MS 20

/* Directories and logs whose attributes the kernel did not know yet: see again(). */
#define AGAIN_MAX 1024

struct kev_notify {
	struct kev_notify_config config;
	pthread_t thread;
	bool started;

	atomic_bool stopping; /* send nothing more */
	atomic_bool synced;   /* the store is complete */
	atomic_bool ended;    /* the thread is about to return */

	/* The thread's own. */
	struct kev_change batch[BATCH];
	struct kev_stale again[AGAIN_MAX];
	size_t again_count;
	bool resync;
	bool growing;       /* logs may have grown since they were published last */
	int64_t publish_at; /* monotonic ns: not before */
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
	struct kev_attr attr;

	if (kev_tree_getattr(notify->config.tree, stale->node, &attr) != 0)
		return;
	for (size_t i = 0; i < notify->again_count; i++) {
		if (notify->again[i].node == stale->node) {
			/* A listing's invalidation is one of the attributes as well. */
			if (stale->kind == KEV_STALE_LISTING)
				notify->again[i].kind = KEV_STALE_LISTING;
			/* Of sizes the last counts. */
			notify->again[i].offset = stale->offset;
			return;
		}
	}
	if (notify->again_count == AGAIN_MAX) {
		kev_log_warning("over %d directories and logs wait for the kernel to take their invalidation",
			AGAIN_MAX);
		return;
	}
	notify->again[notify->again_count++] = *stale;
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

	kev_meter_end(mark);
	kev_meter_add(meter, counters[stale->kind], 1);
	return r;
}

static void send_stale(void *context, const struct kev_stale *stale)
{
	struct kev_notify *notify = context;
	int r;

	if (atomic_load(&notify->stopping))
		return;
	r = notify_kernel(notify, stale);
	/* libfuse's own, before the kernel has said hello: it knows nothing yet that could be stale. */
	if (r == -ENOSYS)
		return;
	/* Of a file that the kernel does not know (yet) it has no content. */
	if (r == -ENOENT && (stale->kind == KEV_STALE_LISTING || stale->kind == KEV_STALE_ATTR ||
				    stale->kind == KEV_STALE_SIZE))
		again(notify, stale);
	else if (r && r != -ENOENT && r != -ENODEV && r != -EBADF && r != -ENOTCONN) {
		kev_meter_add(notify->config.meter, KEV_METER_STALE_REFUSED, 1);
		kev_log_error("the kernel refuses a notification: %s", strerror(-r));
	}
}

static void send_again(struct kev_notify *notify)
{
	size_t count = notify->again_count;

	notify->again_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct kev_stale stale = notify->again[i];

		send_stale(notify, &stale);
	}
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
	kev_meter_add(notify->config.meter, KEV_METER_RESYNCS, 1);
	return kev_notify_follow(notify->config.tree, notify->config.changes, stale, notify);
}

/* What was appended to logs is told in steps, each some time after the one before. */
static void publish(struct kev_notify *notify)
{
	const struct kev_clock *clock = notify->config.clock;

	if (!notify->growing || kev_clock_monotonic(clock) < notify->publish_at)
		return;
	notify->growing = kev_tree_publish(notify->config.tree, send_stale, notify);
	/* From when the last was sent; where no step is to follow, the next begins at once. */
	notify->publish_at =
		notify->growing ? kev_clock_monotonic(clock) + KEV_TREE_PUBLISH_MS * KEV_NS_PER_MS : 0;
}

/* How long the thread may wait for changes, as kev_changes_take() has it. */
static int patience(struct kev_notify *notify)
{
	int64_t left = notify->publish_at - kev_clock_monotonic(notify->config.clock);

	if (notify->growing)
		return left > 0 ? (int)(left / KEV_NS_PER_MS) + 1 : 0;
	return notify->again_count || notify->resync ? TICK_MS : -1;
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
	while (resync_tree(notify, NULL) != 0 && !atomic_load(&notify->stopping)) {
		kev_log_error("no memory for the tree; trying again");
		nanosleep(&tick, NULL);
	}
	if (atomic_load(&notify->stopping))
		return; /* what is parked is answered by kev_ops_destroy(): the tree may lack something */
	send_stale(notify, &(struct kev_stale){.kind = KEV_STALE_ATTR, .node = KEV_TREE_ROOT});
	kev_ops_release(notify->config.ops);
}

/* Carry over what the journal holds. */
static void carry(struct kev_notify *notify)
{
	bool resync = false;
	size_t count =
		kev_changes_take(notify->config.changes, notify->batch, BATCH, patience(notify), &resync);
	struct kev_meter_mark *mark = kev_meter_begin(
		notify->config.meter, KEV_METER_CARRYING, kev_clock_monotonic(notify->config.clock));

	if (kev_tree_apply(notify->config.tree, notify->batch, count, send_stale, notify) != 0)
		notify->resync = true;
	for (size_t i = 0; i < count; i++)
		kev_change_fini(&notify->batch[i]);
	/* One that failed before may bring lines, too. */
	resync = resync || notify->resync;
	if (resync)
		notify->resync = resync_tree(notify, send_stale) != 0;
	notify->growing = notify->growing || count || resync;
	publish(notify);
	send_again(notify);
	kev_meter_end(mark);
}

static void *run(void *context)
{
	struct kev_notify *notify = context;

	pthread_setname_np(pthread_self(), "kevfs-notify");
	if (notify->config.delayed)
		wait_synced(notify);
	while (!atomic_load(&notify->stopping) && !kev_changes_closed(notify->config.changes))
		carry(notify);
	atomic_store(&notify->ended, true);
	return NULL;
}

struct kev_notify *kev_notify_create(const struct kev_notify_config *config)
{
	struct kev_notify *notify = calloc(1, sizeof(*notify));

	if (notify)
		notify->config = *config;
	return notify;
}

int kev_notify_start(struct kev_notify *notify)
{
	int r = kev_thread_start(&notify->thread, run, notify);

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

	atomic_store(&notify->stopping, true);
	kev_changes_close(notify->config.changes);
	if (!notify->started)
		return true;
	for (int waited = 0; !atomic_load(&notify->ended); waited++) {
		if (waited >= timeout_ms)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

void kev_notify_destroy(struct kev_notify *notify)
{
	if (!notify)
		return;
	kev_notify_stop(notify, 0);
	if (notify->started)
		pthread_join(notify->thread, NULL);
	free(notify);
}
