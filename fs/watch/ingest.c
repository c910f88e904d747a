#include "kevfs/watch/ingest.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/event/json.h"
#include "kevfs/event/metadata.h"

#define LOG_INTERVAL (10 * KEV_NS_PER_SEC)

/* A resourceVersion that is longer than this is of no use to anyone. */
#define RESOURCE_VERSION_MAX 1024

struct kev_ingest {
	struct kev_store *store;
	struct kev_intake *intake;
	enum kev_scope_kind kind;
	const struct kev_clock *clock;
	const char *label;
	struct kev_json *json;
	struct kev_metadata metadata;
	struct kev_buf resource_version;
	uint64_t skipped;
	uint64_t logged;    /* how many of them the log has told */
	int64_t log_behind; /* monotonic ns: not before */
};

struct kev_ingest *kev_ingest_create(struct kev_store *store, struct kev_intake *intake,
	enum kev_scope_kind kind, const struct kev_clock *clock, const char *label)
{
	struct kev_ingest *ingest = calloc(1, sizeof(*ingest));

	if (!ingest)
		return NULL;
	ingest->store = store;
	ingest->intake = intake;
	ingest->kind = kind;
	ingest->clock = clock;
	ingest->label = label;
	ingest->log_behind = INT64_MIN;
	kev_metadata_init(&ingest->metadata);
	kev_buf_init(&ingest->resource_version, RESOURCE_VERSION_MAX);
	ingest->json = kev_json_create();
	if (ingest->json)
		return ingest;
	kev_ingest_destroy(ingest);
	return NULL;
}

void kev_ingest_destroy(struct kev_ingest *ingest)
{
	if (!ingest)
		return;
	kev_json_destroy(ingest->json);
	kev_metadata_fini(&ingest->metadata);
	kev_buf_fini(&ingest->resource_version);
	free(ingest);
}

void kev_ingest_skip(struct kev_ingest *ingest, uint64_t count, const char *why)
{
	int64_t now;

	if (count == 0)
		return;
	ingest->skipped += count;
	kev_meter_add(kev_store_meter(ingest->store), KEV_METER_SKIPPED, count);
	now = kev_clock_monotonic(ingest->clock);
	if (now < ingest->log_behind)
		return;
	kev_log_warning("%s: left out %llu of what the server sent: %s", ingest->label,
		(unsigned long long)(ingest->skipped - ingest->logged), why);
	ingest->logged = ingest->skipped;
	ingest->log_behind = now + LOG_INTERVAL;
}

uint64_t kev_ingest_skipped(const struct kev_ingest *ingest)
{
	return ingest->skipped;
}

/* @return 0, -ENOMEM, or another error: left out */
static int delete_event(struct kev_ingest *ingest, uint32_t object)
{
	const struct kev_metadata *metadata = &ingest->metadata;
	int r = kev_metadata_read(&ingest->metadata, ingest->json, object);
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;

	if (r == 0)
		return kev_intake_delete(
			ingest->intake, kev_buf_str(&metadata->namespace_), kev_buf_str(&metadata->name));
	/* An Event's name, unlike any other, may be of any length. */
	if (r == -EMSGSIZE)
		r = kev_event_create(ingest->json, object, &event, NULL);
	return r ? r : kev_intake_delete(ingest->intake, kev_event_namespace(event), kev_event_name(event));
}

/* @return 0, -ENOMEM, or another error: left out */
static int delete_object(struct kev_ingest *ingest, uint32_t object)
{
	const struct kev_metadata *metadata = &ingest->metadata;
	int r;

	if (ingest->kind == KEV_SCOPE_EVENTS)
		return delete_event(ingest, object);
	r = kev_metadata_read(&ingest->metadata, ingest->json, object);
	if (r)
		return r;
	if (ingest->kind == KEV_SCOPE_PODS)
		kev_store_delete_pod(
			ingest->store, kev_buf_str(&metadata->namespace_), kev_buf_str(&metadata->name));
	else
		kev_store_delete_namespace(ingest->store, kev_buf_str(&metadata->name));
	return 0;
}

static int put_event(struct kev_ingest *ingest, uint32_t object, bool listed, struct kev_error *error)
{
	struct kev_event *event = NULL;
	int r = kev_event_create(ingest->json, object, &event, error);

	if (r == 0)
		return kev_intake_put(ingest->intake, event, listed);
	/* What cannot be shown must not leave its older revision standing as if it were the newest. A list
	 * sees to that itself. */
	if (r != -ENOMEM && !listed && delete_event(ingest, object) == -ENOMEM)
		return -ENOMEM;
	return r;
}

/* @return 0, -ENOMEM, or another error with the error set: left out */
static int put_object(struct kev_ingest *ingest, uint32_t object, bool listed, struct kev_error *error)
{
	const struct kev_metadata *metadata = &ingest->metadata;
	int r;

	if (ingest->kind == KEV_SCOPE_EVENTS)
		return put_event(ingest, object, listed, error);
	r = kev_metadata_read(&ingest->metadata, ingest->json, object);
	if (r == 0 && ingest->kind == KEV_SCOPE_PODS)
		r = kev_store_put_pod(ingest->store, kev_buf_str(&metadata->namespace_),
			kev_buf_str(&metadata->name), metadata->created);
	else if (r == 0)
		r = kev_store_put_namespace(ingest->store, kev_buf_str(&metadata->name), metadata->created);
	if (r)
		kev_error_set(error, "an object without a usable name");
	return r;
}

/* What is no good is left out; only the lack of memory stops anything. */
static int finish(struct kev_ingest *ingest, int r, const struct kev_error *error)
{
	if (r == 0 || r == -ENOMEM)
		return r;
	kev_ingest_skip(ingest, 1, error->text);
	return 0;
}

int kev_ingest_item(struct kev_ingest *ingest, struct kev_str item)
{
	struct kev_error error = {""};
	int r = kev_json_scan(ingest->json, item, &error);

	if (r == 0)
		r = put_object(ingest, 0, true, &error);
	return finish(ingest, r, &error);
}

/* @return 0 or -ENOMEM */
static int apply(struct kev_ingest *ingest, const struct kev_envelope *envelope, bool listed)
{
	struct kev_error error = {""};
	int r = 0;

	switch (envelope->type) {
	case KEV_ENVELOPE_ADDED:
	case KEV_ENVELOPE_MODIFIED:
		r = put_object(ingest, envelope->object, listed, &error);
		break;
	case KEV_ENVELOPE_DELETED:
		r = delete_object(ingest, envelope->object);
		if (r)
			kev_error_set(&error, "a deletion without a usable name");
		break;
	case KEV_ENVELOPE_UNKNOWN:
		r = -EINVAL;
		kev_error_set(&error, "a watch line of an unknown type");
		break;
	case KEV_ENVELOPE_BOOKMARK:
	case KEV_ENVELOPE_ERROR:
		break;
	}
	return finish(ingest, r, &error);
}

int kev_ingest_line(struct kev_ingest *ingest, struct kev_str line, bool listed, struct kev_ingest_line *out,
	struct kev_error *error)
{
	struct kev_envelope envelope;
	int r = kev_json_scan(ingest->json, line, error);

	if (r == -ENOMEM)
		return r;
	if (r || kev_envelope_read(ingest->json, &envelope) != 0) {
		if (!r)
			kev_error_set(error, "no line of a watch");
		return -EINVAL;
	}
	kev_buf_clear(&ingest->resource_version);
	r = kev_envelope_resource_version(ingest->json, envelope.object, &ingest->resource_version);
	if (r == -ENOMEM)
		return r;
	r = apply(ingest, &envelope, listed);
	if (r)
		return r;
	*out = (struct kev_ingest_line){.type = envelope.type,
		.resource_version = kev_buf_str(&ingest->resource_version),
		.object = kev_json_raw(ingest->json, envelope.object),
		.initial_end = envelope.type == KEV_ENVELOPE_BOOKMARK &&
			       kev_envelope_is_initial_end(ingest->json, envelope.object)};
	return 0;
}
