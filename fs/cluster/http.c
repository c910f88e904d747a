#include "kevfs/cluster/http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/connection.h"
#include "kevfs/cluster/failure.h"
#include "kevfs/cluster/header_list.h"
#include "kevfs/cluster/proxy.h"

#include "http_internal.h"

/* While an answer is awaited, curl is let look this often. libcurl (seen with 7.88: curl_multi_perform()
 * there drops timers) can forget that what came for one request of a connection lies there already, if
 * another request began in the same moment, and would sleep until more comes: 1 in 50 first syncs of 30
 * requests at once hung. */
#define AWAITED_WAIT_MS 20

/* Streams that a connection carries at once, as API servers have it. */
#define STREAMS 100U

#define HEADER_MAX (256U << 10)

/* ---- the handle ---- */

static int label_proxy(struct kev_http *http)
{
	char *url;
	int n;

	if (!http->proxy)
		return 0;
	url = kev_proxy_label(http->proxy);
	if (!url)
		return -ENOMEM;
	n = asprintf(&http->proxy_label, "%s (%s)", url, kev_proxy_said_by(http->config, &http->origin));
	free(url);
	if (n < 0)
		http->proxy_label = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static int prepare(struct kev_http *http, const char *user_agent, struct kev_error *error)
{
	struct kev_proxy_environment environment;
	int r;

	/* It counts its callers and is safe in threads (CURL_VERSION_THREADSAFE). */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	http->global = true;
	kev_proxy_environment_read(&environment);
	r = kev_origin_init(&http->origin, http->config);
	if (r == -EINVAL)
		kev_error_set(error, "%s: not a server's URL", http->config->server);
	if (r == 0)
		r = kev_proxy_choose(http->config, &http->origin, &environment, &http->proxy, error);
	if (r == 0)
		r = label_proxy(http);
	if (r == 0)
		r = kev_login_create(http->config, http->clock, &http->login, error);
	if (r)
		return r;
	http->user_agent = strdup(user_agent);
	http->multi = curl_multi_init();
	if (http->origin.connect_to)
		http->connect_to = curl_slist_append(NULL, http->origin.connect_to);
	if (!http->user_agent || !http->multi || (http->origin.connect_to && !http->connect_to))
		return -ENOMEM;
	return curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK ? 0
												   : -ENOMEM;
}

int kev_http_create(const struct kev_cluster_config *config, const struct kev_clock *clock,
	const char *user_agent, struct kev_http **out, struct kev_error *error)
{
	struct kev_http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return -ENOMEM;
	http->config = config;
	http->clock = clock;
	http->last = &http->first;
	kev_heard_init(&http->heard);
	r = prepare(http, user_agent, error);
	if (r) {
		kev_http_destroy(http);
		return r;
	}
	*out = http;
	return 0;
}

static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
}

static void take_out(struct kev_http_transfer *transfer)
{
	struct kev_http *http = transfer->http;

	if (!transfer->link)
		return;
	*transfer->link = transfer->next;
	if (transfer->next)
		transfer->next->link = transfer->link;
	else
		http->last = transfer->link;
	transfer->link = NULL;
}

static void destroy_transfer(struct kev_http_transfer *transfer)
{
	take_out(transfer);
	if (transfer->admitted)
		curl_multi_remove_handle(transfer->http->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	kev_header_list_fini(&transfer->headers);
	free(transfer);
}

void kev_http_destroy(struct kev_http *http)
{
	if (!http)
		return;
	/* Each takes itself out, which the analyzer does not follow. */
	while (http->first)
		destroy_transfer(http->first); /* NOLINT(clang-analyzer-unix.Malloc) */
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->connect_to);
	kev_login_destroy(http->login);
	kev_origin_fini(&http->origin);
	wipe(http->proxy);
	free(http->proxy);
	free(http->proxy_label);
	free(http->user_agent);
	if (http->global)
		curl_global_cleanup();
	free(http);
}

int kev_http_start(
	struct kev_http *http, const struct kev_http_request *request, struct kev_http_transfer **out)
{
	struct kev_http_transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return -ENOMEM;
	transfer->http = http;
	transfer->request = *request;
	transfer->request.gzip = request->gzip && !http->config->disable_compression;
	transfer->started = transfer->last_byte = kev_http_now(http);
	kev_head_init(&transfer->head);
	transfer->easy = curl_easy_init();
	if (!transfer->easy || kev_http_set_up(transfer, request)) {
		destroy_transfer(transfer);
		return -ENOMEM;
	}
	transfer->link = http->last;
	*http->last = transfer;
	http->last = &transfer->next;
	if (out)
		*out = transfer;
	return 0;
}

void kev_http_cancel(struct kev_http *http, struct kev_http_transfer *transfer)
{
	if (!transfer || transfer->reporting)
		return;
	transfer->cancelled = true;
	if (!http->inside)
		destroy_transfer(transfer);
}

/* ---- ending ---- */

static int explain(struct kev_http_transfer *transfer, CURLcode code)
{
	struct kev_http *http = transfer->http;
	const char *text = transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(code);
	struct kev_failure failure = {.server = http->origin.label,
		.text = text,
		.proxy = http->proxy_label,
		.has_ca = kev_login_has_authority(http->login)};

	kev_connection_classify(transfer->easy, code, &failure);
	if (failure.kind == KEV_FAILURE_CERTIFICATE || failure.kind == KEV_FAILURE_TLS)
		kev_login_distrusted(http->login, &transfer->login);
	return kev_failure_explain(&failure, &transfer->reason);
}

/* Say how it ended, and forget it. */
void kev_http_report(struct kev_http_transfer *transfer)
{
	struct kev_http_result result = {
		.error = transfer->error,
		.response = kev_http_response_of(transfer),
		.reason = transfer->error ? &transfer->reason : NULL,
	};

	/* Who has no memory may not have said so. */
	if (transfer->error && !transfer->reason.text[0])
		kev_http_fail(transfer, transfer->error, strerror(-transfer->error));
	if (transfer->request.peer)
		kev_connection_measure(transfer->easy, transfer->request.peer);
	take_out(transfer);
	transfer->reporting = true;
	transfer->http->reported = transfer;
	if (!transfer->cancelled)
		transfer->request.done(transfer->request.context, &result);
	transfer->http->reported = NULL;
	destroy_transfer(transfer);
}

/* What curl has finished. Each done may end any other transfer, and with it curl's message about that. */
static void report_finished(struct kev_http *http)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct kev_http_transfer *transfer = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE ||
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) != CURLE_OK)
			continue;
		if (code != CURLE_OK && !transfer->error)
			transfer->error = explain(transfer, code);
		kev_http_report(transfer);
	}
}

static int to_errno(CURLMcode code)
{
	if (code == CURLM_OK)
		return 0;
	return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

static int perform(struct kev_http *http)
{
	int running, r;

	http->inside = true;
	r = to_errno(curl_multi_perform(http->multi, &running));
	http->inside = false;
	report_finished(http);
	return r;
}

/* Has curl not sent it yet, since it has no connection? */
static bool is_connecting(const struct kev_http_transfer *transfer)
{
	curl_off_t since = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &since);
	return since == 0;
}

/*
 * libcurl lets requests wait for the first connection, where it may carry all of them. But when that is full,
 * it makes one for each of those that are left: 150 watches took 53. So where one connection is being made,
 * the others wait for it here: then it is 2. With HTTP/1.1 each needs one of its own.
 */
static bool may_admit(const struct kev_http *http)
{
	size_t admitted = 0, connecting = 0;

	for (const struct kev_http_transfer *t = http->first; t; t = t->next) {
		if (!t->admitted || t->error || t->cancelled)
			continue;
		admitted++;
		connecting += is_connecting(t) ? 1 : 0;
	}
	if (http->version == 0)
		return admitted < STREAMS;
	return http->version != CURL_HTTP_VERSION_2_0 || connecting == 0;
}

/* @return as kev_login_prepare() */
static int prepare_login(
	struct kev_http_transfer *transfer, struct kev_buf *header, const struct kev_identity **identity)
{
	struct kev_login *login = transfer->http->login;
	int r = kev_login_prepare(login, header, &transfer->login, identity, &transfer->reason);

	if (r == 0 || r == -ENOMEM || !transfer->request.prompt)
		return r;
	kev_login_prepare_bare(login, &transfer->login, identity);
	kev_error_set(&transfer->reason, "%s", "");
	return 0;
}

/* Give it what changes from time to time: who we are. @return 0, -EAGAIN (not yet), or an error that the
 * transfer has then */
static int log_in(struct kev_http_transfer *transfer)
{
	struct kev_http *http = transfer->http;
	struct kev_connection connection = {.config = http->config,
		.origin = &http->origin,
		.proxy = http->proxy,
		.connect_to = http->connect_to,
		.fresh = http->fresh,
		.peer = transfer->request.peer};
	struct kev_buf text;
	int r;

	kev_buf_init(&text, HEADER_MAX);
	r = prepare_login(transfer, &text, &connection.identity);
	if (r == 0 && text.len)
		r = kev_buf_cstr(&text) ? kev_header_list_add(&transfer->headers, text.data) : -ENOMEM;
	kev_buf_wipe(&text);
	if (r == 0 && (curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) != CURLE_OK ||
			      !kev_connection_configure(transfer->easy, &connection)))
		r = -ENOMEM;
	return r;
}

static void admit_one(struct kev_http_transfer *transfer)
{
	struct kev_http *http = transfer->http;
	bool waited = transfer->waits;
	int r = log_in(transfer);

	transfer->waits = r == -EAGAIN;
	if (transfer->waits)
		return;
	if (r == 0) {
		if (waited)
			transfer->started = transfer->last_byte = kev_http_now(http);
		transfer->admitted = curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK;
		r = transfer->admitted ? 0 : -ENOMEM;
		http->fresh = false;
	}
	if (r == -ENOMEM)
		kev_http_fail(transfer, r, strerror(ENOMEM));
	transfer->error = r;
}

static struct kev_http_transfer *find_untried(const struct kev_http *http)
{
	struct kev_http_transfer *transfer = http->first;

	while (transfer && (transfer->admitted || transfer->error || transfer->cancelled || transfer->tried))
		transfer = transfer->next;
	return transfer;
}

/* Hand curl what was started since.
 * @param called  set to whether there may have been callbacks
 * @return 0 or -errno of a failure that is not one transfer's */
static int admit(struct kev_http *http, bool *called)
{
	struct kev_http_transfer *transfer;
	int r = 0;

	*called = false;
	for (transfer = http->first; transfer; transfer = transfer->next)
		transfer->tried = false;
	while (!r && (transfer = find_untried(http)) && may_admit(http)) {
		transfer->tried = true;
		admit_one(transfer);
		/* Only now it is seen whether there is a connection for it. */
		if (transfer->admitted && http->version == CURL_HTTP_VERSION_2_0) {
			*called = true;
			r = perform(http);
		}
	}
	return r;
}

static int wait_ms(const struct kev_http *http, int timeout_ms)
{
	int64_t until = kev_login_deadline(http->login), left;

	for (const struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next) {
		int64_t at = kev_http_deadline(transfer);

		until = at < until ? at : until;
		if (transfer->admitted && kev_http_is_awaited(transfer) && timeout_ms > AWAITED_WAIT_MS)
			timeout_ms = AWAITED_WAIT_MS;
	}
	if (until == INT64_MIN)
		return 0;
	left = until == INT64_MAX ? INT_MAX
				  : (until - kev_http_now(http) + KEV_NS_PER_MS - 1) / KEV_NS_PER_MS;
	if (left < 0)
		return 0;
	return left < timeout_ms ? (int)left : timeout_ms;
}

static int wait_for_something(struct kev_http *http, int timeout_ms)
{
	struct curl_waitfd extra[KEV_PLUGIN_DESCRIPTORS];
	int fds[KEV_PLUGIN_DESCRIPTORS];
	size_t count = kev_login_descriptors(http->login, fds);

	for (size_t i = 0; i < count; i++)
		extra[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
	return to_errno(
		curl_multi_poll(http->multi, extra, (unsigned)count, wait_ms(http, timeout_ms), NULL));
}

int kev_http_run(struct kev_http *http, int timeout_ms)
{
	bool called;
	int r;

	kev_login_look(http->login);
	kev_http_end_outdated(http);
	r = admit(http, &called);
	/* Whoever was called may have something to do that he did not know of when he said how long to wait,
	 * or may have asked for more. */
	if (!r)
		r = wait_for_something(http, called ? 0 : timeout_ms);
	if (r)
		return r;
	r = perform(http);
	kev_http_report_overdue(http);
	return r;
}

void kev_http_wakeup(struct kev_http *http)
{
	(void)curl_multi_wakeup(http->multi);
}

uint64_t kev_http_newest(const struct kev_http *http)
{
	return http->heard.newest;
}

bool kev_http_refresh_credential(struct kev_http *http, struct kev_error *why)
{
	static const struct kev_login_state unknown = {0, 0};

	if (kev_login_refused(http->login, http->reported ? &http->reported->login : &unknown))
		return true;
	kev_login_explain(http->login, why);
	return false;
}

bool kev_http_is_waiting(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	if (transfer)
		return transfer->waits;
	transfer = http->first;
	while (transfer && !transfer->waits)
		transfer = transfer->next;
	return transfer != NULL;
}

int kev_http_badge(struct kev_http *http, struct kev_badge *out, struct kev_error *error)
{
	const struct kev_identity *identity;
	struct kev_login_state state;
	struct kev_buf header;
	int r;

	kev_buf_init(&header, HEADER_MAX);
	r = kev_login_prepare(http->login, &header, &state, &identity, error);
	if (r == -EAGAIN)
		kev_error_set(error, "the exec plugin has not ended");
	if (r == 0)
		r = kev_badge_read(kev_buf_str(&header), kev_buf_str(&identity->certificate), out);
	kev_buf_wipe(&header);
	return r;
}

int kev_http_append_query(struct kev_buf *out, struct kev_str s)
{
	static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (size_t i = 0; i < s.len; i++) {
		if (memchr(unreserved, s.data[i], sizeof(unreserved) - 1))
			kev_buf_append_char(out, s.data[i]);
		else
			kev_buf_printf(out, "%%%02X", (unsigned char)s.data[i]);
	}
	return out->error;
}

int kev_http_append_version(struct kev_buf *out)
{
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);

	return kev_buf_printf(
		out, "libcurl %s (%s)", curl->version, curl->ssl_version ? curl->ssl_version : "no TLS");
}
