#include "kevfs/watch/dump.h"

#include <errno.h>

#include "kevfs/event/items.h"
#include "kevfs/watch/recorded.h"
#include "kevfs/watch/recording.h"
#include "kevfs/watch/source.h"

static int on_item(void *context, struct kev_str item)
{
	return kev_recorded_item(context, item);
}

static int on_chunk(void *context, struct kev_str chunk, struct kev_error *error)
{
	return kev_items_feed(context, chunk, error);
}

/* What is to be done about what was left out. */
struct telling {
	const char *name;
	void (*found)(void *context, const struct kev_dump_found *what); /* NULL: it is logged */
	void *context;
};

static void tell(const struct telling *telling, const struct kev_recorded *recorded, enum kev_form form,
	size_t oversized, const struct kev_recording_end *end)
{
	struct kev_recorded_counts counts;
	struct kev_dump_found what = {.form = form, .counts = &counts, .oversized = oversized};

	if (!telling->found) {
		kev_recorded_report(recorded, telling->name, oversized);
		if (end)
			kev_recording_report(end, telling->name);
		return;
	}
	kev_recorded_count(recorded, &counts);
	what.broken_line = end && end->broken_off ? end->where.line : 0;
	telling->found(telling->context, &what);
}

static int load_list(struct kev_source *source, struct kev_recorded *recorded, const struct telling *telling,
	struct kev_error *error)
{
	KEV_CLEANUP(items_destroyp) struct kev_items *items = kev_items_create(on_item, recorded);
	int r;

	if (!items)
		return -ENOMEM;
	r = kev_source_read(source, on_chunk, items, error);
	if (r == 0)
		r = kev_items_finish(items, error);
	if (r == 0)
		tell(telling, recorded, KEV_FORM_LIST, kev_items_oversized(items), NULL);
	else if (r == -EINVAL)
		kev_error_prefix(error, "no Events as \"kubectl get events -A -o json\" prints them");
	return r == -E2BIG ? -EINVAL : r;
}

static int on_line(
	void *context, struct kev_str text, const struct kev_objects_where *where, struct kev_error *error)
{
	struct kev_recorded_line line;
	int r = kev_recorded_scan(context, text, where, &line, error);

	return r ? r : kev_recorded_apply(context, KEV_ORIGIN_FIRST_SYNC);
}

/* Of a recording, or of single Events. */
static int load_stream(struct kev_source *source, struct kev_recorded *recorded,
	const struct telling *telling, struct kev_error *error)
{
	struct kev_recording_end end;
	int r = kev_recording_read(source, on_line, recorded, &end, error);

	if (r)
		return r;
	tell(telling, recorded, kev_source_form(source), end.oversized, &end);
	return 0;
}

static int load(const char *path, struct kev_store *store, const char *const *namespaces,
	const struct telling *telling, struct kev_error *error)
{
	KEV_CLEANUP(source_closep) struct kev_source *source = NULL;
	struct kev_recorded *recorded;
	int r = kev_source_open(path, KEV_SOURCE_ONCE, &source, error);

	if (r)
		return r;
	recorded = kev_recorded_create(store, kev_source_form(source));
	if (!recorded)
		return -ENOMEM;
	r = kev_recorded_select(recorded, namespaces, error);
	if (!r && kev_source_form(source) == KEV_FORM_LIST)
		r = load_list(source, recorded, telling, error);
	else if (!r)
		r = load_stream(source, recorded, telling, error);
	kev_recorded_destroy(recorded);
	(void)kev_store_expire(store);
	return r;
}

int kev_dump_examine(const char *path, struct kev_store *store, const char *const *namespaces,
	void (*found)(void *context, const struct kev_dump_found *what), void *context,
	struct kev_error *error)
{
	const struct telling telling = {kev_source_name(path), found, context};
	int r = load(path, store, namespaces, &telling, error);

	if (r == -ENOMEM)
		kev_error_set(error, "out of memory");
	if (r)
		kev_error_prefix(error, "%s", telling.name);
	return r;
}

int kev_dump_load(
	const char *path, struct kev_store *store, const char *const *namespaces, struct kev_error *error)
{
	return kev_dump_examine(path, store, namespaces, NULL, NULL, error);
}
