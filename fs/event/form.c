#include "kevfs/event/form.h"

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "split.h"

/* What is left of the text. */
struct cursor {
	const char *p, *end;
};

static bool take(struct cursor *at, char c)
{
	while (at->p < at->end && split_is_space(*at->p))
		at->p++;
	if (at->p == at->end || *at->p != c)
		return false;
	at->p++;
	return true;
}

/* A string, an object, an array or a scalar, as far as the text goes. */
static struct kev_str take_value(struct cursor *at)
{
	struct split split = {0};
	struct kev_str value;
	bool whole;

	while (at->p < at->end && split_is_space(*at->p))
		at->p++;
	value.data = at->p;
	if (at->p < at->end && (*at->p == '"' || *at->p == '{' || *at->p == '['))
		at->p = split_value(&split, at->p, at->end, &whole);
	else
		while (at->p < at->end && !split_is_space(*at->p) && *at->p != ',' && *at->p != '}')
			at->p++;
	value.len = (size_t)(at->p - value.data);
	return value;
}

/* Does this member decide it? */
static bool decides(struct kev_str key, struct kev_str value, enum kev_form *out)
{
	static const struct {
		struct kev_str key, value; /* in quotes; an empty value is any */
		enum kev_form form;
	} signs[] = {
		{KEV_STR("\"items\""), KEV_STR(""), KEV_FORM_LIST},
		{KEV_STR("\"object\""), KEV_STR(""), KEV_FORM_RECORDING},
		{KEV_STR("\"kind\""), KEV_STR("\"List\""), KEV_FORM_LIST},
		{KEV_STR("\"kind\""), KEV_STR("\"EventList\""), KEV_FORM_LIST},
		{KEV_STR("\"kind\""), KEV_STR("\"Event\""), KEV_FORM_EVENTS},
		{KEV_STR("\"involvedObject\""), KEV_STR(""), KEV_FORM_EVENTS},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(signs); i++) {
		if (kev_str_eq(key, signs[i].key) &&
			(signs[i].value.len == 0 || kev_str_eq(value, signs[i].value))) {
			*out = signs[i].form;
			return true;
		}
	}
	return false;
}

enum kev_form kev_form_guess(struct kev_str beginning)
{
	struct cursor at = {beginning.data, beginning.data ? beginning.data + beginning.len : NULL};
	enum kev_form form = KEV_FORM_LIST;

	if (!take(&at, '{'))
		return form;
	do {
		struct kev_str key = take_value(&at), value;

		if (!take(&at, ':'))
			break;
		value = take_value(&at);
		if (decides(key, value, &form))
			break;
		/* An Event has a type too, and a line of a watch may be broken off behind its own. */
		if (kev_str_eq(key, KEV_STR("\"type\"")))
			form = KEV_FORM_RECORDING;
	} while (take(&at, ','));
	return form;
}
