#include "kevfs/watch/names.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 64U

void kev_names_fini(struct kev_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
	*names = (struct kev_names){NULL, 0, 0};
}

static int add(void *context, struct kev_str name)
{
	struct kev_names *names = context;
	size_t room = names->room ? 2 * names->room : ROOM_MIN;
	char *text;

	if (names->count == names->room) {
		struct kev_name *grown = reallocarray(names->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		names->list = grown;
		names->room = room;
	}
	text = kev_str_dup(name);
	if (!text)
		return -ENOMEM;
	names->list[names->count++] = (struct kev_name){.text = text};
	return 0;
}

static int add_namespace(void *context, struct kev_str name, int64_t created)
{
	(void)created;
	return add(context, name);
}

static int by_text(const void *a, const void *b)
{
	const struct kev_name *left = a, *right = b;

	return kev_str_cmp(kev_str_c(left->text), kev_str_c(right->text));
}

static int collect(struct kev_store *store, const struct kev_store_visitor *visitor, struct kev_names *out)
{
	int r = kev_store_walk(store, visitor);

	if (!r && out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_text);
	return r;
}

int kev_names_collect(struct kev_store *store, struct kev_names *out)
{
	const struct kev_store_visitor visitor = {.namespace_ = add_namespace, .context = out};

	return collect(store, &visitor, out);
}

int kev_names_collect_permitted(struct kev_store *store, struct kev_names *out)
{
	const struct kev_store_visitor visitor = {.permitted = add, .context = out};

	return collect(store, &visitor, out);
}

static struct kev_name *find(const struct kev_names *names, struct kev_str text)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = kev_str_cmp(text, kev_str_c(names->list[middle].text));

		if (order == 0)
			return &names->list[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct kev_name *kev_names_find(const struct kev_names *names, const char *text)
{
	return find(names, kev_str_c(text));
}

struct guess {
	struct kev_store *store;
	const struct kev_names *known;
};

/* What is known has more than its name. */
static int put_unknown(const struct guess *guess, struct kev_str name)
{
	return find(guess->known, name) ? 0 : kev_store_put_namespace(guess->store, name, 0);
}

static int put_namespace_of(void *context, struct kev_event *event)
{
	int r = put_unknown(context, kev_event_namespace(event));

	/* An event may be in none, or in one that cannot be. */
	return r == -EINVAL ? 0 : r;
}

int kev_names_guess(struct kev_store *store, const char *own)
{
	struct kev_names known = {NULL, 0, 0};
	struct guess guess = {store, &known};
	const struct kev_store_visitor visitor = {.event = put_namespace_of, .context = &guess};
	int r = kev_names_collect(store, &known);

	if (!r)
		r = kev_store_walk(store, &visitor);
	if (!r)
		r = put_unknown(&guess, kev_str_c(own));
	kev_names_fini(&known);
	return r;
}
