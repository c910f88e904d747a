#ifndef KEVFS_WATCH_BACKOFF_H
#define KEVFS_WATCH_BACKOFF_H

#include <stdint.h>

/** Why one waits before the next try. */
enum kev_backoff_cause {
	KEV_BACKOFF_OVERLOAD, /**< the server answers that it cannot (429, 5xx): waits grow to 30 s */
	KEV_BACKOFF_REFUSED,  /**< it knows no credential of ours, or not what we want: waits grow to 8 s */
	KEV_BACKOFF_UNREACHABLE, /**< no server answers: waits grow to 4 s, so that its return is soon seen */
};

/**
 * How long to wait between tries: 0.8 s, doubled each time, times a random factor in [1, 2), so that the
 * clients of a server that comes back do not come all at once. Two minutes without a wait start it over.
 * Source: client-go tools/cache/reflector.go (800 ms, factor 2, jitter 1, reset after 2 min).
 */
struct kev_backoff {
	unsigned tries; /**< since it started over */
	int64_t until;  /**< monotonic ns; when the last wait ends */
};

/** Longest waits, in ns. */
#define KEV_BACKOFF_OVERLOAD_MAX 30000000000LL
#define KEV_BACKOFF_REFUSED_MAX 8000000000LL
#define KEV_BACKOFF_UNREACHABLE_MAX 4000000000LL

/** The longest wait, in seconds, that a server gets by asking for it: API servers ask for up to 32 s, and the
 * page that a proxy shows during maintenance for an hour. */
#define KEV_BACKOFF_ASKED_MAX 300

void kev_backoff_init(struct kev_backoff *backoff);

/**
 * @param now          monotonic ns
 * @param retry_after  what the server asked for, in seconds: it wins, and is not jittered. 0, "at once", is
 * no answer to overload, and counts as none (-1); over KEV_BACKOFF_ASKED_MAX it is that
 * @param random       any 32 random bits
 * @return ns to wait from now
 */
int64_t kev_backoff_next(struct kev_backoff *backoff, enum kev_backoff_cause cause, int64_t now,
	int retry_after, uint32_t random);

#endif
