#include "archive_internal.h"

#include <errno.h>
#include <string.h>

#include "kevfs/base/log.h"

struct loading {
	struct kev_store *store;
	uint64_t count;
};

static int load_revision(void *context, const struct kev_history_revision *revision)
{
	struct loading *loading = context;

	loading->count++;
	return kev_store_restore(
		loading->store, kev_event_ref(revision->event), revision->superseded ? 0 : revision->gone);
}

static int load_kinds(struct kev_archive *archive, struct kev_error *error)
{
	struct kev_kinds *kinds = NULL;
	int r = kev_history_load_kinds(archive->history, &kinds, error);

	if (r || !kinds)
		return r;
	archive->kinds = kev_kinds_ref(kinds);
	kev_store_set_kinds(archive->config.store, kinds);
	return 0;
}

static int permit_all(struct kev_store *store, struct kev_str names)
{
	while (names.len) {
		struct kev_str name = {names.data, strnlen(names.data, names.len)};
		int r = kev_store_permit(store, name, true);

		/* What is no name of a namespace is left out. */
		if (r == -ENOMEM)
			return r;
		/* The NUL, too. */
		names.data += name.len;
		names.len -= name.len;
		if (names.len) {
			names.data++;
			names.len--;
		}
	}
	return 0;
}

static int load_access(struct kev_archive *archive, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf names;
	bool restricted = false;
	int r;

	kev_buf_init(&names, KEV_HISTORY_NAMES_MAX);
	r = kev_history_load_access(archive->history, &restricted, &names, error);
	if (r)
		return r;
	if (restricted) {
		kev_store_restrict(archive->config.store, true);
		r = permit_all(archive->config.store, kev_buf_str(&names));
	}
	archive->access = kev_store_access_changes(archive->config.store);
	archive->access_saved = true;
	return r;
}

int kev_archive_load(struct kev_archive *archive, struct kev_error *error)
{
	const struct kev_history_query query = {.superseded_bytes = KEV_ARCHIVE_LOAD_MAX};
	struct loading loading = {archive->config.store, 0};
	struct kev_store_counts counts;
	uint64_t skipped = 0;
	int r = load_kinds(archive, error);

	if (!r)
		r = load_access(archive, error);
	if (!r)
		r = kev_history_walk(archive->history, &query, kev_store_words(archive->config.store),
			load_revision, &loading, &skipped, error);
	if (r)
		return r;
	if (skipped)
		kev_log_warning("%s: left out %llu revisions that make no sense", archive->config.directory,
			(unsigned long long)skipped);
	kev_store_counts(archive->config.store, &counts);
	/* What could not be loaded goes, and what is current is what the store says; also of what is too
	 * much. */
	archive->compare = skipped > 0 || counts.evicted > 0;
	kev_log_info(
		"%s: %llu revisions loaded", archive->config.directory, (unsigned long long)loading.count);
	return 0;
}
