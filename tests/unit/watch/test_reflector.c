#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/watch/reflector.h"

#define MS KEV_NS_PER_MS
#define S KEV_NS_PER_SEC

/* Where a row begins. */
enum where {
	NEW,        /* nothing happened yet */
	FIRST_PAGE, /* asked for the first page of the first list */
	PAGE_TWO,   /* asked for its second page, "t1" */
	WATCHING,   /* the first list (resourceVersion 10) was complete */
	RELIST,     /* asked for the first page of a second list */
	RELIST_TWO, /* asked for its second page */
	WAITING,    /* to re-watch, after a 429 */
};

#define PATIENT 1
#define OPTIONAL 2
#define CACHED 4
#define SHOWN 8
#define HURRIED 16

struct expected {
	enum kev_reflector_next next;
	const char *flags; /* "end synced denied granted probe begin" */
	const char *resource_version, *continue_;
	int64_t wait;
};

struct row {
	const char *name;
	unsigned config;
	enum where where;
	int64_t after; /* ns since the request began */
	struct kev_reflector_input input;
	struct expected expected;
};

static uint32_t no_random(void *context)
{
	(void)context;
	return 0;
}

/* The waits below are the shortest that the jitter leaves. */
#define PAGE(rv, token)                                                                               \
	{                                                                                             \
		.event = KEV_REFLECTOR_PAGE, .resource_version = {rv, sizeof(rv) - 1}, .continue_ = { \
			token,                                                                        \
			sizeof(token) - 1                                                             \
		}                                                                                     \
	}
#define LINE(rv)                                                                        \
	{                                                                               \
		.event = KEV_REFLECTOR_LINE, .resource_version = { rv, sizeof(rv) - 1 } \
	}
#define STATUS(code)                                                               \
	{                                                                          \
		.event = KEV_REFLECTOR_STATUS, .status = (code), .retry_after = -1 \
	}
#define STATUS_AFTER(code, seconds)                                                       \
	{                                                                                 \
		.event = KEV_REFLECTOR_STATUS, .status = (code), .retry_after = (seconds) \
	}
#define TOO_LARGE                                                                                     \
	{                                                                                             \
		.event = KEV_REFLECTOR_STATUS, .status = 504, .retry_after = -1, .rv_too_large = true \
	}
#define FRESH_401                                                                                  \
	{                                                                                          \
		.event = KEV_REFLECTOR_STATUS, .status = 401, .retry_after = -1, .refreshed = true \
	}
#define BROKEN(code)                                           \
	{                                                      \
		.event = KEV_REFLECTOR_BROKEN, .error = (code) \
	}
#define BARE(what)                            \
	{                                     \
		.event = KEV_REFLECTOR_##what \
	}

#define GO_ON                                      \
	{                                          \
		KEV_REFLECTOR_GO_ON, "", "", "", 0 \
	}
#define LIST                                           \
	{                                              \
		KEV_REFLECTOR_LIST, "begin", "", "", 0 \
	}
#define WAIT(ns)                                     \
	{                                            \
		KEV_REFLECTOR_WAIT, "", "", "", (ns) \
	}
#define DENIED(ns)                                         \
	{                                                  \
		KEV_REFLECTOR_WAIT, "denied", "", "", (ns) \
	}
#define FAIL                                      \
	{                                         \
		KEV_REFLECTOR_FAIL, "", "", "", 0 \
	}
#define WATCH(rv)                                    \
	{                                            \
		KEV_REFLECTOR_WATCH, "", (rv), "", 0 \
	}

static const struct row rows[] = {
	/* The way through. */
	{"start", 0, NEW, 0, BARE(START), LIST},
	{"start, cached", CACHED, NEW, 0, BARE(START), {KEV_REFLECTOR_LIST, "begin", "0", "", 0}},
	{"start twice", 0, FIRST_PAGE, 0, BARE(START), GO_ON},
	{"a page and more", 0, FIRST_PAGE, 0, PAGE("10", "t1"), {KEV_REFLECTOR_LIST, "", "", "t1", 0}},
	{"a page and more, cached", CACHED, FIRST_PAGE, 0, PAGE("10", "t1"),
		{KEV_REFLECTOR_LIST, "", "", "t1", 0}},
	{"the only page", 0, FIRST_PAGE, 0, PAGE("10", ""), {KEV_REFLECTOR_WATCH, "end synced", "10", "", 0}},
	{"the last page", 0, PAGE_TWO, 0, PAGE("10", ""), {KEV_REFLECTOR_WATCH, "end synced", "10", "", 0}},
	{"a relist's last page", 0, RELIST, 0, PAGE("20", ""), {KEV_REFLECTOR_WATCH, "end", "20", "", 0}},
	{"resourceVersion goes back", 0, RELIST, 0, PAGE("3", ""), {KEV_REFLECTOR_WATCH, "end", "3", "", 0}},
	{"a line", 0, WATCHING, 0, LINE("11"), GO_ON},
	{"a clean end", 0, WATCHING, 300 * S, BARE(EOF), WATCH("10")},
	{"a clean end, barely not short", 0, WATCHING, 2 * S, BARE(EOF), WATCH("10")},
	{"the wait is over", 0, WAITING, 0, BARE(TIMER), WATCH("10")},

	/* A list that makes no sense. */
	{"a page without resourceVersion", 0, FIRST_PAGE, 0, PAGE("", ""), FAIL},
	{"the same page for ever", 0, PAGE_TWO, 0, PAGE("10", "t1"), FAIL},
	{"garbage in the first list", 0, FIRST_PAGE, 0, BARE(GARBAGE), FAIL},
	{"garbage, patient", PATIENT, FIRST_PAGE, 0, BARE(GARBAGE), WAIT(800 * MS)},
	{"garbage in a relist", 0, RELIST, 0, BARE(GARBAGE), WAIT(800 * MS)},
	{"garbage in a watch", 0, WATCHING, S, BARE(GARBAGE), WAIT(800 * MS)},

	{"lost in the first list", 0, FIRST_PAGE, 0, BARE(LOST), WAIT(800 * MS)},
	{"lost in a watch", 0, WATCHING, 60 * S, BARE(LOST), WAIT(800 * MS)},
	{"lost while waiting", 0, WAITING, 0, BARE(LOST), GO_ON},

	/* What a server says to a watch. */
	{"410", 0, WATCHING, 90 * MS, STATUS(410), LIST},
	{"410, cached: not from the cache, which may lag", CACHED, WATCHING, 90 * MS, STATUS(410), LIST},
	{"504 ResourceVersionTooLarge", 0, WATCHING, 7 * MS, TOO_LARGE, LIST},
	{"504", 0, WATCHING, 7 * MS, STATUS(504), WAIT(800 * MS)},
	{"429 keeps the resourceVersion", 0, WATCHING, 0, STATUS(429), WAIT(800 * MS)},
	{"429 with Retry-After", 0, WATCHING, 0, STATUS_AFTER(429, 32), WAIT(32 * S)},
	{"503 with Retry-After", 0, WATCHING, 0, STATUS_AFTER(503, 7), WAIT(7 * S)},
	{"500 in the stream", 0, WATCHING, 60 * S, STATUS(500), WAIT(800 * MS)},
	{"refused", 0, WATCHING, 60 * S, BROKEN(-ECONNREFUSED), WAIT(800 * MS)},
	{"reset", 0, WATCHING, 60 * S, BROKEN(-ECONNRESET), WAIT(800 * MS)},
	{"silent for too long", 0, WATCHING, 630 * S, BROKEN(-ETIMEDOUT), WAIT(800 * MS)},
	{"another certificate", 0, WATCHING, 60 * S, BROKEN(-EKEYREJECTED), WAIT(800 * MS)},
	{"what was to come again does not", 0, WATCHING, 5 * S, BARE(SILENT), LIST},
	{"a very short watch", 0, WATCHING, 2 * S - 1, BARE(EOF), LIST},
	{"401, another credential", 0, WATCHING, 0, FRESH_401, WATCH("10")},
	{"401, no other", 0, WATCHING, 0, STATUS(401), WAIT(800 * MS)},
	{"403", 0, WATCHING, 0, STATUS(403), WAIT(800 * MS)},
	{"404", 0, WATCHING, 0, STATUS(404), WAIT(800 * MS)},
	{"400", 0, WATCHING, 0, STATUS(400), WAIT(800 * MS)},

	/* The first list: what fails at once ... */
	{"refused", 0, FIRST_PAGE, 0, BROKEN(-ECONNREFUSED), FAIL},
	{"no such host", 0, FIRST_PAGE, 0, BROKEN(-EHOSTUNREACH), FAIL},
	{"certificate", 0, FIRST_PAGE, 0, BROKEN(-EKEYREJECTED), FAIL},
	{"TLS", 0, FIRST_PAGE, 0, BROKEN(-EPROTO), FAIL},
	{"401, no other credential", 0, FIRST_PAGE, 0, STATUS(401), FAIL},
	{"404", 0, FIRST_PAGE, 0, STATUS(404), FAIL},
	{"400", 0, FIRST_PAGE, 0, STATUS(400), FAIL},
	{"302", 0, FIRST_PAGE, 0, STATUS(302), FAIL},
	/* ... and what may be over in a moment. */
	{"401, another credential", 0, FIRST_PAGE, 0, FRESH_401, LIST},
	{"401, another credential, page two", 0, PAGE_TWO, 0, FRESH_401,
		{KEV_REFLECTOR_LIST, "", "", "t1", 0}},
	{"429", 0, FIRST_PAGE, 0, STATUS(429), WAIT(800 * MS)},
	{"500", 0, FIRST_PAGE, 0, STATUS(500), WAIT(800 * MS)},
	{"503 with Retry-After", 0, FIRST_PAGE, 0, STATUS_AFTER(503, 5), WAIT(5 * S)},
	{"reset", 0, FIRST_PAGE, 0, BROKEN(-ECONNRESET), WAIT(800 * MS)},
	{"timeout", 0, FIRST_PAGE, 0, BROKEN(-ETIMEDOUT), WAIT(800 * MS)},
	{"410 on page two", 0, PAGE_TWO, 0, STATUS(410), WAIT(800 * MS)},
	{"429 on page two", 0, PAGE_TWO, 0, STATUS(429), WAIT(800 * MS)},

	/* Patient. */
	{"refused, patient", PATIENT, FIRST_PAGE, 0, BROKEN(-ECONNREFUSED), WAIT(800 * MS)},
	{"certificate, patient", PATIENT, FIRST_PAGE, 0, BROKEN(-EKEYREJECTED), WAIT(800 * MS)},
	{"401, patient", PATIENT, FIRST_PAGE, 0, STATUS(401), WAIT(800 * MS)},
	{"404, patient", PATIENT, FIRST_PAGE, 0, STATUS(404), WAIT(800 * MS)},

	/* Forbidden: it is done without. */
	{"403", 0, FIRST_PAGE, 0, STATUS(403), DENIED(60 * S)},
	{"403 on page two", 0, PAGE_TWO, 0, STATUS(403), DENIED(60 * S)},
	{"403, patient", PATIENT, FIRST_PAGE, 0, STATUS(403), DENIED(60 * S)},
	{"403, hurried", PATIENT | HURRIED, FIRST_PAGE, 0, STATUS(403), DENIED(800 * MS)},
	{"403, shown", SHOWN, FIRST_PAGE, 0, STATUS(403), WAIT(800 * MS)},
	{"403, optional", OPTIONAL, FIRST_PAGE, 0, STATUS(403), DENIED(60 * S)},
	{"404, optional", OPTIONAL, FIRST_PAGE, 0, STATUS(404), DENIED(60 * S)},
	{"403 later, optional", OPTIONAL, WATCHING, 0, STATUS(403), WAIT(800 * MS)},
	{"refused, optional", OPTIONAL, FIRST_PAGE, 0, BROKEN(-ECONNREFUSED), FAIL},

	/* A relist never fails. */
	{"a relist: refused", 0, RELIST, 0, BROKEN(-ECONNREFUSED), WAIT(800 * MS)},
	{"a relist: 403", 0, RELIST, 0, STATUS(403), WAIT(800 * MS)},
	{"a relist: 410 on page two", 0, RELIST_TWO, 0, STATUS(410), WAIT(800 * MS)},

	/* What does not fit changes nothing. */
	{"a line in a list", 0, FIRST_PAGE, 0, LINE("99"), GO_ON},
	{"a page in a watch", 0, WATCHING, 0, PAGE("99", ""), GO_ON},
	{"an end in a list", 0, FIRST_PAGE, 0, BARE(EOF), GO_ON},
	{"a timer in a watch", 0, WATCHING, 0, BARE(TIMER), GO_ON},
	{"a status while waiting", 0, WAITING, 0, STATUS(410), GO_ON},
	{"broken while waiting", 0, WAITING, 0, BROKEN(-ECONNRESET), GO_ON},
	{"garbage while waiting", 0, WAITING, 0, BARE(GARBAGE), GO_ON},
	{"a page before the start", 0, NEW, 0, PAGE("1", ""), GO_ON},
};

static struct kev_reflector *create(unsigned config)
{
	const struct kev_reflector_config c = {.cached = config & CACHED,
		.optional = config & OPTIONAL,
		.shown = config & SHOWN,
		.patient = config & PATIENT,
		.hurried = config & HURRIED,
		.random = no_random};
	struct kev_reflector *reflector = kev_reflector_create(&c);

	assert_non_null(reflector);
	return reflector;
}

static struct kev_reflector_action step(
	struct kev_reflector *reflector, struct kev_reflector_input input, int64_t now)
{
	struct kev_reflector_action action;

	memset(&action, 0xff, sizeof(action));
	input.now = now;
	kev_reflector_step(reflector, &input, &action);
	return action;
}

#define STEP(reflector, now, ...) step(reflector, (struct kev_reflector_input)__VA_ARGS__, now)

static void go_to(struct kev_reflector *reflector, enum where where)
{
	bool two_pages = where == PAGE_TWO;

	if (where == NEW)
		return;
	STEP(reflector, 0, BARE(START));
	if (two_pages)
		STEP(reflector, 0, PAGE("10", "t1"));
	if (where == FIRST_PAGE || two_pages)
		return;
	STEP(reflector, 0, PAGE("10", ""));
	if (where == RELIST || where == RELIST_TWO)
		STEP(reflector, 0, STATUS(410));
	if (where == RELIST_TWO)
		STEP(reflector, 0, PAGE("20", "t2"));
	if (where == WAITING)
		STEP(reflector, 0, STATUS(429));
}

static const char *flags_of(const struct kev_reflector_action *action)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s%s%s%s", action->end ? "end " : "",
		action->synced ? "synced " : "", action->denied ? "denied " : "",
		action->granted ? "granted " : "", action->probe ? "probe " : "",
		action->begin ? "begin " : "");
	if (text[0])
		text[strlen(text) - 1] = '\0';
	return text;
}

static void check(const char *name, const struct kev_reflector_action *action, const struct expected *e)
{
	if (action->next != e->next || action->wait != e->wait || strcmp(flags_of(action), e->flags) != 0 ||
		!kev_str_eq(action->resource_version, kev_str_c(e->resource_version)) ||
		!kev_str_eq(action->continue_, kev_str_c(e->continue_)))
		fail_msg("%s: next %d [%s] rv '%.*s' continue '%.*s' wait %lld", name, (int)action->next,
			flags_of(action), (int)action->resource_version.len, action->resource_version.data,
			(int)action->continue_.len, action->continue_.data, (long long)action->wait);
	if (e->next != KEV_REFLECTOR_LIST)
		assert_int_equal(action->limit, 0);
	else
		assert_int_equal(action->limit, action->probe ? 1 : KEV_REFLECTOR_LIMIT);
	assert_int_equal(action->timeout, e->next != KEV_REFLECTOR_WATCH ? 0 : action->probe ? 1 : 300);
}

static void test_step_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(rows); i++) {
		struct kev_reflector *reflector = create(rows[i].config);
		struct kev_reflector_action action;

		go_to(reflector, rows[i].where);
		action = step(reflector, rows[i].input, rows[i].after);
		check(rows[i].name, &action, &rows[i].expected);
		kev_reflector_destroy(reflector);
	}
}

/* What comes after the wait. */
static void test_step_plan_after_wait(void **state)
{
	static const struct {
		const char *name;
		enum where where;
		struct kev_reflector_input input;
		struct expected expected;
	} plans[] = {
		{"429 of a watch: the same resourceVersion", WATCHING, STATUS(429), WATCH("10")},
		{"401 of a watch: the same history", WATCHING, STATUS(401), WATCH("10")},
		{"no server: another history perhaps", WATCHING, BROKEN(-ECONNREFUSED), LIST},
		{"5xx: another history perhaps", WATCHING, STATUS(503), LIST},
		{"garbage: a line is lost", WATCHING, BARE(GARBAGE), LIST},
		{"403", WATCHING, STATUS(403), LIST},
		{"429 of a page: the same page", RELIST_TWO, STATUS(429),
			{KEV_REFLECTOR_LIST, "", "", "t2", 0}},
		{"401 of a page: the same page", RELIST_TWO, STATUS(401),
			{KEV_REFLECTOR_LIST, "", "", "t2", 0}},
		{"expired token", RELIST_TWO, STATUS(410), LIST},
		{"5xx of a page", RELIST_TWO, STATUS(500), LIST},
		{"broken page", RELIST_TWO, BROKEN(-ECONNRESET), LIST},
		{"garbage in a page", RELIST_TWO, BARE(GARBAGE), LIST},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(plans); i++) {
		struct kev_reflector *reflector = create(0);
		struct kev_reflector_action action;

		go_to(reflector, plans[i].where);
		action = step(reflector, plans[i].input, S);
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		action = STEP(reflector, 100 * S, BARE(TIMER));
		check(plans[i].name, &action, &plans[i].expected);
		kev_reflector_destroy(reflector);
	}
}

static void test_step_lost_while_waiting_lists_anew(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, WAITING);
	STEP(reflector, S, BARE(LOST));
	action = STEP(reflector, 2 * S, BARE(TIMER));
	check("not the watch", &action, &(struct expected)LIST);
	kev_reflector_destroy(reflector);
}

static void test_step_watch_goes_on_from_last_line(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;
	char huge[KEV_REFLECTOR_RV_MAX + 1];

	(void)state;
	memset(huge, '1', sizeof(huge));
	go_to(reflector, WATCHING);
	assert_true(kev_reflector_synced(reflector));
	assert_true(kev_reflector_watching(reflector));
	STEP(reflector, 0, LINE("11"));
	STEP(reflector, 0, LINE(""));
	STEP(reflector, 0, {.event = KEV_REFLECTOR_LINE, .resource_version = {huge, sizeof(huge)}});
	/* Opaque, and neither larger nor smaller: the last one counts. */
	STEP(reflector, 0, LINE("9-opaque"));
	assert_str_equal(kev_reflector_resource_version(reflector), KEV_STR("9-opaque"));
	/* Short, but it brought lines. */
	action = STEP(reflector, MS, BARE(EOF));
	check("re-watch", &action, &(struct expected)WATCH("9-opaque"));
	kev_reflector_destroy(reflector);
}

static void test_step_refreshes_a_credential_once(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, FIRST_PAGE);
	action = STEP(reflector, 0, FRESH_401);
	assert_int_equal(action.next, KEV_REFLECTOR_LIST);
	action = STEP(reflector, 0, FRESH_401);
	check("still 401", &action, &(struct expected)FAIL);
	kev_reflector_destroy(reflector);

	/* An answer in between, and it may be tried again. */
	reflector = create(0);
	go_to(reflector, WATCHING);
	for (int i = 0; i < 3; i++) {
		action = STEP(reflector, i * 400 * S, FRESH_401);
		check("expired", &action, &(struct expected)WATCH("10"));
		action = STEP(reflector, i * 400 * S + 300 * S, BARE(EOF));
		check("clean end", &action, &(struct expected)WATCH("10"));
	}
	action = STEP(reflector, 2000 * S, FRESH_401);
	action = STEP(reflector, 2000 * S, FRESH_401);
	check("twice", &action, &(struct expected)WAIT(800 * MS));
	kev_reflector_destroy(reflector);
}

#define PROBE                                          \
	{                                              \
		KEV_REFLECTOR_LIST, "probe", "", "", 0 \
	}

#define PROBE_WATCH(rv)                                   \
	{                                                 \
		KEV_REFLECTOR_WATCH, "probe", (rv), "", 0 \
	}
#define GRANTED                                                \
	{                                                      \
		KEV_REFLECTOR_LIST, "granted begin", "", "", 0 \
	}

static void test_step_denied_is_asked_again(void **state)
{
	struct kev_reflector *reflector = create(OPTIONAL | CACHED);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, FIRST_PAGE);
	action = STEP(reflector, 0, STATUS(403));
	assert_true(action.denied);
	action = STEP(reflector, 60 * S, BARE(TIMER));
	check("again", &action, &(struct expected)PROBE);
	action = STEP(reflector, 60 * S, STATUS(403));
	check("said once", &action, &(struct expected)WAIT(60 * S));
	/* It does without already: nothing fails for good any more. */
	STEP(reflector, 120 * S, BARE(TIMER));
	action = STEP(reflector, 120 * S, BROKEN(-ECONNREFUSED));
	check("refused", &action, &(struct expected)WAIT(800 * MS));
	action = STEP(reflector, 180 * S, BARE(TIMER));
	check("still a question", &action, &(struct expected)PROBE);
	action = STEP(reflector, 180 * S, PAGE("7", "t"));
	check("and a watch?", &action, &(struct expected)PROBE_WATCH("7"));
	/* Whoever watched in its place may be ahead of the cache. */
	action = STEP(reflector, 180 * S, BARE(EOF));
	check("granted", &action, &(struct expected)GRANTED);
	action = STEP(reflector, 180 * S, BROKEN(-ECONNREFUSED));
	check("nor does the list fail for good", &action, &(struct expected)WAIT(1600 * MS));
	action = STEP(reflector, 182 * S, BARE(TIMER));
	check("the list", &action, &(struct expected)LIST);
	action = STEP(reflector, 182 * S, PAGE("8", ""));
	check("listed", &action, &(struct expected){KEV_REFLECTOR_WATCH, "end synced", "8", "", 0});
	kev_reflector_destroy(reflector);
}

/* Until it may be listed, it may be forbidden again. */
static void test_step_denied_behind_the_question(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, FIRST_PAGE);
	STEP(reflector, 0, STATUS(403));
	STEP(reflector, 60 * S, BARE(TIMER));
	STEP(reflector, 60 * S, PAGE("7", ""));
	action = STEP(reflector, 60 * S, BARE(EOF));
	assert_true(action.granted);
	action = STEP(reflector, 60 * S, STATUS(403));
	check("again", &action, &(struct expected)DENIED(60 * S));
	kev_reflector_destroy(reflector);
}

/* A 403 at that time, and what it leads to; a wait passes by itself. */
static void refuse(struct kev_reflector *reflector, int64_t now, const char *name, struct expected expected)
{
	struct kev_reflector_action action = STEP(reflector, now, STATUS(403));

	check(name, &action, &expected);
	if (expected.next == KEV_REFLECTOR_WAIT)
		STEP(reflector, now, BARE(TIMER));
}

/* A server that has just started refuses everybody: what is shown is not taken away by that. */
static void test_step_denied_later_must_last(void **state)
{
	static const unsigned configs[] = {0, OPTIONAL, SHOWN};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(configs); i++) {
		struct kev_reflector *reflector = create(configs[i]);

		go_to(reflector, configs[i] & SHOWN ? FIRST_PAGE : WATCHING);
		refuse(reflector, 60 * S, "at first", (struct expected)WAIT(800 * MS));
		refuse(reflector, 70 * S - 1, "not for long enough", (struct expected)WAIT(1600 * MS));
		refuse(reflector, 70 * S, "believed", (struct expected)DENIED(60 * S));
		refuse(reflector, 130 * S, "said once", (struct expected)WAIT(60 * S));
		kev_reflector_destroy(reflector);
	}
}

/* Any other answer in between, or none, and the server may have been another one. */
static void test_step_denied_later_is_counted_anew(void **state)
{
	static const struct kev_reflector_input others[] = {
		STATUS(503), BROKEN(-ECONNREFUSED), STATUS(401), STATUS(429), BARE(GARBAGE)};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++) {
		struct kev_reflector *reflector = create(0);
		struct kev_reflector_action action;

		go_to(reflector, RELIST);
		STEP(reflector, 0, STATUS(403));
		STEP(reflector, S, BARE(TIMER));
		step(reflector, others[i], 9 * S);
		STEP(reflector, 10 * S, BARE(TIMER));
		action = STEP(reflector, 10 * S, STATUS(403));
		assert_false(action.denied);
		STEP(reflector, 20 * S, BARE(TIMER));
		action = STEP(reflector, 20 * S, STATUS(403));
		assert_true(action.denied);
		kev_reflector_destroy(reflector);
	}
}

/* To where the watch is forbidden, and that is believed. @return when that was */
static int64_t deny_watch(struct kev_reflector *reflector)
{
	struct kev_reflector_action action;
	int64_t now = 0;

	go_to(reflector, WATCHING);
	for (int lists = 0;; lists++) {
		action = STEP(reflector, now, STATUS(403));
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		if (action.denied)
			break;
		/* Each costs the server as much as a mount. */
		assert_in_range(lists, 0, 4);
		assert_in_range(now, 0, 10 * S - 1);
		now += action.wait;
		action = STEP(reflector, now, BARE(TIMER));
		check("a list", &action, &(struct expected)LIST);
		STEP(reflector, now, PAGE("10", "t"));
		STEP(reflector, now, PAGE("10", ""));
	}
	assert_in_range(now, 10 * S, 20 * S);
	check("believed", &action, &(struct expected)DENIED(60 * S));
	return now;
}

/* What may be listed and not watched is as forbidden as what may not be listed. */
static void test_step_denied_watch_is_a_denial(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;
	int64_t now = deny_watch(reflector);

	(void)state;
	for (int i = 0; i < 3; i++) {
		now += 60 * S;
		action = STEP(reflector, now, BARE(TIMER));
		check("a question", &action, &(struct expected)PROBE);
		action = STEP(reflector, now, PAGE("20", ""));
		check("the other half", &action, &(struct expected)PROBE_WATCH("20"));
		action = STEP(reflector, now, STATUS(403));
		check("still", &action, &(struct expected)WAIT(60 * S));
	}
	STEP(reflector, now + 60 * S, BARE(TIMER));
	STEP(reflector, now + 60 * S, PAGE("30", ""));
	action = STEP(reflector, now + 60 * S, LINE("31"));
	check("nobody's", &action, &(struct expected)GO_ON);
	action = STEP(reflector, now + 61 * S, BARE(EOF));
	check("granted", &action, &(struct expected)GRANTED);
	action = STEP(reflector, now + 61 * S, PAGE("40", ""));
	check("a watch as any other", &action, &(struct expected){KEV_REFLECTOR_WATCH, "end", "40", "", 0});
	kev_reflector_destroy(reflector);
}

/* An answer to the question that says neither: it is asked again, from its beginning. */
static void test_step_denied_watch_asked_in_vain(void **state)
{
	static const struct kev_reflector_input others[] = {STATUS(503), STATUS(429), STATUS(401),
		STATUS(410), BROKEN(-ETIMEDOUT), BARE(GARBAGE), BARE(LOST), BARE(MOVED)};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++) {
		struct kev_reflector *reflector = create(0);
		struct kev_reflector_action action;
		int64_t now = deny_watch(reflector) + 60 * S;

		STEP(reflector, now, BARE(TIMER));
		STEP(reflector, now, PAGE("20", ""));
		action = step(reflector, others[i], now);
		assert_false(action.granted || action.denied);
		if (action.next == KEV_REFLECTOR_WAIT)
			action = STEP(reflector, now + action.wait, BARE(TIMER));
		check("again", &action, &(struct expected)PROBE);
		kev_reflector_destroy(reflector);
	}
}

/* A watch that was permitted in between begins the count anew. */
static void test_step_denied_watch_is_counted_anew(void **state)
{
	static const struct kev_reflector_input others[] = {LINE("11"), BARE(EOF), STATUS(410)};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++) {
		struct kev_reflector *reflector = create(0);
		struct kev_reflector_action action;

		go_to(reflector, WATCHING);
		STEP(reflector, 0, STATUS(403));
		STEP(reflector, S, BARE(TIMER));
		STEP(reflector, S, PAGE("10", ""));
		step(reflector, others[i], 8 * S);
		action = STEP(reflector, 11 * S, STATUS(403));
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		assert_false(action.denied);
		kev_reflector_destroy(reflector);
	}
}

/* A watch that always ends behind its first line is not begun again at once for ever. */
static void test_step_short_watches_slow_down(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, WATCHING);
	STEP(reflector, 1 * S, LINE("11"));
	action = STEP(reflector, 1 * S, BARE(EOF));
	check("once", &action, &(struct expected)WATCH("11"));
	STEP(reflector, 2 * S, LINE("12"));
	action = STEP(reflector, 2 * S, BARE(EOF));
	check("twice", &action, &(struct expected)WAIT(800 * MS));
	action = STEP(reflector, 3 * S, BARE(TIMER));
	check("from where it was", &action, &(struct expected)WATCH("12"));
	/* One that lives is as good as any. */
	STEP(reflector, 6 * S, LINE("13"));
	action = STEP(reflector, 7 * S, BARE(EOF));
	check("healthy", &action, &(struct expected)WATCH("13"));
	kev_reflector_destroy(reflector);
}

/* To a stream that is to bring the list: pages have failed twice. */
static struct kev_reflector *go_to_stream(unsigned flags)
{
	struct kev_reflector *reflector = create(flags);
	struct kev_reflector_action action;

	STEP(reflector, 0, BARE(START));
	for (int i = 0; i < 2; i++) {
		STEP(reflector, i * S, PAGE("10", "t1"));
		action = STEP(reflector, i * S, STATUS(410));
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		action = STEP(reflector, (i + 1) * S, BARE(TIMER));
	}
	check("a stream", &action, &(struct expected){KEV_REFLECTOR_WATCH, "begin", "", "", 0});
	return reflector;
}

static void test_step_stream_in_place_of_pages(void **state)
{
	struct kev_reflector *reflector = go_to_stream(0);
	struct kev_reflector_action action;

	(void)state;
	action = STEP(reflector, 3 * S, LINE("7"));
	check("a line of the list", &action, &(struct expected)GO_ON);
	assert_false(kev_reflector_synced(reflector));
	action = STEP(reflector, 4 * S,
		{.event = KEV_REFLECTOR_LINE, .resource_version = KEV_STR("20"), .initial_end = true});
	check("the end of the list", &action,
		&(struct expected){KEV_REFLECTOR_GO_ON, "end synced", "", "", 0});
	/* From here on it is a watch like any other, in which that bookmark means nothing. */
	action = STEP(reflector, 5 * S,
		{.event = KEV_REFLECTOR_LINE, .resource_version = KEV_STR("21"), .initial_end = true});
	check("again", &action, &(struct expected)GO_ON);
	action = STEP(reflector, 9 * S, BARE(EOF));
	check("goes on from there", &action, &(struct expected)WATCH("21"));
	kev_reflector_destroy(reflector);
}

/* A stream that ends before its list does is no list, and says nothing about where a watch could go on. */
static void test_step_stream_that_ends_early(void **state)
{
	static const struct kev_reflector_input ends[] = {BARE(EOF), BARE(GARBAGE), BARE(LOST), STATUS(422),
		STATUS(410), STATUS(500), STATUS(401), STATUS(429), BROKEN(-ECONNRESET)};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(ends); i++) {
		struct kev_reflector *reflector = go_to_stream(0);
		struct kev_reflector_action action;

		STEP(reflector, 3 * S, LINE("7"));
		action = step(reflector, ends[i], 4 * S);
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		assert_false(action.end);
		action = STEP(reflector, 40 * S, BARE(TIMER));
		check("pages again", &action, &(struct expected)LIST);
		kev_reflector_destroy(reflector);
	}
}

/* A server whose watches never work costs itself ever fewer lists. */
static void test_step_futile_watches_slow_down(void **state)
{
	static const int64_t waits[] = {0, 800, 1600, 2000, 6400, 12800, 15000, 15000};
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;
	int64_t now = 0;

	(void)state;
	go_to(reflector, WATCHING);
	for (size_t i = 0; i < KEV_ARRAY_LEN(waits); i++) {
		action = STEP(reflector, now + S, BARE(EOF));
		if (i == 0) {
			check("at once", &action, &(struct expected)LIST);
		} else {
			check("later", &action, &(struct expected)WAIT(waits[i] * MS));
			now += waits[i] * MS;
			STEP(reflector, now + S, BARE(TIMER));
		}
		STEP(reflector, now + S, PAGE("20", ""));
		now += S;
	}
	/* One that lives is of use: so the next 410 is mended at once again. */
	action = STEP(reflector, now + 10 * S, STATUS(410));
	check("useful", &action, &(struct expected)LIST);
	kev_reflector_destroy(reflector);
}

/* Where nothing happens, the last line is compacted whenever a watch has ended: that is no series. */
static void test_step_quiet_watches_are_useful(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;
	int64_t now = 0;

	(void)state;
	go_to(reflector, WATCHING);
	for (int i = 0; i < 5; i++) {
		now += 450 * S;
		action = STEP(reflector, now, BARE(EOF));
		assert_int_equal(action.next, KEV_REFLECTOR_WATCH);
		action = STEP(reflector, now, STATUS(410));
		check("at once", &action, &(struct expected)LIST);
		STEP(reflector, now, PAGE("20", ""));
	}
	kev_reflector_destroy(reflector);
}

/* No connection is nobody's load: its return must soon be seen, however often it goes. */
static void test_step_lost_connections_do_not_slow_down(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;
	int64_t now = 0;

	(void)state;
	go_to(reflector, WATCHING);
	for (int i = 0; i < 20; i++) {
		action = STEP(reflector, now + S, BROKEN(-ECONNRESET));
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		assert_in_range(action.wait, 800 * MS, 2 * S);
		now += S + action.wait;
		STEP(reflector, now, BARE(TIMER));
		STEP(reflector, now, PAGE("20", ""));
	}
	action = STEP(reflector, now, STATUS(410));
	check("no series", &action, &(struct expected)LIST);
	kev_reflector_destroy(reflector);
}

static void test_step_a_line_makes_a_watch_useful(void **state)
{
	struct kev_reflector *reflector = create(0);
	struct kev_reflector_action action;

	(void)state;
	go_to(reflector, WATCHING);
	STEP(reflector, 0, STATUS(410));
	STEP(reflector, 0, PAGE("20", ""));
	STEP(reflector, 2 * S, LINE("21"));
	action = STEP(reflector, 3 * S, STATUS(410));
	check("useful", &action, &(struct expected)LIST);
	STEP(reflector, 3 * S, PAGE("30", ""));
	STEP(reflector, 4 * S, LINE("31"));
	action = STEP(reflector, 4 * S, STATUS(410));
	check("futile", &action, &(struct expected)WAIT(800 * MS));
	kev_reflector_destroy(reflector);
}

static void test_step_slow_link_gets_smaller_pages(void **state)
{
	struct kev_reflector *reflector = create(CACHED);
	struct kev_reflector_action action;
	unsigned limits[] = {2500, 1250, 625, 312, 156, 100, 100};
	int64_t now = 0;

	(void)state;
	go_to(reflector, FIRST_PAGE);
	for (size_t i = 0; i < KEV_ARRAY_LEN(limits); i++) {
		now += 60 * S;
		action = STEP(reflector, now, BROKEN(-ECONNRESET));
		assert_int_equal(action.next, KEV_REFLECTOR_WAIT);
		now += action.wait;
		action = STEP(reflector, now, BARE(TIMER));
		assert_int_equal(action.next, KEV_REFLECTOR_LIST);
		assert_int_equal(action.limit, limits[i]);
		/* From the cache it would come in one piece. */
		assert_str_equal(action.resource_version, KEV_STR(""));
	}
	action = STEP(reflector, now + 20 * S, PAGE("10", "a"));
	assert_int_equal(action.limit, 100);
	action = STEP(reflector, now + 21 * S, PAGE("10", "b"));
	assert_int_equal(action.limit, 200);
	for (int i = 0; i < 5; i++) {
		STEP(reflector, now + 21 * S, PAGE("10", "a"));
		action = STEP(reflector, now + 21 * S, PAGE("10", "b"));
	}
	assert_int_equal(action.limit, KEV_REFLECTOR_LIMIT);
	kev_reflector_destroy(reflector);
}

static uint32_t given_random(void *context)
{
	return *(uint32_t *)context;
}

static void test_step_timeouts_are_spread(void **state)
{
	static const struct {
		uint32_t random;
		unsigned timeout;
	} cases[] = {{0, 300}, {1, 301}, {300, 600}, {301, 300}, {UINT32_MAX, 300 + UINT32_MAX % 301}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		uint32_t random = cases[i].random;
		const struct kev_reflector_config config = {.random = given_random, .context = &random};
		struct kev_reflector *reflector = kev_reflector_create(&config);
		struct kev_reflector_action action;

		assert_non_null(reflector);
		STEP(reflector, 0, BARE(START));
		action = STEP(reflector, 0, PAGE("1", ""));
		assert_int_equal(action.timeout, cases[i].timeout);
		kev_reflector_destroy(reflector);
	}
}

static void test_step_failed_stays_failed(void **state)
{
	static const struct kev_reflector_input inputs[] = {BARE(START), PAGE("1", ""), LINE("1"), BARE(EOF),
		STATUS(500), BROKEN(-ECONNRESET), BARE(GARBAGE), BARE(TIMER)};
	struct kev_reflector *reflector = create(0);

	(void)state;
	go_to(reflector, FIRST_PAGE);
	assert_int_equal(STEP(reflector, 0, STATUS(400)).next, KEV_REFLECTOR_FAIL);
	for (size_t i = 0; i < KEV_ARRAY_LEN(inputs); i++) {
		struct kev_reflector_action action = step(reflector, inputs[i], S);

		check("failed", &action, &(struct expected)GO_ON);
	}
	assert_false(kev_reflector_synced(reflector));
	assert_false(kev_reflector_watching(reflector));
	kev_reflector_destroy(reflector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_step_table),
		cmocka_unit_test(test_step_plan_after_wait),
		cmocka_unit_test(test_step_lost_while_waiting_lists_anew),
		cmocka_unit_test(test_step_watch_goes_on_from_last_line),
		cmocka_unit_test(test_step_refreshes_a_credential_once),
		cmocka_unit_test(test_step_denied_is_asked_again),
		cmocka_unit_test(test_step_denied_behind_the_question),
		cmocka_unit_test(test_step_denied_later_must_last),
		cmocka_unit_test(test_step_denied_later_is_counted_anew),
		cmocka_unit_test(test_step_denied_watch_is_a_denial),
		cmocka_unit_test(test_step_denied_watch_asked_in_vain),
		cmocka_unit_test(test_step_denied_watch_is_counted_anew),
		cmocka_unit_test(test_step_stream_in_place_of_pages),
		cmocka_unit_test(test_step_stream_that_ends_early),
		cmocka_unit_test(test_step_futile_watches_slow_down),
		cmocka_unit_test(test_step_quiet_watches_are_useful),
		cmocka_unit_test(test_step_short_watches_slow_down),
		cmocka_unit_test(test_step_lost_connections_do_not_slow_down),
		cmocka_unit_test(test_step_a_line_makes_a_watch_useful),
		cmocka_unit_test(test_step_slow_link_gets_smaller_pages),
		cmocka_unit_test(test_step_timeouts_are_spread),
		cmocka_unit_test(test_step_failed_stays_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
