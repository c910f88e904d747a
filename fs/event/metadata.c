#include "kevfs/event/metadata.h"

#include <errno.h>

#include "kevfs/event/timestamp.h"

/* Names are at most 253 bytes where the server validates them, a resourceVersion is at most 20. */
#define STRING_MAX 4096

void kev_metadata_init(struct kev_metadata *metadata)
{
	kev_buf_init(&metadata->namespace_, STRING_MAX);
	kev_buf_init(&metadata->name, STRING_MAX);
	kev_buf_init(&metadata->resource_version, STRING_MAX);
	metadata->created = 0;
}

void kev_metadata_fini(struct kev_metadata *metadata)
{
	kev_buf_fini(&metadata->namespace_);
	kev_buf_fini(&metadata->name);
	kev_buf_fini(&metadata->resource_version);
}

static int read_string(const struct kev_json *json, uint32_t index, struct kev_buf *out)
{
	kev_buf_clear(out);
	return kev_json_append_string(json, index, out);
}

int kev_metadata_read(struct kev_metadata *metadata, const struct kev_json *json, uint32_t index)
{
	static const struct kev_str keys[] = {{"namespace", sizeof("namespace") - 1},
		{"name", sizeof("name") - 1}, {"resourceVersion", sizeof("resourceVersion") - 1},
		{"creationTimestamp", sizeof("creationTimestamp") - 1}};
	uint32_t values[KEV_ARRAY_LEN(keys)];
	int r;

	kev_json_get_many(json, kev_json_get(json, index, "metadata"), keys, KEV_ARRAY_LEN(keys), values);
	r = read_string(json, values[0], &metadata->namespace_);
	if (!r)
		r = read_string(json, values[1], &metadata->name);
	if (!r)
		r = read_string(json, values[2], &metadata->resource_version);
	if (r)
		return r;
	if (metadata->name.len == 0)
		return -EINVAL;
	if (kev_timestamp_get(json, values[3], &metadata->created))
		metadata->created = 0;
	return 0;
}
