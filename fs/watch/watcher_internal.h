#ifndef KEVFS_FS_WATCH_WATCHER_INTERNAL_H
#define KEVFS_FS_WATCH_WATCHER_INTERNAL_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/event/items.h"
#include "kevfs/watch/ingest.h"
#include "kevfs/watch/lines.h"
#include "kevfs/watch/reflector.h"
#include "kevfs/watch/watcher.h"

/*
 * What the modules of a watcher share: watcher.c does what the reflector says, watcher_request.c asks for it,
 * watcher_answer.c takes what comes, watcher_report.c tells of it.
 */

/* A watch's headers come at once, although its lines may not. */
#define HEAD_TIMEOUT 20

/* How long a watch may take to bring once more what the one before it has brought last. Nothing but that
 * keeps it waiting: it is the server's first line. */
#define AGAIN_TIMEOUT 5

#define PATH_MAX_BYTES (64U << 10)

/* list_kinds: what a list of it calls itself; a server that has no metadata alone sends whole objects. */
struct kev_watcher_resource {
	const char *name, *list_accept, *watch_accept, *list_kinds[2];
};
extern const struct kev_watcher_resource kev_watcher_resources[KEV_SCOPE_NAMESPACES + 1];

struct kev_watcher {
	struct kev_watcher_config config;
	struct kev_health_record *health;
	struct kev_buf label; /* for messages: "events of namespace default" */
	struct kev_reflector *reflector;
	struct kev_ingest *ingest;
	struct kev_lines *lines;

	/* The request that is under way. */
	struct kev_http_transfer *transfer; /* NULL: none */
	bool watching;                      /* it is a watch */
	bool probing;                       /* it only asks whether it may */
	bool connected;                     /* … and what it said first is in the store */
	bool untold;                        /* … but what was listed before is held: nobody was told */
	bool streaming;                     /* … and the list that it begins with is not complete */
	enum kev_ingest_place place;        /* … and what its next line is to be */
	bool lost;                          /* the end of that list could not be put */
	int status;                         /* of its head; 0 before */
	struct kev_items *items;            /* of a page */
	struct kev_buf refusal;             /* the body of an answer that is no 200 */
	bool stopped;                       /* we have ended it, for the reason in verdict */
	struct kev_reflector_input verdict;

	int64_t deadline;    /* of the wait, of a watch's head or its silence; INT64_MAX none */
	uint64_t newest;     /* connection that is known to lead to the history that we have */
	bool moved;          /* that of the watch before was newer */
	bool listed;         /* the watch that begins next follows a list */
	bool comparing;      /* a list that begins now is to show whether something was missed */
	struct kev_buf seen; /* the resourceVersion that the next list must not be behind; empty: any */
	struct kev_intake_relist relist; /* the one under way; of Events its end may be held */
	bool settled;                    /* the first list was complete, or forbidden; perhaps held */
	bool complete;                   /* a list was, and it was not forbidden since; perhaps held */
	bool quiet;                      /* until the first sync is over, its result is what is said */
	bool denied;                     /* the server forbids it, and it is done without */
	bool troubled;                   /* the log says that it does not work */
	struct kev_error why;
	struct kev_watcher_progress progress;
	uint64_t received, most; /* bytes of this list; of the longest so far */
	unsigned begun_lists;
};

static inline int64_t kev_watcher_now(const struct kev_watcher *w)
{
	return kev_clock_monotonic(w->config.clock);
}

static inline const char *kev_watcher_label(const struct kev_watcher *w)
{
	return w->label.data;
}

/* watcher.c */

/* Tell the reflector, and do what it says. The request that the input is about has ended, but for a LINE. */
void kev_watcher_step(struct kev_watcher *w, struct kev_reflector_input input);
/* Leave the request that is under way. */
void kev_watcher_end_request(struct kev_watcher *w);
/* It follows: what the store has is what the server has. */
void kev_watcher_tell_connected(struct kev_watcher *w);
void kev_watcher_tell_moved(struct kev_watcher *w);
/* Seconds that a list may be silent. */
int kev_watcher_idle_timeout(const struct kev_watcher *w);

/* watcher_request.c. @return 0, -EMSGSIZE or -ENOMEM; of a watch -EINVAL: there is nothing to begin it with
 */

int kev_watcher_ask_list(struct kev_watcher *w, const struct kev_reflector_action *action);
int kev_watcher_ask_watch(struct kev_watcher *w, const struct kev_reflector_action *action);

/* watcher_answer.c: the callbacks of both, over the watcher */

/* Of a page. */
int kev_watcher_on_item(void *context, struct kev_str item);
int kev_watcher_on_head(void *context, const struct kev_http_response *response);
int kev_watcher_on_body(void *context, struct kev_str piece);
void kev_watcher_on_done(void *context, const struct kev_http_result *result);

/* watcher_report.c */

/* Put the place before what w->why says of an answer that makes no sense. */
void kev_watcher_explain_garbage(struct kev_watcher *w);
/* Say in w->why what a status other than 200 means. @param message  the server's */
void kev_watcher_explain_refusal(struct kev_watcher *w, struct kev_str message);
/* Tell the log and the health of an input that makes trouble, and what follows. */
void kev_watcher_log_failure(struct kev_watcher *w, const struct kev_reflector_input *input,
	const struct kev_reflector_action *action);

#endif
