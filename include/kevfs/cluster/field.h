#ifndef KEVFS_CLUSTER_FIELD_H
#define KEVFS_CLUSTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/document.h"

/**
 * The keys of a kubeconfig's mapping as the members of a struct: tables say which there are, and of what
 * type. A null is as good as no value; unknown keys are ignored.
 */

/** What a member is. */
enum kev_field_type {
	KEV_FIELD_TEXT,       /**< struct kev_str */
	KEV_FIELD_DATA,       /**< struct kev_str, valid base64 */
	KEV_FIELD_FLAG,       /**< bool */
	KEV_FIELD_MAPPING,    /**< const struct kev_document_node *: there is one, empty or not */
	KEV_FIELD_ANY,        /**< the same of any type */
	KEV_FIELD_LIST,       /**< the same of a list */
	KEV_FIELD_TEXTS,      /**< the same of a list whose items are text */
	KEV_FIELD_TEXT_LISTS, /**< the same of a mapping whose values are lists of text */
};

struct kev_field {
	const char *name;
	enum kev_field_type type;
	size_t offset;
};

#define KEV_FIELD(struct_, member, name, type)                           \
	{                                                                \
		name, KEV_FIELD_##type, offsetof(struct struct_, member) \
	}

/** What is read, and where an error says that it stands: "PATH:LINE: user "bob": exec: ". */
struct kev_field_place {
	struct kev_document *document;
	const char *path;
	const char *kind;    /**< "user", or NULL */
	struct kev_str name; /**< of the one of that kind */
	const char *part;    /**< of it: "exec", or NULL */
};

/**
 * @param out  a zeroed struct of what the fields describe; changed on error, too
 * @return 0, -ENOMEM, or -EINVAL with the error set, which never shows a value
 */
int kev_field_read(const struct kev_field_place *place, const struct kev_document_node *mapping,
	const struct kev_field *fields, size_t count, void *out, struct kev_error *error) KEV_MUST_USE;

/** The same of an item of the list that is the place's part. */
int kev_field_read_item(const struct kev_field_place *place, const struct kev_document_node *item,
	const struct kev_field *fields, size_t count, void *out, struct kev_error *error) KEV_MUST_USE;

/** Put the place before what the error says, if r is -EINVAL: else there is no text. @return r */
int kev_field_explain(int r, struct kev_error *error, const struct kev_field_place *place, size_t line);

/** A type in words: "a list". */
const char *kev_field_describe(enum kev_document_type type);

#endif
