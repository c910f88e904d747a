#include "kevfs/watch/recording.h"

#include <errno.h>
#include <inttypes.h>

#include "kevfs/base/log.h"

struct reading {
	struct kev_objects *objects;
	kev_recording_fn *line;
	void *context;
	struct kev_error *error;
	uint64_t lines;
};

static int on_object(void *context, struct kev_str text, const struct kev_objects_where *where)
{
	struct reading *reading = context;
	int r = reading->line(reading->context, text, where, reading->error);

	reading->lines++;
	if (r == -EINVAL)
		kev_error_prefix(
			reading->error, "line %" PRIu64 " (byte %" PRIu64 ")", where->line, where->byte);
	return r;
}

static int on_chunk(void *context, struct kev_str chunk, struct kev_error *error)
{
	struct reading *reading = context;

	return kev_objects_feed(reading->objects, chunk, error);
}

static int finish(struct reading *reading, struct kev_recording_end *end, struct kev_error *error)
{
	struct kev_recording_end found = {.oversized = kev_objects_oversized(reading->objects)};
	int r = kev_objects_finish(reading->objects, &found.where, error);

	if (r < 0)
		return r;
	/* In a recording that is whole but for its end, most is right; this one never began. */
	if (r > 0 && reading->lines == 0 && found.oversized == 0) {
		kev_error_set(error, "line %" PRIu64 " (byte %" PRIu64 "): the text is broken off",
			found.where.line, found.where.byte);
		return -EINVAL;
	}
	found.broken_off = r > 0;
	*end = found;
	return 0;
}

int kev_recording_read(struct kev_source *source, kev_recording_fn *line, void *context,
	struct kev_recording_end *end, struct kev_error *error)
{
	struct reading reading = {.line = line, .context = context, .error = error};
	KEV_CLEANUP(objects_destroyp) struct kev_objects *objects = kev_objects_create(on_object, &reading);
	int r;

	if (!objects)
		return -ENOMEM;
	reading.objects = objects;
	r = kev_source_read(source, on_chunk, &reading, error);
	return r ? r : finish(&reading, end, error);
}

void kev_recording_report(const struct kev_recording_end *end, const char *path)
{
	if (end->broken_off)
		kev_log_warning("%s: line %" PRIu64 " (byte %" PRIu64 "): broken off, and left out", path,
			end->where.line, end->where.byte);
}
