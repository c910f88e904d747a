#ifndef KEVFS_CLUSTER_CREDENTIAL_H
#define KEVFS_CLUSTER_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/plugin.h"

/**
 * The credential as it is now: token files are read again as they rotate, and a plugin runs again when what
 * it printed has expired or is refused. Used by one thread.
 *
 * A plugin is run on behalf of all who want a header meanwhile. What it prints is kept until it expires. If
 * it fails, or the server refuses what it prints, again and again, it is run less and less often (at most
 * every 30 s).
 */
struct kev_credential;

/** All borrowed; must outlive it. @return new, or NULL on ENOMEM */
struct kev_credential *kev_credential_create(
	const struct kev_cluster_config *config, const struct kev_clock *clock);
void kev_credential_destroy(struct kev_credential *credential);

/**
 * The Authorization header to send now. A token file is read again when its content is 50 s old (client-go's
 * minute less its leeway of 10 s); while it cannot be read or holds no token, its last good token is kept,
 * then the config's own.
 * @param out  set to the whole header ("Authorization: Bearer …"), or emptied where none is to be sent (a
 * client certificate, anonymous, or plain http). Untouched on error. Wipe it after use.
 * @return 0; -EAGAIN (a plugin is at work: ask again when kev_credential_look() was called);
 * -EACCES (a plugin has failed), -EINVAL (the token file is empty or holds bytes that cannot stand in a
 * header), -ENOENT, -EACCES or another errno of reading the token file (there is no other token), -EMSGSIZE
 * (over out's cap), -ENOMEM
 */
int kev_credential_header(
	struct kev_credential *credential, struct kev_buf *out, struct kev_error *error) KEV_MUST_USE;

/** Which of a plugin's credentials is used now: they are counted. */
unsigned kev_credential_generation(const struct kev_credential *credential);

/**
 * The server answered 401: read everything anew at the next call.
 * @param generation  when the request was sent: of several that were refused together, the first one counts
 * @return true if that could help (there is a file to read, or a plugin to run)
 */
bool kev_credential_refresh(struct kev_credential *credential, unsigned generation);

/** Put behind what is said of a 401 why there is no better credential: the plugin has failed. */
void kev_credential_explain(const struct kev_credential *credential, struct kev_error *error);

/** The server took it for what it is: answered something else than 401. */
void kev_credential_accepted(struct kev_credential *credential, unsigned generation);

/* Of a plugin. */

/** What poll(2) is to wait for (POLLIN). @return how many of fds were set */
size_t kev_credential_descriptors(const struct kev_credential *credential, int fds[KEV_PLUGIN_DESCRIPTORS]);
/** When to look at the latest, monotonic; INT64_MAX: there is nothing to look for. */
int64_t kev_credential_deadline(const struct kev_credential *credential);
/** See what has come. @return true if there is a new credential */
bool kev_credential_look(struct kev_credential *credential);
/** The client certificate and its key, as PEM, borrowed until the next look; empty where there is none. */
void kev_credential_pair(
	const struct kev_credential *credential, struct kev_str *certificate, struct kev_str *key);
/** What it printed cannot be used, for this reason: as if it had failed. */
void kev_credential_reject(struct kev_credential *credential, const struct kev_error *why);

#endif
