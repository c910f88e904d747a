#include "kevfs/event/envelope.h"

#include <errno.h>

static enum kev_envelope_type read_type(const struct kev_json *json, uint32_t index)
{
	static const struct kev_str names[] = {
		[KEV_ENVELOPE_ADDED] = {"ADDED", sizeof("ADDED") - 1},
		[KEV_ENVELOPE_MODIFIED] = {"MODIFIED", sizeof("MODIFIED") - 1},
		[KEV_ENVELOPE_DELETED] = {"DELETED", sizeof("DELETED") - 1},
		[KEV_ENVELOPE_BOOKMARK] = {"BOOKMARK", sizeof("BOOKMARK") - 1},
		[KEV_ENVELOPE_ERROR] = {"ERROR", sizeof("ERROR") - 1},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		if (kev_json_string_is(json, index, names[i]))
			return (enum kev_envelope_type)i;
	}
	return KEV_ENVELOPE_UNKNOWN;
}

int kev_envelope_read(const struct kev_json *json, struct kev_envelope *out)
{
	uint32_t type = kev_json_get(json, 0, "type"), object = kev_json_get(json, 0, "object");

	if (!kev_json_is(json, type, KEV_JSON_STRING) || !kev_json_is(json, object, KEV_JSON_OBJECT))
		return -EINVAL;
	*out = (struct kev_envelope){.type = read_type(json, type), .object = object};
	return 0;
}

/* Append a string that must be there. */
static int append_required(const struct kev_json *json, uint32_t index, struct kev_buf *out)
{
	if (!kev_json_is(json, index, KEV_JSON_STRING) || kev_json_token(json, index)->len == 0)
		return -EINVAL;
	return kev_json_append_string(json, index, out);
}

int kev_envelope_resource_version(const struct kev_json *json, uint32_t object, struct kev_buf *out)
{
	uint32_t metadata = kev_json_get(json, object, "metadata");

	return append_required(json, kev_json_get(json, metadata, "resourceVersion"), out);
}

int kev_envelope_uid(const struct kev_json *json, uint32_t object, struct kev_buf *out)
{
	uint32_t metadata = kev_json_get(json, object, "metadata");

	return append_required(json, kev_json_get(json, metadata, "uid"), out);
}

int kev_envelope_kind(const struct kev_json *json, uint32_t object, struct kev_buf *out)
{
	return append_required(json, kev_json_get(json, object, "kind"), out);
}

bool kev_envelope_is_initial_end(const struct kev_json *json, uint32_t object)
{
	uint32_t metadata = kev_json_get(json, object, "metadata");
	uint32_t annotations = kev_json_get(json, metadata, "annotations");

	return kev_json_string_is(
		json, kev_json_get(json, annotations, "k8s.io/initial-events-end"), KEV_STR("true"));
}
