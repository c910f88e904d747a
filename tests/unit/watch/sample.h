#ifndef KEVFS_TESTS_UNIT_WATCH_SAMPLE_H
#define KEVFS_TESTS_UNIT_WATCH_SAMPLE_H

#include "../room.h"
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/json.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"

/* 2026-07-01T12:00:00Z */
#define NOON (1782907200LL * KEV_NS_PER_SEC)

/** A store with a journal, and a clock that stands still. */
struct sample {
	int64_t now;
	struct kev_clock clock;
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_health *health;
};

static int64_t sample_now(void *context)
{
	return ((struct sample *)context)->now;
}

static inline void sample_init(struct sample *sample)
{
	bool resync;

	sample->now = NOON;
	sample->clock = (struct kev_clock){sample_now, sample_now, sample_now, sample};
	sample->changes = kev_changes_create(100000);
	assert_non_null(sample->changes);
	kev_changes_take(sample->changes, NULL, 0, 0, &resync);
	sample->store = kev_store_create(&sample->clock, sample->changes);
	assert_non_null(sample->store);
	sample->health = kev_health_create(&sample->clock);
	assert_non_null(sample->health);
}

static inline void sample_fini(struct sample *sample)
{
	kev_health_destroy(sample->health);
	kev_store_destroy(sample->store);
	kev_changes_destroy(sample->changes);
}

/** An Event object as text, in a buffer of its own for each of the last eight calls. */
static inline const char *sample_event(const char *name, const char *rv, const char *kind)
{
	static char texts[8][1024];
	static unsigned turn;
	char *text = texts[turn++ % KEV_ARRAY_LEN(texts)];

	snprintf(text, sizeof(texts[0]),
		"{\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\",\"uid\":\"u-%s\","
		"\"resourceVersion\":\"%s\",\"creationTimestamp\":\"2026-07-01T11:00:00Z\"},"
		"\"involvedObject\":{\"apiVersion\":\"example.com/v1\",\"kind\":\"%s\",\"name\":\"o\"}}",
		name, name, rv, kind);
	return text;
}

static inline const char *sample_kind(const struct kev_change *change)
{
	if (change->kind == KEV_CHANGE_ACCESS)
		return "seen";
	return change->kind == KEV_CHANGE_POD ? "pod" : "namespace";
}

/** What the journal holds, as text: "+a@1 b@1->2 -c@3 +pod ns/p -namespace n -seen n". */
static inline const char *sample_changes(struct sample *sample)
{
	static char text[65536];
	struct kev_change c;
	bool resync = false;
	size_t len = 0;

	text[0] = '\0';
	while (kev_changes_take(sample->changes, &c, 1, 0, &resync) == 1) {
		if (c.kind == KEV_CHANGE_EVENT) {
			struct kev_str name = kev_event_name(c.event ? c.event : c.old, ROOM);
			struct kev_str old = c.old ? kev_event_resource_version(c.old, ROOM) : KEV_STR("");
			struct kev_str new =
				c.event ? kev_event_resource_version(c.event, ROOM) : KEV_STR("");

			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%.*s@%.*s%s%.*s",
				len ? " " : "", c.old ? (c.event ? "" : "-") : "+", (int)name.len, name.data,
				(int)old.len, old.len ? old.data : "", c.old && c.event ? "->" : "",
				(int)new.len, new.len ? new.data : "");
		} else {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s %s%s%s",
				len ? " " : "", c.present ? "+" : "-", sample_kind(&c),
				c.namespace_ ? c.namespace_ : "", c.namespace_ ? "/" : "",
				c.name ? c.name : "all");
		}
		kev_change_fini(&c);
		assert_true(len < sizeof(text));
	}
	assert_false(resync);
	return text;
}

#endif
