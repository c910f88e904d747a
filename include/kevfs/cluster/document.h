#ifndef KEVFS_CLUSTER_DOCUMENT_H
#define KEVFS_CLUSTER_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * One YAML document as a tree, read as kubectl's parser reads it (YAML 1.1: yes is a boolean, 1_000 a number;
 * a key's last value wins; merge keys). It knows no YAML syntax: kubeconfig.c hands it the parts in their
 * order.
 *
 * It is bounded against whoever wrote the text: nodes, depth, anchors, and the work that aliases and merge
 * keys can multiply. An alias stays a reference, so nothing is ever expanded, and none can contain itself.
 * Every scalar is wiped with the document, as it may be a secret.
 */
struct kev_document;
struct kev_document_node;

/** What a node is, after its tag or its look. */
enum kev_document_type {
	KEV_DOCUMENT_NULL,
	KEV_DOCUMENT_FLAG, /**< a boolean */
	KEV_DOCUMENT_NUMBER,
	KEV_DOCUMENT_TEXT,
	KEV_DOCUMENT_SEQUENCE,
	KEV_DOCUMENT_MAPPING,
	KEV_DOCUMENT_BROKEN, /**< a scalar that is not what its tag says, or !!binary */
};

/** A scalar as it stands in the text. All borrowed. */
struct kev_document_scalar {
	struct kev_str text;
	struct kev_str tag; /**< "tag:yaml.org,2002:str", …; empty where there is none */
	bool plain;         /**< without quotes and tag, and no block scalar: its look decides its type */
};

/** @return new and empty, or NULL on ENOMEM */
struct kev_document *kev_document_create(void);
void kev_document_destroy(struct kev_document *document);
static inline void kev_document_destroyp(struct kev_document **document)
{
	kev_document_destroy(*document);
}

/*
 * Building. anchor is empty where there is none, line counts from 1. All return 0, -ENOMEM, or -EINVAL with
 * the error set (without the line): a bound was passed, an alias is unknown or inside its own anchor.
 */
int kev_document_add_scalar(struct kev_document *document, const struct kev_document_scalar *scalar,
	struct kev_str anchor, size_t line, struct kev_error *error) KEV_MUST_USE;
int kev_document_add_alias(struct kev_document *document, struct kev_str anchor, size_t line,
	struct kev_error *error) KEV_MUST_USE;
/** Begin a sequence or a mapping (type): what follows is inside it, until kev_document_end(). In a mapping
 * keys and values alternate. */
int kev_document_begin(struct kev_document *document, enum kev_document_type type, struct kev_str anchor,
	size_t line, struct kev_error *error) KEV_MUST_USE;
void kev_document_end(struct kev_document *document);

/* Reading. Nodes are borrowed from the document; an alias reads as what it stands for. */

/** @return NULL where the document is empty */
const struct kev_document_node *kev_document_root(const struct kev_document *document);
enum kev_document_type kev_document_type(const struct kev_document_node *node);
/** Where the node stands in the text (an alias: where the alias stands). */
size_t kev_document_line(const struct kev_document_node *node);
/** A scalar's text, whatever its type. */
struct kev_str kev_document_text(const struct kev_document_node *node);
/** The value of a KEV_DOCUMENT_FLAG. */
bool kev_document_flag(const struct kev_document_node *node);
/** A sequence's first item, or NULL. */
const struct kev_document_node *kev_document_first(const struct kev_document_node *sequence);
/** The item behind this one, or NULL. */
const struct kev_document_node *kev_document_next(const struct kev_document_node *item);

/** A pair of a mapping. Not 0: enough, which kev_document_pairs() returns. */
typedef int kev_document_pair_fn(
	void *context, const struct kev_document_node *key, const struct kev_document_node *value);

/**
 * Tell the pairs of a mapping. Merge keys ("<<") count as kubectl's parser counts them: where they stand, so
 * that they override what stands above; so a key can come more than once, and the last one counts.
 * @return 0, what pair returned, or -EINVAL with the error set: the work is over the bound, or a merge key
 * holds no mapping
 */
int kev_document_pairs(struct kev_document *document, const struct kev_document_node *mapping,
	kev_document_pair_fn *pair, void *context, struct kev_error *error) KEV_MUST_USE;

/** The most names that one kev_document_pick() takes. */
#define KEV_DOCUMENT_PICK_MAX 24

/**
 * Find the values of count keys of a mapping in one pass.
 * @param values  set to the value of each name, or NULL where there is none; untouched on error
 * @return 0, or -EINVAL as kev_document_pairs()
 */
int kev_document_pick(struct kev_document *document, const struct kev_document_node *mapping,
	const char *const names[], size_t count, const struct kev_document_node *values[],
	struct kev_error *error) KEV_MUST_USE;

/** Count work on bytes of a scalar that aliases may have multiplied. @return 0, or -EINVAL with the error
 * set: over the bound */
int kev_document_charge(struct kev_document *document, size_t bytes, struct kev_error *error) KEV_MUST_USE;

#endif
