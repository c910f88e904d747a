#include <errno.h>
#include <string.h>

#include "kevfs/cluster/connection.h"
#include "kevfs/cluster/header_list.h"

#include "http_internal.h"

/* A transfer: what curl is told of it, and what curl calls. */

#define URL_MAX (1U << 20)

/* ---- what curl calls ---- */

void kev_http_fail(struct kev_http_transfer *transfer, int error, const char *what)
{
	transfer->error = error;
	kev_error_set(&transfer->reason, "%s: %s", transfer->http->origin.label, what);
}

/* A sign of life. */
static void note_byte(struct kev_http_transfer *transfer)
{
	transfer->last_byte = kev_http_now(transfer->http);
	kev_heard_more(&transfer->http->heard, transfer->connection, transfer->last_byte);
}

/* The answer begins: which connection it comes on is known now. */
static void note_connection(struct kev_http_transfer *transfer)
{
	bool made;
	long port = kev_connection_port(transfer->easy, &made);

	if (!transfer->connection)
		transfer->connection = kev_heard_begin(
			&transfer->http->heard, port, made, transfer->started, kev_http_now(transfer->http));
}

struct kev_http_response kev_http_response_of(const struct kev_http_transfer *transfer)
{
	struct kev_http_response response = kev_head_response(&transfer->head);

	response.connection = transfer->connection;
	return response;
}

/* @return whether the transfer goes on */
static bool on_head_complete(struct kev_http_transfer *transfer)
{
	struct kev_http_response response = kev_http_response_of(transfer);

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &transfer->http->version);
	if (response.status != 401)
		kev_login_accepted(transfer->http->login, &transfer->login);
	/* curl decodes what was asked for, and would hand over what was not as it came. */
	if (!transfer->request.gzip && transfer->head.encoding[0] &&
		strcmp(transfer->head.encoding, "identity") != 0) {
		kev_http_fail(transfer, -EPROTO, "the answer is compressed, which was not asked for");
		return false;
	}
	if (transfer->request.head && transfer->request.head(transfer->request.context, &response) &&
		!transfer->cancelled)
		kev_http_fail(transfer, -ECANCELED, "stopped");
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
		kev_http_fail(transfer, -EPROTO,
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
		kev_http_fail(transfer, -ECANCELED, "stopped");
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

int kev_http_set_up(struct kev_http_transfer *transfer, const struct kev_http_request *request)
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
		kev_http_fail(transfer, -EPROTO, "the request's URL is too long");
	else if (url.error || !kev_buf_cstr(&url) || !set_request(transfer, url.data))
		r = -ENOMEM;
	kev_buf_fini(&url);
	return r;
}
