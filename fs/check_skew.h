#ifndef KEVFS_CHECK_SKEW_H
#define KEVFS_CHECK_SKEW_H

#include <stdbool.h>
#include <stdint.h>

/**
 * How far the server's clock is ahead of ours, as the Date headers of its answers tell. Such a date is in
 * whole seconds, and was made some time between our request and the answer, so each answer gives bounds;
 * several, narrower ones.
 */
struct kev_check_skew {
	bool known;
	int64_t low, high; /**< ns; at least, at most */
};

/**
 * An answer has come.
 * @param sent, came  when, ns since the epoch by our clock: the request, and the head of the answer
 * @param date        seconds since the epoch; 0: it told none
 */
void kev_check_skew_add(struct kev_check_skew *skew, int64_t sent, int64_t came, int64_t date);

/** What is certain of it: ns by which the server is ahead of us at least, negative where it is behind; 0:
 * both may agree. */
int64_t kev_check_skew_least(const struct kev_check_skew *skew);

#endif
