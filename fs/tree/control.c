#include "kevfs/tree/control.h"

#include <errno.h>

#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/logs.h"
#include "kevfs/tree/metrics.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/report.h"
#include "kevfs/tree/status.h"

/* st_ino of /.kevfs. */
#define INO_CONTROL 2

/* /.kevfs */

static struct kev_place control_parent(void *item)
{
	return (struct kev_place){&kev_role_root, item};
}

static uint64_t control_ino(const void *item)
{
	(void)item;
	return INO_CONTROL;
}

static void control_attr(const void *item, struct kev_attr *out)
{
	const struct kev_tree *tree = item;

	out->mtime = out->ctime = tree->control_mtime;
}

/* @return -ENOENT where nobody says how kevfs is */
static int control_report(void *directory, void **out)
{
	struct kev_tree *tree = directory;

	*out = tree;
	return tree->about.health ? 0 : -ENOENT;
}

static const struct kev_fixed control_fixed[] = {
	{.name = "namespaces", .role = &kev_role_control_namespaces},
	{.name = "events.log", .role = &kev_role_log_line, .item = kev_logs_tree_current},
	{.name = "events.log.1", .role = &kev_role_log_line, .item = kev_logs_tree_previous},
	{.name = "events.jsonl", .role = &kev_role_log_json, .item = kev_logs_tree_current},
	{.name = "events.jsonl.1", .role = &kev_role_log_json, .item = kev_logs_tree_previous},
	{.name = "status", .role = &kev_role_control_status, .item = control_report},
	{.name = "metrics", .role = &kev_role_control_metrics, .item = control_report},
	{.name = "version", .role = &kev_role_control_version, .item = control_report},
};

const struct kev_role kev_role_control = {
	.type = KEV_NODE_DIR,
	.unkept = true,
	.early = true,
	.parent = control_parent,
	.ino = control_ino,
	.attr = control_attr,
	.fixed = control_fixed,
	.fixed_count = KEV_ARRAY_LEN(control_fixed),
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

/* /.kevfs/status, metrics and version: each time another report. */

static uint64_t status_ino(const void *item)
{
	(void)item;
	return KEV_INO_STATUS;
}

static int status_make(void *item, struct kev_place *out)
{
	return kev_report_make(item, kev_status_write, KEV_INO_STATUS, out);
}

const struct kev_role kev_role_control_status = {
	.type = KEV_NODE_FILE,
	.early = true,
	.make = status_make,
	.ino = status_ino,
	.attr = control_attr,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

static uint64_t metrics_ino(const void *item)
{
	(void)item;
	return KEV_INO_METRICS;
}

static int metrics_make(void *item, struct kev_place *out)
{
	return kev_report_make(item, kev_metrics_write, KEV_INO_METRICS, out);
}

const struct kev_role kev_role_control_metrics = {
	.type = KEV_NODE_FILE,
	.early = true,
	.make = metrics_make,
	.ino = metrics_ino,
	.attr = control_attr,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

static uint64_t version_ino(const void *item)
{
	(void)item;
	return KEV_INO_VERSION;
}

static int version_write(struct kev_buf *out, const struct kev_report_source *source)
{
	return kev_buf_append_c(
		out, source->about->version ? source->about->version : "kevfs " KEVFS_VERSION "\n");
}

static int version_make(void *item, struct kev_place *out)
{
	return kev_report_make(item, version_write, KEV_INO_VERSION, out);
}

const struct kev_role kev_role_control_version = {
	.type = KEV_NODE_FILE,
	.early = true,
	.make = version_make,
	.ino = version_ino,
	.attr = control_attr,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

/* /.kevfs/namespaces: the root's members, in another role. */

static struct kev_place namespaces_parent(void *item)
{
	return (struct kev_place){&kev_role_control, item};
}

static void namespaces_attr(const void *item, struct kev_attr *out)
{
	const struct kev_tree *tree = item;

	out->mtime = out->ctime = tree->namespaces.mtime;
}

static const struct kev_members *namespaces_members(const void *item)
{
	const struct kev_tree *tree = item;

	return &tree->namespaces.members;
}

static uint32_t namespaces_listed(const void *item)
{
	const struct kev_tree *tree = item;

	return tree->listed;
}

const struct kev_role kev_role_control_namespaces = {
	.type = KEV_NODE_DIR,
	.parent = namespaces_parent,
	.attr = namespaces_attr,
	.members = namespaces_members,
	.member = &kev_role_control_namespace,
	.listed = namespaces_listed,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

/* /.kevfs/namespaces/<namespace> */

static struct kev_place namespace_parent(void *item)
{
	struct kev_namespace *namespace_ = item;

	return (struct kev_place){&kev_role_control_namespaces, namespace_->tree};
}

static void namespace_attr(const void *item, struct kev_attr *out)
{
	const struct kev_namespace *namespace_ = item;

	out->mtime = out->ctime = namespace_->control_mtime;
}

static const struct kev_fixed namespace_fixed[] = {
	{.name = "events", .role = &kev_role_control_events},
	{.name = "events.log", .role = &kev_role_log_line, .item = kev_logs_namespace_current},
	{.name = "events.log.1", .role = &kev_role_log_line, .item = kev_logs_namespace_previous},
	{.name = "events.jsonl", .role = &kev_role_log_json, .item = kev_logs_namespace_current},
	{.name = "events.jsonl.1", .role = &kev_role_log_json, .item = kev_logs_namespace_previous},
	{.name = "by-type", .role = &kev_role_view, .item = kev_view_of_type},
	{.name = "by-reason", .role = &kev_role_view, .item = kev_view_of_reason},
	{.name = "by-node", .role = &kev_role_view, .item = kev_view_of_node},
};

const struct kev_role kev_role_control_namespace = {
	.type = KEV_NODE_DIR,
	.there = kev_namespace_there,
	.denied = kev_namespace_denied,
	.name = kev_namespace_name,
	.parent = namespace_parent,
	.attr = namespace_attr,
	.fixed = namespace_fixed,
	.fixed_count = KEV_ARRAY_LEN(namespace_fixed),
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};

/* /.kevfs/namespaces/<namespace>/events */

static struct kev_place events_parent(void *item)
{
	return (struct kev_place){&kev_role_control_namespace, item};
}

static void events_attr(const void *item, struct kev_attr *out)
{
	const struct kev_namespace *namespace_ = item;

	out->mtime = out->ctime = namespace_->events.mtime;
}

static const struct kev_members *events_members(const void *item)
{
	const struct kev_namespace *namespace_ = item;

	return &namespace_->events.members;
}

const struct kev_role kev_role_control_events = {
	.type = KEV_NODE_DIR,
	.there = kev_namespace_there,
	.parent = events_parent,
	.attr = events_attr,
	.members = events_members,
	.member = &kev_role_event,
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};
