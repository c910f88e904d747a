#include "kevfs/kernel/xattr.h"

#include <errno.h>

#include "kevfs/event/attribute.h"

#define STALE "stale"

/* The event that the node is a revision of. @return 0, -ENODATA (it is something else), -ESTALE */
static int find_event(struct kev_tree *tree, uint64_t node, struct kev_event **out)
{
	int r = kev_tree_open(tree, node, out);

	return r == -EISDIR || r == -EINVAL ? -ENODATA : r;
}

static int append_stale(const struct kev_xattr *xattr, struct kev_buf *out)
{
	bool stale = xattr->health && kev_health_stale(xattr->health);

	return kev_buf_append_char(out, stale ? '1' : '0');
}

int kev_xattr_get(const struct kev_xattr *xattr, uint64_t node, struct kev_str name, struct kev_buf *out)
{
	const struct kev_str prefix = KEV_STR(KEV_ATTRIBUTE_PREFIX);
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
	int r;

	if (!kev_str_starts(name, prefix))
		return -EOPNOTSUPP;
	r = find_event(xattr->tree, node, &event);
	if (r)
		return r;
	name = (struct kev_str){name.data + prefix.len, name.len - prefix.len};
	if (kev_str_eq(name, KEV_STR(STALE)))
		return append_stale(xattr, out);
	return kev_attribute_append(event, name, out);
}

int kev_xattr_list(const struct kev_xattr *xattr, uint64_t node, struct kev_buf *out)
{
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
	int r = find_event(xattr->tree, node, &event);

	if (r)
		return r == -ENODATA ? 0 : r;
	kev_buf_append(out, KEV_ATTRIBUTE_PREFIX STALE, sizeof(KEV_ATTRIBUTE_PREFIX STALE));
	return kev_attribute_list(event, out);
}
