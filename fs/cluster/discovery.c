#include "kevfs/cluster/discovery.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/answer.h"
#include "kevfs/cluster/status.h"

/* The order of the parameters matters to the server (client-go discovery_client.go). */
#define AGGREGATED(version) "application/json;g=apidiscovery.k8s.io;v=" version ";as=APIGroupDiscoveryList"
#define ACCEPT AGGREGATED("v2") "," AGGREGATED("v2beta1") "," ACCEPT_PLAIN
#define ACCEPT_PLAIN "application/json"

/* A thousand custom resources are half a MiB. */
#define BODY_MAX (16U << 20)
#define IDLE_TIMEOUT_S 30

/* Of a server that knows only the legacy form: group versions, and how many are asked for at a time. */
#define PAGES_MAX 10000
#define WINDOW 8

/* A DNS subdomain's length. */
#define NAME_MAX_BYTES 253

/* The two that every discovery begins with. */
enum { ROOT_API, ROOT_APIS, ROOTS };

/* One request, and its answer until it is read. Pages are read in their order, whichever comes first. */
struct page {
	struct kev_discovery *discovery;
	struct kev_http_transfer *transfer; /* NULL: not under way */
	char *path;
	char *group;      /* of a legacy group version; "" is core */
	char *etag;       /* of the answer */
	bool conditional; /* it was asked for with an ETag */
	bool fetched;
	bool oversized;
	int status;
	struct kev_buf body;
};

struct kev_discovery {
	struct kev_http *http;
	struct kev_discovery_callbacks callbacks;
	char *etags[ROOTS]; /* of what was given last */
	bool running;

	struct page **pages;
	size_t count, started, read; /* how many there are, were asked for, were read */
};

static void advance(struct kev_discovery *d);

struct kev_discovery *kev_discovery_create(
	struct kev_http *http, const struct kev_discovery_callbacks *callbacks)
{
	struct kev_discovery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->http = http;
	d->callbacks = *callbacks;
	return d;
}

static void destroy_page(struct page *page)
{
	kev_http_cancel(page->discovery->http, page->transfer);
	free(page->path);
	free(page->group);
	free(page->etag);
	kev_buf_fini(&page->body);
	free(page);
}

static void clear(struct kev_discovery *d)
{
	for (size_t i = 0; i < d->count; i++)
		destroy_page(d->pages[i]);
	free(d->pages);
	d->pages = NULL;
	d->count = d->started = d->read = 0;
	d->running = false;
}

void kev_discovery_destroy(struct kev_discovery *d)
{
	if (!d)
		return;
	clear(d);
	for (size_t i = 0; i < ROOTS; i++)
		free(d->etags[i]);
	free(d);
}

static int add_page(struct kev_discovery *d, const char *path, struct kev_str group)
{
	struct page **grown, *page;

	if (d->count >= PAGES_MAX)
		return -EPROTO;
	grown = reallocarray(d->pages, d->count + 1, sizeof(struct page *));
	if (!grown)
		return -ENOMEM;
	d->pages = grown;
	page = calloc(1, sizeof(*page));
	if (!page)
		return -ENOMEM;
	page->discovery = d;
	kev_buf_init(&page->body, BODY_MAX);
	page->path = strdup(path);
	page->group = kev_str_dup(group);
	if (!page->path || !page->group) {
		destroy_page(page);
		return -ENOMEM;
	}
	d->pages[d->count++] = page;
	return 0;
}

/* The end: what the callback does with the discovery is its own affair. */
static void finish(struct kev_discovery *d, int result, const struct kev_error *error)
{
	const struct kev_discovery_callbacks callbacks = d->callbacks;

	for (size_t i = 0; result == 0 && i < ROOTS; i++) {
		free(d->etags[i]);
		d->etags[i] = d->pages[i]->etag;
		d->pages[i]->etag = NULL;
	}
	clear(d);
	callbacks.done(callbacks.context, result, error);
}

/* ---- one request ---- */

static int on_head(void *context, const struct kev_http_response *response)
{
	struct page *page = context;

	page->status = response->status;
	if (!response->etag)
		return 0;
	free(page->etag);
	page->etag = strdup(response->etag);
	return page->etag ? 0 : -ENOMEM;
}

static int on_body(void *context, struct kev_str piece)
{
	struct page *page = context;
	int r = kev_buf_append_str(&page->body, piece);

	page->oversized = r == -EMSGSIZE;
	return r;
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct page *page = context;
	struct kev_error error;

	page->transfer = NULL;
	if (result->error == 0) {
		page->fetched = true;
		advance(page->discovery);
	} else if (page->oversized) {
		kev_error_set(&error, "%s is over %u MiB", page->path, BODY_MAX >> 20);
		finish(page->discovery, -EPROTO, &error);
	} else {
		/* The callbacks here stop a transfer for nothing else but memory. */
		finish(page->discovery, result->error == -ECANCELED ? -ENOMEM : result->error,
			result->reason);
	}
}

static int start_page(struct page *page, const char *accept, const char *etag)
{
	const struct kev_http_request request = {
		.path = page->path,
		.accept = accept,
		.if_none_match = etag,
		.gzip = true,
		.idle_timeout = IDLE_TIMEOUT_S,
		.head = on_head,
		.body = on_body,
		.done = on_done,
		.context = page,
	};

	page->conditional = etag != NULL;
	page->fetched = false;
	kev_buf_clear(&page->body);
	return kev_http_start(page->discovery->http, &request, &page->transfer);
}

/* ---- what the answers say ---- */

static bool is_name(struct kev_str s)
{
	if (s.len == 0 || s.len > NAME_MAX_BYTES || s.data[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '.'))
			return false;
	}
	return true;
}

static int tell(struct kev_discovery *d, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	/* "pods/log" is a subresource. */
	if (kind.len == 0 || plural.len == 0 || memchr(plural.data, '/', plural.len))
		return 0;
	return d->callbacks.resource(d->callbacks.context, group, kind, plural);
}

/* One group of the aggregated form, its preferred version first. A version that is "Stale" says what it was
 * when its server was last seen, which is better than nothing; one that was never seen says nothing. */
static int read_group(struct kev_discovery *d, struct kev_str group, const json_t *item)
{
	const json_t *version, *resource;
	size_t i, j;

	json_array_foreach(json_object_get(item, "versions"), i, version)
	{
		json_array_foreach(json_object_get(version, "resources"), j, resource)
		{
			/* responseKind's own group is not the one that the resource is served in: client-go's
			 * mapper goes by the latter, too. */
			const json_t *kind = json_object_get(resource, "responseKind");
			int r = tell(d, group, kev_answer_string(kind, "kind"),
				kev_answer_string(resource, "resource"));

			if (r)
				return r;
		}
	}
	return 0;
}

static int read_aggregated(struct kev_discovery *d, bool core, const json_t *answer)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(answer, "items"), i, item)
	{
		struct kev_str group = kev_answer_string(json_object_get(item, "metadata"), "name");
		int r = 0;

		/* Nobody but /api may speak for core, and it for nobody else. */
		if (core ? group.len == 0 : is_name(group))
			r = read_group(d, group, item);
		if (r)
			return r;
	}
	return 0;
}

static int add_version(struct kev_discovery *d, struct kev_str group, struct kev_str version)
{
	char path[2 * NAME_MAX_BYTES + sizeof("/apis//")];
	struct kev_buf text;
	int r;

	if (!is_name(version))
		return 0;
	kev_buf_init(&text, sizeof(path));
	kev_buf_append_c(&text, group.len ? "/apis/" : "/api/");
	kev_buf_append_str(&text, group);
	if (group.len)
		kev_buf_append_char(&text, '/');
	kev_buf_append_str(&text, version);
	r = text.error || !kev_buf_cstr(&text) ? -ENOMEM : add_page(d, text.data, group);
	kev_buf_fini(&text);
	return r;
}

/* The legacy /api: {"versions":["v1"]}. */
static int read_api_versions(struct kev_discovery *d, const json_t *answer)
{
	const json_t *version;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(answer, "versions"), i, version)
	{
		if (r == 0)
			r = add_version(d, KEV_STR(""),
				(struct kev_str){json_string_value(version), json_string_length(version)});
	}
	return r;
}

/* The legacy /apis: groups with the names of their versions. */
static int read_group_list(struct kev_discovery *d, const json_t *answer)
{
	const json_t *item, *version;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "groups"), i, item)
	{
		struct kev_str group = kev_answer_string(item, "name");
		struct kev_str preferred =
			kev_answer_string(json_object_get(item, "preferredVersion"), "version");
		int r = is_name(group) ? add_version(d, group, preferred) : 0;

		json_array_foreach(json_object_get(item, "versions"), j, version)
		{
			struct kev_str name = kev_answer_string(version, "version");

			if (r == 0 && is_name(group) && !kev_str_eq(name, preferred))
				r = add_version(d, group, name);
		}
		if (r)
			return r;
	}
	return 0;
}

static int read_resource_list(struct kev_discovery *d, const struct page *page, const json_t *answer)
{
	const json_t *resource;
	size_t i;

	json_array_foreach(json_object_get(answer, "resources"), i, resource)
	{
		int r = tell(d, kev_str_c(page->group), kev_answer_string(resource, "kind"),
			kev_answer_string(resource, "name"));

		if (r)
			return r;
	}
	return 0;
}

/* An answer that is no 200. */
static int refuse(const struct page *page, struct kev_error *error)
{
	struct kev_status status;

	kev_status_init(&status);
	(void)kev_status_read(&status, kev_buf_str(&page->body));
	kev_error_set(error, "%s: %d: %.*s", page->path, page->status, (int)status.message.len,
		status.message.len ? status.message.data : "");
	kev_status_fini(&status);
	if (page->status == 401 || page->status == 403)
		return -EACCES;
	return page->status == 429 || page->status >= 500 ? -EAGAIN : -EPROTO;
}

/* A group whose own server is down answers 503 for a while: the others count all the same. */
static bool may_be_skipped(const struct kev_discovery *d, const struct page *page)
{
	if (page == d->pages[ROOT_API] || !page->group[0])
		return page != d->pages[ROOT_APIS] && page->status == 404;
	return page->status != 200 && page->status != 401;
}

static int read_page(struct kev_discovery *d, const struct page *page, struct kev_error *error)
{
	KEV_CLEANUP(answer_decrefp) json_t *answer = NULL;
	struct kev_str kind;
	int r;

	if (may_be_skipped(d, page))
		return 0;
	if (page->status != 200)
		return refuse(page, error);
	r = kev_answer_parse(kev_buf_str(&page->body), &answer);
	if (r == -ENOMEM)
		return r;
	kind = kev_answer_string(answer, "kind");
	if (d->read >= ROOTS && kev_str_eq(kind, KEV_STR("APIResourceList")))
		return read_resource_list(d, page, answer);
	if (d->read < ROOTS && kev_str_eq(kind, KEV_STR("APIGroupDiscoveryList")))
		return read_aggregated(d, d->read == ROOT_API, answer);
	if (d->read == ROOT_API && kev_str_eq(kind, KEV_STR("APIVersions")))
		return read_api_versions(d, answer);
	if (d->read == ROOT_APIS && kev_str_eq(kind, KEV_STR("APIGroupList")))
		return read_group_list(d, answer);
	if (page->group[0])
		return 0;
	kev_error_set(error, "%s does not answer as an API server does", page->path);
	return -EPROTO;
}

/* ---- the way through the pages ---- */

static bool is_unchanged(const struct page *page)
{
	return page->status == 304 && page->conditional;
}

/*
 * Nothing may be given before both roots are there, since only together they tell whether anything changed.
 * @return 1 to go on, 0 to wait, or the end
 */
static int settle_roots(struct kev_discovery *d)
{
	struct page *api = d->pages[ROOT_API], *apis = d->pages[ROOT_APIS];
	int r = 0;

	if (!api->fetched || !apis->fetched)
		return 0;
	if (is_unchanged(api) && is_unchanged(apis))
		return -EALREADY;
	/* One has changed: what the other says is needed, too. */
	if (is_unchanged(api))
		r = start_page(api, ACCEPT, NULL);
	else if (is_unchanged(apis))
		r = start_page(apis, ACCEPT, NULL);
	else
		r = 1;
	return r;
}

static int read_pages(struct kev_discovery *d, struct kev_error *error)
{
	while (d->read < d->count && d->pages[d->read]->fetched) {
		struct page *page = d->pages[d->read];
		int r = read_page(d, page, error);

		if (r)
			return r;
		kev_buf_fini(&page->body);
		d->read++;
	}
	while (d->started < d->count && d->started < d->read + WINDOW) {
		int r = start_page(d->pages[d->started], ACCEPT_PLAIN, NULL);

		if (r)
			return r;
		d->started++;
	}
	return 0;
}

static void advance(struct kev_discovery *d)
{
	struct kev_error error = {""};
	int r = 1;

	if (d->read < ROOTS)
		r = settle_roots(d);
	if (r == 0)
		return;
	if (r > 0)
		r = read_pages(d, &error);
	if (r < 0 || d->read == d->count) {
		if (r < 0 && !error.text[0])
			kev_error_set(&error, "%s", strerror(-r));
		finish(d, r, &error);
	}
}

int kev_discovery_start(struct kev_discovery *d)
{
	static const char *const roots[ROOTS] = {"/api", "/apis"};
	int r = 0;

	if (d->running)
		return 0;
	for (size_t i = 0; r == 0 && i < ROOTS; i++)
		r = add_page(d, roots[i], KEV_STR(""));
	for (size_t i = 0; r == 0 && i < ROOTS; i++)
		r = start_page(d->pages[i], ACCEPT, d->etags[i]);
	if (r) {
		clear(d);
		return r;
	}
	d->started = ROOTS;
	d->running = true;
	return 0;
}
