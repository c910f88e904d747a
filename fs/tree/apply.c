#include "kevfs/tree/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/access.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/edit_event.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/logs.h"
#include "kevfs/tree/object_log.h"
#include "kevfs/tree/settle.h"

/* Changes made before the lock is let go for a moment, so that readers wait less than a millisecond. */
#define CHANGES_AT_ONCE 64

/* The kernel takes what went stale after so many changes at the latest; likewise for looking without
 * changing anything. */
#define SLOTS_AT_ONCE 4096

/* What a line counts that has no JSON: so that no number of them escapes the bound. */
#define NOTICE_BYTES 256

/* One run of apply or resync. */
struct run {
	struct kev_tree *tree;
	struct kev_edit edit;
	kev_tree_stale_fn *stale;
	void *context;
	unsigned done;   /* changes since the lock was taken */
	bool restricted; /* what a resync's walk says of it */
};

static void lock(struct run *run)
{
	pthread_mutex_lock(&run->tree->lock);
	run->done = 0;
}

/* Unlock, then say what went stale. */
static void unlock(struct run *run)
{
	pthread_mutex_unlock(&run->tree->lock);
	kev_stale_deliver(run->tree->batch, run->stale, run->context);
}

/* Let the others have the lock. What is not there, and known to nobody, may be gone after that. */
static void breathe(struct run *run)
{
	unlock(run);
	lock(run);
}

/* Before each change: is there room to say what goes stale by it, and was the lock held for long enough? */
static void prepare_change(struct run *run)
{
	if (run->done++ >= CHANGES_AT_ONCE || kev_stale_batch_full(run->tree->batch))
		breathe(run);
}

static void count_logged(struct kev_tree *tree, const struct kev_occurrence *occurrence)
{
	tree->log_live += occurrence->kind == KEV_OCCURRENCE_SEEN ? kev_event_compact_size(occurrence->event)
								  : NOTICE_BYTES;
}

/* The logs' part of a change: after the tree's, so that there are the directories that they stand in. What
 * fails is told behind the resync, and what comes after it, too: a log's lines stay in order. */
static int log_change(struct run *run, const struct kev_change *change)
{
	struct kev_occurrence occurrence;
	struct kev_record *record;
	int r = 0;

	if (!kev_change_occurrence(change, &occurrence))
		return 0;
	record = kev_record_create(&occurrence);
	if (!record) {
		kev_logs_miss(run->tree);
		return -ENOMEM;
	}
	if (kev_logs_are_behind(run->tree) || kev_logs_append(&run->edit, record, change->when)) {
		kev_logs_keep(run->tree, record);
		r = -ENOMEM;
	} else {
		count_logged(run->tree, &occurrence);
	}
	kev_record_unref(record);
	return r;
}

static void tell_access(struct run *run)
{
	struct kev_access_told told = {0};

	while (kev_access_tell(&run->edit, &told))
		breathe(run);
}

static int change_access(struct run *run, const struct kev_change *change)
{
	int r = 0;

	if (change->name)
		r = kev_access_permit(&run->edit, kev_str_c(change->name), change->present);
	else
		kev_access_restrict(run->tree, !change->present);
	tell_access(run);
	return r;
}

static int change(struct run *run, const struct kev_change *change)
{
	struct kev_edit *edit = &run->edit;

	edit->when = change->when;
	switch (change->kind) {
	case KEV_CHANGE_EVENT:
		return kev_edit_change_event(edit, change->old, change->event);
	case KEV_CHANGE_POD:
		return kev_edit_pod(edit, kev_str_c(change->namespace_), kev_str_c(change->name),
			change->created, change->present);
	case KEV_CHANGE_NAMESPACE:
		return kev_edit_namespace(edit, kev_str_c(change->name), change->created, change->present);
	case KEV_CHANGE_ACCESS:
		return change_access(run, change);
	case KEV_CHANGE_GONE:
		break; /* it stays where it is */
	}
	return 0;
}

/*
 * Whoever follows a log by its name looks for the next file when the one that it has does not grow: its end
 * is told before, and for long enough that who looked just before has looked for the name, too.
 */
static void publish_all(struct run *run)
{
	const struct timespec step = {0, KEV_TREE_PUBLISH_MS * KEV_NS_PER_MS};

	if (!run->stale)
		return;
	do
		nanosleep(&step, NULL);
	while (kev_tree_publish(run->tree, run->stale, run->context));
	nanosleep(&step, NULL);
}

static void rotate_if_full(struct run *run)
{
	struct kev_rotation rotation = {.begun = false};

	if (!kev_logs_full(run->tree))
		return;
	unlock(run);
	publish_all(run);
	lock(run);
	while (kev_logs_rotate(run->tree, &rotation))
		breathe(run);
}

int kev_tree_apply(struct kev_tree *tree, const struct kev_change *changes, size_t count,
	kev_tree_stale_fn *stale, void *context)
{
	struct kev_kinds *kinds = kev_store_kinds(tree->store);
	struct run run = {.tree = tree, .stale = stale, .context = context};
	int result = 0;

	kev_edit_init(&run.edit, tree, kinds);
	lock(&run);
	for (size_t i = 0; i < count; i++) {
		prepare_change(&run);
		/* One that failed does not keep the others out: what it lacks comes by the resync. */
		if (change(&run, &changes[i]))
			result = -ENOMEM;
		if (log_change(&run, &changes[i]))
			result = -ENOMEM;
		rotate_if_full(&run);
	}
	unlock(&run);
	kev_edit_fini(&run.edit);
	kev_kinds_unref(kinds);
	return result;
}

/*
 * A resync: take the marks from everything, let the store's walk put what there is (which marks it), and
 * remove what has no mark.
 */

/* A directory whose members are gone through: the root's namespaces, or what one namespace holds. */
typedef struct kev_members *source_fn(struct run *run, struct kev_namespace *namespace_);

/* Look at a member. @return it is to be removed */
typedef bool look_fn(struct kev_members *members, uint32_t slot);

typedef int remove_fn(struct kev_edit *edit, void *item);

struct pass {
	source_fn *source;
	look_fn *look;
	remove_fn *remove; /* NULL: look never says so */
};

static struct kev_members *source_events(struct run *run, struct kev_namespace *namespace_)
{
	(void)run;
	return &namespace_->events.members;
}

static struct kev_members *source_pods(struct run *run, struct kev_namespace *namespace_)
{
	struct kev_resource *pods;

	(void)run;
	/* Directories' names cost no memory, so this does not fail but where there are none. */
	return kev_resource_find(namespace_, KEV_STR(KEV_EDIT_PODS), &pods) ? NULL : &pods->objects.members;
}

static struct kev_members *source_namespaces(struct run *run, struct kev_namespace *namespace_)
{
	(void)namespace_;
	return &run->tree->namespaces.members;
}

static bool unmark_event(struct kev_members *members, uint32_t slot)
{
	kev_members_mark(members, slot, false);
	return false;
}

static bool unmark_pod(struct kev_members *members, uint32_t slot)
{
	struct kev_object *object = kev_members_item(members, slot);

	object->seen = false;
	return false;
}

static bool unmark_namespace(struct kev_members *members, uint32_t slot)
{
	struct kev_namespace *namespace_ = kev_members_item(members, slot);

	namespace_->seen = false;
	return false;
}

static bool is_event_unseen(struct kev_members *members, uint32_t slot)
{
	return !kev_members_is_marked(members, slot);
}

static bool is_pod_unseen(struct kev_members *members, uint32_t slot)
{
	const struct kev_object *object = kev_members_item(members, slot);

	return object->pod && !object->seen;
}

static bool is_namespace_unseen(struct kev_members *members, uint32_t slot)
{
	const struct kev_namespace *namespace_ = kev_members_item(members, slot);

	return namespace_->present && !namespace_->seen;
}

static int remove_event(struct kev_edit *edit, void *item)
{
	return kev_edit_delete_event(edit, item);
}

static int remove_pod(struct kev_edit *edit, void *item)
{
	kev_edit_end_pod(edit, item);
	return 0;
}

static int remove_namespace(struct kev_edit *edit, void *item)
{
	kev_edit_end_namespace(edit, item);
	return 0;
}

/*
 * Look at some members behind cookie, and pick those to be removed. They stay until then, also without the
 * lock: each is there, and only this thread ends what is.
 * @return more may follow
 */
static bool pick(struct kev_members *members, look_fn *look, uint64_t *cookie, void **picked, size_t *count)
{
	uint32_t slot = kev_members_after(members, *cookie), looked = 0;

	*count = 0;
	while (slot != KEV_MEMBERS_NONE && looked++ < SLOTS_AT_ONCE && *count < CHANGES_AT_ONCE) {
		*cookie = kev_members_cookie(members, slot);
		if (look(members, slot))
			picked[(*count)++] = kev_members_item(members, slot);
		slot = kev_members_next(members, slot);
	}
	return slot != KEV_MEMBERS_NONE;
}

/* One pass over one directory. @param namespace_cookie  whose it is; 0: the root's. Locked. */
static int pass_over(struct run *run, const struct pass *pass, uint64_t namespace_cookie)
{
	void *picked[CHANGES_AT_ONCE];
	uint64_t cookie = 0;
	bool more = true;
	int result = 0;

	while (more) {
		struct kev_namespace *namespace_ =
			kev_members_by_cookie(&run->tree->namespaces.members, namespace_cookie);
		struct kev_members *members;
		size_t count;

		if (namespace_cookie && !namespace_)
			break;
		members = pass->source(run, namespace_);
		if (!members)
			break;
		more = pick(members, pass->look, &cookie, picked, &count);
		for (size_t i = 0; i < count && pass->remove; i++) {
			prepare_change(run);
			if (pass->remove(&run->edit, picked[i]))
				result = -ENOMEM;
		}
		breathe(run);
	}
	return result;
}

/* A pass over something that each namespace has. Locked. */
static int pass_over_namespaces(struct run *run, const struct pass *pass)
{
	const struct kev_members *members = &run->tree->namespaces.members;
	uint64_t cookie = 0;
	uint32_t slot;
	int result = 0;

	while ((slot = kev_members_after(members, cookie)) != KEV_MEMBERS_NONE) {
		cookie = kev_members_cookie(members, slot);
		if (pass_over(run, pass, cookie))
			result = -ENOMEM;
	}
	return result;
}

static void unmark(struct run *run)
{
	static const struct pass events = {source_events, unmark_event, NULL};
	static const struct pass pods = {source_pods, unmark_pod, NULL};
	static const struct pass namespaces = {source_namespaces, unmark_namespace, NULL};

	lock(run);
	(void)pass_over_namespaces(run, &events);
	(void)pass_over_namespaces(run, &pods);
	(void)pass_over(run, &namespaces, 0);
	kev_access_unmark(run->tree);
	unlock(run);
}

static int sweep(struct run *run)
{
	static const struct pass events = {source_events, is_event_unseen, remove_event};
	static const struct pass pods = {source_pods, is_pod_unseen, remove_pod};
	static const struct pass namespaces = {source_namespaces, is_namespace_unseen, remove_namespace};
	int result;

	lock(run);
	result = pass_over_namespaces(run, &events);
	(void)pass_over_namespaces(run, &pods);
	(void)pass_over(run, &namespaces, 0);
	kev_access_sweep(run->tree, run->restricted);
	tell_access(run);
	unlock(run);
	return result;
}

static int visit_restricted(void *context, bool restricted)
{
	struct run *run = context;

	run->restricted = restricted;
	return 0;
}

static int visit_permitted(void *context, struct kev_str namespace_)
{
	struct run *run = context;
	int r;

	lock(run);
	r = kev_access_permit(&run->edit, namespace_, true);
	unlock(run);
	return r;
}

static bool is_given_up(const struct run *run)
{
	return atomic_load(&run->tree->given_up);
}

static int visit_event(void *context, struct kev_event *event)
{
	struct run *run = context;
	int r;

	if (is_given_up(run))
		return -ECANCELED;
	lock(run);
	r = kev_edit_put_event(&run->edit, event);
	unlock(run);
	return r;
}

static int visit_pod(void *context, struct kev_str namespace_, struct kev_str name, int64_t created)
{
	struct run *run = context;
	int r;

	if (is_given_up(run))
		return -ECANCELED;
	lock(run);
	r = kev_edit_pod(&run->edit, namespace_, name, created, true);
	unlock(run);
	return r;
}

static int visit_namespace(void *context, struct kev_str name, int64_t created)
{
	struct run *run = context;
	int r;

	if (is_given_up(run))
		return -ECANCELED;
	lock(run);
	r = kev_edit_namespace(&run->edit, name, created, true);
	unlock(run);
	return r;
}

int kev_tree_resync(struct kev_tree *tree, kev_tree_stale_fn *stale, void *context)
{
	struct kev_kinds *kinds = kev_store_kinds(tree->store);
	struct run run = {.tree = tree, .stale = stale, .context = context};
	const struct kev_store_visitor visitor = {.restricted = visit_restricted,
		.permitted = visit_permitted,
		.event = visit_event,
		.pod = visit_pod,
		.namespace_ = visit_namespace,
		.context = &run};
	int r;

	kev_edit_init(&run.edit, tree, kinds);
	run.edit.when = kev_clock_realtime(tree->clock);
	unmark(&run);
	r = kev_store_walk(tree->store, &visitor);
	if (!r)
		r = sweep(&run);
	if (!r && !tree->synced) {
		lock(&run);
		kev_settle(tree);
		unlock(&run);
	}
	kev_edit_fini(&run.edit);
	kev_kinds_unref(kinds);
	return r;
}

/* The logs of what the journal lost, or what could not be appended as it came. */

/* Has the store the revision anyway? */
static bool is_current(struct run *run, const struct kev_record *record)
{
	const struct kev_occurrence occurrence = kev_record_occurrence(record);
	bool current = false;

	return occurrence.kind == KEV_OCCURRENCE_SEEN &&
	       kev_edit_is_current(&run->edit, occurrence.event, &current) == 0 && current;
}

static void count_record(struct run *run, const struct kev_record *record)
{
	const struct kev_occurrence occurrence = kev_record_occurrence(record);

	count_logged(run->tree, &occurrence);
}

/* @return how many are missing then */
static size_t log_all(struct run *run, struct kev_record *const *records, size_t count)
{
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		prepare_change(run);
		if (kev_logs_append(&run->edit, records[i], kev_record_occurrence(records[i]).when))
			missing++;
		count_record(run, records[i]);
		rotate_if_full(run);
	}
	return missing;
}

/* The first of them are in the logs of their namespaces: which are implied in those of their objects, and
 * into which are they written? @return how many are missing then */
static size_t log_objects(struct run *run, struct kev_record *const *records, size_t count)
{
	size_t missing = 0;

	if (!kev_object_logs_imply(run->tree))
		return 0;
	for (size_t i = 0; i < count; i++) {
		prepare_change(run);
		missing += kev_object_log_write(&run->edit, records[i]) != 0;
	}
	return missing;
}

/* The first sync's cost next to nothing as long as the store has their revisions anyway: they do not count,
 * and they imply the logs of their objects. @return how many are missing then */
static size_t log_first(struct run *run, struct kev_record *const *records, size_t count)
{
	struct kev_tree *tree = run->tree;
	size_t missing = 0;
	bool implied = false;

	for (size_t i = 0; i < count; i++) {
		bool current;
		int r;

		prepare_change(run);
		current = is_current(run, records[i]);
		r = implied ? kev_logs_append(&run->edit, records[i], kev_record_time(records[i]))
			    : kev_logs_append_first(&run->edit, records[i], current);
		missing += r != 0;
		if (!current)
			count_record(run, records[i]);
		if (!implied && (i + 1 == count || kev_logs_full(tree))) {
			missing += log_objects(run, records, i + 1);
			implied = true;
		}
		rotate_if_full(run);
	}
	tree->logged = true;
	tree->logged_at = run->edit.when;
	tree->first_until = tree->rotations + 2;
	return missing;
}

/* @param records  given up. @return how many of them are missing then: another resync would not bring them
 * back */
static size_t log_lost(struct kev_tree *tree, struct kev_record **records, size_t count,
	kev_tree_stale_fn *stale, void *context)
{
	struct run run = {.tree = tree, .stale = stale, .context = context};
	struct kev_kinds *kinds;
	size_t missing = 0;

	if (tree->log_max) {
		bool first = !tree->logged;

		if (first && count)
			qsort(records, count, sizeof(struct kev_record *), kev_record_compare);
		kinds = kev_store_kinds(tree->store);
		kev_edit_init(&run.edit, tree, kinds);
		run.edit.when = kev_clock_realtime(tree->clock);
		lock(&run);
		missing = first ? log_first(&run, records, count) : log_all(&run, records, count);
		unlock(&run);
		kev_edit_fini(&run.edit);
		kev_kinds_unref(kinds);
	}
	kev_records_free(records, count);
	return missing;
}

int kev_tree_follow(struct kev_tree *tree, struct kev_changes *changes, uint64_t *missing,
	kev_tree_stale_fn *stale, void *context)
{
	struct kev_record **lost, **kept;
	size_t lost_count, kept_count;
	int r = kev_tree_resync(tree, stale, context);
	bool first;

	if (r)
		return r;
	lost_count = kev_changes_take_lost(changes, &lost, missing);
	kept_count = kev_logs_take_kept(tree, &kept, missing);
	/* What is kept was taken from the journal before it overflowed, but for its first overflow of all. */
	first = !tree->logged;
	if (first)
		*missing += log_lost(tree, lost, lost_count, stale, context);
	*missing += log_lost(tree, kept, kept_count, stale, context);
	if (!first)
		*missing += log_lost(tree, lost, lost_count, stale, context);
	kev_meter_add(kev_store_meter(tree->store), KEV_METER_LOG_MISSING, *missing);
	return 0;
}
