#ifndef KEVFS_WATCH_REFLECTOR_H
#define KEVFS_WATCH_REFLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * What client-go calls a reflector: list → watch → (relist →) watch …, so that what one has equals what the
 * server has. A state machine without I/O: whoever drives it does what an action says, and tells as an input
 * what came of it.
 *
 *            ┌──────── next page ────────┐
 *   START ─► LISTING ──── last page ────► WATCHING ── clean end ──► WATCHING again, from the last
 *              ▲  │                        │    │                   resourceVersion
 *              │  └─ failed ─► WAITING ◄───┘    │
 *              └──── timer ────┘  refused       └── 410, ended at once ──► LISTING, everything anew
 *
 * A list in pages can fail for ever, where the server compacts faster than the pages come (410 on a later
 * page). The second time the list is streamed instead, as a watch that begins with it (a WatchList): the
 * BOOKMARK that is annotated as the end of the initial events is then the last page. Where the server has
 * none of that, it is pages again.
 *
 * A server may forbid it (403), be it the list or the watch behind it: then it is asked each minute whether
 * that is still so, with a list of a single object, which is not for the store, and a watch from there, of
 * which only the head counts; what is permitted at last is listed anew. But an API server that
 * has just started refuses everybody: it serves while its RBAC rules are still on their way to it (kubernetes
 * issue 121635), and cannot be told from one that means it. So a refusal is believed at once only where
 * nothing was shown yet that it would take away; there whoever mounts reads the reason, as with kubectl. Else
 * it must be all that the server has to say for KEV_REFLECTOR_DENIED_AFTER, while it is asked every few
 * seconds; any other answer, and any other failure, begins the count anew (but for the lists between refused
 * watches: those are permitted all the while). Who believed too early has lost
 * nothing: the store keeps what it has, and a minute later it is shown again.
 */
struct kev_reflector;

struct kev_reflector_config {
	/** The API server holds the resource in its watch cache: the first list asks for resourceVersion=0,
	 * which costs etcd nothing. Events are not held there. */
	bool cached;
	bool optional; /**< a server may be without it: 404 says the same as 403 */
	bool shown;    /**< something is shown of it already, although no list was complete yet */
	bool patient;  /**< never give up: not even before the first list was complete */
	bool hurried;  /**< somebody waits for that: ask sooner again for what is forbidden until then */
	uint32_t (*random)(void *context); /**< 32 random bits */
	void *context;                     /**< borrowed */
};

/** What one page of a list holds at most, where the link is fast enough. */
#define KEV_REFLECTOR_LIMIT 5000U

/** How long a server must go on to forbid what is shown. */
#define KEV_REFLECTOR_DENIED_AFTER (10 * KEV_NS_PER_SEC)

/** What it forbids is asked for again after so long. */
#define KEV_REFLECTOR_DENIED_WAIT (60 * KEV_NS_PER_SEC)

/** A resourceVersion may be this long. etcd's have at most 19 digits. */
#define KEV_REFLECTOR_RV_MAX 128U

/** What happened. */
enum kev_reflector_event {
	KEV_REFLECTOR_START,
	KEV_REFLECTOR_PAGE, /**< a whole page of the list: resource_version, continue_ */
	KEV_REFLECTOR_LINE, /**< a line of the watch, but for ERROR: resource_version, empty where it has none
			     */
	KEV_REFLECTOR_EOF,  /**< the watch has ended cleanly */
	KEV_REFLECTOR_STATUS, /**< the server refuses, by an HTTP status or in the stream: status and so on */
	KEV_REFLECTOR_BROKEN, /**< no whole answer: error */
	KEV_REFLECTOR_GARBAGE, /**< an answer that makes no sense */
	KEV_REFLECTOR_MOVED,   /**< the server may be another one, with another history */
	KEV_REFLECTOR_SILENT,  /**< the watch does not bring what it was to begin with */
	KEV_REFLECTOR_LOST,    /**< something that had arrived was lost on our side (no memory) */
	KEV_REFLECTOR_TIMER,   /**< the wait is over */
};

struct kev_reflector_input {
	enum kev_reflector_event event;
	int64_t now; /**< monotonic ns */
	struct kev_str resource_version;
	struct kev_str continue_; /**< empty: this was the last page */
	int status;               /**< 410, … */
	int retry_after;          /**< seconds, -1 none */
	bool initial_end;         /**< of LINE: the bookmark behind the initial events */
	bool rv_too_large;        /**< the Status has the cause ResourceVersionTooLarge */
	bool refreshed;           /**< of a 401: there is another credential to try */
	int error;                /**< of BROKEN: as kev_http_result.error */
};

/** What to do next. */
enum kev_reflector_next {
	KEV_REFLECTOR_GO_ON, /**< with the request that is under way, or the wait */
	KEV_REFLECTOR_LIST,  /**< end the request that is under way, then ask for a page */
	KEV_REFLECTOR_WATCH, /**< end the request that is under way, then watch */
	KEV_REFLECTOR_WAIT,  /**< end the request that is under way, then wait */
	KEV_REFLECTOR_FAIL,  /**< the first list has failed for good */
};

/** First what the flags say, in their order, then what next says. */
struct kev_reflector_action {
	bool end;     /**< the list is complete: what it did not hold is gone */
	bool synced;  /**< … and it was the first one */
	bool denied;  /**< the server forbids it: do without; given once for each time that this begins */
	bool granted; /**< … and does so no more: a list follows */
	bool probe;   /**< LIST, or WATCH, is only to see whether it is still forbidden: what it brings is
		       * nobody's. Of such a watch the head is all: where that is there, EOF is to be said */
	bool begin;   /**< LIST asks for the first page of a list, or WATCH for a list that is streamed */
	enum kev_reflector_next next;
	unsigned limit;           /**< of LIST */
	struct kev_str continue_; /**< of LIST, empty for the first page; borrowed until the next step */
	/** Of LIST (empty: unset) and WATCH (but where it begins with the list); borrowed likewise. */
	struct kev_str resource_version;
	unsigned timeout; /**< of WATCH, seconds: the server ends it cleanly then */
	int64_t wait;     /**< of WAIT, ns */
};

/** @return new, or NULL on ENOMEM */
struct kev_reflector *kev_reflector_create(const struct kev_reflector_config *config);
void kev_reflector_destroy(struct kev_reflector *reflector);

/** Tell what happened, hear what to do. An input that does not fit the state changes nothing: GO_ON. */
void kev_reflector_step(struct kev_reflector *reflector, const struct kev_reflector_input *input,
	struct kev_reflector_action *action);

/** Has a list ever been complete? */
bool kev_reflector_synced(const struct kev_reflector *reflector);

/** Is a watch under way? */
bool kev_reflector_watching(const struct kev_reflector *reflector);

/** The last resourceVersion seen, "" before the first. Borrowed until the next step. */
struct kev_str kev_reflector_resource_version(const struct kev_reflector *reflector);

#endif
