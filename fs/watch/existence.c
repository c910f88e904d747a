#include "kevfs/watch/existence.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/log.h"

/* The mount may wait for it: it is not worth more. */
#define TIMEOUT 5

#define PATH_MAX_BYTES 1024

struct kev_existence {
	struct kev_http *http;
	const char *server, *namespace_;
	struct kev_http_transfer *transfer; /* NULL: answered */
};

static int on_body(void *context, struct kev_str piece)
{
	(void)context, (void)piece;
	return 0;
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct kev_existence *existence = context;

	existence->transfer = NULL;
	if (!result->error && result->response.status == 404)
		kev_log_warning("%s: there is no namespace %s", existence->server, existence->namespace_);
	else if (result->error)
		kev_log_info("%s", result->reason->text);
}

static int start(struct kev_existence *existence)
{
	struct kev_http_request request = {
		.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
		.gzip = true,
		.total_timeout = TIMEOUT,
		.body = on_body,
		.done = on_done,
		.context = existence};
	struct kev_buf path;
	int r = -ENOMEM;

	kev_buf_init(&path, PATH_MAX_BYTES);
	kev_buf_append_c(&path, "/api/v1/namespaces/");
	(void)kev_http_append_query(&path, kev_str_c(existence->namespace_));
	request.path = kev_buf_cstr(&path);
	if (request.path && !path.error)
		r = kev_http_start(existence->http, &request, &existence->transfer);
	kev_buf_fini(&path);
	return r;
}

struct kev_existence *kev_existence_ask(struct kev_http *http, const char *server, const char *namespace_)
{
	struct kev_existence *existence = calloc(1, sizeof(*existence));

	if (!existence)
		return NULL;
	*existence = (struct kev_existence){.http = http, .server = server, .namespace_ = namespace_};
	if (start(existence) == 0)
		return existence;
	kev_existence_destroy(existence);
	return NULL;
}

void kev_existence_destroy(struct kev_existence *existence)
{
	if (!existence)
		return;
	if (existence->transfer)
		kev_http_cancel(existence->http, existence->transfer);
	free(existence);
}

bool kev_existence_answered(const struct kev_existence *existence)
{
	return !existence->transfer;
}
