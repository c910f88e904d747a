#include "check_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_extras.h"
#include "check_right.h"

#include "kevfs/cluster/impersonation.h"
#include "kevfs/event/items.h"
#include "kevfs/event/json.h"
#include "kevfs/event/metadata.h"

#define KINDS (KEV_SCOPE_NAMESPACES + 1)
#define TEXT_MAX 3000

/* Streams of an HTTP/2 connection, as API servers allow them. */
#define STREAMS 100

/* Namespaces that are asked for at once. */
#define ASKED 8

/* So many namespaces are named. */
#define NAMES_SHOWN 5

/* What was found. */
struct found {
	bool given;                          /* -o namespace= says where to look */
	size_t max;                          /* so many namespaces are watched one by one, at most */
	struct kev_check_right whole[KINDS]; /* unless given: of the whole cluster */
	char **names;                        /* the namespaces that are looked at one by one: owned */
	size_t count;
	size_t beyond;                         /* that there are too many to be looked at */
	struct kev_check_right *events, *pods; /* of each; NULL: not asked */
};

static struct kev_check_right *create_rights(
	struct kev_check *check, const struct found *found, enum kev_scope_kind kind)
{
	struct kev_check_right *rights = calloc(found->count, sizeof(*rights));

	for (size_t i = 0; rights && i < found->count; i++)
		rights[i] = (struct kev_check_right){.kind = kind, .namespace_ = found->names[i]};
	if (rights)
		kev_check_right_find(check, rights, found->count);
	return rights;
}

static void destroy_rights(struct kev_check_right *rights, size_t count)
{
	for (size_t i = 0; rights && i < count; i++)
		kev_check_right_fini(&rights[i]);
	free(rights);
}

static void found_fini(struct found *found)
{
	for (size_t i = 0; i < KINDS; i++)
		kev_check_right_fini(&found->whole[i]);
	destroy_rights(found->events, found->count);
	destroy_rights(found->pods, found->count);
	for (size_t i = 0; i < found->count; i++)
		free(found->names[i]);
	free(found->names);
}

/* ---- which namespaces ---- */

static int add_name(struct found *found, struct kev_str name)
{
	if (found->count == found->max) {
		found->beyond++;
		return 0;
	}
	found->names[found->count] = kev_str_dup(name);
	if (!found->names[found->count])
		return -ENOMEM;
	found->count++;
	return 0;
}

struct listing {
	struct found *found;
	struct kev_json *json;
	struct kev_metadata metadata;
};

static int on_namespace(void *context, struct kev_str item)
{
	struct listing *listing = context;
	int r = kev_json_scan(listing->json, item, NULL);

	if (!r)
		r = kev_metadata_read(&listing->metadata, listing->json, 0);
	if (!r)
		r = add_name(listing->found, kev_buf_str(&listing->metadata.name));
	return r == -ENOMEM ? r : 0;
}

/* All namespaces that there are, in the order of their names, as far as they can be watched. */
static int read_namespaces(struct found *found, struct kev_str body)
{
	struct listing listing = {.found = found, .json = kev_json_create()};
	struct kev_items *items = kev_items_create(on_namespace, &listing);
	int r = listing.json && items ? 0 : -ENOMEM;

	kev_metadata_init(&listing.metadata);
	if (!r)
		r = kev_items_feed(items, body, NULL);
	if (!r)
		r = kev_items_finish(items, NULL);
	if (!r)
		found->beyond += kev_items_remaining(items);
	kev_metadata_fini(&listing.metadata);
	kev_items_destroy(items);
	kev_json_destroy(listing.json);
	return r;
}

static int ask_namespaces(struct kev_check *check, struct found *found)
{
	char path[64];
	const struct kev_check_question question = {.path = path,
		.accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
		.gzip = true};
	struct kev_check_answer answer;
	int r;

	snprintf(path, sizeof(path), "/api/v1/namespaces?limit=%zu", found->max);
	kev_check_ask(&check->asker, &question, &answer, 1);
	r = answer.error ? answer.error : answer.status == 200 ? 0 : -EPROTO;
	if (!r)
		r = read_namespaces(found, kev_buf_str(&answer.body));
	kev_check_answer_fini(&answer);
	return r;
}

/* Which ones the mount would try, where all at once is forbidden. */
static int find_names(struct kev_check *check, struct found *found)
{
	const char *own = kev_cluster_config_namespace(check->cluster);
	size_t given = check->options->namespace_count;
	int r = 0;

	found->max = check->options->max_watches;
	found->names = calloc(found->max, sizeof(char *));
	if (!found->names)
		return -ENOMEM;
	for (size_t i = 0; i < given && !r; i++)
		r = add_name(found, kev_str_c(check->options->namespaces[i]));
	if (!given && kev_check_right_is_full(&found->whole[KEV_SCOPE_NAMESPACES]))
		r = ask_namespaces(check, found);
	if (r != -ENOMEM && !found->count)
		r = add_name(found, kev_str_c(own));
	return r == -ENOMEM ? r : 0;
}

/* ---- lines ---- */

static size_t count_full(const struct kev_check_right *rights, size_t count)
{
	size_t full = 0;

	for (size_t i = 0; i < count; i++)
		full += kev_check_right_is_full(&rights[i]);
	return full;
}

/* The first that is not full. */
static const struct kev_check_right *find_lacking(const struct kev_check_right *rights, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!kev_check_right_is_full(&rights[i]))
			return &rights[i];
	}
	return NULL;
}

static void append_names(struct kev_buf *out, const struct kev_check_right *rights, size_t count, bool full)
{
	size_t named = 0, total = full ? count_full(rights, count) : count - count_full(rights, count);

	for (size_t i = 0; i < count && named < NAMES_SHOWN; i++) {
		if (kev_check_right_is_full(&rights[i]) == full)
			kev_buf_printf(out, "%s%s", named++ ? ", " : "", rights[i].namespace_);
	}
	if (total > named)
		kev_buf_printf(out, " and %zu more", total - named);
}

/* Nothing that a shell would take for anything else. */
static bool is_plain(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:@._+/=-";

	return *name && *name != '-' && strspn(name, plain) == strlen(name);
}

/* What whoever runs the cluster has to say, to permit it. Once is enough.
 * @param namespace_  where; NULL: everywhere
 * @return borrowed; NULL: it was told
 */
static const char *advise_grant(struct kev_check *check, const char *namespace_, struct kev_buf *out)
{
	static const char account[] = "system:serviceaccount:";
	const char *user = check->user;

	if (check->grant_told)
		return NULL;
	check->grant_told = true;
	if (strcmp(user, KEV_CHECK_ANONYMOUS) == 0)
		return "name a context that has a credential";
	kev_buf_append_c(out, "who runs the cluster can permit it: ");
	if (namespace_)
		kev_buf_printf(out, "kubectl create rolebinding kevfs --namespace=%s --clusterrole=view ",
			is_plain(namespace_) ? namespace_ : "NAMESPACE");
	else
		kev_buf_append_c(out, "kubectl create clusterrole kevfs --verb=list,watch "
				      "--resource=events,pods,namespaces && kubectl create "
				      "clusterrolebinding kevfs --clusterrole=kevfs ");
	if (!is_plain(user))
		kev_buf_append_c(out, "--user=NAME");
	else if (strncmp(user, account, sizeof(account) - 1) == 0)
		kev_buf_printf(out, "--serviceaccount=%s", user + sizeof(account) - 1);
	else
		kev_buf_printf(out, "--user=%s", user);
	return kev_buf_cstr(out);
}

/* Of events of which none may be seen. @param lacking  in the first of the namespaces */
static const char *advise_events(struct kev_check *check, const struct found *found,
	const struct kev_check_right *lacking, struct kev_buf *out)
{
	bool untried = found->beyond || !kev_check_right_is_full(&found->whole[KEV_SCOPE_NAMESPACES]);

	/* It is not known which ones there are, so only that of the context was tried; or there are too many.
	 */
	if (!found->given && untried && strcmp(check->user, KEV_CHECK_ANONYMOUS) != 0)
		kev_buf_append_c(out, "if you may see another namespace: -o namespace=NAME; else ");
	return advise_grant(check, found->given ? lacking->namespace_ : NULL, out);
}

static const char *lack_of(const struct kev_check_right *right)
{
	return right->list == KEV_CHECK_ALLOWED ? "may be listed, but not watched" : "may not be listed";
}

static bool is_broken(const struct kev_check_right *right)
{
	return right->list == KEV_CHECK_BROKEN || right->watch == KEV_CHECK_BROKEN;
}

/* It is not a matter of rights. */
static void report_broken(struct kev_check *check, const struct kev_check_right *right)
{
	enum kev_check_exit code = right->refused ? KEV_CHECK_CREDENTIAL : KEV_CHECK_SERVER;
	const char *verb = right->list == KEV_CHECK_ALLOWED ? "cannot be watched" : "cannot be listed";
	const char *name = kev_check_right_name(right->kind);

	if (right->kind == KEV_SCOPE_EVENTS)
		kev_check_fail(&check->report, code, name,
			right->list == KEV_CHECK_ALLOWED
				? "does a proxy in between hold back what is streamed?"
				: "see the API server's log, or try again",
			"%s: %s", verb, right->why.text);
	else
		kev_check_warn(&check->report, name, "try again", "%s: %s", verb, right->why.text);
}

/* Events of all namespaces, and they are what it is about. */
static void report_whole_events(struct kev_check *check, const struct kev_check_right *right)
{
	kev_check_ok(&check->report, "events", "may be listed and watched in all namespaces; there %s %llu",
		right->count == 1 ? "is" : "are about", (unsigned long long)right->count);
}

/* Events, one namespace after the other. @return whether there is one */
static bool report_some_events(struct kev_check *check, const struct found *found)
{
	const struct kev_check_right *whole = &found->whole[KEV_SCOPE_EVENTS];
	const struct kev_check_right *lacking = find_lacking(found->events, found->count);
	const struct kev_check_right *why = found->given ? lacking : whole;
	size_t full = count_full(found->events, found->count);
	KEV_CLEANUP(buf_fini) struct kev_buf names;
	KEV_CLEANUP(buf_fini) struct kev_buf next;

	kev_buf_init(&names, TEXT_MAX);
	kev_buf_init(&next, TEXT_MAX);
	append_names(&names, found->events, found->count, full > 0);
	if (full == 0 && is_broken(lacking))
		report_broken(check, lacking);
	else if (full == 0)
		kev_check_fail(&check->report, KEV_CHECK_PERMISSION, "events",
			advise_events(check, found, lacking, &next), "%s%s %.*s: %s", lack_of(why),
			found->given ? " in" : ", neither in all namespaces nor in", (int)names.len,
			names.data, why->why.text);
	else if (found->given && !lacking)
		kev_check_ok(&check->report, "events", "may be listed and watched in %.*s", (int)names.len,
			names.data);
	else
		kev_check_warn(&check->report, "events",
			advise_grant(check, found->given ? lacking->namespace_ : NULL, &next),
			"may be listed and watched in %zu of %zu namespaces (%.*s): %s", full,
			found->count + found->beyond, (int)names.len, names.data, why->why.text);
	return full > 0;
}

/* All of it is forbidden, since we may not act as whom the kubeconfig names: then it is of no use to permit
 * anything to that one. @return whether it is so */
static bool report_impersonation(struct kev_check *check, const struct found *found)
{
	const struct kev_check_right *why =
		found->given ? find_lacking(found->events, found->count) : &found->whole[KEV_SCOPE_EVENTS];
	struct kev_error error = {""};

	if (count_full(found->events, found->count) ||
		!kev_impersonation_is_refused(check->cluster->impersonate, kev_str_c(why->why.text), &error))
		return false;
	kev_check_fail(
		&check->report, KEV_CHECK_CREDENTIAL, "events", KEV_IMPERSONATION_ADVICE, "%s", error.text);
	return true;
}

static void report_optional(struct kev_check *check, const struct kev_check_right *right)
{
	const char *name = kev_check_right_name(right->kind);
	KEV_CLEANUP(buf_fini) struct kev_buf next;

	kev_buf_init(&next, TEXT_MAX);
	if (kev_check_right_is_full(right))
		kev_check_ok(&check->report, name, "may be listed and watched; there %s %llu",
			right->count == 1 ? "is" : "are about", (unsigned long long)right->count);
	else if (is_broken(right))
		report_broken(check, right);
	else
		kev_check_warn(&check->report, name, advise_grant(check, NULL, &next),
			"%s, so only those that Events mention are shown: %s", lack_of(right),
			right->why.text);
}

static void report_some_pods(struct kev_check *check, const struct found *found)
{
	const struct kev_check_right *lacking = find_lacking(found->pods, found->count);
	size_t full = count_full(found->pods, found->count);
	const char *where = found->given && lacking ? lacking->namespace_ : NULL;
	KEV_CLEANUP(buf_fini) struct kev_buf next;

	kev_buf_init(&next, TEXT_MAX);
	if (!lacking)
		kev_check_ok(&check->report, "pods", "may be listed and watched there");
	else if (full == 0)
		kev_check_warn(&check->report, "pods", advise_grant(check, where, &next),
			"%s, so only those that Events mention are shown: %s", lack_of(lacking),
			lacking->why.text);
	else
		kev_check_warn(&check->report, "pods", advise_grant(check, where, &next),
			"may be listed and watched in %zu of %zu namespaces, so elsewhere only those that "
			"Events mention are shown: %s",
			full, found->count, lacking->why.text);
}

/* How a mount would go about it. */
static void report_mode(struct kev_check *check, const struct found *found, bool whole)
{
	size_t watches = KINDS, connections;
	const char *mode = "all namespaces at once";

	if (!whole) {
		mode = "namespace by namespace";
		watches = found->count + (found->pods ? found->count : 1) + (found->given ? 0 : 1);
	}
	connections = (watches + STREAMS - 1) / STREAMS;
	if (found->beyond)
		kev_check_fail(&check->report, KEV_CHECK_PERMISSION, "mode",
			"permit Events in all namespaces, name the namespaces (-o namespace=), or allow "
			"more (-o max_watches=)",
			"%s, of which there are %zu, and at most %zu are watched", mode,
			found->count + found->beyond, found->max);
	else if (check->asker.http2)
		kev_check_ok(&check->report, "mode", "%s: %zu watches, on %zu connection%s (HTTP/2)", mode,
			watches, connections, connections == 1 ? "" : "s");
	else
		kev_check_ok(&check->report, "mode",
			"%s: %zu watches, each on a connection of its own (HTTP/1.1)", mode, watches);
}

/* ---- namespaces that there are not ---- */

/* @param batch  at most ASKED */
static void ask_which_exist(struct kev_check *check, char *const *names, size_t batch, bool missing[ASKED])
{
	struct kev_check_question questions[ASKED];
	struct kev_check_answer answers[ASKED];
	struct kev_buf paths[ASKED];

	for (size_t i = 0; i < batch; i++) {
		kev_buf_init(&paths[i], TEXT_MAX);
		kev_buf_append_c(&paths[i], "/api/v1/namespaces/");
		(void)kev_http_append_query(&paths[i], kev_str_c(names[i]));
		questions[i] = (struct kev_check_question){.path = kev_buf_cstr(&paths[i]),
			.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
				  "application/json",
			.gzip = true};
		if (!questions[i].path)
			questions[i].path = "/api/v1/namespaces";
	}
	kev_check_ask(&check->asker, questions, answers, batch);
	for (size_t i = 0; i < batch; i++) {
		/* Where it may not be said (403), nothing is known. */
		missing[i] = !answers[i].error && answers[i].status == 404;
		kev_check_answer_fini(&answers[i]);
		kev_buf_fini(&paths[i]);
	}
}

/* The events of a namespace that there is not are listed as none, with 200: so a name may be mistyped. */
static void report_missing(struct kev_check *check, const struct found *found)
{
	KEV_CLEANUP(buf_fini) struct kev_buf names;
	bool missing[ASKED];

	kev_buf_init(&names, TEXT_MAX);
	for (size_t i = 0; i < found->count; i++) {
		size_t at = i % ASKED, left = found->count - i;

		if (at == 0)
			ask_which_exist(check, found->names + i, left < ASKED ? left : ASKED, missing);
		if (missing[at])
			kev_buf_printf(&names, "%s%s", names.len ? ", nor " : "", found->names[i]);
	}
	if (names.len)
		kev_check_warn(&check->report, "namespaces", "is it spelt right? It is shown as empty",
			"there is no namespace %.*s", (int)names.len, names.data);
}

/* ---- all of it ---- */

/* What can be looked at closer: best where there are events. */
static const struct kev_check_right *find_sample(const struct found *found)
{
	const struct kev_check_right *sample = &found->whole[KEV_SCOPE_EVENTS];

	for (size_t i = 0; found->events && i < found->count; i++) {
		if (!kev_check_right_is_full(&found->events[i]))
			continue;
		if (!kev_check_right_is_full(sample) || !sample->first.len)
			sample = &found->events[i];
	}
	return sample;
}

/* One namespace after the other, since all at once is forbidden, or not wanted. @return whether there is
 * anything to see, or -ENOMEM */
static int look_at_namespaces(struct kev_check *check, struct found *found)
{
	bool some;

	if (find_names(check, found))
		return -ENOMEM;
	found->events = create_rights(check, found, KEV_SCOPE_EVENTS);
	if (found->given || !kev_check_right_is_full(&found->whole[KEV_SCOPE_PODS]))
		found->pods = create_rights(check, found, KEV_SCOPE_PODS);
	if (!found->events)
		return -ENOMEM;
	if (report_impersonation(check, found))
		return 0;
	some = report_some_events(check, found);
	if (found->pods)
		report_some_pods(check, found);
	else
		report_optional(check, &found->whole[KEV_SCOPE_PODS]);
	if (found->given)
		report_missing(check, found);
	else
		report_optional(check, &found->whole[KEV_SCOPE_NAMESPACES]);
	return some;
}

static int look_at_all(struct kev_check *check, struct found *found)
{
	const struct kev_check_right *events = &found->whole[KEV_SCOPE_EVENTS];

	kev_check_right_find(check, found->whole, KINDS);
	if (is_broken(events)) {
		report_broken(check, events);
		return 0;
	}
	if (!kev_check_right_is_full(events))
		return look_at_namespaces(check, found);
	report_whole_events(check, events);
	report_optional(check, &found->whole[KEV_SCOPE_PODS]);
	report_optional(check, &found->whole[KEV_SCOPE_NAMESPACES]);
	return 1;
}

void kev_check_rights(struct kev_check *check)
{
	struct found found = {.given = check->options->namespace_count > 0};
	int r;

	for (size_t i = 0; i < KINDS; i++)
		found.whole[i].kind = (enum kev_scope_kind)i;
	r = found.given ? look_at_namespaces(check, &found) : look_at_all(check, &found);
	if (r < 0)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
	else if (r > 0 || found.beyond) /* what is permitted may be among those that were not tried */
		report_mode(check, &found, !found.events);
	if (r > 0) {
		const struct kev_check_right *sample = find_sample(&found);

		kev_check_extras(check, sample);
		kev_check_sample(check, kev_buf_str(&sample->first));
	}
	found_fini(&found);
}
