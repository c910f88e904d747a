#ifndef KEVFS_WATCH_EXISTENCE_H
#define KEVFS_WATCH_EXISTENCE_H

#include <stdbool.h>

#include "kevfs/cluster/http.h"

/**
 * Whether there is a namespace of that name. The events of one that there is not are listed as none, with
 * 200, so whoever mistypes its name sees an empty directory. The server is asked once, and the log says if
 * there is none; where it may not say (403), or does not within a few seconds, nothing is known and nothing
 * said. Used by the feed's thread only.
 */
struct kev_existence;

/** @param http  borrowed, must outlive it, like the name. @return new, or NULL on ENOMEM */
struct kev_existence *kev_existence_ask(struct kev_http *http, const char *server, const char *namespace_);
void kev_existence_destroy(struct kev_existence *existence);

/** Is there nothing to wait for any more? */
bool kev_existence_answered(const struct kev_existence *existence);

#endif
