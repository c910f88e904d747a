#include "kevfs/kernel/stat.h"

#include "kevfs/base/defs.h"

void kev_stat_fill(const struct kev_stat_config *config, const struct kev_attr *attr, struct stat *out)
{
	static const mode_t modes[] = {[KEV_NODE_DIR] = S_IFDIR | 0555,
		[KEV_NODE_FILE] = S_IFREG | 0444,
		[KEV_NODE_LINK] = S_IFLNK | 0777};
	int64_t mtime = config->mtime_last && attr->last ? attr->last : attr->mtime;

	*out = (struct stat){
		.st_ino = attr->ino,
		.st_mode = modes[attr->type],
		.st_nlink = attr->nlink,
		.st_uid = config->uid,
		.st_gid = config->gid,
		.st_size = (off_t)attr->size,
		.st_blksize = KEV_STAT_BLOCK,
		.st_blocks = (blkcnt_t)((attr->size + 511) / 512),
		.st_mtim = {mtime / KEV_NS_PER_SEC, mtime % KEV_NS_PER_SEC},
		.st_ctim = {attr->ctime / KEV_NS_PER_SEC, attr->ctime % KEV_NS_PER_SEC},
	};
	out->st_atim = out->st_mtim;
	/* A link's mode means nothing, and chmod could not change it. */
	if (attr->type != KEV_NODE_LINK)
		out->st_mode &= ~config->umask;
}

static struct statx_timestamp statx_time(struct timespec time)
{
	return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

void kev_stat_fill_x(const struct kev_stat_config *config, const struct kev_attr *attr, struct statx *out)
{
	struct stat st;

	kev_stat_fill(config, attr, &st);
	*out = (struct statx){
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
