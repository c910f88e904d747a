#ifndef KEVFS_WATCH_WATCHER_H
#define KEVFS_WATCH_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/http.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"
#include "kevfs/watch/intake.h"

/**
 * Keeps one resource of the store equal to the server's: does with http what a reflector says, and carries
 * list items and watch lines into the store. Used by the feed's thread only.
 */
struct kev_watcher;

struct kev_watcher_config {
	struct kev_http *http; /**< borrowed, must outlive it, like all below */
	const struct kev_clock *clock;
	struct kev_store *store;
	struct kev_health *health;    /**< told how the watch is */
	struct kev_intake *intake;    /**< of events */
	const char *server;           /**< for messages: its URL */
	enum kev_scope_kind kind;     /**< events, pods or namespaces */
	const char *namespace_;       /**< only this one's; NULL: all */
	const char *field_selector;   /**< or NULL */
	int idle_timeout;             /**< seconds without a byte of a list that break it off */
	bool shown, patient, hurried; /**< as kev_reflector_config */
	bool current; /**< what the store has is newer than what the server's cache may hold: not from there
		       */
	bool quiet;   /**< as before kev_watcher_speak() */
	uint32_t (*random)(void *context);
	/** The server has another history than before: what others know of it is to be listed anew, too. Of
	 * events; may be NULL. */
	void (*moved)(void *context, struct kev_watcher *watcher);
	/** The server forbids it no more. Called before the list of everything is asked for: what stood in
	 * meanwhile can be ended first. May be NULL. */
	void (*granted)(void *context, struct kev_watcher *watcher);
	/** The first list has failed for good. (That it is forbidden is no failure: kev_watcher_denied().) */
	void (*failed)(void *context, struct kev_watcher *watcher, int result, const struct kev_error *why);
	void *context;
};

/** @return new, or NULL on ENOMEM */
struct kev_watcher *kev_watcher_create(const struct kev_watcher_config *config);

/** Ends what is under way; no callback comes any more. */
void kev_watcher_destroy(struct kev_watcher *watcher);

/** Begin. Callbacks come from here on, also from inside. */
void kev_watcher_start(struct kev_watcher *watcher);

/** When kev_watcher_tick() has something to do: monotonic ns, INT64_MAX for never. */
int64_t kev_watcher_deadline(const struct kev_watcher *watcher);
void kev_watcher_tick(struct kev_watcher *watcher, int64_t at);

/** The first sync is over, well: from here on what does not work is a warning, and what has been done without
 * is told now. Before that it stays out of the log (but for the level info): the sync's result says why it
 * failed.
 * @param denial  false: that it is forbidden is told otherwise */
void kev_watcher_speak(struct kev_watcher *watcher, bool denial);

/** Something that came from it was lost: list anew. */
void kev_watcher_relist(struct kev_watcher *watcher);

/** The server may be another one, with another history: list anew. */
void kev_watcher_move(struct kev_watcher *watcher);

/** End what is under way for good: it does nothing any more, and is not counted as a watch. */
void kev_watcher_stop(struct kev_watcher *watcher);

/** Does the server forbid it? It is asked now and then whether it still does; when it does no more,
 * everything is listed anew (kev_watcher_config.granted). */
bool kev_watcher_denied(const struct kev_watcher *watcher);

/** Is a list complete, and in the store, and it was not forbidden since? */
bool kev_watcher_listed(const struct kev_watcher *watcher);

/** Was the first list complete, or is it forbidden? What was listed is in the store: nothing is held. */
bool kev_watcher_settled(const struct kev_watcher *watcher);

/** What it watches. */
enum kev_scope_kind kev_watcher_kind(const struct kev_watcher *watcher);

/** How far the list is. */
struct kev_watcher_progress {
	size_t items;      /**< of this list so far */
	size_t remaining;  /**< as the server estimates */
	int64_t last_byte; /**< monotonic ns of the last piece of a page; 0: none yet */
};
void kev_watcher_progress(const struct kev_watcher *watcher, struct kev_watcher_progress *out);

/** Why the last request failed; an empty text where none did. Borrowed. */
const struct kev_error *kev_watcher_why(const struct kev_watcher *watcher);

#endif
