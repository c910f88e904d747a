#include "kevfs/cluster/impersonation.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"

/* No server takes more. */
#define HEADERS_MAX 1024
#define HEADER_MAX (64U << 10)

/* What stands in a header's name as it is (RFC 9110 section 5.6.2); but '%', which begins what is encoded. */
static const char name_characters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&'*+-.^_`|~";

struct extra {
	struct kev_str key;
	const struct kev_document_node *values; /* a list of text, or null */
};

struct builder {
	struct kev_error *error;
	char **headers; /* HEADERS_MAX + 1 */
	size_t count;
	struct extra extras[HEADERS_MAX];
	size_t extra_count;
};

static int refuse_number(struct kev_error *error)
{
	kev_error_set(error, "impersonation: more than %d groups and values of as-user-extra", HEADERS_MAX);
	return -EINVAL;
}

/* Only a tab of the control characters may stand in a value: a line break would begin another header. */
static bool fits_value(struct kev_str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static struct kev_str trim(struct kev_str s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = (struct kev_str){s.data + 1, s.len - 1};
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static void append_key(struct kev_buf *out, struct kev_str key)
{
	size_t start = out->len;

	for (size_t i = 0; i < key.len; i++) {
		if (memchr(name_characters, key.data[i], sizeof(name_characters) - 1))
			kev_buf_append_char(out, key.data[i]);
		else
			kev_buf_printf(out, "%%%02x", (unsigned char)key.data[i]);
	}
	kev_text_lower(out, start);
}

/* @param field  as the kubeconfig calls it */
static int add(struct builder *builder, const char *field, const char *name, struct kev_str key,
	struct kev_str value)
{
	struct kev_buf text;
	int r = 0;

	if (builder->count == HEADERS_MAX)
		return refuse_number(builder->error);
	if (!fits_value(value)) {
		kev_error_set(builder->error, "%s holds a line break or another control character", field);
		return -EINVAL;
	}
	kev_buf_init(&text, HEADER_MAX);
	kev_buf_append_c(&text, name);
	append_key(&text, key);
	kev_buf_append_c(&text, ": ");
	kev_buf_append_str(&text, trim(value));
	if (text.error == -EMSGSIZE) {
		kev_error_set(builder->error, "%s is too long", field);
		r = -EINVAL;
	} else if (text.error || !kev_buf_cstr(&text)) {
		r = -ENOMEM;
	}
	if (r) {
		kev_buf_fini(&text);
		return r;
	}
	builder->headers[builder->count++] = text.data;
	return 0;
}

static int add_texts(struct builder *builder, const char *field, const char *name, struct kev_str key,
	const struct kev_document_node *list)
{
	const struct kev_document_node *item = list ? kev_document_first(list) : NULL;
	int r = 0;

	for (; item && !r; item = kev_document_next(item)) {
		bool null = kev_document_type(item) == KEV_DOCUMENT_NULL;

		r = add(builder, field, name, key, null ? KEV_STR("") : kev_document_text(item));
	}
	return r;
}

/* The last one of a key counts. */
static int take_extra(
	void *context, const struct kev_document_node *key, const struct kev_document_node *value)
{
	struct builder *builder = context;
	const struct extra extra = {kev_document_text(key), value};
	size_t i = 0;

	while (i < builder->extra_count && !kev_str_eq(builder->extras[i].key, extra.key))
		i++;
	if (i == HEADERS_MAX)
		return refuse_number(builder->error);
	builder->extras[i] = extra;
	builder->extra_count += i == builder->extra_count ? 1 : 0;
	return 0;
}

static int add_extras(
	struct builder *builder, const struct kev_stanza_file *file, const struct kev_document_node *mapping)
{
	int r = mapping ? kev_document_pairs(file->document, mapping, take_extra, builder, builder->error)
			: 0;

	for (size_t i = 0; i < builder->extra_count && !r; i++)
		r = add_texts(builder, "as-user-extra", "Impersonate-Extra-", builder->extras[i].key,
			builder->extras[i].values);
	return r;
}

static int build(
	struct builder *builder, const struct kev_stanza_file *file, const struct kev_stanza_user *user)
{
	const struct kev_str none = KEV_STR("");
	int r = add(builder, "as", "Impersonate-User", none, user->as);

	if (!r && user->as_uid.len)
		r = add(builder, "as-uid", "Impersonate-Uid", none, user->as_uid);
	if (!r)
		r = add_texts(builder, "an item of as-groups", "Impersonate-Group", none, user->as_groups);
	return r ? r : add_extras(builder, file, user->as_user_extra);
}

static bool is_empty(const struct kev_document_node *node)
{
	return !node || !kev_document_first(node);
}

int kev_impersonation_headers(const struct kev_stanza_file *file, const struct kev_stanza_user *user,
	char ***out, struct kev_error *error)
{
	struct builder *builder;
	int r;

	if (!user->as.len) {
		if (!user->as_uid.len && is_empty(user->as_groups) && is_empty(user->as_user_extra)) {
			*out = NULL;
			return 0;
		}
		kev_error_set(error, "as-uid, as-groups and as-user-extra need a user to act as (as)");
		return -EINVAL;
	}
	builder = calloc(1, sizeof(*builder));
	if (!builder)
		return -ENOMEM;
	builder->error = error;
	builder->headers = calloc(HEADERS_MAX + 1, sizeof(*builder->headers));
	r = builder->headers ? build(builder, file, user) : -ENOMEM;
	if (r)
		kev_impersonation_free(builder->headers);
	else
		*out = builder->headers;
	free(builder);
	return r;
}

void kev_impersonation_free(char **headers)
{
	for (char **header = headers; header && *header; header++)
		free(*header);
	free(headers);
}

bool kev_impersonation_is_refused(char *const *headers, struct kev_str message, struct kev_error *out)
{
	static const char user[] = "Impersonate-User: ", verb[] = " cannot impersonate",
			  subject[] = "User \"";
	const char *at = message.len ? memmem(message.data, message.len, verb, sizeof(verb) - 1) : NULL;
	const char *begin = message.data, *next;

	while (headers && *headers && strncmp(*headers, user, sizeof(user) - 1) != 0)
		headers++;
	if (!headers || !*headers || !at)
		return false;
	/* What stands before it says what was asked for. */
	next = memmem(begin, (size_t)(at - begin), subject, sizeof(subject) - 1);
	begin = next ? next : begin;
	kev_error_set(out, "the kubeconfig's as: %s: we may not act as that user: %.*s",
		*headers + sizeof(user) - 1, (int)(message.len - (size_t)(begin - message.data)), begin);
	return true;
}
