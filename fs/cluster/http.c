#include "kevfs/cluster/http.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/connection.h"
#include "kevfs/cluster/failure.h"
#include "kevfs/cluster/head.h"
#include "kevfs/cluster/header_list.h"
#include "kevfs/cluster/heard.h"
#include "kevfs/cluster/login.h"
#include "kevfs/cluster/origin.h"
#include "kevfs/cluster/proxy.h"

/* While an answer is awaited, curl is let look this often. libcurl (seen with 7.88: curl_multi_perform()
 * there drops timers) can forget that what came for one request of a connection lies there already, if
 * another request began in the same moment, and would sleep until more comes: 1 in 50 first syncs of 30
 * requests at once hung. */
#define AWAITED_WAIT_MS 20

/* Streams that a connection carries at once, as API servers have it. */
#define STREAMS 100U

#define URL_MAX (1U << 20)
#define HEADER_MAX (256U << 10)

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
	char *proxy; /* may hold a password; NULL: none */
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

static int64_t now(const struct kev_http *http)
{
	return kev_clock_monotonic(http->clock);
}

/* ---- the handle ---- */

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
	free(http->user_agent);
	if (http->global)
		curl_global_cleanup();
	free(http);
}

/* ---- what curl calls ---- */

static void fail(struct kev_http_transfer *transfer, int error, const char *what)
{
	transfer->error = error;
	kev_error_set(&transfer->reason, "%s: %s", transfer->http->origin.label, what);
}

/* A sign of life. */
static void note_byte(struct kev_http_transfer *transfer)
{
	transfer->last_byte = now(transfer->http);
	kev_heard_more(&transfer->http->heard, transfer->connection, transfer->last_byte);
}

/* The answer begins: which connection it comes on is known now. */
static void note_connection(struct kev_http_transfer *transfer)
{
	bool made;
	long port = kev_connection_port(transfer->easy, &made);

	if (!transfer->connection)
		transfer->connection = kev_heard_begin(
			&transfer->http->heard, port, made, transfer->started, now(transfer->http));
}

static struct kev_http_response response_of(const struct kev_http_transfer *transfer)
{
	struct kev_http_response response = kev_head_response(&transfer->head);

	response.connection = transfer->connection;
	return response;
}

/* @return whether the transfer goes on */
static bool on_head_complete(struct kev_http_transfer *transfer)
{
	struct kev_http_response response = response_of(transfer);

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &transfer->http->version);
	if (response.status != 401)
		kev_login_accepted(transfer->http->login, &transfer->login);
	/* curl decodes what was asked for, and would hand over what was not as it came. */
	if (!transfer->request.gzip && transfer->head.encoding[0] &&
		strcmp(transfer->head.encoding, "identity") != 0) {
		fail(transfer, -EPROTO, "the answer is compressed, which was not asked for");
		return false;
	}
	if (transfer->request.head && transfer->request.head(transfer->request.context, &response) &&
		!transfer->cancelled)
		fail(transfer, -ECANCELED, "stopped");
	return !transfer->error && !transfer->cancelled;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
	struct kev_http_transfer *transfer = context;
	struct kev_str line = {data, size * count};
	bool before = transfer->head.complete;
	int r;

	if (transfer->cancelled)
		return CURL_WRITEFUNC_ERROR;
	note_connection(transfer);
	note_byte(transfer);
	r = kev_head_line(&transfer->head, line, kev_clock_realtime(transfer->http->clock) / KEV_NS_PER_SEC);
	if (r) {
		fail(transfer, -EPROTO,
			r == -EMSGSIZE ? "the headers of the answer are too long"
				       : "the answer does not begin as HTTP does");
		return CURL_WRITEFUNC_ERROR;
	}
	if (!before && transfer->head.complete && !on_head_complete(transfer))
		return CURL_WRITEFUNC_ERROR;
	return line.len;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct kev_http_transfer *transfer = context;
	struct kev_str piece = {data, size * count};

	if (transfer->cancelled)
		return CURL_WRITEFUNC_ERROR;
	note_byte(transfer);
	if (piece.len && transfer->request.body(transfer->request.context, piece) && !transfer->cancelled)
		fail(transfer, -ECANCELED, "stopped");
	return transfer->error || transfer->cancelled ? CURL_WRITEFUNC_ERROR : piece.len;
}

/* The connection is there, and the request about to go. */
static int on_connected(void *context, char *address, char *local, int port, int local_port)
{
	struct kev_http_transfer *transfer = context;

	(void)local, (void)local_port;
	kev_connection_meet(transfer->easy, address, port, transfer->request.peer);
	return CURL_PREREQFUNC_OK;
}

/* Bytes that the decoder keeps for itself are signs of life, too. */
static int on_progress(
	void *context, curl_off_t total, curl_off_t received, curl_off_t upload_total, curl_off_t uploaded)
{
	struct kev_http_transfer *transfer = context;

	(void)total, (void)upload_total, (void)uploaded;
	if (received != transfer->received)
		note_byte(transfer);
	transfer->received = received;
	return 0;
}

/* ---- starting ---- */

static int add_headers(struct kev_http_transfer *transfer, const struct kev_http_request *request)
{
	const struct kev_http *http = transfer->http;
	struct curl_slist **headers = &transfer->headers;
	int r = http->origin.host_header ? kev_header_list_add(headers, http->origin.host_header) : 0;

	if (r == 0)
		r = kev_header_list_add_named(headers, "Accept", request->accept);
	if (r == 0)
		r = kev_header_list_add_named(headers, "If-None-Match", request->if_none_match);
	if (r == 0 && request->post)
		r = kev_header_list_add(headers, "Content-Type: application/json");
	for (char **line = http->config->impersonate; line && *line && r == 0; line++)
		r = kev_header_list_add(headers, *line);
	return r;
}

/* Options are set in a run, and one look at the end tells whether all were taken. */
#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_request(struct kev_http_transfer *transfer, const char *url)
{
	CURL *easy = transfer->easy;
	bool ok = true;

	SET(CURLOPT_PRIVATE, transfer);
	SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_USERAGENT, transfer->http->user_agent);
	SET(CURLOPT_ACCEPT_ENCODING, transfer->request.gzip ? "gzip" : NULL);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, transfer);
	if (transfer->request.post)
		SET(CURLOPT_COPYPOSTFIELDS, transfer->request.post);
	if (transfer->request.peer) {
		SET(CURLOPT_PREREQFUNCTION, on_connected);
		SET(CURLOPT_PREREQDATA, transfer);
	}
	return ok;
}

static int set_up(struct kev_http_transfer *transfer, const struct kev_http_request *request)
{
	struct kev_http *http = transfer->http;
	struct kev_buf url;
	int r = add_headers(transfer, request);

	if (r)
		return r;
	kev_buf_init(&url, URL_MAX);
	kev_buf_append_c(&url, http->origin.url);
	kev_buf_append_c(&url, request->path);
	if (url.error == -EMSGSIZE)
		fail(transfer, -EPROTO, "the request's URL is too long");
	else if (url.error || !kev_buf_cstr(&url) || !set_request(transfer, url.data))
		r = -ENOMEM;
	kev_buf_fini(&url);
	return r;
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
	transfer->started = transfer->last_byte = now(http);
	kev_head_init(&transfer->head);
	transfer->easy = curl_easy_init();
	if (!transfer->easy || set_up(transfer, request)) {
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
		.proxied = http->proxy != NULL,
		.has_ca = kev_login_has_authority(http->login)};

	kev_connection_classify(transfer->easy, code, &failure);
	if (failure.kind == KEV_FAILURE_CERTIFICATE || failure.kind == KEV_FAILURE_TLS)
		kev_login_distrusted(http->login, &transfer->login);
	return kev_failure_explain(&failure, &transfer->reason);
}

/* Say how it ended, and forget it. */
static void report(struct kev_http_transfer *transfer)
{
	struct kev_http_result result = {
		.error = transfer->error,
		.response = response_of(transfer),
		.reason = transfer->error ? &transfer->reason : NULL,
	};

	/* Who has no memory may not have said so. */
	if (transfer->error && !transfer->reason.text[0])
		fail(transfer, transfer->error, strerror(-transfer->error));
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
		report(transfer);
	}
}

static int64_t deadline(int64_t from, int seconds)
{
	return seconds ? from + seconds * KEV_NS_PER_SEC : INT64_MAX;
}

/* When the transfer is to be ended if no byte comes. */
static int64_t transfer_deadline(const struct kev_http_transfer *transfer)
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
	if (now(http) < deadline(dead->last_byte, KEV_HTTP_DEAD_AFTER))
		return;
	for (struct kev_http_transfer *t = http->first; t; t = t->next) {
		if (t == dead || t->error || t->cancelled || !is_http2(t) ||
			kev_http_heard(http, t) > dead->last_byte)
			continue;
		(void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
		fail(t, -ECONNRESET, "the connection does not answer any more");
	}
}

/* curl's own timeouts count otherwise: its idle one is an average over seconds. */
static void expire(struct kev_http_transfer *transfer)
{
	struct kev_http *http = transfer->http;
	bool total = deadline(transfer->started, transfer->request.total_timeout) <= now(http);

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
	while (transfer && transfer_deadline(transfer) > now(http)) /* NOLINT(clang-analyzer-unix.Malloc) */
		transfer = transfer->next;
	return transfer;
}

/* What has failed, was cancelled or has waited too long. Each done may change the list, so it is looked
 * through anew. */
static void report_overdue(struct kev_http *http)
{
	struct kev_http_transfer *transfer;

	while ((transfer = find_overdue(http))) {
		expire(transfer);
		report(transfer);
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
			transfer->started = transfer->last_byte = now(http);
		transfer->admitted = curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK;
		r = transfer->admitted ? 0 : -ENOMEM;
		http->fresh = false;
	}
	if (r == -ENOMEM)
		fail(transfer, r, strerror(ENOMEM));
	transfer->error = r;
}

static struct kev_http_transfer *find_untried(const struct kev_http *http)
{
	struct kev_http_transfer *transfer = http->first;

	while (transfer && (transfer->admitted || transfer->error || transfer->cancelled || transfer->tried))
		transfer = transfer->next;
	return transfer;
}

/* Hand curl what was started since. @return 0 or -errno of a failure that is not one transfer's */
static int admit(struct kev_http *http)
{
	struct kev_http_transfer *transfer;
	int r = 0;

	for (transfer = http->first; transfer; transfer = transfer->next)
		transfer->tried = false;
	while (!r && (transfer = find_untried(http)) && may_admit(http)) {
		transfer->tried = true;
		admit_one(transfer);
		/* Only now it is seen whether there is a connection for it. */
		if (transfer->admitted && http->version == CURL_HTTP_VERSION_2_0)
			r = perform(http);
	}
	return r;
}

/* Does somebody wait for more of it? A watch whose head is there may be silent for as long as it likes. */
static bool is_awaited(const struct kev_http_transfer *transfer)
{
	return !transfer->head.complete || transfer->request.idle_timeout > 0;
}

/* With another certificate a connection cannot be the same. A watch would keep its own for minutes: it ends
 * as if the server had ended it, and the next one goes on from there. Everything else ends soon enough. */
static void end_outdated(struct kev_http *http)
{
	for (struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next) {
		if (!transfer->admitted || transfer->error || is_awaited(transfer) ||
			!kev_login_is_outdated(http->login, &transfer->login))
			continue;
		(void)curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
		transfer->outdated = true;
	}
}

static int wait_ms(const struct kev_http *http, int timeout_ms)
{
	int64_t until = kev_login_deadline(http->login), left;

	for (const struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next) {
		int64_t at = transfer_deadline(transfer);

		until = at < until ? at : until;
		if (transfer->admitted && is_awaited(transfer) && timeout_ms > AWAITED_WAIT_MS)
			timeout_ms = AWAITED_WAIT_MS;
	}
	if (until == INT64_MIN)
		return 0;
	left = until == INT64_MAX ? INT_MAX : (until - now(http) + KEV_NS_PER_MS - 1) / KEV_NS_PER_MS;
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
	int r;

	kev_login_look(http->login);
	end_outdated(http);
	r = admit(http);
	if (!r)
		r = wait_for_something(http, timeout_ms);
	if (r)
		return r;
	r = perform(http);
	report_overdue(http);
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
