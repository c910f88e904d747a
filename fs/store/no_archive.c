/* In place of archive.c where kevfs is built without SQLite. */
#include "kevfs/store/archive.h"

#include <errno.h>

bool kev_archive_is_there(void)
{
	return false;
}

static int refuse(struct kev_error *error)
{
	kev_error_set(
		error, "this kevfs was built without SQLite (meson's option state), and so without state=");
	return -ENOTSUP;
}

int kev_archive_open(
	const struct kev_archive_config *config, struct kev_archive **out, struct kev_error *error)
{
	(void)config, (void)out;
	return refuse(error);
}

int kev_archive_look(const char *directory, const struct kev_history_view *view, struct kev_error *error)
{
	(void)directory, (void)view;
	return refuse(error);
}

/* There is no archive that these could be called with. */

bool kev_archive_complete(const struct kev_archive *archive)
{
	(void)archive;
	return false;
}

int kev_archive_load(struct kev_archive *archive, struct kev_error *error)
{
	(void)archive, (void)error;
	return -ENOTSUP;
}

int kev_archive_start(struct kev_archive *archive)
{
	(void)archive;
	return -ENOTSUP;
}

void kev_archive_synced(struct kev_archive *archive)
{
	(void)archive;
}

void kev_archive_status(struct kev_archive *archive, struct kev_archive_status *out)
{
	(void)archive;
	*out = (struct kev_archive_status){.failing = false};
}

void kev_archive_stop(struct kev_archive *archive)
{
	(void)archive;
}

void kev_archive_destroy(struct kev_archive *archive)
{
	(void)archive;
}
