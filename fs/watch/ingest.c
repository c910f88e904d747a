#include "kevfs/watch/ingest.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/log.h"
#include "kevfs/event/json.h"
#include "kevfs/event/metadata.h"
#include "kevfs/event/revision.h"

#define LOG_INTERVAL (10 * KEV_NS_PER_SEC)

/* A resourceVersion that is longer than this is of no use to anyone. */
#define RESOURCE_VERSION_MAX 1024

/* A uid is 36 bytes; of a longer one the rest is not looked at. */
#define UID_MAX 1024

struct kev_ingest {
	struct kev_store *store;
	struct kev_intake *intake;
	enum kev_scope_kind kind;
	const struct kev_clock *clock;
	const char *label;
	struct kev_json *json;
	struct kev_metadata metadata;
	struct kev_buf resource_version, uid;
	struct last {
		struct kev_buf resource_version; /* "" where nothing has come */
		uint64_t identity;
	} last; /* line of a watch; of a list, the newest item */
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
	kev_buf_init(&ingest->uid, UID_MAX);
	kev_buf_init(&ingest->last.resource_version, RESOURCE_VERSION_MAX);
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
	kev_buf_fini(&ingest->uid);
	kev_buf_fini(&ingest->last.resource_version);
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
	struct kev_event_room room;

	if (r == 0)
		return kev_intake_delete(
			ingest->intake, kev_buf_str(&metadata->namespace_), kev_buf_str(&metadata->name));
	/* An Event's name, unlike any other, may be of any length. */
	if (r == -EMSGSIZE)
		r = kev_event_create(ingest->json, object, kev_store_words(ingest->store), &event, NULL);
	return r ? r
		 : kev_intake_delete(
			   ingest->intake, kev_event_namespace(event), kev_event_name(event, &room));
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

void kev_ingest_begin(struct kev_ingest *ingest)
{
	kev_buf_clear(&ingest->last.resource_version);
}

static uint64_t identify(struct kev_str uid, bool deleted)
{
	/* It is compared within this process only. */
	const struct kev_hash_key key = {deleted, 0};

	return kev_hash_sip13(&key, uid.data, uid.len);
}

/* What does not fit is not there. */
static void note_last(struct kev_ingest *ingest, struct kev_str resource_version, uint64_t identity)
{
	kev_buf_clear(&ingest->last.resource_version);
	if (kev_buf_append_str(&ingest->last.resource_version, resource_version) != 0)
		kev_buf_fini(&ingest->last.resource_version);
	ingest->last.identity = identity;
}

/* The items of a list are in the order of their names. */
static void note_item(struct kev_ingest *ingest, const struct kev_event *event)
{
	struct kev_event_room rooms[2];
	struct kev_str resource_version = kev_event_resource_version(event, &rooms[0]);

	if (!kev_revision_goes_back(kev_buf_str(&ingest->last.resource_version), resource_version))
		note_last(ingest, resource_version, identify(kev_event_uid(event, &rooms[1]), false));
}

static int put_event(struct kev_ingest *ingest, uint32_t object, bool listed, struct kev_error *error)
{
	struct kev_event *event = NULL;
	int r = kev_event_create(ingest->json, object, kev_store_words(ingest->store), &event, error);

	if (r == 0 && listed)
		note_item(ingest, event);
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

static bool is_change(const struct kev_envelope *envelope)
{
	return envelope->type == KEV_ENVELOPE_ADDED || envelope->type == KEV_ENVELOPE_MODIFIED ||
	       envelope->type == KEV_ENVELOPE_DELETED;
}

/* @return 0, -EINVAL, -ESTALE */
static int check_place(struct kev_ingest *ingest, const struct kev_envelope *envelope, uint64_t identity,
	enum kev_ingest_place place, struct kev_error *error)
{
	struct kev_str own = kev_buf_str(&ingest->resource_version);
	struct kev_str last = kev_buf_str(&ingest->last.resource_version);

	if (place == KEV_INGEST_AGAIN && is_change(envelope))
		return kev_str_eq(own, last) && identity == ingest->last.identity ? 0 : -ESTALE;
	/* Old servers tell of a deletion with the resourceVersion of what is deleted. */
	if (place != KEV_INGEST_LIVE || !is_change(envelope) || envelope->type == KEV_ENVELOPE_DELETED ||
		!kev_revision_goes_back(last, own))
		return 0;
	kev_error_set(error, "its resourceVersion goes back");
	return -EINVAL;
}

/* Read what tells a line from others. */
static int read_identity(struct kev_ingest *ingest, const struct kev_envelope *envelope, uint64_t *identity)
{
	int r;

	kev_buf_clear(&ingest->resource_version);
	kev_buf_clear(&ingest->uid);
	r = kev_envelope_resource_version(ingest->json, envelope->object, &ingest->resource_version);
	if (r != -ENOMEM)
		r = kev_envelope_uid(ingest->json, envelope->object, &ingest->uid);
	if (r == -ENOMEM)
		return r;
	*identity = identify(kev_buf_str(&ingest->uid), envelope->type == KEV_ENVELOPE_DELETED);
	return 0;
}

int kev_ingest_append_start(const struct kev_ingest *ingest, struct kev_buf *out)
{
	return kev_revision_append_before(kev_buf_str(&ingest->last.resource_version), out);
}

int kev_ingest_line(struct kev_ingest *ingest, struct kev_str line, enum kev_ingest_place place,
	struct kev_ingest_line *out, struct kev_error *error)
{
	struct kev_envelope envelope;
	uint64_t identity;
	int r = kev_json_scan(ingest->json, line, error);

	if (r == -ENOMEM)
		return r;
	if (r || kev_envelope_read(ingest->json, &envelope) != 0) {
		if (!r)
			kev_error_set(error, "no line of a watch");
		return -EINVAL;
	}
	r = read_identity(ingest, &envelope, &identity);
	if (r == 0)
		r = check_place(ingest, &envelope, identity, place, error);
	if (r == 0)
		r = apply(ingest, &envelope, place == KEV_INGEST_LISTED);
	if (r)
		return r;
	if (place != KEV_INGEST_LISTED && is_change(&envelope))
		note_last(ingest, kev_buf_str(&ingest->resource_version), identity);
	*out = (struct kev_ingest_line){.type = envelope.type,
		.change = is_change(&envelope),
		.resource_version = kev_buf_str(&ingest->resource_version),
		.object = kev_json_raw(ingest->json, envelope.object),
		.initial_end = envelope.type == KEV_ENVELOPE_BOOKMARK &&
			       kev_envelope_is_initial_end(ingest->json, envelope.object)};
	return 0;
}
