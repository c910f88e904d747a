#ifndef KEVFS_CHECK_ASK_H
#define KEVFS_CHECK_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check_skew.h"

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/cluster/http.h"

/** Who asks an API server, and by when it is over. */
struct kev_check_asker {
	struct kev_http *http;         /**< borrowed */
	const struct kev_clock *clock; /**< borrowed */
	int64_t deadline;              /**< monotonic ns */
	/* What all answers told. */
	unsigned connections; /**< that were made */
	bool http2;
	struct kev_check_skew skew;
};

struct kev_check_question {
	const char *path, *accept;
	const char *post; /**< JSON; NULL: GET */
	bool gzip;
	bool watch; /**< it may be ended by us, once the server has let us in */
};

struct kev_check_answer {
	int error;            /**< as kev_http_result.error; a watch that let us in has none */
	struct kev_error why; /**< of error */
	int status;           /**< 0: no head has come */
	int retry_after;      /**< seconds, or -1 */
	bool gzip;            /**< it came compressed */
	char type[64];        /**< its content type, without parameters */
	struct kev_buf body;  /**< its beginning: owned */
	uint64_t size;        /**< of the whole body */
	struct kev_peer peer; /**< who answered */
	bool done;
	struct kev_check_asker *asker;
	struct kev_http_transfer *transfer;
	int64_t sent;
	bool watch;
};

/** So much of a body is kept. A list of one event is below 2 MiB; of metadata, far below. */
#define KEV_CHECK_BODY_MAX (4U << 20)

/** No question is given more, seconds. */
#define KEV_CHECK_STEP 10

/** Seconds that are left for a step; 0: none. */
int kev_check_left(const struct kev_check_asker *asker);

/** Ask all at once, and wait for all answers. The answers are filled in any case: end each with
 * kev_check_answer_fini(). */
void kev_check_ask(struct kev_check_asker *asker, const struct kev_check_question *questions,
	struct kev_check_answer *answers, size_t count);
void kev_check_answer_fini(struct kev_check_answer *answer);

/** What the server says in a refusal, in one line: a Status's message, or the beginning of the text. Appended
 * to out. */
void kev_check_append_words(const struct kev_check_answer *answer, struct kev_buf *out);

#endif
