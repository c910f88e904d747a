#include "kevfs/event/items.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/num.h"
#include "kevfs/event/json.h"
#include "split.h"

/* What stands next in the text, white space aside. */
enum state {
	STATE_START,        /* '{' */
	STATE_FIRST_KEY,    /* a key, or '}' */
	STATE_NEXT_KEY,     /* a key */
	STATE_KEY,          /* the rest of a key */
	STATE_COLON,        /* ':' */
	STATE_MEMBER_BEGIN, /* a member's value */
	STATE_MEMBER,       /* the rest of an object, array or string beside the items */
	STATE_SCALAR,       /* the rest of a number or literal */
	STATE_MEMBER_END,   /* ',' or '}' */
	STATE_FIRST_ITEM,   /* an item, or ']' */
	STATE_NEXT_ITEM,    /* an item */
	STATE_ITEM,         /* the rest of an item */
	STATE_ITEM_END,     /* ',' or ']' */
	STATE_END,          /* nothing */
};

/* Where one character decides. A value's first byte is not taken: it belongs to the value's text. */
struct transition {
	enum state from;
	char c;
	bool taken;
	enum state to;
};

static const struct transition transitions[] = {
	{STATE_START, '{', true, STATE_FIRST_KEY},
	{STATE_FIRST_KEY, '"', false, STATE_KEY},
	{STATE_FIRST_KEY, '}', true, STATE_END},
	{STATE_NEXT_KEY, '"', false, STATE_KEY},
	{STATE_COLON, ':', true, STATE_MEMBER_BEGIN},
	{STATE_MEMBER_BEGIN, '{', false, STATE_MEMBER},
	{STATE_MEMBER_BEGIN, '[', false, STATE_MEMBER},
	{STATE_MEMBER_BEGIN, '"', false, STATE_MEMBER},
	{STATE_MEMBER_END, ',', true, STATE_NEXT_KEY},
	{STATE_MEMBER_END, '}', true, STATE_END},
	{STATE_FIRST_ITEM, '{', false, STATE_ITEM},
	{STATE_FIRST_ITEM, ']', true, STATE_MEMBER_END},
	{STATE_NEXT_ITEM, '{', false, STATE_ITEM},
	{STATE_ITEM_END, ',', true, STATE_NEXT_ITEM},
	{STATE_ITEM_END, ']', true, STATE_MEMBER_END},
};

/* What to say where no transition fits. */
static const char *const expected[] = {
	[STATE_START] = "expected '{': a list is an object",
	[STATE_FIRST_KEY] = "expected a key or '}'",
	[STATE_NEXT_KEY] = "expected a key",
	[STATE_COLON] = "expected ':'",
	[STATE_MEMBER_END] = "expected ',' or '}'",
	[STATE_FIRST_ITEM] = "expected an object or ']'",
	[STATE_NEXT_ITEM] = "expected an object",
	[STATE_ITEM_END] = "expected ',' or ']'",
	[STATE_END] = "expected the end of the list",
};

struct kev_items {
	kev_items_fn *item;
	void *context;
	enum state state;
	struct split split;
	struct kev_buf text;   /* of the key, member or item that began in an earlier chunk */
	struct kev_json *json; /* for keys and members */
	struct kev_buf key;
	bool has_items;
	bool oversized_item; /* the item that is being split off is over the cap */
	uint64_t offset;     /* of the chunk in the body */
	int failed;          /* 0, or what every further call returns */
	const char *wrong;   /* what is wrong at byte wrong_at; NULL where the callback has failed */
	uint64_t wrong_at;
	struct kev_buf kind, resource_version, continue_;
	uint64_t remaining;
	size_t count, oversized;
};

/* One call of kev_items_feed(). */
struct chunk {
	const char *begin, *p, *end;
};

struct kev_items *kev_items_create(kev_items_fn *item, void *context)
{
	struct kev_items *items = calloc(1, sizeof(*items));

	if (!items)
		return NULL;
	items->item = item;
	items->context = context;
	items->json = kev_json_create();
	if (!items->json) {
		free(items);
		return NULL;
	}
	kev_buf_init(&items->text, KEV_ITEMS_MEMBER_MAX);
	/* Decoding makes at most three bytes of one. */
	kev_buf_init(&items->key, (size_t)KEV_ITEMS_MEMBER_MAX * 3);
	kev_buf_init(&items->kind, (size_t)KEV_ITEMS_MEMBER_MAX * 3);
	kev_buf_init(&items->resource_version, (size_t)KEV_ITEMS_MEMBER_MAX * 3);
	kev_buf_init(&items->continue_, (size_t)KEV_ITEMS_MEMBER_MAX * 3);
	return items;
}

void kev_items_destroy(struct kev_items *items)
{
	if (!items)
		return;
	kev_buf_fini(&items->text);
	kev_buf_fini(&items->key);
	kev_buf_fini(&items->kind);
	kev_buf_fini(&items->resource_version);
	kev_buf_fini(&items->continue_);
	kev_json_destroy(items->json);
	free(items);
}

static int fail(struct kev_items *items, const struct chunk *chunk, int r, const char *wrong)
{
	items->wrong = wrong;
	items->wrong_at = items->offset + (uint64_t)(chunk->p - chunk->begin);
	return items->failed = r;
}

static int tell(const struct kev_items *items, struct kev_error *error)
{
	if (items->wrong)
		kev_error_set(error, "list, byte %" PRIu64 ": %s", items->wrong_at, items->wrong);
	return items->failed;
}

static const char *split_scalar(const char *p, const char *end, bool *whole)
{
	while (p < end && !split_is_space(*p) && *p != ',' && *p != '}' && *p != ']')
		p++;
	*whole = p < end;
	return p;
}

/**
 * Take what the chunk has of the value that has begun.
 * @param out  the whole value, in the chunk or in items->text
 * @return 1 where it is whole, 0 where the chunk is used up, -EMSGSIZE (over max) or -ENOMEM
 */
static int take_value(struct kev_items *items, struct chunk *chunk, size_t max, struct kev_str *out)
{
	struct kev_str piece = {chunk->p, 0};
	bool whole;
	int r;

	if (items->state == STATE_SCALAR)
		chunk->p = split_scalar(chunk->p, chunk->end, &whole);
	else
		chunk->p = split_value(&items->split, chunk->p, chunk->end, &whole);
	piece.len = (size_t)(chunk->p - piece.data);
	if (whole && items->text.len == 0) {
		*out = piece;
		return piece.len > max ? -EMSGSIZE : 1;
	}
	items->text.max = max;
	r = kev_buf_append_str(&items->text, piece);
	if (r)
		return r;
	*out = kev_buf_str(&items->text);
	return whole;
}

static int end_item(struct kev_items *items, struct kev_str text)
{
	int r;

	items->count++;
	r = items->item(items->context, text);
	if (r) {
		items->wrong = NULL;
		items->failed = r;
	}
	return r;
}

static int step_item(struct kev_items *items, struct chunk *chunk)
{
	struct kev_str text = {NULL, 0};
	int r;

	if (items->oversized_item) {
		bool whole;

		chunk->p = split_value(&items->split, chunk->p, chunk->end, &whole);
		r = whole;
	} else {
		r = take_value(items, chunk, KEV_ITEMS_ITEM_MAX, &text);
	}
	if (r == -ENOMEM)
		return fail(items, chunk, r, "out of memory");
	if (r == -EMSGSIZE) {
		items->oversized_item = true;
		kev_buf_fini(&items->text);
		/* It may have ended with this piece: then nothing is open. */
		r = items->split.depth == 0;
	}
	if (r == 0)
		return 0;
	items->state = STATE_ITEM_END;
	if (items->oversized_item) {
		items->oversized_item = false;
		items->oversized++;
		return 0;
	}
	r = end_item(items, text);
	kev_buf_clear(&items->text);
	return r;
}

static void read_string(const struct kev_json *json, uint32_t index, struct kev_buf *out)
{
	kev_buf_clear(out);
	kev_json_append_string(json, index, out);
}

static void read_metadata(struct kev_items *items)
{
	const struct kev_json *json = items->json;
	uint32_t remaining = kev_json_get(json, 0, "remainingItemCount");

	read_string(json, kev_json_get(json, 0, "resourceVersion"), &items->resource_version);
	read_string(json, kev_json_get(json, 0, "continue"), &items->continue_);
	items->remaining = 0;
	/* An estimate for a progress bar: anything that is no count is none. */
	if (!kev_json_is(json, remaining, KEV_JSON_NUMBER) ||
		kev_num_parse_u64(kev_json_raw(json, remaining), INT64_MAX, &items->remaining))
		items->remaining = 0;
}

/* A member beside the items is whole, and scanned. @return what is wrong with it, or NULL */
static const char *end_member(struct kev_items *items)
{
	struct kev_str key = kev_buf_str(&items->key);

	if (kev_str_eq(key, KEV_STR("kind"))) {
		read_string(items->json, 0, &items->kind);
	} else if (kev_str_eq(key, KEV_STR("metadata"))) {
		read_metadata(items);
	} else if (kev_str_eq(key, KEV_STR("items"))) {
		if (!kev_json_is(items->json, 0, KEV_JSON_NULL))
			return "items is neither an array nor null";
		items->has_items = true;
	}
	return NULL;
}

/* A key is whole, and scanned. */
static const char *end_key(struct kev_items *items)
{
	read_string(items->json, 0, &items->key);
	/* The items of the first are gone: Go would forget them. */
	if (items->has_items && kev_str_eq(kev_buf_str(&items->key), KEV_STR("items")))
		return "a second member called items";
	return NULL;
}

/* A key, or the value of a member beside the items. */
static int step_member(struct kev_items *items, struct chunk *chunk)
{
	bool is_key = items->state == STATE_KEY;
	const char *wrong;
	struct kev_str text = {NULL, 0};
	int r = take_value(items, chunk, KEV_ITEMS_MEMBER_MAX, &text);

	if (r == 0)
		return 0;
	if (r > 0)
		r = kev_json_scan(items->json, text, NULL);
	if (r == -ENOMEM)
		return fail(items, chunk, r, "out of memory");
	if (r == -EINVAL)
		return fail(items, chunk, r, is_key ? "a broken key ends here" : "a broken value ends here");
	if (r)
		return fail(items, chunk, -E2BIG, "a member beside the items is too large");
	wrong = is_key ? end_key(items) : end_member(items);
	kev_buf_clear(&items->text);
	if (wrong)
		return fail(items, chunk, -EINVAL, wrong);
	if (items->key.error || items->kind.error || items->resource_version.error || items->continue_.error)
		return fail(items, chunk, -ENOMEM, "out of memory");
	items->state = is_key ? STATE_COLON : STATE_MEMBER_END;
	return 0;
}

/* One character between the values. */
static int step_between(struct kev_items *items, struct chunk *chunk)
{
	if (split_is_space(*chunk->p)) {
		chunk->p++;
		return 0;
	}
	items->split = (struct split){0};
	if (items->state == STATE_MEMBER_BEGIN && *chunk->p == '[' &&
		kev_str_eq(kev_buf_str(&items->key), KEV_STR("items"))) {
		items->has_items = true;
		items->state = STATE_FIRST_ITEM;
		chunk->p++;
		return 0;
	}
	for (size_t i = 0; i < KEV_ARRAY_LEN(transitions); i++) {
		if (transitions[i].from == items->state && transitions[i].c == *chunk->p) {
			items->state = transitions[i].to;
			chunk->p += transitions[i].taken;
			return 0;
		}
	}
	if (items->state != STATE_MEMBER_BEGIN)
		return fail(items, chunk, -EINVAL, expected[items->state]);
	items->state = STATE_SCALAR;
	return 0;
}

int kev_items_feed(struct kev_items *items, struct kev_str text, struct kev_error *error)
{
	struct chunk chunk = {text.data, text.data, text.data ? text.data + text.len : NULL};
	int r = items->failed;

	while (chunk.p < chunk.end && !r) {
		enum state state = items->state;

		if (state == STATE_ITEM)
			r = step_item(items, &chunk);
		else if (state == STATE_KEY || state == STATE_MEMBER || state == STATE_SCALAR)
			r = step_member(items, &chunk);
		else
			r = step_between(items, &chunk);
	}
	if (r)
		return tell(items, error);
	items->offset += text.len;
	return 0;
}

int kev_items_finish(struct kev_items *items, struct kev_error *error)
{
	const char *end = "";
	const struct chunk nothing = {end, end, end};

	if (!items->failed && items->state != STATE_END)
		fail(items, &nothing, -EINVAL, "the text is broken off");
	else if (!items->failed && !items->has_items)
		fail(items, &nothing, -EINVAL, "no list: it has no items");
	return items->failed ? tell(items, error) : 0;
}

struct kev_str kev_items_kind(const struct kev_items *items)
{
	return kev_buf_str(&items->kind);
}

struct kev_str kev_items_resource_version(const struct kev_items *items)
{
	return kev_buf_str(&items->resource_version);
}

struct kev_str kev_items_continue(const struct kev_items *items)
{
	return kev_buf_str(&items->continue_);
}

uint64_t kev_items_remaining(const struct kev_items *items)
{
	return items->remaining;
}

size_t kev_items_count(const struct kev_items *items)
{
	return items->count;
}

size_t kev_items_oversized(const struct kev_items *items)
{
	return items->oversized;
}
