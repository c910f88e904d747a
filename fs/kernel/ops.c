#include "kevfs/kernel/ops.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/kernel/answer.h"

struct parked {
	struct kev_request request;
	int64_t deadline; /* monotonic ns */
	struct parked *next;
};

struct kev_ops {
	struct kev_ops_config config;
	struct kev_answer_config answering;
	atomic_bool answering_init; /* the next thing sent to the kernel is the answer to INIT */

	atomic_bool parking;  /* new requests are parked; changes under lock only */
	pthread_mutex_t lock; /* protects what follows */
	size_t parked_count;
	struct parked *parked; /* newest first */
	struct parked **parked_tail;
};

/* Is that a fault, to whoever looks at how kevfs is? What is not there, or not supported, is none. */
static bool is_failure(int r)
{
	return r && r != -ENOSYS && r != -EOPNOTSUPP && r != -ENODATA && r != -ERANGE;
}

static int64_t now(const struct kev_ops *ops)
{
	return kev_clock_monotonic(ops->config.clock);
}

/* The request was answered, with r. */
static void count(
	const struct kev_ops *ops, const struct kev_request *request, struct kev_meter_mark *mark, int r)
{
	kev_meter_answered(
		ops->config.meter, mark, request->operation, now(ops) - request->arrived, is_failure(r));
	kev_meter_end(mark);
}

/* Answer a request, which has been waiting until at. */
static void answer_at(struct kev_ops *ops, const struct kev_request *request, int64_t at)
{
	struct kev_meter_mark *mark = kev_meter_begin(ops->config.meter, KEV_METER_ANSWERING, at);

	count(ops, request, mark, request->answer(&ops->answering, request));
}

static void answer(const struct kev_request *request)
{
	answer_at(fuse_req_userdata(request->req), request, request->arrived);
}

/* Without a look at anything. */
static void refuse(const struct kev_ops *ops, const struct kev_request *request, int r)
{
	count(ops, request, NULL, kev_answer_refuse(request, r));
}

/* A request has come in. */
static struct kev_request receive(
	fuse_req_t req, enum kev_meter_operation operation, kev_answer_fn *how, fuse_ino_t node)
{
	return (struct kev_request){.req = req,
		.operation = operation,
		.answer = how,
		.arrived = now(fuse_req_userdata(req)),
		.node = node};
}

/* Park the request. @return false if requests are not parked (any more) */
static bool park(struct kev_ops *ops, const struct kev_request *request)
{
	struct parked *parked;
	bool full;

	/* Once it is over it is over: the others need no lock. */
	if (!atomic_load(&ops->parking))
		return false;
	pthread_mutex_lock(&ops->lock);
	if (!atomic_load(&ops->parking)) {
		pthread_mutex_unlock(&ops->lock);
		return false;
	}
	full = ops->parked_count >= KEV_OPS_PARKED_MAX;
	parked = full ? NULL : malloc(sizeof(*parked));
	if (parked) {
		*parked = (struct parked){.request = *request,
			.deadline = request->arrived + ops->config.park_timeout * KEV_NS_PER_SEC};
		*ops->parked_tail = parked;
		ops->parked_tail = &parked->next;
		ops->parked_count++;
	}
	pthread_mutex_unlock(&ops->lock);
	if (!parked)
		refuse(ops, request, full ? -EAGAIN : -ENOMEM);
	return true;
}

static void handle(const struct kev_request *request)
{
	if (!park(fuse_req_userdata(request->req), request))
		answer(request);
}

/* The same, but for the status, and what leads to it: whoever asks whether all is well must not hang. */
static void handle_early(const struct kev_request *request)
{
	const struct kev_ops *ops = fuse_req_userdata(request->req);

	if (atomic_load_explicit(&ops->parking, memory_order_relaxed) &&
		kev_tree_is_early(ops->config.tree, request->node, kev_str_c(request->name)))
		answer(request);
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

/* @return whether the name is short enough to be one */
static bool set_name(struct kev_request *request, const char *name)
{
	size_t len = strlen(name);

	if (len >= sizeof(request->name))
		return false;
	memcpy(request->name, name, len + 1);
	return true;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct kev_request request = receive(req, KEV_METER_LOOKUP, kev_answer_lookup, parent);

	if (set_name(&request, name))
		handle_early(&request);
	else
		refuse(fuse_req_userdata(req), &request, -ENAMETOOLONG);
}

static void forget(fuse_req_t req, const struct fuse_forget_data *forgets, size_t forget_count)
{
	struct kev_ops *ops = fuse_req_userdata(req);
	struct kev_request request = receive(req, KEV_METER_FORGET, NULL, 0);
	struct kev_meter_mark *mark =
		kev_meter_begin(ops->config.meter, KEV_METER_ANSWERING, request.arrived);

	for (size_t i = 0; i < forget_count; i++)
		kev_tree_forget(ops->config.tree, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
	count(ops, &request, mark, 0);
}

static void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t lookups)
{
	forget(req, &(struct fuse_forget_data){.ino = node, .nlookup = lookups}, 1);
}

static void op_forget_multi(fuse_req_t req, size_t forget_count, struct fuse_forget_data *forgets)
{
	forget(req, forgets, forget_count);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct kev_request request = receive(req, KEV_METER_GETATTR, kev_answer_getattr, node);

	(void)file;
	/* umount(8) and mountpoint(1) look at the root: they must not wait, and that it is a directory is
	 * true already. */
	if (node == KEV_TREE_ROOT)
		answer(&request);
	else
		handle_early(&request);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)

/* Asked once a file, by who wants to know its birth. */
static void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask, struct fuse_file_info *file)
{
	struct kev_request request = receive(req, KEV_METER_STATX, kev_answer_statx, node);

	(void)flags, (void)mask, (void)file;
	/* As op_getattr(). */
	if (node == KEV_TREE_ROOT)
		answer(&request);
	else
		handle_early(&request);
}

#endif

static void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	struct kev_request request = receive(req, KEV_METER_READLINK, kev_answer_readlink, node);

	handle(&request);
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct kev_request request = receive(req, KEV_METER_OPEN, NULL, node);

	(void)file;
	/* Once, for the whole connection: the kernel opens by itself from then on, and keeps the pages. */
	refuse(fuse_req_userdata(req), &request, -ENOSYS);
}

/* Of a file's bytes, or of a listing. */
static struct kev_request receive_range(fuse_req_t req, enum kev_meter_operation operation,
	kev_answer_fn *how, fuse_ino_t node, size_t size, off_t offset)
{
	struct kev_request request = receive(req, operation, how, node);

	request.size = size;
	request.offset = offset;
	return request;
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct kev_request request = receive_range(req, KEV_METER_READ, kev_answer_read, node, size, offset);

	(void)file;
	handle_early(&request);
}

static void op_readdir(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct kev_request request =
		receive_range(req, KEV_METER_READDIR, kev_answer_readdir, node, size, offset);

	(void)file;
	handle(&request);
}

static void op_readdirplus(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct kev_request request =
		receive_range(req, KEV_METER_READDIRPLUS, kev_answer_readdirplus, node, size, offset);

	(void)file;
	handle(&request);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct kev_request request = receive(req, KEV_METER_STATFS, kev_answer_statfs, node);

	/* umount(8) asks for the filesystem's type this way. And that nothing is used yet is true. */
	answer(&request);
}

/* These wait for no sync: until then the kernel knows no event, and nothing else has attributes. */

static void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct kev_request request = receive(req, KEV_METER_GETXATTR, kev_answer_getxattr, node);

	request.size = size;
	if (set_name(&request, name))
		answer(&request);
	else
		refuse(fuse_req_userdata(req), &request, -ERANGE);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct kev_request request = receive(req, KEV_METER_LISTXATTR, kev_answer_listxattr, node);

	request.size = size;
	answer(&request);
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
	struct kev_prefetch *prefetch;

	if (!ops)
		return NULL;
	prefetch = kev_prefetch_create(config->tree, config->meter);
	if (!prefetch) {
		free(ops);
		return NULL;
	}
	ops->config = *config;
	ops->answering = (struct kev_answer_config){.tree = config->tree,
		.health = config->health,
		.prefetch = prefetch,
		.xattr = config->xattr,
		.stat = {config->uid, config->gid, config->umask, config->mtime_last}};
	atomic_init(&ops->parking, config->parked);
	ops->parked_tail = &ops->parked;
	pthread_mutex_init(&ops->lock, NULL);
	return ops;
}

struct kev_prefetch *kev_ops_prefetch(struct kev_ops *ops)
{
	return ops->answering.prefetch;
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
		refuse(ops, &parked->request, -EAGAIN);
		free(parked);
	}
	kev_prefetch_destroy(ops->answering.prefetch);
	pthread_mutex_destroy(&ops->lock);
	free(ops);
}

void kev_ops_release(struct kev_ops *ops)
{
	struct parked *next;

	for (struct parked *parked = take_parked(ops, true); parked; parked = next) {
		next = parked->next;
		answer_at(ops, &parked->request, now(ops));
		free(parked);
	}
}

void kev_ops_expire(struct kev_ops *ops)
{
	int64_t until = now(ops);
	struct parked *gone = NULL, *next;

	pthread_mutex_lock(&ops->lock);
	for (struct parked **at = &ops->parked; *at;) {
		struct parked *parked = *at;

		if (parked->deadline > until && !fuse_req_interrupted(parked->request.req)) {
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
		refuse(ops, &gone->request, fuse_req_interrupted(gone->request.req) ? -EINTR : -EAGAIN);
		free(gone);
	}
}
