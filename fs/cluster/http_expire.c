#include <errno.h>

#include "http_internal.h"

/* Who has waited for too long, and for what: a connection that is dead, or silent. */

static int64_t deadline(int64_t from, int seconds)
{
	return seconds ? from + seconds * KEV_NS_PER_SEC : INT64_MAX;
}

/* When the transfer is to be ended if no byte comes. */
int64_t kev_http_deadline(const struct kev_http_transfer *transfer)
{
	int64_t idle = deadline(transfer->last_byte, transfer->request.idle_timeout);
	int64_t total = deadline(transfer->started, transfer->request.total_timeout);

	if (transfer->error || transfer->cancelled || transfer->outdated)
		return INT64_MIN;
	/* It is not the server who lets us wait. */
	if (transfer->waits)
		return INT64_MAX;
	return idle < total ? idle : total;
}

static bool is_http2(const struct kev_http_transfer *transfer)
{
	long version = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
	return version == CURL_HTTP_VERSION_2_0;
}

/* The connection of a request that is not answered. What else HTTP/2 carries on it would keep it alive, and
 * curl would put the next requests on it, too: so what is on a connection of which nothing was heard since is
 * over as well. Which one the request is on may not be known before its answer begins. */
static void give_up_connection(struct kev_http *http, struct kev_http_transfer *dead)
{
	/* One that was not sent says nothing of any. */
	if (!dead->admitted)
		return;
	(void)curl_easy_setopt(dead->easy, CURLOPT_FORBID_REUSE, 1L);
	http->fresh = true;
	/* Who had less patience may have met no more than a slow answer. */
	if (kev_http_now(http) < deadline(dead->last_byte, KEV_HTTP_DEAD_AFTER))
		return;
	for (struct kev_http_transfer *t = http->first; t; t = t->next) {
		if (t == dead || t->error || t->cancelled || !is_http2(t) ||
			kev_http_heard(http, t) > dead->last_byte)
			continue;
		(void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
		kev_http_fail(t, -ECONNRESET, "the connection does not answer any more");
	}
}

/* curl's own timeouts count otherwise: its idle one is an average over seconds. */
static void expire(struct kev_http_transfer *transfer)
{
	struct kev_http *http = transfer->http;
	bool total = deadline(transfer->started, transfer->request.total_timeout) <= kev_http_now(http);

	if (transfer->error || transfer->cancelled || transfer->outdated)
		return;
	transfer->error = -ETIMEDOUT;
	kev_error_set(&transfer->reason, total ? "%s: not done within %d s" : "%s: not a byte for %d s",
		http->origin.label, total ? transfer->request.total_timeout : transfer->request.idle_timeout);
	/* Whatever hangs there, it is not to be asked again. */
	give_up_connection(http, transfer);
}

void kev_http_give_up(struct kev_http *http, struct kev_http_transfer *transfer)
{
	give_up_connection(http, transfer);
	kev_http_cancel(http, transfer);
}

static struct kev_http_transfer *find_overdue(const struct kev_http *http)
{
	struct kev_http_transfer *transfer = http->first;

	/* What was reported is unlinked by take_out(), which the analyzer does not follow. */
	while (transfer &&
		kev_http_deadline(transfer) > kev_http_now(http)) /* NOLINT(clang-analyzer-unix.Malloc) */
		transfer = transfer->next;
	return transfer;
}

/* What has failed, was cancelled or has waited too long. Each done may change the list, so it is looked
 * through anew. */
void kev_http_report_overdue(struct kev_http *http)
{
	struct kev_http_transfer *transfer;

	while ((transfer = find_overdue(http))) {
		expire(transfer);
		kev_http_report(transfer);
	}
}

/* Does somebody wait for more of it? A watch whose head is there may be silent for as long as it likes. */
bool kev_http_is_awaited(const struct kev_http_transfer *transfer)
{
	return !transfer->head.complete || transfer->request.idle_timeout > 0;
}

/* With another certificate a connection cannot be the same. A watch would keep its own for minutes: it ends
 * as if the server had ended it, and the next one goes on from there. Everything else ends soon enough. */
void kev_http_end_outdated(struct kev_http *http)
{
	for (struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next) {
		if (!transfer->admitted || transfer->error || kev_http_is_awaited(transfer) ||
			!kev_login_is_outdated(http->login, &transfer->login))
			continue;
		(void)curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
		transfer->outdated = true;
	}
}

int64_t kev_http_heard(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	int64_t last = kev_heard_last(&http->heard, transfer->connection);

	/* There every request has a connection of its own, and what is asked meanwhile can only tell that the
	 * server lives. A connection that is dead for itself is the kernel's to notice. */
	if (transfer->connection && !is_http2(transfer))
		last = kev_heard_last_of_all(&http->heard);
	return last > transfer->last_byte ? last : transfer->last_byte;
}

int64_t kev_http_quiet_since(const struct kev_http *http)
{
	int64_t since = INT64_MAX;

	for (const struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next) {
		int64_t heard = transfer->waits ? INT64_MAX : kev_http_heard(http, transfer);

		since = heard < since ? heard : since;
	}
	return since;
}
