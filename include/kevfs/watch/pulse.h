#ifndef KEVFS_WATCH_PULSE_H
#define KEVFS_WATCH_PULSE_H

#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/http.h"

/**
 * Feels whether the server still lives while nobody hears of it. The kernel of a server that hangs answers
 * for it for ever, and a watch may be silent for as long as it likes: so after KEV_PULSE_AFTER without a byte
 * the server is asked for something that costs it nothing. Whatever it answers, it lives: so
 * where a credential plugin hangs or fails, it is asked without a credential. If it does not
 * within KEV_PULSE_TIMEOUT, its connection is given up, and with it all that hangs there: they list anew.
 *
 * What is asked for is /livez, which every user may see, which the API server answers without waiting in a
 * queue, however busy it is (flow schema "probes"), and, so asked, without etcd. client-go sends an HTTP/2
 * PING after 30 s and waits 15 s; libcurl's own (curl_easy_upkeep()) is not for a multi handle (7.88), and
 * nobody looks whether it is answered.
 *
 * Used by the feed's thread only.
 */
struct kev_pulse;

#define KEV_PULSE_AFTER (20 * KEV_NS_PER_SEC)
#define KEV_PULSE_TIMEOUT KEV_HTTP_DEAD_AFTER

/** http is borrowed. @return new, or NULL on ENOMEM */
struct kev_pulse *kev_pulse_create(struct kev_http *http);

/** Ends what is under way. */
void kev_pulse_destroy(struct kev_pulse *pulse);

/** When kev_pulse_tick() may have something to do: monotonic ns, INT64_MAX for never. */
int64_t kev_pulse_deadline(const struct kev_pulse *pulse);
void kev_pulse_tick(struct kev_pulse *pulse, int64_t at);

#endif
