/*
 * Any bytes as the beginning of a text. What is valid JSON has the form that its members say when the scanner
 * reads them; and no beginning of it is taken for another form than one that a later member could change.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "kevfs/event/form.h"
#include "kevfs/event/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is(const struct kev_json *json, uint32_t index, const char *text)
{
	return kev_json_is(json, index, KEV_JSON_STRING) &&
	       kev_str_eq(kev_json_raw(json, index), kev_str_c(text));
}

/* What the scanner's members say. */
static enum kev_form expected(const struct kev_json *json)
{
	enum kev_form form = KEV_FORM_LIST;
	uint32_t key = 1;

	for (uint32_t left = kev_json_token(json, 0)->count; left > 0; left--) {
		uint32_t value = kev_json_token(json, key)->next;

		if (is(json, key, "items"))
			return KEV_FORM_LIST;
		if (is(json, key, "object"))
			return KEV_FORM_RECORDING;
		if (is(json, key, "involvedObject"))
			return KEV_FORM_EVENTS;
		if (is(json, key, "kind") && (is(json, value, "List") || is(json, value, "EventList")))
			return KEV_FORM_LIST;
		if (is(json, key, "kind") && is(json, value, "Event"))
			return KEV_FORM_EVENTS;
		if (is(json, key, "type"))
			form = KEV_FORM_RECORDING;
		key = kev_json_token(json, value)->next;
	}
	return form;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str text = {(const char *)data, size};
	enum kev_form whole = kev_form_guess(text);
	struct kev_json *json = kev_json_create();

	check(json != NULL, "no memory");
	if (kev_json_scan(json, text, NULL) == 0 && kev_json_is(json, 0, KEV_JSON_OBJECT))
		check(whole == expected(json), "another form than the scanner reads");
	for (size_t len = 0; len < size && len < 512; len++) {
		/* Exactly as large, so that AddressSanitizer sees a read past its end. */
		char *copy = malloc(len ? len : 1);
		enum kev_form part;

		check(copy != NULL, "no memory");
		for (size_t i = 0; i < len; i++)
			copy[i] = (char)data[i];
		part = kev_form_guess((struct kev_str){copy, len});
		check(part != KEV_FORM_EVENTS || whole == KEV_FORM_EVENTS, "Events that are none");
		free(copy);
	}
	kev_json_destroy(json);
	return 0;
}
