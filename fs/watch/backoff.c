#include "kevfs/watch/backoff.h"

#include "kevfs/base/defs.h"

#define FIRST (800 * KEV_NS_PER_MS)
#define HEALTHY (120 * KEV_NS_PER_SEC)

/* FIRST doubled this often is over every cap. */
#define DOUBLINGS_MAX 6

static const int64_t caps[] = {
	[KEV_BACKOFF_OVERLOAD] = KEV_BACKOFF_OVERLOAD_MAX,
	[KEV_BACKOFF_REFUSED] = KEV_BACKOFF_REFUSED_MAX,
	[KEV_BACKOFF_UNREACHABLE] = KEV_BACKOFF_UNREACHABLE_MAX,
};

void kev_backoff_init(struct kev_backoff *backoff)
{
	*backoff = (struct kev_backoff){0, 0};
}

int64_t kev_backoff_next(struct kev_backoff *backoff, enum kev_backoff_cause cause, int64_t now,
	int retry_after, uint32_t random)
{
	/* The factor is less than 2, so half the cap before it is the cap behind it: there, too, everyone
	 * waits for another time. */
	int64_t cap = caps[cause] / 2;
	int64_t wait;

	if (backoff->tries > 0 && now - backoff->until >= HEALTHY)
		backoff->tries = 0;
	wait = FIRST << (backoff->tries < DOUBLINGS_MAX ? backoff->tries : DOUBLINGS_MAX);
	if (wait > cap)
		wait = cap;
	wait += (int64_t)((double)wait * (random / 4294967296.0));
	if (retry_after > 0)
		wait = (retry_after < KEV_BACKOFF_ASKED_MAX ? retry_after : KEV_BACKOFF_ASKED_MAX) *
		       KEV_NS_PER_SEC;
	backoff->tries++;
	backoff->until = now + wait;
	return wait;
}
