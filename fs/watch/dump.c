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

static int load_list(
	struct kev_source *source, struct kev_recorded *recorded, const char *name, struct kev_error *error)
{
	KEV_CLEANUP(items_destroyp) struct kev_items *items = kev_items_create(on_item, recorded);
	int r;

	if (!items)
		return -ENOMEM;
	r = kev_source_read(source, on_chunk, items, error);
	if (r == 0)
		r = kev_items_finish(items, error);
	if (r == 0)
		kev_recorded_report(recorded, name, kev_items_oversized(items));
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
static int load_stream(
	struct kev_source *source, struct kev_recorded *recorded, const char *name, struct kev_error *error)
{
	struct kev_recording_end end;
	int r = kev_recording_read(source, on_line, recorded, &end, error);

	if (r)
		return r;
	kev_recorded_report(recorded, name, end.oversized);
	kev_recording_report(&end, name);
	return 0;
}

static int load(
	const char *path, struct kev_store *store, const char *const *namespaces, struct kev_error *error)
{
	KEV_CLEANUP(source_closep) struct kev_source *source = NULL;
	const char *name = kev_source_name(path);
	struct kev_recorded *recorded;
	int r = kev_source_open(path, KEV_SOURCE_ONCE, &source, error);

	if (r)
		return r;
	recorded = kev_recorded_create(store, kev_source_form(source));
	if (!recorded)
		return -ENOMEM;
	r = kev_recorded_select(recorded, namespaces, error);
	if (!r && kev_source_form(source) == KEV_FORM_LIST)
		r = load_list(source, recorded, name, error);
	else if (!r)
		r = load_stream(source, recorded, name, error);
	kev_recorded_destroy(recorded);
	(void)kev_store_expire(store);
	return r;
}

int kev_dump_load(
	const char *path, struct kev_store *store, const char *const *namespaces, struct kev_error *error)
{
	int r = load(path, store, namespaces, error);

	if (r == -ENOMEM)
		kev_error_set(error, "out of memory");
	if (r)
		kev_error_prefix(error, "%s", kev_source_name(path));
	return r;
}
