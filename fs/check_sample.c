#include "check_run.h"

#include <errno.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/discovery.h"
#include "kevfs/event/event.h"
#include "kevfs/event/json.h"
#include "kevfs/event/name.h"
#include "kevfs/event/timestamp.h"
#include "kevfs/store/kinds.h"
#include "kevfs/tree/path.h"
#include "kevfs/tree/resource_name.h"

#define PATH_MAX_BYTES 8192
#define TEXT_MAX 256

/* ---- which plurals there are ---- */

struct finding {
	struct kev_kinds *kinds;
	bool done;
	int result;
	struct kev_error why;
};

static int on_resource(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	struct finding *finding = context;
	int r = kev_kinds_add(finding->kinds, group, kind, plural);

	return r == -ENOMEM ? r : 0;
}

static void on_done(void *context, int result, const struct kev_error *error)
{
	struct finding *finding = context;

	finding->done = true;
	finding->result = result;
	if (error)
		finding->why = *error;
}

static void discover(struct kev_check *check, struct finding *finding)
{
	const struct kev_discovery_callbacks callbacks = {on_resource, on_done, finding};
	struct kev_discovery *discovery = kev_discovery_create(check->asker.http, &callbacks);
	int64_t until = kev_clock_monotonic(check->clock) + kev_check_left(&check->asker) * KEV_NS_PER_SEC;
	int r = discovery ? kev_discovery_start(discovery) : -ENOMEM;

	while (!r && !finding->done && kev_clock_monotonic(check->clock) < until)
		r = kev_http_run(check->asker.http, 100);
	if (!finding->done) {
		finding->result = r ? r : -ETIMEDOUT;
		kev_error_set(&finding->why, "%s", strerror(-finding->result));
	}
	kev_discovery_destroy(discovery);
}

/* @return new, or NULL */
static struct kev_kinds *find_kinds(struct kev_check *check)
{
	struct finding finding = {.kinds = kev_kinds_create()};

	if (!finding.kinds)
		return NULL;
	discover(check, &finding);
	if (finding.result == 0) {
		kev_check_ok(&check->report, "discovery", "%zu kinds of objects have a directory name",
			kev_kinds_count(finding.kinds));
		return finding.kinds;
	}
	kev_check_warn(&check->report, "discovery",
		"directories of kinds that Kubernetes does not ship are then called as the kind itself",
		"which kinds there are cannot be asked: %s", finding.why.text);
	kev_kinds_unref(finding.kinds);
	return kev_kinds_create_builtin();
}

/* ---- the event ---- */

static int append_resource(struct kev_buf *out, const struct kev_kinds *kinds, const struct kev_event *event)
{
	struct kev_resource_names *names = kev_resource_names_create();
	struct kev_resource_name *name;
	int r = names ? kev_resource_names_get(names, kinds, kev_event_object_api_version(event),
				kev_event_object_kind(event), &name)
		      : -ENOMEM;

	if (!r)
		kev_buf_append_str(out, kev_resource_name_str(name));
	kev_resource_names_destroy(names);
	return r;
}

/* Where it would stand. */
static int append_path(struct kev_buf *out, const struct kev_check *check, const struct kev_kinds *kinds,
	const struct kev_event *event)
{
	const char *mountpoint = check->options->mountpoint;
	struct kev_event_room room;
	int r;

	kev_buf_printf(out, "%s/", mountpoint ? mountpoint : "MOUNTPOINT");
	kev_path_append_namespace(out, kev_event_namespace(event));
	kev_buf_append_char(out, '/');
	r = append_resource(out, kinds, event);
	kev_buf_append_char(out, '/');
	kev_path_append_object(out, kev_event_namespace(event), kev_event_object_namespace(event),
		kev_event_object_name(event));
	kev_buf_append_c(out, "/events/");
	kev_path_append_event(out, kev_event_name(event, &room));
	return r || out->error || !kev_buf_cstr(out) ? -ENOMEM : 0;
}

static int short_len(struct kev_str s)
{
	return (int)(s.len < TEXT_MAX ? s.len : TEXT_MAX);
}

void kev_check_sample_event(
	struct kev_check *check, const struct kev_kinds *kinds, const struct kev_event *event)
{
	struct kev_str reason = kev_event_reason(event), type = kev_event_type(event);
	int64_t time = kev_event_mtime(event), named = 0;
	struct kev_event_room room;
	bool says = kev_name_decode_time(kev_event_name(event, &room), KEV_NAME_NO_CREATION, &named) == 0;
	char text[KEV_TIMESTAMP_SIZE];
	KEV_CLEANUP(buf_fini) struct kev_buf path;

	kev_buf_init(&path, PATH_MAX_BYTES);
	if (append_path(&path, check, kinds, event)) {
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
		return;
	}
	kev_timestamp_format(time, text);
	kev_check_ok(&check->report, "sample", "%s: %.*s %.*s, first at %s (%s), %zu bytes", path.data,
		short_len(type), type.len ? type.data : "", short_len(reason), reason.len ? reason.data : "",
		text, says && named == time ? "so its name says" : "so it says; its name holds no time",
		kev_event_size(event));
}

void kev_check_sample(struct kev_check *check, struct kev_str item)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
	struct kev_intern *words = kev_intern_create();
	struct kev_kinds *kinds = find_kinds(check);
	struct kev_error error = {""};
	int r = json && words && kinds ? 0 : -ENOMEM;

	if (!r && item.len)
		r = kev_json_scan(json, item, &error);
	if (!r && item.len)
		r = kev_event_create(json, 0, words, &event, &error);
	if (r == -ENOMEM)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
	else if (r)
		kev_check_warn(&check->report, "sample", "it is left out", "an event makes no sense: %s",
			error.text);
	else if (!item.len)
		kev_check_ok(&check->report, "sample", "there are no events at the moment");
	else
		kev_check_sample_event(check, kinds, event);
	kev_intern_unref(words);
	kev_kinds_unref(kinds);
}
