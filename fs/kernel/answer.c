#include "kevfs/kernel/answer.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/kernel/xattr.h"

/* Ten years: the kernel never asks again. What goes stale is said by notify. */
#define FOREVER (10 * 365 * 86400.0)

/* A link's target never comes near it. */
#define TARGET_MAX 4096

/* The smallest size that df shows. */
#define USAGE_BLOCKS_MIN ((1U << 30) / KEV_STAT_BLOCK)
#define USAGE_NODES_MIN (1U << 20)

static struct fuse_entry_param entry_param(
	const struct kev_answer_config *config, const struct kev_entry *entry)
{
	struct fuse_entry_param param = {
		.ino = entry->node,
		.generation = entry->generation,
		.attr_timeout = entry->attr.momentary ? 0 : FOREVER,
		.entry_timeout = entry->momentary ? 0 : FOREVER,
	};

	kev_stat_fill(&config->stat, &entry->attr, &param.attr);
	return param;
}

/* @return r */
int kev_answer_refuse(const struct kev_request *request, int r)
{
	fuse_reply_err(request->req, -r);
	return r;
}

int kev_answer_lookup(const struct kev_answer_config *config, const struct kev_request *request)
{
	struct kev_entry entry = {0};
	struct fuse_entry_param param;
	int r = kev_tree_lookup(config->tree, request->node, kev_str_c(request->name), &entry);

	if (r)
		return kev_answer_refuse(request, r);
	param = entry_param(config, &entry);
	/* A reply that does not arrive (the caller was killed) gives the kernel no reference. */
	if (fuse_reply_entry(request->req, &param) && entry.node)
		kev_tree_forget(config->tree, entry.node, 1);
	return 0;
}

int kev_answer_getattr(const struct kev_answer_config *config, const struct kev_request *request)
{
	struct kev_attr attr;
	struct stat st;
	int r = kev_tree_getattr(config->tree, request->node, &attr);

	if (r)
		return kev_answer_refuse(request, r);
	kev_stat_fill(&config->stat, &attr, &st);
	fuse_reply_attr(request->req, &st, attr.momentary ? 0 : FOREVER);
	return 0;
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)

int kev_answer_statx(const struct kev_answer_config *config, const struct kev_request *request)
{
	struct kev_attr attr;
	struct statx stx;
	int r = kev_tree_getattr(config->tree, request->node, &attr);

	if (r)
		return kev_answer_refuse(request, r);
	kev_stat_fill_x(&config->stat, &attr, &stx);
	fuse_reply_statx(request->req, 0, &stx, attr.momentary ? 0 : FOREVER);
	return 0;
}

#endif

int kev_answer_readlink(const struct kev_answer_config *config, const struct kev_request *request)
{
	KEV_CLEANUP(buf_fini) struct kev_buf target;
	const char *text = NULL;
	int r;

	kev_buf_init(&target, TARGET_MAX);
	r = kev_tree_readlink(config->tree, request->node, &target);
	if (!r && !(text = kev_buf_cstr(&target)))
		r = -ENOMEM;
	if (r)
		return kev_answer_refuse(request, r);
	fuse_reply_readlink(request->req, text);
	return 0;
}

int kev_answer_read(const struct kev_answer_config *config, const struct kev_request *request)
{
	size_t len = 0;
	char *data = malloc(request->size ? request->size : 1);
	int r = -ENOMEM;

	if (data)
		r = kev_tree_read(
			config->tree, request->node, (uint64_t)request->offset, data, request->size, &len);
	if (!r && request->offset == 0)
		kev_prefetch_siblings(config->prefetch, request->node);
	if (r)
		kev_answer_refuse(request, r);
	else
		fuse_reply_buf(request->req, data, len);
	free(data);
	return r;
}

/* What a listing is copied into. */
struct listing {
	const struct kev_answer_config *config;
	fuse_req_t req;
	bool plus;
	char *data;
	size_t len, size;
	uint64_t
		*given; /* the nodes whose lookup count a READDIRPLUS raised, to undo it if the reply fails */
	size_t given_count;
};

/* An entry of a READDIRPLUS takes at least this much: what `given` needs room for. */
#define PLUS_ENTRY_MIN 128

static int emit(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct listing *listing = context;
	struct fuse_entry_param param = entry_param(listing->config, entry);
	char *at = listing->data + listing->len, text[KEV_STALE_NAME_SIZE];
	size_t room = listing->size - listing->len, need;

	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	if (listing->plus)
		need = fuse_add_direntry_plus(listing->req, at, room, text, &param, (off_t)next);
	else
		need = fuse_add_direntry(listing->req, at, room, text, &param.attr, (off_t)next);
	if (need > room)
		return 1;
	listing->len += need;
	if (entry->node)
		listing->given[listing->given_count++] = entry->node;
	return 0;
}

static int list(const struct kev_answer_config *config, const struct kev_request *request, bool plus)
{
	struct listing listing = {.config = config, .req = request->req, .plus = plus, .size = request->size};
	int r = -ENOMEM;

	listing.data = malloc(request->size ? request->size : 1);
	listing.given = malloc((request->size / PLUS_ENTRY_MIN + 1) * sizeof(*listing.given));
	if (listing.data && listing.given)
		r = kev_tree_readdir(
			config->tree, request->node, (uint64_t)request->offset, plus, emit, &listing);
	/* What was given before an error is given: the caller comes back for the rest, and meets the error
	 * then. */
	if (r && listing.len == 0) {
		kev_answer_refuse(request, r);
	} else if (fuse_reply_buf(request->req, listing.data, listing.len)) {
		for (size_t i = 0; i < listing.given_count; i++)
			kev_tree_forget(config->tree, listing.given[i], 1);
	}
	free(listing.given);
	free(listing.data);
	return r;
}

int kev_answer_readdir(const struct kev_answer_config *config, const struct kev_request *request)
{
	return list(config, request, false);
}

int kev_answer_readdirplus(const struct kev_answer_config *config, const struct kev_request *request)
{
	return list(config, request, true);
}

/*
 * Used is the truth: the events' bytes and the files. Free, and by name available, is at least as much again,
 * so that Use% stays at half or below and no disk monitor ever calls anyone; that nothing can be written
 * EROFS says.
 */
int kev_answer_statfs(const struct kev_answer_config *config, const struct kev_request *request)
{
	struct kev_tree_usage usage;
	struct statvfs st = {.f_bsize = KEV_STAT_BLOCK, .f_frsize = KEV_STAT_BLOCK, .f_namemax = 255};
	uint64_t blocks;

	kev_tree_usage(config->tree, &usage);
	blocks = (usage.bytes + KEV_STAT_BLOCK - 1) / KEV_STAT_BLOCK;
	st.f_bfree = st.f_bavail = blocks > USAGE_BLOCKS_MIN ? blocks : USAGE_BLOCKS_MIN;
	st.f_blocks = blocks + st.f_bfree;
	st.f_ffree = st.f_favail = usage.nodes > USAGE_NODES_MIN ? usage.nodes : USAGE_NODES_MIN;
	st.f_files = usage.nodes + st.f_ffree;
	fuse_reply_statfs(request->req, &st);
	return 0;
}

/* Answer with what was asked for: its size alone, where there is no room for anything else. */
static int reply_xattr(const struct kev_request *request, int r, const struct kev_buf *buf)
{
	if (!r && request->size && request->size < buf->len)
		r = -ERANGE;
	if (r)
		kev_answer_refuse(request, r);
	else if (request->size == 0)
		fuse_reply_xattr(request->req, buf->len);
	else
		fuse_reply_buf(request->req, buf->data, buf->len);
	return r;
}

static struct kev_xattr xattr_of(const struct kev_answer_config *config)
{
	return (struct kev_xattr){config->tree, config->health};
}

int kev_answer_getxattr(const struct kev_answer_config *config, const struct kev_request *request)
{
	const struct kev_xattr xattr = xattr_of(config);
	KEV_CLEANUP(buf_fini) struct kev_buf value = {.max = XATTR_SIZE_MAX};
	/* Once, for the whole connection: the kernel says EOPNOTSUPP by itself from then on. */
	int r = -ENOSYS;

	if (config->xattr)
		r = kev_xattr_get(&xattr, request->node, kev_str_c(request->name), &value);
	return reply_xattr(request, r, &value);
}

int kev_answer_listxattr(const struct kev_answer_config *config, const struct kev_request *request)
{
	const struct kev_xattr xattr = xattr_of(config);
	KEV_CLEANUP(buf_fini) struct kev_buf names = {.max = XATTR_LIST_MAX};
	int r = -ENOSYS;

	if (config->xattr)
		r = kev_xattr_list(&xattr, request->node, &names);
	return reply_xattr(request, r, &names);
}
