#include "codec.h"

#include <errno.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27
_Static_assert(1U << WINDOW_LOG_MAX == KEV_UNPACK_MEMORY_MAX, "zstd takes a logarithm");

/* Of zlib: a header of gzip, and any window. */
#define GZIP_WINDOW (16 + MAX_WBITS)

static const char too_large[] = "it needs more memory than kevfs gives it: unpack it first";
static const char damaged[] = "damaged";

struct codec {
	const struct kind *kind;
	bool ended; /* at the end of a stream */
	union {
		z_stream gzip;
		lzma_stream xz;
		ZSTD_DStream *zstd;
		bz_stream bzip2;
	};
};

/* What codec_step() promises, of one form. */
struct kind {
	int (*begin)(struct codec *codec); /* 0 or -ENOMEM */
	int (*step)(struct codec *codec, struct codec_io *io, const char **why);
	void (*end)(struct codec *codec);
};

static void advance(struct codec_io *io, size_t in, size_t out)
{
	io->in += in;
	io->in_len -= in;
	io->out += out;
	io->out_len -= out;
}

static int gzip_begin(struct codec *codec)
{
	return inflateInit2(&codec->gzip, GZIP_WINDOW) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(struct codec *codec, struct codec_io *io, const char **why)
{
	z_stream *z = &codec->gzip;
	int r;

	/* gzip itself takes zeros behind the end: a tape's blocks are filled up with them. */
	while (codec->ended && io->in_len > 0 && !*io->in)
		advance(io, 1, 0);
	if (codec->ended && io->in_len == 0)
		return 1;
	if (codec->ended)
		inflateReset(z);
	z->next_in = (const Bytef *)io->in;
	z->avail_in = (uInt)io->in_len;
	z->next_out = (Bytef *)io->out;
	z->avail_out = (uInt)io->out_len;
	r = inflate(z, Z_NO_FLUSH);
	advance(io, io->in_len - z->avail_in, io->out_len - z->avail_out);
	if (r == Z_OK || r == Z_BUF_ERROR)
		return 0;
	if (r == Z_STREAM_END)
		return 1;
	*why = damaged;
	return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void gzip_end(struct codec *codec)
{
	inflateEnd(&codec->gzip);
}

static int xz_begin(struct codec *codec)
{
	codec->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(&codec->xz, KEV_UNPACK_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK ? 0
												    : -ENOMEM;
}

static int xz_step(struct codec *codec, struct codec_io *io, const char **why)
{
	lzma_stream *xz = &codec->xz;
	lzma_ret r;

	xz->next_in = (const uint8_t *)io->in;
	xz->avail_in = io->in_len;
	xz->next_out = (uint8_t *)io->out;
	xz->avail_out = io->out_len;
	r = lzma_code(xz, io->last ? LZMA_FINISH : LZMA_RUN);
	advance(io, io->in_len - xz->avail_in, io->out_len - xz->avail_out);
	if (r == LZMA_OK || r == LZMA_BUF_ERROR)
		return 0;
	if (r == LZMA_STREAM_END)
		return 1;
	*why = r == LZMA_MEMLIMIT_ERROR ? too_large : damaged;
	return r == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void xz_end(struct codec *codec)
{
	lzma_end(&codec->xz);
}

static int zstd_begin(struct codec *codec)
{
	codec->zstd = ZSTD_createDStream();
	if (!codec->zstd)
		return -ENOMEM;
	(void)ZSTD_DCtx_setParameter(codec->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return 0;
}

static int zstd_step(struct codec *codec, struct codec_io *io, const char **why)
{
	ZSTD_inBuffer in = {io->in, io->in_len, 0};
	ZSTD_outBuffer out = {io->out, io->out_len, 0};
	size_t r = ZSTD_decompressStream(codec->zstd, &out, &in);
	ZSTD_ErrorCode code = ZSTD_getErrorCode(r);

	advance(io, in.pos, out.pos);
	if (!ZSTD_isError(r))
		return r == 0;
	*why = code == ZSTD_error_frameParameter_windowTooLarge ? too_large : damaged;
	return code == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
}

static void zstd_end(struct codec *codec)
{
	ZSTD_freeDStream(codec->zstd);
}

static int bzip2_begin(struct codec *codec)
{
	codec->bzip2 = (bz_stream){0};
	return BZ2_bzDecompressInit(&codec->bzip2, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static int bzip2_step(struct codec *codec, struct codec_io *io, const char **why)
{
	bz_stream *bz = &codec->bzip2;
	int r = BZ_OK;

	if (codec->ended) {
		BZ2_bzDecompressEnd(bz);
		r = bzip2_begin(codec);
	}
	if (r)
		return r;
	bz->next_in = io->in;
	bz->avail_in = (unsigned)io->in_len;
	bz->next_out = io->out;
	bz->avail_out = (unsigned)io->out_len;
	r = BZ2_bzDecompress(bz);
	advance(io, io->in_len - bz->avail_in, io->out_len - bz->avail_out);
	if (r == BZ_OK || r == BZ_STREAM_END)
		return r == BZ_STREAM_END;
	*why = damaged;
	return r == BZ_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void bzip2_end(struct codec *codec)
{
	BZ2_bzDecompressEnd(&codec->bzip2);
}

static const struct kind *find_kind(enum kev_unpack_form form)
{
	static const struct kind gzip = {gzip_begin, gzip_step, gzip_end};
	static const struct kind xz = {xz_begin, xz_step, xz_end};
	static const struct kind zstd = {zstd_begin, zstd_step, zstd_end};
	static const struct kind bzip2 = {bzip2_begin, bzip2_step, bzip2_end};

	switch (form) {
	case KEV_UNPACK_GZIP:
		return &gzip;
	case KEV_UNPACK_XZ:
		return &xz;
	case KEV_UNPACK_ZSTD:
		return &zstd;
	case KEV_UNPACK_BZIP2:
		return &bzip2;
	case KEV_UNPACK_NONE:
		break;
	}
	return NULL;
}

int codec_create(enum kev_unpack_form form, struct codec **out)
{
	const struct kind *kind = find_kind(form);
	struct codec *codec;

	if (!kind)
		return -EOPNOTSUPP;
	codec = calloc(1, sizeof(*codec));
	if (!codec)
		return -ENOMEM;
	codec->kind = kind;
	if (kind->begin(codec)) {
		free(codec);
		return -ENOMEM;
	}
	*out = codec;
	return 0;
}

void codec_destroy(struct codec *codec)
{
	if (!codec)
		return;
	codec->kind->end(codec);
	free(codec);
}

int codec_step(struct codec *codec, struct codec_io *io, const char **why)
{
	int r;

	if (codec->ended && io->in_len == 0)
		return 1;
	r = codec->kind->step(codec, io, why);
	codec->ended = r == 1;
	return r;
}
