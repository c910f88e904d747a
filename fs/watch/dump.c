#include "kevfs/watch/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/event/envelope.h"
#include "kevfs/event/items.h"
#include "kevfs/event/json.h"

#define CHUNK (256U << 10)

/* Kinds have at most 63 bytes. */
#define KIND_MAX 256

struct dump {
	struct kev_store *store;
	struct kev_json *json;
	struct kev_items *items;
	char *chunk;
	struct kev_buf kind;       /* of the item at hand */
	struct kev_buf other_kind; /* the first that is no Event */
	size_t others;             /* items of another kind */
	size_t broken;             /* items that make no sense */
	struct kev_error why;      /* why the first of those makes none */
};

/* Is the item of another kind? Those of an EventList say none. @return 1, 0 or -ENOMEM */
static int is_other(struct dump *dump)
{
	int r;

	kev_buf_clear(&dump->kind);
	r = kev_envelope_kind(dump->json, 0, &dump->kind);
	if (r == -ENOMEM)
		return r;
	if (r == -EINVAL || kev_str_eq(kev_buf_str(&dump->kind), KEV_STR("Event")))
		return 0;
	if (dump->others++ == 0)
		(void)kev_buf_append_str(&dump->other_kind, kev_buf_str(&dump->kind));
	return 1;
}

static int on_item(void *context, struct kev_str item)
{
	struct dump *dump = context;
	struct kev_event *event = NULL;
	struct kev_error error = {""};
	int r = kev_json_scan(dump->json, item, &error);

	if (r == 0) {
		r = is_other(dump);
		if (r)
			return r < 0 ? r : 0;
		r = kev_event_create(dump->json, 0, &event, &error);
	}
	if (r == 0)
		return kev_store_put(dump->store, event, KEV_ORIGIN_FIRST_SYNC);
	if (r == -ENOMEM)
		return r;
	if (dump->broken++ == 0)
		dump->why = error;
	return 0;
}

static int read_all(struct dump *dump, int fd, struct kev_error *error)
{
	for (;;) {
		ssize_t len = read(fd, dump->chunk, CHUNK);
		int r;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0) {
			r = -errno;
			kev_error_set(error, "%s", strerror(-r));
			return r;
		}
		if (len == 0)
			return kev_items_finish(dump->items, error);
		r = kev_items_feed(dump->items, (struct kev_str){dump->chunk, (size_t)len}, error);
		if (r)
			return r;
	}
}

static void report(struct dump *dump, const char *path)
{
	size_t oversized = kev_items_oversized(dump->items);

	if (dump->others)
		kev_log_warning("%s: left out %zu items that are no Events (the first is a %.*s)", path,
			dump->others, (int)dump->other_kind.len,
			dump->other_kind.data ? dump->other_kind.data : "");
	if (dump->broken)
		kev_log_warning(
			"%s: left out %zu items that make no sense: %s", path, dump->broken, dump->why.text);
	if (oversized)
		kev_log_warning("%s: left out %zu items that are too large", path, oversized);
}

static int load(struct dump *dump, const char *path, int fd, struct kev_error *error)
{
	int r;

	dump->json = kev_json_create();
	dump->items = kev_items_create(on_item, dump);
	dump->chunk = malloc(CHUNK);
	if (!dump->json || !dump->items || !dump->chunk)
		return -ENOMEM;
	r = read_all(dump, fd, error);
	if (r == 0)
		report(dump, path);
	else if (r == -E2BIG)
		r = -EINVAL;
	return r;
}

int kev_dump_load(const char *path, struct kev_store *store, struct kev_error *error)
{
	struct dump dump = {.store = store};
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0) {
		r = -errno;
		kev_error_set(error, "%s: %s", path, strerror(-r));
		return r;
	}
	kev_buf_init(&dump.kind, KIND_MAX);
	kev_buf_init(&dump.other_kind, KIND_MAX);
	r = load(&dump, path, fd, error);
	if (r == -ENOMEM)
		kev_error_set(error, "out of memory");
	if (r)
		kev_error_prefix(error, "%s", path);
	kev_json_destroy(dump.json);
	kev_items_destroy(dump.items);
	kev_buf_fini(&dump.kind);
	kev_buf_fini(&dump.other_kind);
	free(dump.chunk);
	close(fd);
	return r;
}
