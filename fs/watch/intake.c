#include "kevfs/watch/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum op_kind { PUT, DELETE, RELIST_BEGIN, RELIST_END };

/* Something that waits for its turn. */
struct op {
	struct op *next;
	enum op_kind kind;
	struct kev_event *event; /* of PUT: a reference */
	bool listed;
	struct kev_intake_relist *relist; /* of RELIST_BEGIN and RELIST_END */
	size_t namespace_len, name_len;
	char text[]; /* namespace and name, one behind the other */
};

struct kev_intake {
	struct kev_store *store;
	kev_intake_ask_fn *ask;
	void *context;
	bool live;
	bool holding;
	bool lost; /* something that was held */
	struct op *first, **last;
	size_t count, bytes;
};

struct kev_intake *kev_intake_create(struct kev_store *store, kev_intake_ask_fn *ask, void *context)
{
	struct kev_intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return NULL;
	intake->store = store;
	intake->ask = ask;
	intake->context = context;
	intake->last = &intake->first;
	return intake;
}

static void op_free(struct op *op)
{
	kev_event_unref(op->event);
	free(op);
}

void kev_intake_destroy(struct kev_intake *intake)
{
	if (!intake)
		return;
	while (intake->first) {
		struct op *op = intake->first;

		intake->first = op->next;
		op_free(op);
	}
	free(intake);
}

void kev_intake_go_live(struct kev_intake *intake)
{
	intake->live = true;
}

static int put_now(struct kev_intake *intake, struct kev_event *event, bool listed)
{
	enum kev_origin origin = KEV_ORIGIN_LIVE;

	if (listed)
		origin = intake->live ? KEV_ORIGIN_RELIST : KEV_ORIGIN_FIRST_SYNC;
	return kev_store_put(intake->store, event, origin);
}

static int do_op(struct kev_intake *intake, struct op *op)
{
	struct kev_str namespace_ = {op->text, op->namespace_len};
	struct kev_str name = {op->text + op->namespace_len, op->name_len};
	struct kev_event *event = op->event;

	switch (op->kind) {
	case PUT:
		op->event = NULL;
		return put_now(intake, event, op->listed);
	case DELETE:
		kev_store_delete(intake->store, namespace_, name);
		return 0;
	case RELIST_BEGIN:
		op->relist->begun = kev_store_relist_begin(intake->store);
		return 0;
	case RELIST_END:
		op->relist->held--;
		kev_store_relist_end(intake->store, KEV_SCOPE_EVENTS, namespace_, op->relist->begun);
		return 0;
	}
	return 0;
}

void kev_intake_release(struct kev_intake *intake)
{
	struct op *op = intake->first;

	intake->holding = false;
	intake->first = NULL;
	intake->last = &intake->first;
	intake->count = 0;
	intake->bytes = 0;
	while (op) {
		struct op *next = op->next;

		/* One that is lost takes none with it: the store goes on as near to the truth as it can. */
		if (do_op(intake, op))
			intake->lost = true;
		op_free(op);
		op = next;
	}
}

bool kev_intake_take_lost(struct kev_intake *intake)
{
	bool lost = intake->lost;

	intake->lost = false;
	return lost;
}

/* Put an operation behind those that are held. */
static int hold(
	struct kev_intake *intake, const struct op *what, struct kev_str namespace_, struct kev_str name)
{
	struct op *op = malloc(sizeof(*op) + namespace_.len + name.len);

	if (!op) {
		kev_event_unref(what->event);
		return -ENOMEM;
	}
	*op = *what;
	op->next = NULL;
	op->namespace_len = namespace_.len;
	op->name_len = name.len;
	if (namespace_.len)
		memcpy(op->text, namespace_.data, namespace_.len);
	if (name.len)
		memcpy(op->text + namespace_.len, name.data, name.len);
	*intake->last = op;
	intake->last = &op->next;
	intake->count++;
	intake->bytes += sizeof(*op) + namespace_.len + name.len;
	intake->bytes += op->event ? kev_event_memory(op->event) : 0;
	if (intake->count > KEV_INTAKE_HELD_MAX || intake->bytes > KEV_INTAKE_HELD_BYTES_MAX)
		kev_intake_release(intake);
	return 0;
}

static bool is_known(struct kev_intake *intake, const struct kev_event *event)
{
	struct kev_kinds *kinds = kev_store_kinds(intake->store);
	struct kev_str group, plural;
	bool known = kev_kinds_find(
		kinds, kev_event_object_api_version(event), kev_event_object_kind(event), &group, &plural);

	kev_kinds_unref(kinds);
	return known;
}

int kev_intake_put(struct kev_intake *intake, struct kev_event *event, bool listed)
{
	const struct op op = {.kind = PUT, .event = event, .listed = listed};

	if (!intake->holding && intake->live && !is_known(intake, event))
		intake->holding = intake->ask(intake->context);
	if (intake->holding)
		return hold(intake, &op, KEV_STR(""), KEV_STR(""));
	return put_now(intake, event, listed);
}

int kev_intake_delete(struct kev_intake *intake, struct kev_str namespace_, struct kev_str name)
{
	if (intake->holding)
		return hold(intake, &(const struct op){.kind = DELETE}, namespace_, name);
	kev_store_delete(intake->store, namespace_, name);
	return 0;
}

int kev_intake_relist_begin(struct kev_intake *intake, struct kev_intake_relist *relist)
{
	if (intake->holding)
		return hold(intake, &(const struct op){.kind = RELIST_BEGIN, .relist = relist}, KEV_STR(""),
			KEV_STR(""));
	relist->begun = kev_store_relist_begin(intake->store);
	return 0;
}

int kev_intake_relist_end(
	struct kev_intake *intake, struct kev_str namespace_, struct kev_intake_relist *relist)
{
	int r;

	if (!intake->holding) {
		kev_store_relist_end(intake->store, KEV_SCOPE_EVENTS, namespace_, relist->begun);
		return 0;
	}
	/* Before: it may be one too many, and done at once. */
	relist->held++;
	r = hold(intake, &(const struct op){.kind = RELIST_END, .relist = relist}, namespace_, KEV_STR(""));
	if (r)
		relist->held--;
	return r;
}

bool kev_intake_holding(const struct kev_intake *intake)
{
	return intake->holding;
}
