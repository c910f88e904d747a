#ifndef KEVFS_BASE_CLOCK_H
#define KEVFS_BASE_CLOCK_H

#include <stdint.h>

/**
 * Where a module gets the time from. The real one is kev_clock_system(); a test hands in its own and moves
 * it. All functions may be called from every thread.
 */
struct kev_clock {
	int64_t (*realtime)(void *context);  /**< nanoseconds since the epoch, UTC */
	int64_t (*monotonic)(void *context); /**< nanoseconds since some moment; never goes back */
	int64_t (*boottime)(void *context);  /**< the same, which goes on while the machine sleeps */
	void *context;                       /**< borrowed, handed to all */
};

/** The system's clocks. */
const struct kev_clock *kev_clock_system(void);

static inline int64_t kev_clock_realtime(const struct kev_clock *clock)
{
	return clock->realtime(clock->context);
}

static inline int64_t kev_clock_monotonic(const struct kev_clock *clock)
{
	return clock->monotonic(clock->context);
}

static inline int64_t kev_clock_boottime(const struct kev_clock *clock)
{
	return clock->boottime(clock->context);
}

/** A moment on two clocks, ns: the one that people set, and one that nobody sets. */
struct kev_moment {
	int64_t real, monotonic;
};

static inline struct kev_moment kev_moment_now(const struct kev_clock *clock)
{
	return (struct kev_moment){kev_clock_realtime(clock), kev_clock_monotonic(clock)};
}

/** The same for what has an age: monotonic is boottime then, and grows while the machine sleeps. */
static inline struct kev_moment kev_moment_slept(const struct kev_clock *clock)
{
	return (struct kev_moment){kev_clock_realtime(clock), kev_clock_boottime(clock)};
}

#endif
