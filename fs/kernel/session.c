#include "kevfs/kernel/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/log.h"
#include "kevfs/kernel/device.h"
#include "kevfs/kernel/mountpoint.h"
#include "kevfs/kernel/notify.h"
#include "kevfs/kernel/ops.h"

/* Threads that answer. More only wake more CPUs: an operation takes microseconds. */
#define WORKERS 4

/* At a signal: how long a notification may stay stuck in the kernel before the session ends without its
 * thread. */
#define STOP_MS 2000

/* Ends a blocking read(2) of /dev/fuse: its handler does nothing. */
#define WAKE_SIGNAL SIGUSR1

struct kev_session {
	struct kev_session_config config;
	struct kev_ops *ops;
	struct fuse_session *fuse;
	struct kev_notify *notify;
	bool mounted;
	const char *mountpoint; /* borrowed */
	dev_t device;           /* what is mounted there; 0: not known */

	pthread_t loop;         /* the thread in kev_session_run() */
	atomic_bool loop_ended; /* it needs no more waking */
};

static void on_fuse_log(enum fuse_log_level level, const char *format, va_list args) KEV_PRINTF(2, 0);
static void on_fuse_log(enum fuse_log_level level, const char *format, va_list args)
{
	char text[1024];
	size_t len;

	vsnprintf(text, sizeof(text), format, args);
	len = strlen(text);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (level <= FUSE_LOG_ERR)
		kev_log_error("%s", text);
	else if (level <= FUSE_LOG_WARNING)
		kev_log_warning("%s", text);
	else
		kev_log_debug("%s", text);
}

/* Append "key=value" as libfuse reads it back: a comma or backslash in the value is escaped. */
static void append_option(struct kev_buf *out, const char *key, const char *value)
{
	kev_buf_printf(out, ",%s=", key);
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			kev_buf_append_char(out, '\\');
		kev_buf_append_char(out, *value);
	}
}

static int add_options(const struct kev_session_config *config, struct fuse_args *args)
{
	KEV_CLEANUP(buf_fini) struct kev_buf options;

	kev_buf_init(&options, 65536);
	kev_buf_append_c(&options, "ro,nosuid,nodev,default_permissions,subtype=kevfs");
	/* libfuse hands it on to mount(8), which must not take it for options of its own. */
	if (config->source[0] == '-' && config->source[1])
		append_option(&options, "fsname=context", config->source);
	else
		append_option(&options, "fsname", config->source);
	if (config->mount_options)
		kev_buf_printf(&options, ",%s", config->mount_options);
	if (!kev_buf_cstr(&options) || options.error)
		return -ENOMEM;
	if (fuse_opt_add_arg(args, "kevfs") || fuse_opt_add_arg(args, "-o") ||
		fuse_opt_add_arg(args, options.data))
		return -ENOMEM;
	if (config->debug && fuse_opt_add_arg(args, "-d"))
		return -ENOMEM;
	return 0;
}

static int create_fuse(struct kev_session *session, struct kev_error *error)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = add_options(&session->config, &args);

	if (!r) {
		session->fuse = fuse_session_new(
			&args, kev_ops_table(), sizeof(struct fuse_lowlevel_ops), session->ops);
		if (!session->fuse) {
			kev_error_set(error, "libfuse refuses the mount options");
			r = -EINVAL;
		}
	}
	fuse_opt_free_args(&args);
	return r;
}

/* Is it mounted somewhere, and its connection not ended? */
static bool is_connected(const struct kev_session *session)
{
	struct pollfd device = {.fd = fuse_session_fd(session->fuse)};

	return poll(&device, 1, 0) == 0 || !(device.revents & POLLERR);
}

/*
 * End the connection: the device is closed, and in its place there is a pipe that nobody reads. Its POLLERR
 * tells libfuse that there is nothing to unmount.
 */
static int disconnect(struct kev_session *session)
{
	int ends[2], r = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	close(ends[0]);
	if (dup3(ends[1], fuse_session_fd(session->fuse), O_CLOEXEC) < 0)
		r = -errno;
	close(ends[1]);
	return r;
}

/*
 * libfuse unmounts whatever is on the mountpoint by now. But ours may have been unmounted there, and live on
 * in a bind mount or in another mount namespace, or something may have been mounted over it: that is not ours
 * to end.
 */
static void unmount(struct kev_session *session)
{
	dev_t now = session->device && is_connected(session) ? kev_mountpoint_device(session->mountpoint) : 0;

	session->mounted = false;
	if (now && now != session->device) {
		kev_log_warning("%s is another mount by now, which stays", session->mountpoint);
		if (disconnect(session))
			return;
	} else if (now && session->config.unmount) {
		/* As libfuse does it: nobody can wait for our answers while it is taken away. */
		int r = disconnect(session);

		if (!r)
			r = session->config.unmount(session->config.unmount_context);
		if (r)
			kev_log_error("%s cannot be unmounted: %s; take it away with: umount -l %s",
				session->mountpoint, strerror(-r), session->mountpoint);
	}
	fuse_session_unmount(session->fuse);
}

/* Nobody uses any of it any more. */
static void dispose(struct kev_session *session)
{
	kev_notify_destroy(session->notify);
	kev_ops_destroy(session->ops);
	if (session->mounted)
		unmount(session);
	if (session->fuse)
		fuse_session_destroy(session->fuse);
	free(session);
}

int kev_session_create(
	const struct kev_session_config *config, struct kev_session **out, struct kev_error *error)
{
	struct kev_session *session = calloc(1, sizeof(*session));
	int r = -ENOMEM;

	if (!session)
		return -ENOMEM;
	fuse_set_log_func(on_fuse_log);
	session->config = *config;
	session->ops = kev_ops_create(&(struct kev_ops_config){.tree = config->tree,
		.clock = config->clock,
		.uid = config->uid,
		.gid = config->gid,
		.umask = config->umask,
		.mtime_last = config->mtime_last,
		.xattr = config->xattr,
		.health = config->health,
		.meter = config->meter,
		.parked = config->delayed,
		.park_timeout = config->park_timeout});
	if (!session->ops)
		goto fail;
	r = create_fuse(session, error);
	if (r)
		goto fail;
	r = -ENOMEM;
	session->notify = kev_notify_create(&(struct kev_notify_config){.session = session->fuse,
		.tree = config->tree,
		.changes = config->changes,
		.ops = session->ops,
		.meter = config->meter,
		.health = config->health,
		.clock = config->clock,
		.delayed = config->delayed});
	if (!session->notify)
		goto fail;
	*out = session;
	return 0;
fail:
	dispose(session);
	return r;
}

int kev_session_mount(struct kev_session *session, const char *mountpoint, struct kev_error *error)
{
	int r = kev_mountpoint_prepare(mountpoint, error);

	if (r)
		return r;
	if (access("/dev/fuse", F_OK) < 0) {
		kev_error_set(error, "/dev/fuse: %s (is the fuse module loaded?)", strerror(errno));
		return -ENODEV;
	}
	if (fuse_session_mount(session->fuse, mountpoint) != 0) {
		kev_error_set(error, "cannot mount on %s%s", mountpoint,
			session->config.mount_options && strstr(session->config.mount_options, "context=")
				? " (context= is SELinux's; a kubeconfig's context is the SOURCE)"
				: "");
		return -EPERM;
	}
	session->mounted = true;
	session->mountpoint = mountpoint;
	session->device = kev_mountpoint_is_handed(mountpoint) ? 0 : kev_mountpoint_device(mountpoint);
	r = kev_device_attach(session->fuse);
	if (r) {
		kev_error_set(error, "libfuse: %s", strerror(-r));
		return r;
	}
	r = kev_notify_start(session->notify);
	if (r)
		kev_error_set(error, "cannot start a thread: %s", strerror(-r));
	return r;
}

void kev_session_synced(struct kev_session *session)
{
	kev_notify_synced(session->notify);
}

static void on_wake(int number)
{
	(void)number;
}

static void fill_ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void kev_session_block_signals(void)
{
	sigset_t set;

	fill_ending_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * Waits for a signal, then ends the session in the order that cannot deadlock: first the notifications, which
 * may need an answer from the loop, then the loop. The loop sits in read(2) or sem_wait(3), so it is woken
 * until it says that it has ended: once would race with its last look at the flag.
 */
static void *wait_signal(void *context)
{
	struct kev_session *session = context;
	const struct timespec tick = {0, 10 * KEV_NS_PER_MS};
	sigset_t set;
	int number = 0;

	pthread_setname_np(pthread_self(), "kevfs-signals");
	fill_ending_signals(&set);
	while (sigwait(&set, &number) != 0)
		;
	if (atomic_load(&session->loop_ended))
		return NULL;
	kev_log_info("%s: unmounting", strsignal(number));
	if (!kev_notify_stop(session->notify, STOP_MS))
		kev_log_warning("a notification is stuck in the kernel");
	/* A worker that waits for another must not meet the loop's end: there would be nobody who answers the
	 * reader that it waits for, and it would never end. As long as they answer, it does. */
	if (!kev_prefetch_stop(kev_ops_prefetch(session->ops), STOP_MS)) {
		kev_log_warning("waiting for a local reader that does not run");
		while (!kev_prefetch_stop(kev_ops_prefetch(session->ops), STOP_MS))
			;
	}
	fuse_session_exit(session->fuse);
	while (!atomic_load(&session->loop_ended)) {
		pthread_kill(session->loop, WAKE_SIGNAL);
		nanosleep(&tick, NULL);
	}
	return NULL;
}

static int loop(struct kev_session *session)
{
	struct fuse_loop_config *config;
	int r;

	if (session->config.single_thread)
		return fuse_session_loop(session->fuse);
	config = fuse_loop_cfg_create();
	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, WORKERS);
	kev_prefetch_start(kev_ops_prefetch(session->ops), session->fuse);
	r = fuse_session_loop_mt(session->fuse, config);
	fuse_loop_cfg_destroy(config);
	return r;
}

int kev_session_run(struct kev_session *session)
{
	struct sigaction wake = {.sa_handler = on_wake};
	pthread_t signals;
	int r;

	sigaction(WAKE_SIGNAL, &wake, NULL);
	session->loop = pthread_self();
	r = pthread_create(&signals, NULL, wait_signal, session);
	if (r)
		return -r;
	r = loop(session);
	atomic_store(&session->loop_ended, true);
	/* It waits for a signal still, if the end was an unmount. */
	pthread_kill(signals, SIGINT);
	pthread_join(signals, NULL);
	return r < 0 ? r : 0;
}

/* What such a session leaves for that thread to find. */
static struct kev_session *volatile abandoned;

/*
 * A local reader that holds a directory, and that the unmount did not free, may do so for ever. Nothing is
 * kept waiting for it but what its notification uses; and the process itself, which the kernel lets end only
 * with its last thread.
 */
static void abandon(struct kev_session *session)
{
	kev_log_warning(
		"a local reader holds a directory: process %d ends when that reader does", (int)getpid());
	kev_notify_abandon(session->notify);
	kev_ops_destroy(session->ops);
	abandoned = session;
}

void kev_session_destroy(struct kev_session *session)
{
	bool quiet;

	if (!session)
		return;
	/* The thread that looks after what is parked ends first, then what is parked is answered while there
	 * is somebody to answer. A notification that is held waits for a reader: mostly for one of ours,
	 * whom the unmount frees; one that waits for another filesystem holds it for as long as it likes. */
	quiet = !session->notify || kev_notify_stop(session->notify, STOP_MS);
	if (!quiet) {
		unmount(session);
		quiet = kev_notify_end(session->notify, STOP_MS);
	}
	if (!quiet) {
		abandon(session);
		return;
	}
	dispose(session);
}
