#include "simulated_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/tree/control.h"
#include "kevfs/tree/internal.h"

#define DENTRIES_MAX 2000
#define INODES_MAX 1000
#define REQUESTS_MAX 12
#define FORGETS_MAX 2000

/* Entries of a listing that one request brings. */
#define PIECE 3

struct inode {
	uint64_t node; /* 0: free */
	uint64_t lookups;
	struct kev_attr attr;
	bool attr_valid;
	uint64_t invalidated; /* the moment of the last inval_inode */
	int64_t highest;      /* the latest mtime seen */
	int pinned;           /* open, or somebody's directory */
	bool listing_kept;
	int64_t listing_mtime;
	struct kev_buf listing;
};

struct dentry {
	bool used;
	uint64_t parent, node; /* node 0: there is no such name */
	char name[KEV_STALE_NAME_SIZE];
};

enum request_kind { LOOKUP, GETATTR, READDIR };

struct given {
	char name[KEV_STALE_NAME_SIZE];
	struct kev_entry entry;
};

/* On its way: the tree has answered, the kernel has not heard it. */
struct request {
	bool used;
	enum request_kind kind;
	uint64_t node;
	uint64_t begun;
	char name[KEV_STALE_NAME_SIZE];
	struct kev_entry entry; /* of LOOKUP; the attributes of GETATTR */
	/* READDIR goes on in pieces until nothing comes. */
	bool plus, end;
	int64_t mtime;
	uint64_t cookie;
	struct kev_buf listing;
	struct given given[PIECE];
	size_t given_count;
};

struct simulated_kernel {
	struct world *world;
	void (*next_name)(void *context, uint64_t random, char name[KEV_STALE_NAME_SIZE]);
	void *context;
	uint64_t random;
	uint64_t time;
	struct inode inodes[INODES_MAX];
	struct dentry dentries[DENTRIES_MAX];
	struct request requests[REQUESTS_MAX];
	struct {
		uint64_t node, count;
	} forgets[FORGETS_MAX];
	size_t forgets_count;
	struct simulated_kernel_counts counts;
};

uint64_t simulated_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t below(struct simulated_kernel *kernel, uint64_t limit)
{
	return simulated_random(&kernel->random) % limit;
}

/* Inodes. */

static struct inode *find_inode(struct simulated_kernel *kernel, uint64_t node)
{
	for (size_t i = 0; i < INODES_MAX; i++) {
		if (node && kernel->inodes[i].node == node)
			return &kernel->inodes[i];
	}
	return NULL;
}

/* Attributes arrive with a reply to a request that began then. */
static void take_attr(struct inode *inode, const struct kev_attr *attr, uint64_t begun)
{
	if (inode->invalidated > begun)
		return;
	inode->attr = *attr;
	inode->attr_valid = !attr->momentary;
}

/* A reply gives a reference to a node. */
static struct inode *take_entry(
	struct simulated_kernel *kernel, const struct kev_entry *entry, uint64_t begun)
{
	struct inode *inode = find_inode(kernel, entry->node);

	for (size_t i = 0; i < INODES_MAX && !inode; i++) {
		if (!kernel->inodes[i].node) {
			inode = &kernel->inodes[i];
			*inode = (struct inode){.node = entry->node, .highest = INT64_MIN};
			kev_buf_init(&inode->listing, 1 << 20);
		}
	}
	assert_non_null(inode);
	inode->lookups++;
	take_attr(inode, &entry->attr, begun);
	return inode;
}

static void drop_listing(struct inode *inode)
{
	inode->listing_kept = false;
	kev_buf_clear(&inode->listing);
}

static bool is_in_use(const struct simulated_kernel *kernel, const struct inode *inode)
{
	if (inode->node == KEV_TREE_ROOT || inode->pinned)
		return true;
	for (size_t i = 0; i < DENTRIES_MAX; i++) {
		const struct dentry *dentry = &kernel->dentries[i];

		if (dentry->used && (dentry->node == inode->node || dentry->parent == inode->node))
			return true;
	}
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		if (kernel->requests[i].used && kernel->requests[i].node == inode->node)
			return true;
	}
	return false;
}

static void send_forget(struct simulated_kernel *kernel)
{
	size_t at;

	if (!kernel->forgets_count)
		return;
	at = below(kernel, kernel->forgets_count);
	kev_tree_forget(kernel->world->tree, kernel->forgets[at].node, kernel->forgets[at].count);
	kernel->forgets[at] = kernel->forgets[--kernel->forgets_count];
}

static void evict_inode(struct simulated_kernel *kernel, struct inode *inode)
{
	assert_true(kernel->forgets_count < FORGETS_MAX);
	kernel->forgets[kernel->forgets_count].node = inode->node;
	kernel->forgets[kernel->forgets_count++].count = inode->lookups;
	kev_buf_fini(&inode->listing);
	*inode = (struct inode){.node = 0};
}

/* Dentries. */

static struct dentry *find_dentry(struct simulated_kernel *kernel, uint64_t parent, const char *name)
{
	for (size_t i = 0; i < DENTRIES_MAX; i++) {
		struct dentry *dentry = &kernel->dentries[i];

		if (dentry->used && dentry->parent == parent && strcmp(dentry->name, name) == 0)
			return dentry;
	}
	return NULL;
}

/* Drop a name, and what is below it. */
static void drop_dentry(struct simulated_kernel *kernel, struct dentry *dentry)
{
	uint64_t node = dentry->node;

	dentry->used = false;
	for (size_t i = 0; i < DENTRIES_MAX && node; i++) {
		if (kernel->dentries[i].used && kernel->dentries[i].parent == node)
			drop_dentry(kernel, &kernel->dentries[i]);
	}
}

/* A reply says what a name means; for now, perhaps. */
static void take_name(
	struct simulated_kernel *kernel, uint64_t parent, const char *name, const struct kev_entry *entry)
{
	struct dentry *dentry = find_dentry(kernel, parent, name);
	uint64_t node = entry->node;

	if (dentry && dentry->node == node)
		return;
	if (dentry)
		drop_dentry(kernel, dentry);
	if (entry->momentary)
		return;
	/* A directory has one dentry: it moves. */
	for (size_t i = 0; i < DENTRIES_MAX && node; i++) {
		const struct inode *inode = find_inode(kernel, node);

		if (kernel->dentries[i].used && kernel->dentries[i].node == node &&
			inode->attr.type == KEV_NODE_DIR)
			fail_msg("a directory under two names: %s and %s", kernel->dentries[i].name, name);
	}
	for (size_t i = 0; i < DENTRIES_MAX; i++) {
		dentry = &kernel->dentries[i];
		if (dentry->used)
			continue;
		*dentry = (struct dentry){.used = true, .parent = parent, .node = node};
		memcpy(dentry->name, name, strlen(name) + 1);
		return;
	}
	fail_msg("too many dentries");
}

/* Requests. */

static struct request *new_request(struct simulated_kernel *kernel, enum request_kind kind, uint64_t node)
{
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		struct request *request = &kernel->requests[i];

		if (request->used)
			continue;
		*request =
			(struct request){.used = true, .kind = kind, .node = node, .begun = ++kernel->time};
		kev_buf_init(&request->listing, 1 << 20);
		return request;
	}
	return NULL;
}

/* Does a request hold the directory's lock? */
static bool is_locked(const struct simulated_kernel *kernel, uint64_t directory, const char *name)
{
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		const struct request *request = &kernel->requests[i];

		if (!request->used || request->node != directory)
			continue;
		if (request->kind == READDIR ||
			(request->kind == LOOKUP && (!name || strcmp(name, request->name) == 0)))
			return true;
	}
	return false;
}

/* A request that says EACCES leaves nothing behind. */
static bool is_refused(struct simulated_kernel *kernel, int r)
{
	if (r != -EACCES)
		assert_int_equal(r, 0);
	kernel->counts.refusals += r != 0;
	return r != 0;
}

static void end_request(struct request *request)
{
	kev_buf_fini(&request->listing);
	request->used = false;
}

static void begin_lookup(struct simulated_kernel *kernel, uint64_t parent, const char *name)
{
	struct request *request;

	if (find_dentry(kernel, parent, name) || is_locked(kernel, parent, name))
		return;
	request = new_request(kernel, LOOKUP, parent);
	if (!request)
		return;
	memcpy(request->name, name, strlen(name) + 1);
	if (is_refused(
		    kernel, kev_tree_lookup(kernel->world->tree, parent, kev_str_c(name), &request->entry)))
		end_request(request);
}

static void begin_getattr(struct simulated_kernel *kernel, const struct inode *inode)
{
	struct request *request = inode->attr_valid ? NULL : new_request(kernel, GETATTR, inode->node);

	if (request)
		assert_int_equal(kev_tree_getattr(kernel->world->tree, inode->node, &request->entry.attr), 0);
}

static int take_given(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct request *request = context;
	struct given *given = &request->given[request->given_count];

	if (request->given_count == PIECE)
		return 1;
	request->given_count++;
	request->cookie = next;
	memcpy(given->name, name.data, name.len);
	given->name[name.len] = '\0';
	given->entry = *entry;
	return 0;
}

static void append_listed(struct kev_buf *listing, const char *name, uint64_t ino)
{
	assert_int_equal(kev_buf_printf(listing, "%s %llx\n", name, (unsigned long long)ino), 0);
}

static void ask_piece(struct simulated_kernel *kernel, struct request *request)
{
	request->begun = ++kernel->time;
	request->given_count = 0;
	if (is_refused(kernel, kev_tree_readdir(kernel->world->tree, request->node, request->cookie,
				       request->plus, take_given, request)))
		end_request(request);
	else
		request->end = request->given_count == 0;
}

/* Before a directory is listed, its attributes are fetched if need be. */
static void refresh(struct simulated_kernel *kernel, struct inode *inode)
{
	if (!inode->attr_valid)
		assert_int_equal(kev_tree_getattr(kernel->world->tree, inode->node, &inode->attr), 0);
	inode->attr_valid = true;
}

static void begin_readdir(struct simulated_kernel *kernel, struct inode *inode)
{
	struct request *request;

	if (is_locked(kernel, inode->node, NULL))
		return;
	refresh(kernel, inode);
	if (inode->listing_kept && inode->listing_mtime == inode->attr.mtime)
		return;
	drop_listing(inode);
	request = new_request(kernel, READDIR, inode->node);
	if (!request)
		return;
	request->plus = below(kernel, 3) != 0;
	request->mtime = inode->attr.mtime;
	ask_piece(kernel, request);
}

static void land_piece(struct simulated_kernel *kernel, struct request *request)
{
	for (size_t i = 0; i < request->given_count; i++) {
		const struct given *given = &request->given[i];

		if (strcmp(given->name, ".") == 0 || strcmp(given->name, "..") == 0)
			continue;
		append_listed(&request->listing, given->name, given->entry.attr.ino);
		if (!request->plus || !given->entry.node)
			continue;
		take_entry(kernel, &given->entry, request->begun);
		take_name(kernel, request->node, given->name, &given->entry);
	}
}

static void land(struct simulated_kernel *kernel, struct request *request)
{
	struct inode *inode = find_inode(kernel, request->node);

	assert_non_null(inode);
	switch (request->kind) {
	case LOOKUP:
		if (request->entry.node)
			take_entry(kernel, &request->entry, request->begun);
		take_name(kernel, request->node, request->name, &request->entry);
		break;
	case GETATTR:
		take_attr(inode, &request->entry.attr, request->begun);
		break;
	case READDIR:
		land_piece(kernel, request);
		if (!request->end) {
			/* Between two pieces the lock is free; others may wait in the middle of a listing. */
			ask_piece(kernel, request);
			return;
		}
		drop_listing(inode);
		kev_buf_append_str(&inode->listing, kev_buf_str(&request->listing));
		inode->listing_kept = true;
		inode->listing_mtime = request->mtime;
		break;
	}
	end_request(request);
}

/* What processes and memory pressure do. */

static struct inode *any_inode(struct simulated_kernel *kernel)
{
	size_t at = below(kernel, INODES_MAX);

	for (size_t i = 0; i < INODES_MAX; i++) {
		struct inode *inode = &kernel->inodes[(at + i) % INODES_MAX];

		if (inode->node && below(kernel, 4) == 0)
			return inode;
	}
	return find_inode(kernel, KEV_TREE_ROOT);
}

static void look_up_something(struct simulated_kernel *kernel, const struct inode *inode)
{
	char name[KEV_STALE_NAME_SIZE];

	if (inode->attr.type != KEV_NODE_DIR)
		return;
	kernel->next_name(kernel->context, simulated_random(&kernel->random), name);
	begin_lookup(kernel, inode->node, name);
}

static void shrink(struct simulated_kernel *kernel)
{
	size_t at = below(kernel, DENTRIES_MAX);

	if (kernel->dentries[at].used)
		drop_dentry(kernel, &kernel->dentries[at]);
	for (size_t i = 0; i < INODES_MAX; i++) {
		struct inode *inode = &kernel->inodes[i];

		if (inode->node && below(kernel, 3) == 0 && !is_in_use(kernel, inode))
			evict_inode(kernel, inode);
	}
}

void simulated_kernel_act(struct simulated_kernel *kernel)
{
	struct inode *inode = any_inode(kernel);
	struct request *request = &kernel->requests[below(kernel, REQUESTS_MAX)];

	switch (below(kernel, 10)) {
	case 0:
	case 1:
		look_up_something(kernel, inode);
		break;
	case 2:
		begin_getattr(kernel, inode);
		break;
	case 3:
	case 4:
		if (inode->attr.type == KEV_NODE_DIR)
			begin_readdir(kernel, inode);
		break;
	case 5:
	case 6:
		if (request->used)
			land(kernel, request);
		break;
	case 7:
		inode->pinned += inode->pinned ? -1 : below(kernel, 4) == 0;
		break;
	case 8:
		shrink(kernel);
		break;
	default:
		send_forget(kernel);
	}
}

/* Notifications. */

static void invalidate_inode(struct simulated_kernel *kernel, uint64_t node)
{
	struct inode *inode = find_inode(kernel, node);

	if (!inode)
		return;
	inode->attr_valid = false;
	inode->invalidated = ++kernel->time;
}

static void invalidate_entry(struct simulated_kernel *kernel, uint64_t parent, const char *name)
{
	struct dentry *dentry;

	if (!find_inode(kernel, parent))
		return;
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		struct request *request = &kernel->requests[i];

		/* Of a listing only the piece under way. */
		if (request->used && request->node == parent && request->kind != GETATTR)
			land(kernel, request);
	}
	dentry = find_dentry(kernel, parent, name);
	if (dentry)
		drop_dentry(kernel, dentry);
}

/* Is it of a name in the directory of reports? */
static bool is_unkept(const struct simulated_kernel *kernel, const struct kev_stale *stale)
{
	const struct kev_inode *inode = kev_inodes_find(kernel->world->tree->inodes, stale->node);

	return stale->kind == KEV_STALE_ENTRY && inode && kev_inode_place(inode).role == &kev_role_control;
}

void simulated_kernel_notify(void *context, const struct kev_stale *stale)
{
	struct simulated_kernel *kernel = context;
	struct kev_attr attr;

	while (below(kernel, 4) == 0)
		simulated_kernel_act(kernel);
	/* Only what the kernel knows, or did when the change was made. */
	if (kev_tree_getattr(kernel->world->tree, stale->node, &attr) == 0)
		assert_true(attr.type == KEV_NODE_DIR ||
			    (attr.type == KEV_NODE_FILE &&
				    (stale->kind == KEV_STALE_SIZE || stale->kind == KEV_STALE_TAIL)));
	kernel->counts.barriers += strcmp(stale->name, KEV_STALE_BARRIER) == 0;
	kernel->counts.unkept += is_unkept(kernel, stale);
	if (stale->kind == KEV_STALE_ENTRY)
		invalidate_entry(kernel, stale->node, stale->name);
	else
		invalidate_inode(kernel, stale->node);
}

/* Checks. */

static void settle(struct simulated_kernel *kernel)
{
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		while (kernel->requests[i].used)
			land(kernel, &kernel->requests[i]);
	}
}

/* Does a path lead there from the root? */
static bool is_reachable(const struct simulated_kernel *kernel, uint64_t node)
{
	for (size_t i = 0; i < DENTRIES_MAX && node != KEV_TREE_ROOT; i++) {
		if (kernel->dentries[i].used && kernel->dentries[i].node == node)
			return is_reachable(kernel, kernel->dentries[i].parent);
	}
	return node == KEV_TREE_ROOT;
}

static void check_dentry(struct simulated_kernel *kernel, const struct dentry *dentry)
{
	struct kev_entry entry = {0};

	/* What somebody knows who stands in it, nobody else may; but for names of which nothing is known
	 * than that there was no such thing. */
	if (is_refused(kernel,
		    kev_tree_lookup(kernel->world->tree, dentry->parent, kev_str_c(dentry->name), &entry))) {
		if (dentry->node && is_reachable(kernel, dentry->parent))
			fail_msg("the kernel still knows %s in %llu, which may not be seen", dentry->name,
				(unsigned long long)dentry->parent);
		return;
	}
	if (entry.node)
		world_forget(kernel->world, entry.node);
	if (entry.node != dentry->node)
		fail_msg("the kernel believes that %s in %llu is %llu, and it is %llu", dentry->name,
			(unsigned long long)dentry->parent, (unsigned long long)dentry->node,
			(unsigned long long)entry.node);
	if (entry.node)
		kernel->counts.names++;
	else
		kernel->counts.absences++;
}

static int append_entry(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	char text[KEV_STALE_NAME_SIZE];

	(void)next;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	if (strcmp(text, ".") != 0 && strcmp(text, "..") != 0)
		append_listed(context, text, entry->attr.ino);
	return 0;
}

static void check_listing(struct simulated_kernel *kernel, struct inode *inode)
{
	struct kev_buf listing;

	kev_buf_init(&listing, 1 << 20);
	if (is_refused(kernel,
		    kev_tree_readdir(kernel->world->tree, inode->node, 0, false, append_entry, &listing))) {
		if (is_reachable(kernel, inode->node))
			fail_msg("the kernel still lists %llu, which may not be seen",
				(unsigned long long)inode->node);
		return;
	}
	if (!kev_str_eq(kev_buf_str(&listing), kev_buf_str(&inode->listing)))
		fail_msg("the kernel keeps a listing of %llu:\n%sand it is:\n%s",
			(unsigned long long)inode->node, kev_buf_cstr(&inode->listing),
			kev_buf_cstr(&listing));
	kev_buf_fini(&listing);
	kernel->counts.listings++;
}

static void check_inode(struct simulated_kernel *kernel, struct inode *inode)
{
	struct kev_attr attr;

	assert_int_equal(kev_tree_getattr(kernel->world->tree, inode->node, &attr), 0);
	assert_true(attr.mtime >= inode->highest);
	inode->highest = attr.mtime;
	if (inode->attr_valid) {
		if (memcmp(&attr, &inode->attr, sizeof(attr)) != 0)
			fail_msg("the kernel keeps attributes of %llu: mtime %lld nlink %u; they are %lld "
				 "and %u",
				(unsigned long long)inode->node, (long long)inode->attr.mtime,
				inode->attr.nlink, (long long)attr.mtime, attr.nlink);
		kernel->counts.attributes++;
	}
	if (inode->listing_kept && inode->listing_mtime == attr.mtime)
		check_listing(kernel, inode);
}

void simulated_kernel_check(struct simulated_kernel *kernel)
{
	settle(kernel);
	for (size_t i = 0; i < DENTRIES_MAX; i++) {
		if (kernel->dentries[i].used)
			check_dentry(kernel, &kernel->dentries[i]);
	}
	for (size_t i = 0; i < INODES_MAX; i++) {
		if (kernel->inodes[i].node)
			check_inode(kernel, &kernel->inodes[i]);
	}
}

struct simulated_kernel_counts simulated_kernel_counts(const struct simulated_kernel *kernel)
{
	return kernel->counts;
}

struct simulated_kernel *simulated_kernel_create(struct world *world, uint64_t seed,
	void (*next_name)(void *context, uint64_t random, char name[KEV_STALE_NAME_SIZE]), void *context)
{
	struct simulated_kernel *kernel = calloc(1, sizeof(*kernel));

	assert_non_null(kernel);
	kernel->world = world;
	kernel->random = seed;
	kernel->next_name = next_name;
	kernel->context = context;
	kernel->inodes[0].node = KEV_TREE_ROOT;
	kernel->inodes[0].attr.type = KEV_NODE_DIR;
	kev_buf_init(&kernel->inodes[0].listing, 1 << 20);
	return kernel;
}

void simulated_kernel_destroy(struct simulated_kernel *kernel)
{
	settle(kernel);
	for (size_t i = 0; i < DENTRIES_MAX; i++)
		kernel->dentries[i].used = false;
	for (size_t i = 1; i < INODES_MAX; i++) {
		if (kernel->inodes[i].node)
			evict_inode(kernel, &kernel->inodes[i]);
	}
	while (kernel->forgets_count)
		send_forget(kernel);
	assert_int_equal(kev_inodes_count(kernel->world->tree->inodes), 1);
	kev_buf_fini(&kernel->inodes[0].listing);
	free(kernel);
}
