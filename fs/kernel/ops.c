#include "kevfs/kernel/ops.h"

#include <errno.h>
#include <linux/limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/kernel/xattr.h"

/* Ten years: the kernel never asks again. What goes stale is said by notify. */
#define FOREVER (10 * 365 * 86400.0)

/* A link's target never comes near it. */
#define TARGET_MAX 4096

/* df's unit, and the smallest size that df shows. */
#define BLOCK 4096
#define USAGE_BLOCKS_MIN ((1U << 30) / BLOCK)
#define USAGE_NODES_MIN (1U << 20)

/* One request, as it came in: enough to answer it now or later. */
struct request {
	fuse_req_t req;
	void (*answer)(struct kev_ops *ops, const struct request *request);
	fuse_ino_t node;
	size_t size;
	off_t offset;
	char name[256]; /* of a lookup */
};

struct parked {
	struct request request;
	int64_t deadline; /* monotonic ns */
	struct parked *next;
};

struct kev_ops {
	struct kev_ops_config config;
	atomic_bool answering_init; /* the next thing sent to the kernel is the answer to INIT */

	atomic_bool parking;  /* new requests are parked; changes under lock only */
	pthread_mutex_t lock; /* protects what follows */
	size_t parked_count;
	struct parked *parked; /* newest first */
	struct parked **parked_tail;
};

static void fill_stat(const struct kev_ops *ops, const struct kev_attr *attr, struct stat *st)
{
	static const mode_t modes[] = {[KEV_NODE_DIR] = S_IFDIR | 0555,
		[KEV_NODE_FILE] = S_IFREG | 0444,
		[KEV_NODE_LINK] = S_IFLNK | 0777};
	int64_t mtime = ops->config.mtime_last && attr->last ? attr->last : attr->mtime;

	*st = (struct stat){
		.st_ino = attr->ino,
		.st_mode = modes[attr->type],
		.st_nlink = attr->nlink,
		.st_uid = ops->config.uid,
		.st_gid = ops->config.gid,
		.st_size = (off_t)attr->size,
		.st_blksize = BLOCK,
		.st_blocks = (blkcnt_t)((attr->size + 511) / 512),
		.st_mtim = {mtime / KEV_NS_PER_SEC, mtime % KEV_NS_PER_SEC},
		.st_ctim = {attr->ctime / KEV_NS_PER_SEC, attr->ctime % KEV_NS_PER_SEC},
	};
	st->st_atim = st->st_mtim;
	/* A link's mode means nothing, and chmod could not change it. */
	if (attr->type != KEV_NODE_LINK)
		st->st_mode &= ~ops->config.umask;
}

static struct fuse_entry_param entry_param(const struct kev_ops *ops, const struct kev_entry *entry)
{
	struct fuse_entry_param param = {
		.ino = entry->node,
		.generation = entry->generation,
		.attr_timeout = entry->attr.momentary ? 0 : FOREVER,
		.entry_timeout = entry->momentary ? 0 : FOREVER,
	};

	fill_stat(ops, &entry->attr, &param.attr);
	return param;
}

static void answer_lookup(struct kev_ops *ops, const struct request *request)
{
	struct kev_entry entry = {0};
	struct fuse_entry_param param;
	int r = kev_tree_lookup(ops->config.tree, request->node, kev_str_c(request->name), &entry);

	if (r) {
		fuse_reply_err(request->req, -r);
		return;
	}
	param = entry_param(ops, &entry);
	/* A reply that does not arrive (the caller was killed) gives the kernel no reference. */
	if (fuse_reply_entry(request->req, &param) && entry.node)
		kev_tree_forget(ops->config.tree, entry.node, 1);
}

static void answer_getattr(struct kev_ops *ops, const struct request *request)
{
	struct kev_attr attr;
	struct stat st;
	int r = kev_tree_getattr(ops->config.tree, request->node, &attr);

	if (r) {
		fuse_reply_err(request->req, -r);
		return;
	}
	fill_stat(ops, &attr, &st);
	fuse_reply_attr(request->req, &st, attr.momentary ? 0 : FOREVER);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)

static struct statx_timestamp statx_time(struct timespec time)
{
	return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

/* The same, and the time of birth, where there is one. */
static void fill_statx(const struct kev_ops *ops, const struct kev_attr *attr, struct statx *stx)
{
	struct stat st;

	fill_stat(ops, attr, &st);
	*stx = (struct statx){
		.stx_mask = STATX_BASIC_STATS | (attr->birth ? STATX_BTIME : 0),
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = st.st_ino,
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = statx_time(st.st_atim),
		.stx_mtime = statx_time(st.st_mtim),
		.stx_ctime = statx_time(st.st_ctim),
		.stx_btime = {.tv_sec = attr->birth / KEV_NS_PER_SEC,
			.tv_nsec = (uint32_t)(attr->birth % KEV_NS_PER_SEC)},
	};
}

static void answer_statx(struct kev_ops *ops, const struct request *request)
{
	struct kev_attr attr;
	struct statx stx;
	int r = kev_tree_getattr(ops->config.tree, request->node, &attr);

	if (r) {
		fuse_reply_err(request->req, -r);
		return;
	}
	fill_statx(ops, &attr, &stx);
	fuse_reply_statx(request->req, 0, &stx, attr.momentary ? 0 : FOREVER);
}

#endif

static void answer_readlink(struct kev_ops *ops, const struct request *request)
{
	KEV_CLEANUP(buf_fini) struct kev_buf target;
	const char *text = NULL;
	int r;

	kev_buf_init(&target, TARGET_MAX);
	r = kev_tree_readlink(ops->config.tree, request->node, &target);
	if (!r && !(text = kev_buf_cstr(&target)))
		r = -ENOMEM;
	if (r)
		fuse_reply_err(request->req, -r);
	else
		fuse_reply_readlink(request->req, text);
}

static void answer_read(struct kev_ops *ops, const struct request *request)
{
	size_t len = 0;
	char *data = malloc(request->size ? request->size : 1);
	int r = -ENOMEM;

	if (data)
		r = kev_tree_read(ops->config.tree, request->node, (uint64_t)request->offset, data,
			request->size, &len);
	if (r)
		fuse_reply_err(request->req, -r);
	else
		fuse_reply_buf(request->req, data, len);
	free(data);
}

/* What a listing is copied into. */
struct listing {
	struct kev_ops *ops;
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
	struct fuse_entry_param param = entry_param(listing->ops, entry);
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

static void list(struct kev_ops *ops, const struct request *request, bool plus)
{
	struct listing listing = {.ops = ops, .req = request->req, .plus = plus, .size = request->size};
	int r = -ENOMEM;

	listing.data = malloc(request->size ? request->size : 1);
	listing.given = malloc((request->size / PLUS_ENTRY_MIN + 1) * sizeof(*listing.given));
	if (listing.data && listing.given)
		r = kev_tree_readdir(
			ops->config.tree, request->node, (uint64_t)request->offset, plus, emit, &listing);
	/* What was given before an error is given: the caller comes back for the rest, and meets the error
	 * then. */
	if (r && listing.len == 0)
		fuse_reply_err(request->req, -r);
	else if (fuse_reply_buf(request->req, listing.data, listing.len)) {
		for (size_t i = 0; i < listing.given_count; i++)
			kev_tree_forget(ops->config.tree, listing.given[i], 1);
	}
	free(listing.given);
	free(listing.data);
}

static void answer_readdir(struct kev_ops *ops, const struct request *request)
{
	list(ops, request, false);
}

static void answer_readdirplus(struct kev_ops *ops, const struct request *request)
{
	list(ops, request, true);
}

/*
 * Used is the truth: the events' bytes and the files. Free, and by name available, is at least as much again,
 * so that Use% stays at half or below and no disk monitor ever calls anyone; that nothing can be written
 * EROFS says.
 */
static void answer_statfs(struct kev_ops *ops, const struct request *request)
{
	struct kev_tree_usage usage;
	struct statvfs st = {.f_bsize = BLOCK, .f_frsize = BLOCK, .f_namemax = 255};
	uint64_t blocks;

	kev_tree_usage(ops->config.tree, &usage);
	blocks = (usage.bytes + BLOCK - 1) / BLOCK;
	st.f_bfree = st.f_bavail = blocks > USAGE_BLOCKS_MIN ? blocks : USAGE_BLOCKS_MIN;
	st.f_blocks = blocks + st.f_bfree;
	st.f_ffree = st.f_favail = usage.nodes > USAGE_NODES_MIN ? usage.nodes : USAGE_NODES_MIN;
	st.f_files = usage.nodes + st.f_ffree;
	fuse_reply_statfs(request->req, &st);
}

/* Park the request. @return false if requests are not parked (any more) */
static bool park(struct kev_ops *ops, const struct request *request)
{
	struct parked *parked;
	bool full;

	pthread_mutex_lock(&ops->lock);
	if (!atomic_load(&ops->parking)) {
		pthread_mutex_unlock(&ops->lock);
		return false;
	}
	full = ops->parked_count >= KEV_OPS_PARKED_MAX;
	parked = full ? NULL : malloc(sizeof(*parked));
	if (parked) {
		*parked = (struct parked){.request = *request,
			.deadline = kev_clock_monotonic(ops->config.clock) +
				    ops->config.park_timeout * KEV_NS_PER_SEC};
		*ops->parked_tail = parked;
		ops->parked_tail = &parked->next;
		ops->parked_count++;
	}
	pthread_mutex_unlock(&ops->lock);
	if (!parked)
		fuse_reply_err(request->req, full ? EAGAIN : ENOMEM);
	return true;
}

static void handle(const struct request *request)
{
	struct kev_ops *ops = fuse_req_userdata(request->req);

	if (!park(ops, request))
		request->answer(ops, request);
}

/* The same, but for the status, and what leads to it: whoever asks whether all is well must not hang. */
static void handle_early(const struct request *request)
{
	struct kev_ops *ops = fuse_req_userdata(request->req);

	if (atomic_load_explicit(&ops->parking, memory_order_relaxed) &&
		kev_tree_is_early(ops->config.tree, request->node, kev_str_c(request->name)))
		request->answer(ops, request);
	else
		handle(request);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct kev_ops *ops = userdata;

	/* "auto" would send a LOOKUP a file after a plain listing that was served from the cache. */
	conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS |
					      FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_EXPLICIT_INVAL_DATA);
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA);
	atomic_store(&ops->answering_init, true);
}

bool kev_ops_answers_init(struct kev_ops *ops)
{
	/* All but the first only look: every reply passes here. */
	return atomic_load_explicit(&ops->answering_init, memory_order_relaxed) &&
	       atomic_exchange(&ops->answering_init, false);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request request = {.req = req, .answer = answer_lookup, .node = parent};
	size_t len = strlen(name);

	if (len >= sizeof(request.name)) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	memcpy(request.name, name, len + 1);
	handle_early(&request);
}

static void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t count)
{
	struct kev_ops *ops = fuse_req_userdata(req);

	kev_tree_forget(ops->config.tree, node, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct kev_ops *ops = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		kev_tree_forget(ops->config.tree, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct request request = {.req = req, .answer = answer_getattr, .node = node};

	(void)file;
	/* umount(8) and mountpoint(1) look at the root: they must not wait, and that it is a directory is
	 * true already. */
	if (node == KEV_TREE_ROOT)
		answer_getattr(fuse_req_userdata(req), &request);
	else
		handle_early(&request);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)

/* Asked once a file, by who wants to know its birth. */
static void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask, struct fuse_file_info *file)
{
	struct request request = {.req = req, .answer = answer_statx, .node = node};

	(void)flags, (void)mask, (void)file;
	/* As op_getattr(). */
	if (node == KEV_TREE_ROOT)
		answer_statx(fuse_req_userdata(req), &request);
	else
		handle_early(&request);
}

#endif

static void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	struct request request = {.req = req, .answer = answer_readlink, .node = node};

	handle(&request);
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	(void)node;
	(void)file;
	/* Once, for the whole connection: the kernel opens by itself from then on, and keeps the pages. */
	fuse_reply_err(req, ENOSYS);
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct request request = {
		.req = req, .answer = answer_read, .node = node, .size = size, .offset = offset};

	(void)file;
	handle_early(&request);
}

static void op_readdir(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct request request = {
		.req = req, .answer = answer_readdir, .node = node, .size = size, .offset = offset};

	(void)file;
	handle(&request);
}

static void op_readdirplus(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct request request = {
		.req = req, .answer = answer_readdirplus, .node = node, .size = size, .offset = offset};

	(void)file;
	handle(&request);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct request request = {.req = req, .answer = answer_statfs, .node = node};

	/* umount(8) asks for the filesystem's type this way. And that nothing is used yet is true. */
	answer_statfs(fuse_req_userdata(req), &request);
}

/* Answer with what was asked for: its size alone, where there is no room for anything else. */
static void reply_xattr(fuse_req_t req, int r, const struct kev_buf *buf, size_t size)
{
	if (r)
		fuse_reply_err(req, -r);
	else if (size == 0)
		fuse_reply_xattr(req, buf->len);
	else if (size < buf->len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, buf->data, buf->len);
}

/* These wait for no sync: until then the kernel knows no event, and nothing else has attributes. */

static struct kev_xattr xattr_of(const struct kev_ops *ops)
{
	return (struct kev_xattr){ops->config.tree, ops->config.health};
}

static void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	const struct kev_ops *ops = fuse_req_userdata(req);
	const struct kev_xattr xattr = xattr_of(ops);
	KEV_CLEANUP(buf_fini) struct kev_buf value = {.max = XATTR_SIZE_MAX};
	/* Once, for the whole connection: the kernel says EOPNOTSUPP by itself from then on. */
	int r = -ENOSYS;

	if (ops->config.xattr)
		r = kev_xattr_get(&xattr, node, kev_str_c(name), &value);
	reply_xattr(req, r, &value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	const struct kev_ops *ops = fuse_req_userdata(req);
	const struct kev_xattr xattr = xattr_of(ops);
	KEV_CLEANUP(buf_fini) struct kev_buf names = {.max = XATTR_LIST_MAX};
	int r = -ENOSYS;

	if (ops->config.xattr)
		r = kev_xattr_list(&xattr, node, &names);
	reply_xattr(req, r, &names, size);
}

const struct fuse_lowlevel_ops *kev_ops_table(void)
{
	static const struct fuse_lowlevel_ops table = {
		.init = op_init,
		.lookup = op_lookup,
		.forget = op_forget,
		.forget_multi = op_forget_multi,
		.getattr = op_getattr,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
		.statx = op_statx,
#endif
		.readlink = op_readlink,
		.open = op_open,
		.read = op_read,
		.opendir = op_open,
		.readdir = op_readdir,
		.readdirplus = op_readdirplus,
		.statfs = op_statfs,
		.getxattr = op_getxattr,
		.listxattr = op_listxattr,
	};

	return &table;
}

struct kev_ops *kev_ops_create(const struct kev_ops_config *config)
{
	struct kev_ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return NULL;
	ops->config = *config;
	atomic_init(&ops->parking, config->parked);
	ops->parked_tail = &ops->parked;
	pthread_mutex_init(&ops->lock, NULL);
	return ops;
}

/* Take the whole list. */
static struct parked *take_parked(struct kev_ops *ops, bool stop_parking)
{
	struct parked *list;

	pthread_mutex_lock(&ops->lock);
	list = ops->parked;
	ops->parked = NULL;
	ops->parked_tail = &ops->parked;
	ops->parked_count = 0;
	if (stop_parking)
		atomic_store(&ops->parking, false);
	pthread_mutex_unlock(&ops->lock);
	return list;
}

void kev_ops_destroy(struct kev_ops *ops)
{
	struct parked *next;

	if (!ops)
		return;
	for (struct parked *parked = take_parked(ops, true); parked; parked = next) {
		next = parked->next;
		fuse_reply_err(parked->request.req, EAGAIN);
		free(parked);
	}
	pthread_mutex_destroy(&ops->lock);
	free(ops);
}

void kev_ops_release(struct kev_ops *ops)
{
	struct parked *next;

	for (struct parked *parked = take_parked(ops, true); parked; parked = next) {
		next = parked->next;
		parked->request.answer(ops, &parked->request);
		free(parked);
	}
}

void kev_ops_expire(struct kev_ops *ops)
{
	int64_t now = kev_clock_monotonic(ops->config.clock);
	struct parked *gone = NULL, *next;

	pthread_mutex_lock(&ops->lock);
	for (struct parked **at = &ops->parked; *at;) {
		struct parked *parked = *at;

		if (parked->deadline > now && !fuse_req_interrupted(parked->request.req)) {
			at = &parked->next;
			continue;
		}
		*at = parked->next;
		if (!parked->next)
			ops->parked_tail = at;
		ops->parked_count--;
		parked->next = gone;
		gone = parked;
	}
	pthread_mutex_unlock(&ops->lock);
	for (; gone; gone = next) {
		next = gone->next;
		fuse_reply_err(gone->request.req, fuse_req_interrupted(gone->request.req) ? EINTR : EAGAIN);
		free(gone);
	}
}
