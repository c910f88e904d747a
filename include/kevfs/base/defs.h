#ifndef KEVFS_BASE_DEFS_H
#define KEVFS_BASE_DEFS_H

/** The compiler attributes that kevfs uses, each under the name that its meaning has here. */

/** The caller must look at the result. */
#define KEV_MUST_USE __attribute__((warn_unused_result))

/** The argument at position text is a printf format, its arguments begin at position first. */
#define KEV_PRINTF(text, first) __attribute__((format(printf, text, first)))

/**
 * Calls kev_<function>(&variable) when the variable leaves its scope. Set the variable to NULL to hand over
 * what it holds. Example: KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
 */
#define KEV_CLEANUP(function) __attribute__((cleanup(kev_##function)))

#define KEV_NS_PER_SEC 1000000000LL
#define KEV_NS_PER_MS 1000000LL

#define KEV_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
