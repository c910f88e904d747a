#ifndef KEVFS_FS_CLUSTER_HTTP_INTERNAL_H
#define KEVFS_FS_CLUSTER_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/head.h"
#include "kevfs/cluster/heard.h"
#include "kevfs/cluster/http.h"
#include "kevfs/cluster/login.h"
#include "kevfs/cluster/origin.h"

/* What the modules of the one struct share: http.c runs the transfers, http_transfer.c is what one of them is
 * for curl, http_expire.c ends those that wait for too long. */

struct kev_http_transfer {
	struct kev_http *http;
	struct kev_http_transfer *next, **link; /* of all; link NULL: in none */
	CURL *easy;
	struct curl_slist *headers; /* hold the credential */
	/* Its strings are not valid any more; without callbacks once it is cancelled. */
	struct kev_http_request request;
	struct kev_head head;
	char curl_error[CURL_ERROR_SIZE];
	int64_t started, last_byte;   /* monotonic ns */
	curl_off_t received;          /* bytes, as they came */
	uint64_t connection;          /* as kev_heard has it; 0 before the answer begins */
	struct kev_login_state login; /* what it was sent with */
	bool waits;                   /* for a credential */
	bool admitted;                /* the multi has it */
	bool tried;                   /* to be admitted, in this run */
	bool outdated;                /* it ends, as it would by itself, for a new connection to be made */
	bool cancelled;               /* nobody is to be called any more */
	bool reporting;               /* done is being called; whoever called that frees it */
	int error;                    /* why it ends, found by us and not by curl */
	struct kev_error reason;
};

struct kev_http {
	const struct kev_cluster_config *config;
	const struct kev_clock *clock;
	struct kev_login *login;
	struct kev_origin origin;
	char *proxy;       /* may hold a password; NULL: none */
	char *proxy_label; /* for messages; and who names it */
	char *user_agent;
	struct curl_slist *connect_to;
	CURLM *multi;
	struct kev_http_transfer *first, **last;
	struct kev_heard heard;
	const struct kev_http_transfer *reported; /* whose done is being called */
	long version; /* of HTTP, as the server answered last: CURL_HTTP_VERSION_…; 0: not yet */
	bool inside;  /* curl is calling us: nothing may be added to the multi or taken from it */
	bool fresh;   /* the connection that there is may be dead: the next request makes a new one */
	bool global;  /* curl_global_init() was called */
};

static inline int64_t kev_http_now(const struct kev_http *http)
{
	return kev_clock_monotonic(http->clock);
}

/* http.c */

/* Say how it ended, and forget it. */
void kev_http_report(struct kev_http_transfer *transfer);

/* http_transfer.c */

/* It ends, for a reason of ours. */
void kev_http_fail(struct kev_http_transfer *transfer, int error, const char *what);
struct kev_http_response kev_http_response_of(const struct kev_http_transfer *transfer);
/* Give curl what the request says, but for who we are. @return 0 or -ENOMEM */
int kev_http_set_up(struct kev_http_transfer *transfer, const struct kev_http_request *request);

/* http_expire.c */

/* When the transfer is to be ended if no byte comes. */
int64_t kev_http_deadline(const struct kev_http_transfer *transfer);
/* Does somebody wait for more of it? */
bool kev_http_is_awaited(const struct kev_http_transfer *transfer);
/* Report what has failed, was cancelled or has waited too long. */
void kev_http_report_overdue(struct kev_http *http);
/* End what keeps a connection with another certificate than ours is now. */
void kev_http_end_outdated(struct kev_http *http);

#endif
