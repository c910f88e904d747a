#include "kevfs/kernel/prefetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/tree/siblings.h"

struct kev_prefetch {
	struct kev_tree *tree;
	struct kev_meter *meter;
	struct fuse_session *session; /* NULL: not started */
	atomic_bool stopped;

	pthread_mutex_t lock; /* who has it is at it. Never waited for but at the end */
	struct kev_buf text;
	pthread_t first;       /* the first worker that was here */
	bool met, accompanied; /* there was one; and another one */
};

struct kev_prefetch *kev_prefetch_create(struct kev_tree *tree, struct kev_meter *meter)
{
	struct kev_prefetch *prefetch = calloc(1, sizeof(*prefetch));

	if (!prefetch)
		return NULL;
	prefetch->tree = tree;
	prefetch->meter = meter;
	kev_buf_init(&prefetch->text, KEV_SIBLING_SIZE_MAX);
	pthread_mutex_init(&prefetch->lock, NULL);
	return prefetch;
}

void kev_prefetch_destroy(struct kev_prefetch *prefetch)
{
	if (!prefetch)
		return;
	kev_buf_fini(&prefetch->text);
	pthread_mutex_destroy(&prefetch->lock);
	free(prefetch);
}

void kev_prefetch_start(struct kev_prefetch *prefetch, struct fuse_session *session)
{
	prefetch->session = session;
}

/* libfuse begins with one worker, and goes on with it where there is no memory for others; but none ends
 * before the last. */
static bool is_accompanied(struct kev_prefetch *prefetch)
{
	if (!prefetch->met) {
		prefetch->met = true;
		prefetch->first = pthread_self();
	} else if (!pthread_equal(prefetch->first, pthread_self())) {
		prefetch->accompanied = true;
	}
	return prefetch->accompanied;
}

/* @return 0; -ENOENT: it has forgotten that one meanwhile; or -errno: it takes no more */
static int give(struct kev_prefetch *prefetch, const struct kev_sibling *sibling)
{
	struct fuse_bufvec content = FUSE_BUFVEC_INIT(kev_event_size(sibling->event));
	int r;

	kev_buf_clear(&prefetch->text);
	r = kev_event_append_text(sibling->event, &prefetch->text);
	if (r)
		return r;
	content.buf[0].mem = prefetch->text.data;
	return fuse_lowlevel_notify_store(prefetch->session, sibling->node, 0, &content, 0);
}

static void give_siblings(struct kev_prefetch *prefetch, uint64_t node)
{
	struct kev_sibling siblings[KEV_SIBLINGS_MAX];
	size_t count = kev_tree_siblings(prefetch->tree, node, siblings), given = 0;
	int r = 0;

	for (size_t i = 0; i < count && (r == 0 || r == -ENOENT) && !atomic_load(&prefetch->stopped); i++) {
		r = give(prefetch, &siblings[i]);
		given += r == 0 ? 1 : 0;
	}
	kev_meter_add(prefetch->meter, KEV_METER_PREFETCHED, given);
	for (size_t i = 0; i < count; i++)
		kev_event_unref(siblings[i].event);
}

void kev_prefetch_siblings(struct kev_prefetch *prefetch, uint64_t node)
{
	if (!prefetch->session || atomic_load_explicit(&prefetch->stopped, memory_order_relaxed) ||
		pthread_mutex_trylock(&prefetch->lock) != 0)
		return;
	if (is_accompanied(prefetch))
		give_siblings(prefetch, node);
	pthread_mutex_unlock(&prefetch->lock);
}

bool kev_prefetch_stop(struct kev_prefetch *prefetch, int timeout_ms)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	atomic_store(&prefetch->stopped, true);
	/* Not pthread_mutex_clocklock(), which an older ThreadSanitizer does not know. */
	for (int waited = 0; pthread_mutex_trylock(&prefetch->lock) != 0; waited++) {
		if (waited >= timeout_ms)
			return false;
		nanosleep(&tick, NULL);
	}
	pthread_mutex_unlock(&prefetch->lock);
	return true;
}
