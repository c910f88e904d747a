#ifndef KEVFS_CLUSTER_PLUGIN_H
#define KEVFS_CLUSTER_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/helper.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/plugin_credential.h"

/**
 * A credential plugin at work: the helper runs it, its output is taken as it comes, and both are bounded, in
 * bytes and in time. Used by one thread, which never waits here.
 */
struct kev_plugin;

/** The most descriptors that are to be waited for at once. */
#define KEV_PLUGIN_DESCRIPTORS 3

/** All borrowed; must outlive it. @param helper  runs config's command; NULL: every run fails
 * @return new, or NULL on ENOMEM */
struct kev_plugin *kev_plugin_create(
	const struct kev_plugin_config *config, struct kev_helper *helper, const struct kev_clock *clock);
/** A run is killed. */
void kev_plugin_destroy(struct kev_plugin *plugin);

/**
 * Begin a run; one at a time.
 * @return 0: kev_plugin_look() tells its end; -ENOMEM, or -EACCES with the error set: it cannot be run now
 */
int kev_plugin_start(struct kev_plugin *plugin, struct kev_error *error) KEV_MUST_USE;

/** What poll(2) is to wait for (POLLIN) while it runs. @return how many of fds were set */
size_t kev_plugin_descriptors(const struct kev_plugin *plugin, int fds[KEV_PLUGIN_DESCRIPTORS]);
/** When to look at the latest, monotonic; INT64_MAX while it does not run. */
int64_t kev_plugin_deadline(const struct kev_plugin *plugin);

/**
 * See how far it is. Its standard error goes nowhere but with its last line into the error.
 * @param out  as kev_plugin_credential_parse() has it
 * @return -EAGAIN: it runs on; else it is over: 0, -ENOMEM, or -EACCES with the error set ("exec plugin aws:
 * ends with status 1: no login"): not found, failed, hanging, printing too much or nonsense
 */
int kev_plugin_look(
	struct kev_plugin *plugin, struct kev_plugin_credential *out, struct kev_error *error) KEV_MUST_USE;

#endif
