#ifndef KEVFS_CLUSTER_LOGIN_H
#define KEVFS_CLUSTER_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/identity.h"
#include "kevfs/cluster/plugin.h"

/**
 * Who we are for the server, and whom we take for it, as both change: the credential (credential.h) and the
 * identity (identity.h), whose certificate may come from a plugin. Used by one thread.
 *
 * Files are looked at every 10 s, and read anew when they have changed, or when the server, or its
 * certificate, was not what they let us expect. Half of a pair, or nothing at all, is not taken over.
 */
struct kev_login;

/** All borrowed, must outlive it. @return 0; -ENOMEM, or -EINVAL with the error set: what identity.h refuses
 */
int kev_login_create(const struct kev_cluster_config *config, const struct kev_clock *clock,
	struct kev_login **out, struct kev_error *error) KEV_MUST_USE;
void kev_login_destroy(struct kev_login *login);

/** What a request carries, and what its answer is held against. */
struct kev_login_state {
	unsigned generation; /**< of the credential */
	unsigned version;    /**< of the client certificate */
};

/**
 * What to send now: the header as by kev_credential_header(), and the identity.
 * @param state, identity  set; the identity is borrowed until the next call
 * @return as kev_credential_header(): -EAGAIN is not yet
 */
int kev_login_prepare(struct kev_login *login, struct kev_buf *header, struct kev_login_state *state,
	const struct kev_identity **identity, struct kev_error *error) KEV_MUST_USE;

/** The same for a request that goes without a header, now. */
void kev_login_prepare_bare(
	const struct kev_login *login, struct kev_login_state *state, const struct kev_identity **identity);

/** Another client certificate is used than by a request of that state: its connection is over. */
bool kev_login_is_outdated(const struct kev_login *login, const struct kev_login_state *state);

/** A certificate authority is given. */
bool kev_login_has_authority(const struct kev_login *login);

/* What came of it. */

/** The server answered 401 to a request of that state. @return true if there is something else to be had */
bool kev_login_refused(struct kev_login *login, const struct kev_login_state *state);
/** Put behind what is said of that why there is not. */
void kev_login_explain(const struct kev_login *login, struct kev_error *error);
/** The server answered something else. */
void kev_login_accepted(struct kev_login *login, const struct kev_login_state *state);
/** There was no connection: either side may have a new certificate, and its file be there already. */
void kev_login_distrusted(struct kev_login *login, const struct kev_login_state *state);

/* While time goes by. */

/** What poll(2) is to wait for (POLLIN). @return how many of fds were set */
size_t kev_login_descriptors(const struct kev_login *login, int fds[KEV_PLUGIN_DESCRIPTORS]);
/** When to look at the latest, monotonic. */
int64_t kev_login_deadline(const struct kev_login *login);
/** See what has come, and what has changed. */
void kev_login_look(struct kev_login *login);

#endif
