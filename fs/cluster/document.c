#include "kevfs/cluster/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A kubeconfig of 4 MiB that is no attack has about 100k nodes; deep things stand only in its extensions. */
#define NODES_MAX 262144
#define DEPTH_MAX 128
#define ANCHORS_MAX 1024
/* Merge keys that lead to mappings with merge keys. */
#define MERGES_MAX 16
/* One unit a byte, and these many for each pair that is looked at: a million pairs. */
#define WORK_MAX (64U << 20)
#define WORK_PAIR 64

enum form { FORM_SCALAR, FORM_SEQUENCE, FORM_MAPPING, FORM_ALIAS };

struct kev_document_node {
	struct kev_document_node *allocated; /* the node made before this one, for destroy */
	struct kev_document_node *parent;
	struct kev_document_node *next, *previous; /* the parent's children */
	struct kev_document_node *first, *last;    /* children; a mapping's are key, value, key, value */
	const struct kev_document_node *target;    /* of an alias; never itself an alias */
	char *text;                                /* of a scalar; owned, wiped */
	size_t len;
	size_t line;
	enum form form;
	enum kev_document_type type;
	bool flag;
	bool merge; /* as a key: what its value holds stands here */
	bool open;
};

struct anchor {
	char *name;
	size_t len;
	const struct kev_document_node *node;
};

struct kev_document {
	struct kev_document_node *allocated;
	struct kev_document_node *root;
	struct kev_document_node *open; /* the innermost that is not ended */
	struct anchor *anchors;
	size_t anchor_count, anchor_room;
	size_t nodes, depth;
	size_t work;
};

struct kev_document *kev_document_create(void)
{
	return calloc(1, sizeof(struct kev_document));
}

void kev_document_destroy(struct kev_document *document)
{
	if (!document)
		return;
	while (document->allocated) {
		struct kev_document_node *node = document->allocated;

		document->allocated = node->allocated;
		if (node->text)
			explicit_bzero(node->text, node->len);
		free(node->text);
		free(node);
	}
	for (size_t i = 0; i < document->anchor_count; i++)
		free(document->anchors[i].name);
	free(document->anchors);
	free(document);
}

/* The types of scalars, as kubectl's parser (yaml.v2) resolves them. */

static bool is_one_of(struct kev_str s, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (kev_str_eq(s, kev_str_c(words[i])))
			return true;
	}
	return false;
}

static bool is_null(struct kev_str s)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	return is_one_of(s, words, KEV_ARRAY_LEN(words));
}

static bool is_true(struct kev_str s)
{
	static const char *const words[] = {
		"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};

	return is_one_of(s, words, KEV_ARRAY_LEN(words));
}

static bool is_false(struct kev_str s)
{
	static const char *const words[] = {
		"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};

	return is_one_of(s, words, KEV_ARRAY_LEN(words));
}

static bool is_float_word(struct kev_str s)
{
	static const char *const words[] = {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf",
		"+.INF", "-.inf", "-.Inf", "-.INF"};

	return is_one_of(s, words, KEV_ARRAY_LEN(words));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* 0x1f, 0b101, 0o17: only those that fit in 64 bits; a longer one is text. */
static bool is_prefixed_integer(const char *s, size_t len)
{
	int base, bits = 0, per_digit;

	if (len < 3 || s[0] != '0')
		return false;
	switch (s[1] | 0x20) {
	case 'x':
		per_digit = 4;
		break;
	case 'o':
		per_digit = 3;
		break;
	case 'b':
		per_digit = 1;
		break;
	default:
		return false;
	}
	base = 1 << per_digit;
	for (size_t i = 2; i < len; i++) {
		int digit = digit_of(s[i]);

		if (digit >= base)
			return false;
		if (bits > 0)
			bits += per_digit;
		else
			while (digit >> bits)
				bits++;
	}
	return bits <= 64;
}

/* The length of a run of digits; *significant counts those behind its leading zeros. */
static size_t scan_digits(const char *s, size_t len, size_t *significant)
{
	size_t n = 0;

	*significant = 0;
	for (; n < len && is_digit(s[n]); n++) {
		if (s[n] != '0' || *significant > 0)
			(*significant)++;
	}
	return n;
}

/* [0-9]+(\.[0-9]*)?|\.[0-9]+, then ([eE][-+]?[0-9]+)?. What overflows a double is text. */
static bool is_decimal(const char *s, size_t len)
{
	size_t whole, magnitude, ignored, i, exponent = 0;
	bool negative = false;

	whole = i = scan_digits(s, len, &magnitude);
	if (i < len && s[i] == '.') {
		size_t fraction = scan_digits(s + i + 1, len - i - 1, &ignored);

		if (whole + fraction == 0)
			return false;
		i += 1 + fraction;
	} else if (whole == 0) {
		return false;
	}
	if (i < len && (s[i] | 0x20) == 'e') {
		if (++i < len && (s[i] == '-' || s[i] == '+'))
			negative = s[i++] == '-';
		if (i == len)
			return false;
		for (; i < len && is_digit(s[i]); i++) {
			if (exponent < 100000)
				exponent = exponent * 10 + (size_t)(s[i] - '0');
		}
	}
	return i == len && (negative || magnitude == 0 || magnitude + exponent <= 309);
}

static bool is_number(struct kev_str s)
{
	char digits[512]; /* without underscores */
	size_t len = 0;

	if (is_float_word(s))
		return true;
	if (s.len == 0 || s.len > sizeof(digits))
		return false;
	if (s.data[0] == '.')
		return is_decimal(s.data, s.len);
	if (s.data[0] == '+' || s.data[0] == '-') {
		s.data++;
		s.len--;
	} else if (!is_digit(s.data[0])) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] != '_')
			digits[len++] = s.data[i];
	}
	return is_prefixed_integer(digits, len) || is_decimal(digits, len);
}

static enum kev_document_type look_of(struct kev_str s)
{
	if (is_null(s))
		return KEV_DOCUMENT_NULL;
	if (is_true(s) || is_false(s))
		return KEV_DOCUMENT_FLAG;
	return is_number(s) ? KEV_DOCUMENT_NUMBER : KEV_DOCUMENT_TEXT;
}

static enum kev_document_type resolve(const struct kev_document_scalar *scalar)
{
	static const struct {
		struct kev_str tag;
		enum kev_document_type type;
	} typed[] = {
		{KEV_STR("tag:yaml.org,2002:null"), KEV_DOCUMENT_NULL},
		{KEV_STR("tag:yaml.org,2002:bool"), KEV_DOCUMENT_FLAG},
		{KEV_STR("tag:yaml.org,2002:int"), KEV_DOCUMENT_NUMBER},
		{KEV_STR("tag:yaml.org,2002:float"), KEV_DOCUMENT_NUMBER},
	};

	if (scalar->tag.len == 0)
		return scalar->plain ? look_of(scalar->text) : KEV_DOCUMENT_TEXT;
	for (size_t i = 0; i < KEV_ARRAY_LEN(typed); i++) {
		if (kev_str_eq(scalar->tag, typed[i].tag))
			return look_of(scalar->text) == typed[i].type ? typed[i].type : KEV_DOCUMENT_BROKEN;
	}
	/* kubectl would decode it once, and a field of base64 twice: nobody can mean that. */
	if (kev_str_eq(scalar->tag, KEV_STR("tag:yaml.org,2002:binary")))
		return KEV_DOCUMENT_BROKEN;
	return KEV_DOCUMENT_TEXT;
}

/* Building. */

static int add_anchor(struct kev_document *document, struct kev_str name,
	const struct kev_document_node *node, struct kev_error *error)
{
	struct anchor *anchor;

	if (name.len == 0)
		return 0;
	if (document->anchor_count == ANCHORS_MAX) {
		kev_error_set(error, "more than %d anchors", ANCHORS_MAX);
		return -EINVAL;
	}
	if (document->anchor_count == document->anchor_room) {
		size_t room = document->anchor_room ? document->anchor_room * 2 : 8;
		struct anchor *anchors = realloc(document->anchors, room * sizeof(*anchors));

		if (!anchors)
			return -ENOMEM;
		document->anchors = anchors;
		document->anchor_room = room;
	}
	anchor = &document->anchors[document->anchor_count];
	*anchor = (struct anchor){kev_str_dup(name), name.len, node};
	if (!anchor->name)
		return -ENOMEM;
	document->anchor_count++;
	return 0;
}

static int add_node(struct kev_document *document, enum form form, size_t line,
	struct kev_document_node **out, struct kev_error *error)
{
	struct kev_document_node *parent = document->open, *node;

	if (document->nodes == NODES_MAX) {
		kev_error_set(error, "more than %d values", NODES_MAX);
		return -EINVAL;
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->form = form;
	node->line = line;
	node->parent = parent;
	node->allocated = document->allocated;
	document->allocated = node;
	document->nodes++;
	if (!parent) {
		document->root = node;
	} else {
		node->previous = parent->last;
		if (parent->last)
			parent->last->next = node;
		else
			parent->first = node;
		parent->last = node;
	}
	*out = node;
	return 0;
}

int kev_document_add_scalar(struct kev_document *document, const struct kev_document_scalar *scalar,
	struct kev_str anchor, size_t line, struct kev_error *error)
{
	struct kev_document_node *node;
	int r = add_node(document, FORM_SCALAR, line, &node, error);

	if (r)
		return r;
	node->text = kev_str_dup(scalar->text);
	if (!node->text)
		return -ENOMEM;
	node->len = scalar->text.len;
	node->type = resolve(scalar);
	node->flag = node->type == KEV_DOCUMENT_FLAG && is_true(scalar->text);
	node->merge = kev_str_eq(scalar->text, KEV_STR("<<")) &&
		      (scalar->plain || kev_str_eq(scalar->tag, KEV_STR("tag:yaml.org,2002:merge")));
	return add_anchor(document, anchor, node, error);
}

int kev_document_add_alias(
	struct kev_document *document, struct kev_str anchor, size_t line, struct kev_error *error)
{
	const struct kev_document_node *target = NULL;
	struct kev_document_node *node;
	int r;

	/* The latest anchor of the name counts. */
	for (size_t i = document->anchor_count; i > 0 && !target; i--) {
		const struct anchor *a = &document->anchors[i - 1];

		if (kev_str_eq((struct kev_str){a->name, a->len}, anchor))
			target = a->node;
	}
	/* Its name is not shown: a password that begins with '*' and lacks its quotes is an alias too. */
	if (!target) {
		kev_error_set(
			error, "an alias (*) of an unknown anchor (&): text that begins with * needs quotes");
		return -EINVAL;
	}
	if (target->open) {
		kev_error_set(error, "an alias (*) inside its own anchor (&)");
		return -EINVAL;
	}
	r = add_node(document, FORM_ALIAS, line, &node, error);
	if (r)
		return r;
	node->target = target;
	return 0;
}

int kev_document_begin(struct kev_document *document, enum kev_document_type type, struct kev_str anchor,
	size_t line, struct kev_error *error)
{
	struct kev_document_node *node;
	int r;

	if (document->depth == DEPTH_MAX) {
		kev_error_set(error, "nested more than %d deep", DEPTH_MAX);
		return -EINVAL;
	}
	r = add_node(
		document, type == KEV_DOCUMENT_MAPPING ? FORM_MAPPING : FORM_SEQUENCE, line, &node, error);
	if (r)
		return r;
	node->type = type;
	node->open = true;
	document->open = node;
	document->depth++;
	return add_anchor(document, anchor, node, error);
}

void kev_document_end(struct kev_document *document)
{
	if (!document->open)
		return;
	document->open->open = false;
	document->open = document->open->parent;
	document->depth--;
}

/* Reading. */

static const struct kev_document_node *follow(const struct kev_document_node *node)
{
	return node->form == FORM_ALIAS ? node->target : node;
}

const struct kev_document_node *kev_document_root(const struct kev_document *document)
{
	return document->root;
}

enum kev_document_type kev_document_type(const struct kev_document_node *node)
{
	return follow(node)->type;
}

size_t kev_document_line(const struct kev_document_node *node)
{
	return node->line;
}

struct kev_str kev_document_text(const struct kev_document_node *node)
{
	node = follow(node);
	return (struct kev_str){node->text, node->len};
}

bool kev_document_flag(const struct kev_document_node *node)
{
	return follow(node)->flag;
}

const struct kev_document_node *kev_document_first(const struct kev_document_node *sequence)
{
	return follow(sequence)->first;
}

const struct kev_document_node *kev_document_next(const struct kev_document_node *item)
{
	return item->next;
}

int kev_document_charge(struct kev_document *document, size_t bytes, struct kev_error *error)
{
	if (bytes > WORK_MAX - document->work) {
		kev_error_set(error, "aliases or merge keys multiply it beyond all measure");
		return -EINVAL;
	}
	document->work += bytes;
	return 0;
}

struct walk {
	struct kev_document *document;
	kev_document_pair_fn *pair;
	void *context;
	struct kev_error *error;
};

static int walk_pairs(const struct walk *walk, const struct kev_document_node *mapping, int depth);

static int walk_merged(const struct walk *walk, const struct kev_document_node *value, int depth)
{
	const struct kev_document_node *source = follow(value);

	if (source->form == FORM_MAPPING)
		return walk_pairs(walk, source, depth + 1);
	if (value->form != FORM_SEQUENCE)
		goto broken;
	/* Of several, the earlier takes precedence. */
	for (const struct kev_document_node *item = source->last; item; item = item->previous) {
		int r;

		if (follow(item)->form != FORM_MAPPING)
			goto broken;
		r = walk_pairs(walk, follow(item), depth + 1);
		if (r)
			return r;
	}
	return 0;
broken:
	kev_error_set(walk->error, "a merge key (<<) takes a mapping or a list of mappings");
	return -EINVAL;
}

static int walk_pairs(const struct walk *walk, const struct kev_document_node *mapping, int depth)
{
	if (depth > MERGES_MAX) {
		kev_error_set(walk->error, "merge keys lead through more than %d mappings", MERGES_MAX);
		return -EINVAL;
	}
	for (const struct kev_document_node *key = mapping->first, *value; key; key = value->next) {
		int r = kev_document_charge(walk->document, WORK_PAIR, walk->error);

		value = key->next;
		if (!value)
			break; /* a mapping that was never ended */
		if (!r)
			r = key->merge ? walk_merged(walk, value, depth)
				       : walk->pair(walk->context, key, value);
		if (r)
			return r;
	}
	return 0;
}

int kev_document_pairs(struct kev_document *document, const struct kev_document_node *mapping,
	kev_document_pair_fn *pair, void *context, struct kev_error *error)
{
	const struct walk walk = {document, pair, context, error};

	return walk_pairs(&walk, follow(mapping), 0);
}

struct pick {
	const char *const *names;
	const struct kev_document_node **values;
	size_t count;
};

static int pick_pair(
	void *context, const struct kev_document_node *key, const struct kev_document_node *value)
{
	const struct pick *pick = context;

	for (size_t i = 0; i < pick->count; i++) {
		if (kev_str_eq(kev_document_text(key), kev_str_c(pick->names[i])))
			pick->values[i] = value;
	}
	return 0;
}

int kev_document_pick(struct kev_document *document, const struct kev_document_node *mapping,
	const char *const names[], size_t count, const struct kev_document_node *values[],
	struct kev_error *error)
{
	const struct kev_document_node *found[KEV_DOCUMENT_PICK_MAX] = {NULL};
	struct pick pick = {names, found, count};
	int r;

	if (count > KEV_DOCUMENT_PICK_MAX)
		return -EINVAL;
	r = kev_document_pairs(document, mapping, pick_pair, &pick, error);
	for (size_t i = 0; i < count && !r; i++)
		values[i] = found[i];
	return r;
}
