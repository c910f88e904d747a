/*
 * kevfs: Kubernetes Events as files.
 *
 * This file only wires the rooms together: command line → where and who → store ← feed, store → tree →
 * kernel.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "check.h"
#include "confine.h"
#include "daemon.h"
#include "lookout.h"
#include "options.h"
#include "resolve.h"
#include "systemd.h"

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/helper.h"
#include "kevfs/base/log.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/http.h"
#include "kevfs/kernel/mountpoint.h"
#include "kevfs/kernel/notify.h"
#include "kevfs/kernel/session.h"
#include "kevfs/store/archive.h"
#include "kevfs/store/changes.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"
#include "kevfs/tree/tree.h"
#include "kevfs/watch/dump.h"
#include "kevfs/watch/feed.h"
#include "kevfs/watch/replay.h"

/* mount(8)'s exit codes. */
#define EXIT_USAGE 1
#define EXIT_MOUNT 32

/* The journal between the feed and the tree: a burst of this many changes is followed one by one, a larger
 * one by comparing. */
#define CHANGES_MAX 65536

/* Revisions that a dump, or a burst, replaced before they were logged: kept for the logs, at least so many
 * bytes. */
#define LOST_BYTES_MIN (8ULL << 20)

/* Some lines. */
#define VERSION_MAX 4096

/* As glibc begins with, bytes. */
#define MMAP_THRESHOLD (128 << 10)

struct app {
	struct kev_options options;
	struct kev_cluster_config *cluster; /* NULL for a file */
	struct kev_helper *helper; /* unmounts, and runs the exec plugin; NULL where there is neither */
	char *dump;                /* the file's absolute path, or "-", or NULL */
	char *mountpoint;          /* absolute */
	char *state;               /* of -o state, absolute, or NULL */
	struct kev_buf version;    /* what --version says */

	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_health *health;
	struct kev_archive *archive; /* of -o state */
	bool loaded; /* it held everything once: that is shown until the server has answered */
	struct kev_tree *tree;
	struct kev_feed *feed;
	struct kev_replay *replay; /* of -o replay, in place of the feed */
	struct kev_session *session;
	struct kev_systemd systemd;
	struct kev_lookout *lookout; /* where systemd asks */
	bool progress_shown;

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t cond;
	bool synced;
	int sync_result;
	struct kev_error sync_error;
};

/* What this is, and what it stands on. @return 0 or -ENOMEM */
static int write_version(struct kev_buf *out)
{
	kev_buf_printf(out, "kevfs %s\nlibfuse %s\n", KEVFS_VERSION, fuse_pkgversion());
	kev_http_append_version(out);
	kev_buf_append_char(out, '\n');
	return kev_buf_cstr(out) && !out->error ? 0 : -ENOMEM;
}

/* Do requests wait for the first sync? */
static bool is_delayed(const struct app *app)
{
	return app->options.delay_sync && !app->loaded;
}

/* -o delay_sync and the foreground need no wait; everything else does. From the feed's thread. */
static void on_synced(void *context, int result, const struct kev_error *error)
{
	struct app *app = context;

	pthread_mutex_lock(&app->lock);
	app->synced = true;
	app->sync_result = result;
	if (result && error)
		app->sync_error = *error;
	pthread_cond_signal(&app->cond);
	pthread_mutex_unlock(&app->lock);
	if (result == 0 && app->archive)
		kev_archive_synced(app->archive);
	if (result == 0 && is_delayed(app))
		kev_session_synced(app->session);
}

static void on_progress(void *context, const struct kev_feed_progress *progress)
{
	struct app *app = context;

	app->progress_shown = true;
	if (progress->remaining)
		dprintf(STDERR_FILENO, "\rkevfs: %zu of about %zu events ", progress->events,
			progress->events + progress->remaining);
	else
		dprintf(STDERR_FILENO, "\rkevfs: %zu events ", progress->events);
}

static int wait_synced(struct app *app, struct kev_error *error)
{
	pthread_mutex_lock(&app->lock);
	while (!app->synced)
		pthread_cond_wait(&app->cond, &app->lock);
	pthread_mutex_unlock(&app->lock);
	if (app->progress_shown)
		dprintf(STDERR_FILENO, "\r\033[K");
	if (app->sync_result)
		*error = app->sync_error;
	return app->sync_result;
}

/* The daemon leaves this directory, so the mountpoint must not depend on it. */
static int resolve_mountpoint(struct app *app, struct kev_error *error)
{
	const char *given = app->options.mountpoint;
	bool handed = kev_mountpoint_is_handed(given);
	int r;

	/* mount.fuse(8) with drop_privileges hands over a mount that is there, and what it is cannot be
	 * changed any more. */
	if (handed && !(app->options.ro && app->options.default_permissions)) {
		kev_error_set(error, "drop_privileges: mount.fuse mounts before kevfs can say how; add "
				     "ro,default_permissions");
		return -EINVAL;
	}
	if (handed && app->options.auto_unmount) {
		kev_error_set(error, "-o auto_unmount cannot be had with drop_privileges: mount.fuse mounts");
		return -EINVAL;
	}
	app->mountpoint = handed ? strdup(given) : kev_mountpoint_resolve(given);
	r = app->mountpoint ? 0 : -errno;
	if (r)
		kev_error_set(error, "mountpoint %s: %s", given, strerror(-r));
	return r;
}

_Static_assert(KEV_OPTIONS_REPLAY_ONE == KEV_REPLAY_SPEED_ONE, "one unit for -o replay and what plays");

static int create_replay(struct app *app, struct kev_error *error)
{
	const struct kev_replay_config config = {.path = app->dump,
		.namespaces = (const char *const *)app->options.namespaces,
		.speed = app->options.replay,
		.clock = kev_clock_system(),
		.store = app->store};

	return kev_replay_create(&config, &app->replay, error);
}

/* What the history is of: only what comes from the same place may be in it. */
static int open_archive(struct app *app, struct kev_error *error)
{
	struct kev_archive_config config = {.directory = app->state,
		.view = {.server = app->cluster->server, .field_selector = app->options.field_selector},
		.retain = app->options.retain,
		.clock = kev_clock_system(),
		.store = app->store};
	struct kev_buf namespaces;
	int r;

	kev_buf_init(&namespaces, SIZE_MAX);
	r = kev_resolve_namespaces(&app->options, &namespaces);
	config.view.namespaces = namespaces.data;
	if (!r)
		r = kev_archive_open(&config, &app->archive, error);
	kev_buf_fini(&namespaces);
	if (r)
		kev_error_prefix(error, "-o state");
	return r;
}

/* More than what two files of a log hold would be rotated away at once. */
static uint64_t lost_max(uint64_t log_max)
{
	if (!log_max)
		return 0;
	return log_max < LOST_BYTES_MIN / 2 ? LOST_BYTES_MIN : 2 * log_max;
}

static int create_rooms(struct app *app, struct kev_error *error)
{
	const struct kev_clock *clock = kev_clock_system();
	int r = 0;

	app->changes = kev_changes_create(CHANGES_MAX);
	app->store = app->changes ? kev_store_create(clock, app->changes) : NULL;
	app->tree = app->store ? kev_tree_create(clock, app->store) : NULL;
	app->health = kev_health_create(clock);
	if (!app->tree || !app->health)
		return -ENOMEM;
	kev_health_set_meter(app->health, kev_store_meter(app->store));
	kev_tree_set_log_max(app->tree, app->options.log_max);
	kev_changes_keep_lost(app->changes, lost_max(app->options.log_max));
	kev_store_set_retain(app->store, &app->options.retain);
	kev_store_set_bounds(app->store, &app->options.bounds);
	if (app->state && app->cluster)
		r = open_archive(app, error);
	if (r)
		return r;
	kev_tree_set_about(app->tree, &(struct kev_tree_about){.health = app->health,
					      .source = app->options.source,
					      .server = app->cluster ? app->cluster->server : app->dump,
					      .version = app->version.data,
					      .mtime_last = app->options.mtime_last,
					      .archive = app->archive});
	return 0;
}

/* What writes the store from then on. */
static int create_writer(struct app *app, struct kev_error *error)
{
	struct kev_feed_config feed = {.cluster = app->cluster,
		.clock = kev_clock_system(),
		.store = app->store,
		.health = app->health,
		.field_selector = app->options.field_selector,
		.namespaces = (const char *const *)app->options.namespaces,
		.max_watches = app->options.max_watches,
		.sync_timeout = (int)app->options.sync_timeout,
		/* With something to show, the server may take its time. */
		.patient = app->options.delay_sync || app->loaded,
		.shown = app->loaded,
		.synced = on_synced,
		.context = app};

	if (isatty(STDERR_FILENO) && !feed.patient)
		feed.progress = on_progress;
	if (app->cluster)
		return kev_feed_create(&feed, &app->feed, error);
	return app->options.replay ? create_replay(app, error) : 0;
}

/* What the history holds. The journal still says "resync", so it keeps what the logs need of it. */
static int load_state(struct app *app, struct kev_error *error)
{
	int r;

	if (!app->archive)
		return 0;
	r = kev_archive_load(app->archive, error);
	if (r)
		return r;
	app->loaded = kev_archive_complete(app->archive);
	r = kev_archive_start(app->archive);
	if (r)
		kev_error_set(error, "cannot start a thread: %s", strerror(-r));
	return r;
}

/* Fill the tree before there is a mount: nobody needs to be told. */
static int fill(struct app *app, struct kev_error *error)
{
	bool resync = false;
	int r;

	if (app->loaded)
		r = 0;
	else if (app->replay)
		r = kev_replay_load(app->replay, error);
	else if (app->dump)
		r = kev_dump_load(app->dump, app->store, (const char *const *)app->options.namespaces, error);
	else
		r = kev_feed_start(app->feed) ? -EAGAIN : wait_synced(app, error);
	if (r)
		return r;
	if (!app->loaded)
		kev_health_synced(app->health);
	/* A new journal says "resync"; from here on it holds what came later. */
	kev_changes_take(app->changes, NULL, 0, 0, &resync);
	return kev_notify_follow(app->tree, app->changes, NULL, NULL);
}

/* How long the helper may take. It goes on trying. */
#define UNMOUNT_MS 10000

static int unmount(void *context)
{
	const struct app *app = context;

	return kev_helper_unmount(app->helper, UNMOUNT_MS);
}

/* What does later what this process may not any more is forked before there is a thread. Where mount.fuse has
 * mounted, it unmounts. */
static int start_helper(struct app *app, struct kev_error *error)
{
	const char *mountpoint = kev_mountpoint_is_handed(app->mountpoint) ? NULL : app->mountpoint;

	return kev_resolve_helper(&app->options, app->cluster, mountpoint, &app->helper, error);
}

/* Nothing is mounted, or run, by this process any more. */
static void confine(void)
{
	int r = kev_confine();

	if (r)
		kev_log_warning("the process keeps rights that it does not need: %s", strerror(-r));
}

/* -o auto_unmount */
static int guard_mount(struct app *app, struct kev_error *error)
{
	uint64_t number = kev_mountpoint_number(app->mountpoint);
	int r = number ? kev_helper_guard(app->helper, number) : -EOPNOTSUPP;

	if (r)
		kev_error_set(error, "-o auto_unmount: %s",
			number ? strerror(-r) : "the kernel does not number mounts (it needs Linux 5.8)");
	return r;
}

static int mount_session(struct app *app, struct kev_error *error)
{
	struct kev_session_config config = {.tree = app->tree,
		.changes = app->changes,
		.clock = kev_clock_system(),
		.source = app->options.source,
		.mount_options = app->options.mount_options,
		.uid = app->options.uid,
		.gid = app->options.gid,
		.umask = app->options.umask,
		.mtime_last = app->options.mtime_last,
		.xattr = app->options.xattr,
		.health = app->health,
		.meter = kev_store_meter(app->store),
		.unmount = app->helper ? unmount : NULL,
		.unmount_context = app,
		.debug = app->options.debug,
		.single_thread = app->options.single_thread,
		.delayed = is_delayed(app),
		.park_timeout = (int)app->options.sync_timeout};
	int r = kev_session_create(&config, &app->session, error);

	if (r)
		return r;
	kev_session_block_signals();
	r = kev_session_mount(app->session, app->mountpoint, error);
	return r || !app->options.auto_unmount ? r : guard_mount(app, error);
}

/* From here on systemd listens to the child. In the parent. */
static void tell_child(void *context, pid_t child)
{
	const struct app *app = context;

	kev_systemd_tell(&app->systemd, "MAINPID=%ld\nREADY=1", (long)child);
}

static int create_lookout(struct app *app)
{
	if (!kev_systemd_asks(&app->systemd))
		return 0;
	app->lookout = kev_lookout_create(&(struct kev_lookout_config){.systemd = &app->systemd,
		.clock = kev_clock_system(),
		.health = app->health,
		.store = app->store,
		.fed = app->feed != NULL});
	return app->lookout ? 0 : -ENOMEM;
}

/* The mount is there, and all threads are. @param ready  of kev_daemon_fork(); -1: in the foreground */
static int tell_ready(struct app *app, int ready, struct kev_error *error)
{
	int r = create_lookout(app);

	if (r)
		return r;
	if (ready >= 0)
		kev_daemon_ready(ready);
	else
		kev_systemd_tell(&app->systemd, "READY=1");
	if (app->lookout)
		r = kev_lookout_start(app->lookout);
	if (r)
		kev_error_set(error, "cannot start a thread: %s", strerror(-r));
	return r;
}

static int run(struct app *app, struct kev_error *error)
{
	int ready = -1, r;

	r = kev_resolve_source(&app->options, &app->cluster, &app->dump, error);
	if (!r)
		r = resolve_mountpoint(app, error);
	if (!r && app->options.state)
		r = kev_resolve_state(&app->options, app->mountpoint, &app->state, error);
	if (r)
		return r;
	if (app->cluster && kev_cluster_config_withholds_credential(app->cluster))
		kev_log_warning("%s is plain http: the credential is not sent", app->cluster->server);
	kev_systemd_tell(&app->systemd, "STATUS=first sync");
	if (!app->options.foreground) {
		ready = kev_daemon_fork(tell_child, app);
		if (ready < 0) {
			kev_error_set(error, "cannot fork: %s", strerror(-ready));
			return ready;
		}
	}
	r = start_helper(app, error);
	kev_confine_capabilities();
	if (!r)
		r = create_rooms(app, error);
	/* A file is there at once: there is nothing to delay. */
	if (app->dump)
		app->options.delay_sync = false;
	if (!r)
		r = load_state(app, error);
	if (!r)
		r = create_writer(app, error);
	if (!r && !is_delayed(app))
		r = fill(app, error);
	if (!r)
		r = mount_session(app, error);
	if (!r && (app->options.delay_sync || app->loaded || app->replay)) {
		r = app->replay ? kev_replay_start(app->replay) : kev_feed_start(app->feed);
		if (r)
			kev_error_set(error, "cannot start a thread: %s", strerror(-r));
	}
	if (!r) {
		confine();
		r = tell_ready(app, ready, error);
	}
	if (r)
		return r;
	r = kev_session_run(app->session);
	kev_systemd_tell(&app->systemd, "STOPPING=1");
	return r;
}

/* How long the feed may take to end. It waits for no network. */
#define FEED_STOP_MS 5000

/* The feed's thread waits for a file, which a server holds that does not answer, and may go on at any time.
 * So nothing goes that it knows: the mount does, and what is to be kept is written; then the process ends. */
static void end_without_feed(struct app *app, int status)
{
	kev_log_warning("the thread that follows the cluster hangs: it is not waited for");
	kev_session_destroy(app->session);
	kev_archive_stop(app->archive);
	kev_systemd_close(&app->systemd);
	kev_helper_destroy(app->helper);
	_exit(status);
}

static void app_fini(struct app *app, int status)
{
	/* Against the data's direction: what feeds a room ends before the room does. The feed calls the
	 * session, and the session reads the tree. */
	kev_lookout_destroy(app->lookout);
	if (!kev_feed_stop(app->feed, FEED_STOP_MS))
		end_without_feed(app, status);
	kev_feed_destroy(app->feed);
	kev_replay_destroy(app->replay);
	kev_session_destroy(app->session);
	kev_archive_destroy(app->archive);
	kev_tree_destroy(app->tree);
	kev_health_destroy(app->health);
	kev_store_destroy(app->store);
	kev_changes_destroy(app->changes);
	kev_systemd_close(&app->systemd);
	kev_cluster_config_destroy(app->cluster);
	kev_helper_destroy(app->helper);
	free(app->dump);
	free(app->mountpoint);
	free(app->state);
	kev_buf_fini(&app->version);
	kev_options_fini(&app->options);
	pthread_cond_destroy(&app->cond);
	pthread_mutex_destroy(&app->lock);
}

/* Say why it comes to nothing. */
static void fail(const struct app *app, int r, const struct kev_error *error)
{
	const char *why = error->text[0] ? error->text : strerror(-r), *where = app->options.mountpoint;

	/* The mountpoint, since it may be what is wrong; whoever handed one over has opened it already. */
	if (app->cluster && !kev_mountpoint_is_handed(where))
		kev_log_error("%s; more: kevfs check %s %s (with the same options)", why, app->options.source,
			where);
	else if (app->cluster)
		kev_log_error("%s; more: kevfs check %s (with the same options)", why, app->options.source);
	else
		kev_log_error("%s", why);
	/* To a child systemd does not listen yet. */
	if (app->options.foreground)
		kev_systemd_tell(&app->systemd, "STATUS=%s\nERRNO=%d", why, -r);
}

int main(int argc, char **argv)
{
	struct app app = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct kev_error error = {""};
	int r, status = EXIT_SUCCESS;

	kev_daemon_open_standard();
	kev_confine_memory();
	/* Else glibc raises it with the first large block that is freed, and what comes to be large in the
	 * first sync then leaves holes behind in the heap. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	signal(SIGPIPE, SIG_IGN);
	if (kev_check_is_meant(argc, argv))
		return kev_check_main(argc - 1, argv + 1, stdout);
	kev_systemd_open(&app.systemd);
	kev_buf_init(&app.version, VERSION_MAX);
	r = write_version(&app.version);
	if (!r)
		r = kev_options_parse(&app.options, argc, argv, &error);
	if (r) {
		status = EXIT_USAGE;
	} else if (app.options.help) {
		kev_options_print_help(stdout);
	} else if (app.options.version) {
		fputs(app.version.data, stdout);
	} else {
		kev_log_set_level(app.options.debug ? KEV_LOG_DEBUG : app.options.log_level);
		r = run(&app, &error);
		if (r)
			status = EXIT_MOUNT;
	}
	if (r)
		fail(&app, r, &error);
	app_fini(&app, status);
	return status;
}
