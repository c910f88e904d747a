#include "kevfs/event/objects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"
#include "split.h"

/* What a buffer keeps when its object is done: one large object must not cost its memory for ever. */
#define KEEP (256U << 10)

struct kev_objects {
	kev_objects_fn *object;
	void *context;
	bool inside; /* an object has begun */
	bool oversized;
	struct split split;
	struct kev_buf text;            /* of the object that began in an earlier chunk */
	struct kev_objects_where begin; /* of the object that has begun */
	struct kev_objects_where at;    /* the next byte */
	int failed;                     /* 0, or what every further call returns */
	const char *wrong;              /* what is wrong at begin; NULL where the callback has failed */
	size_t oversized_count;
};

struct kev_objects *kev_objects_create(kev_objects_fn *object, void *context)
{
	struct kev_objects *objects = calloc(1, sizeof(*objects));

	if (!objects)
		return NULL;
	objects->object = object;
	objects->context = context;
	objects->at.line = 1;
	kev_buf_init(&objects->text, KEV_JSON_TEXT_MAX);
	return objects;
}

void kev_objects_destroy(struct kev_objects *objects)
{
	if (!objects)
		return;
	kev_buf_fini(&objects->text);
	free(objects);
}

static int fail(struct kev_objects *objects, int r, const char *wrong)
{
	objects->wrong = wrong;
	return objects->failed = r;
}

static int tell(const struct kev_objects *objects, struct kev_error *error)
{
	if (objects->wrong)
		kev_error_set(error, "line %" PRIu64 " (byte %" PRIu64 "): %s", objects->begin.line,
			objects->begin.byte, objects->wrong);
	return objects->failed;
}

/* The bytes up to end are done with. */
static void advance(struct kev_objects *objects, struct kev_str *rest, const char *end)
{
	size_t len = (size_t)(end - rest->data);

	for (const char *p = rest->data; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		objects->at.line++;
	objects->at.byte += len;
	rest->data += len;
	rest->len -= len;
}

/* Keep a part of an object. One over the cap is given up. */
static int keep(struct kev_objects *objects, struct kev_str piece)
{
	if (objects->oversized || kev_buf_append_str(&objects->text, piece) == 0)
		return 0;
	if (objects->text.error == -ENOMEM)
		return fail(objects, -ENOMEM, "out of memory");
	objects->oversized = true;
	kev_buf_fini(&objects->text);
	return 0;
}

/* The end of an object has come. One that lies within a chunk is given as it lies there, without a copy. */
static int end_object(struct kev_objects *objects, struct kev_str last)
{
	struct kev_str whole = last;
	int r = 0;

	if (objects->text.len > 0 || objects->oversized || last.len > objects->text.max) {
		r = keep(objects, last);
		whole = kev_buf_str(&objects->text);
	}
	if (r)
		return r;
	if (objects->oversized)
		objects->oversized_count++;
	else
		r = objects->object(objects->context, whole, &objects->begin);
	objects->inside = objects->oversized = false;
	if (objects->text.room > KEEP)
		kev_buf_fini(&objects->text);
	else
		kev_buf_clear(&objects->text);
	return r ? fail(objects, r, NULL) : 0;
}

static int step_object(struct kev_objects *objects, struct kev_str *rest)
{
	struct kev_str piece = {rest->data, 0};
	bool whole;
	const char *end = split_value(&objects->split, rest->data, rest->data + rest->len, &whole);

	piece.len = (size_t)(end - rest->data);
	advance(objects, rest, end);
	return whole ? end_object(objects, piece) : keep(objects, piece);
}

static int step_between(struct kev_objects *objects, struct kev_str *rest)
{
	const char *p = rest->data, *end = rest->data + rest->len;

	while (p < end && split_is_space(*p))
		p++;
	advance(objects, rest, p);
	if (p == end)
		return 0;
	objects->begin = objects->at;
	if (*p != '{')
		return fail(objects, -EINVAL, "expected '{': there is nothing but objects here");
	objects->inside = true;
	return 0;
}

int kev_objects_feed(struct kev_objects *objects, struct kev_str text, struct kev_error *error)
{
	int r = objects->failed;

	while (text.len > 0 && !r)
		r = objects->inside ? step_object(objects, &text) : step_between(objects, &text);
	return r ? tell(objects, error) : 0;
}

/* kubectl indents what is within an object, and the API server writes it on one line. */
static bool seems_to_hold_another(const struct kev_objects *objects)
{
	return objects->oversized || memmem(objects->text.data, objects->text.len, "\n{", 2);
}

int kev_objects_finish(
	struct kev_objects *objects, struct kev_objects_where *broken_off, struct kev_error *error)
{
	if (!objects->failed && objects->inside && seems_to_hold_another(objects))
		fail(objects, -EINVAL, "an object that never ends");
	if (objects->failed)
		return tell(objects, error);
	if (!objects->inside)
		return 0;
	*broken_off = objects->begin;
	return 1;
}

size_t kev_objects_oversized(const struct kev_objects *objects)
{
	return objects->oversized_count;
}
