#include "kevfs/watch/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"

#define CHUNK (256U << 10)

static const char *const names[] = {
	[KEV_UNPACK_GZIP] = "gzip",
	[KEV_UNPACK_XZ] = "xz",
	[KEV_UNPACK_ZSTD] = "zstd",
	[KEV_UNPACK_BZIP2] = "bzip2",
};

struct kev_unpack {
	enum kev_unpack_form form;
	int fd;
	struct codec *codec;
	uint64_t taken;     /* bytes of the file that are done with */
	struct codec_io io; /* what lies in the chunk, and is not */
	char chunk[CHUNK];
};

static bool begins_skippable(struct kev_str s)
{
	return s.len >= 4 && ((unsigned char)s.data[0] & 0xf0) == 0x50 &&
	       memcmp(s.data + 1, "\x2a\x4d\x18", 3) == 0;
}

enum kev_unpack_form kev_unpack_guess(struct kev_str beginning)
{
	static const struct {
		struct kev_str magic;
		enum kev_unpack_form form;
	} magics[] = {
		{KEV_STR("\x1f\x8b"), KEV_UNPACK_GZIP},
		{KEV_STR("\xfd"
			 "7zXZ\0"),
			KEV_UNPACK_XZ},
		{KEV_STR("\x28\xb5\x2f\xfd"), KEV_UNPACK_ZSTD},
		{KEV_STR("BZh"), KEV_UNPACK_BZIP2},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(magics); i++) {
		if (kev_str_starts(beginning, magics[i].magic))
			return magics[i].form;
	}
	/* pzstd begins with a frame that says how long the next one is. */
	return begins_skippable(beginning) ? KEV_UNPACK_ZSTD : KEV_UNPACK_NONE;
}

int kev_unpack_create(enum kev_unpack_form form, int fd, struct kev_str beginning, struct kev_unpack **out,
	struct kev_error *error)
{
	struct kev_unpack *unpack = beginning.len <= CHUNK ? malloc(sizeof(*unpack)) : NULL;
	int r;

	if (!unpack)
		return -ENOMEM;
	unpack->form = form;
	unpack->fd = fd;
	unpack->taken = 0;
	unpack->io = (struct codec_io){.in = unpack->chunk, .in_len = beginning.len};
	if (beginning.len)
		memcpy(unpack->chunk, beginning.data, beginning.len);
	r = codec_create(form, &unpack->codec);
	if (r) {
		free(unpack);
		if (r == -EOPNOTSUPP)
			kev_error_set(error,
				"compressed, and this kevfs was built without that; unpack it first: %s -dc "
				"FILE | kevfs file:- MOUNTPOINT",
				names[form]);
		return r;
	}
	*out = unpack;
	return 0;
}

void kev_unpack_destroy(struct kev_unpack *unpack)
{
	if (!unpack)
		return;
	codec_destroy(unpack->codec);
	free(unpack);
}

static int refill(struct kev_unpack *unpack, struct kev_error *error)
{
	ssize_t len;
	int r;

	do
		len = read(unpack->fd, unpack->chunk, CHUNK);
	while (len < 0 && errno == EINTR);
	if (len < 0) {
		r = -errno;
		kev_error_set(error, "%s", strerror(-r));
		return r;
	}
	unpack->io.in = unpack->chunk;
	unpack->io.in_len = (size_t)len;
	unpack->io.last = len == 0;
	return 0;
}

static int refuse(const struct kev_unpack *unpack, const char *why, struct kev_error *error)
{
	kev_error_set(error, "%s, byte %" PRIu64 ": %s", names[unpack->form], unpack->taken, why);
	return -EBADMSG;
}

/* @return 0; 1 where nothing need follow; an error as of kev_unpack_read() */
static int step(struct kev_unpack *unpack, char *out, size_t room, size_t *len, struct kev_error *error)
{
	struct codec_io *io = &unpack->io;
	const char *why = NULL;
	size_t before;
	int r = 0;

	if (io->in_len == 0 && !io->last)
		r = refill(unpack, error);
	if (r)
		return r;
	before = io->in_len;
	io->out = out;
	io->out_len = room;
	r = codec_step(unpack->codec, io, &why);
	unpack->taken += before - io->in_len;
	if (r == -EBADMSG)
		return refuse(unpack, why, error);
	*len = room - io->out_len;
	return r;
}

int kev_unpack_read(struct kev_unpack *unpack, char *out, size_t room, size_t *len, struct kev_error *error)
{
	size_t got = 0;
	int r;

	do {
		r = step(unpack, out, room, &got, error);
		if (r < 0)
			return r;
	} while (got == 0 && !unpack->io.last);
	if (got == 0 && r == 0)
		return refuse(unpack, "broken off", error);
	*len = got;
	return 0;
}
