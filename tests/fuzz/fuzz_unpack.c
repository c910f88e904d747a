/*
 * Any bytes as a compressed file. However they come, and however little is asked for at once, what comes out
 * is the same, and so is the end.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "kevfs/base/buf.h"
#include "kevfs/watch/unpack.h"

/* A bomb is not watched to its end. */
#define ENOUGH (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the bytes, known were read already. @return what the last reading returned */
static int run(struct kev_str packed, size_t known, size_t room, struct kev_buf *out)
{
	struct kev_error error = {""};
	struct kev_unpack *unpack = NULL;
	int fd = memfd_create("packed", MFD_CLOEXEC), r;
	char piece[4096];
	size_t len = 0;

	check(fd >= 0 && write(fd, packed.data + known, packed.len - known) == (ssize_t)(packed.len - known),
		"no file");
	check(lseek(fd, 0, SEEK_SET) == 0, "no file");
	kev_buf_init(out, ENOUGH + sizeof(piece));
	r = kev_unpack_create(
		kev_unpack_guess(packed), fd, (struct kev_str){packed.data, known}, &unpack, &error);
	while (r == 0) {
		r = kev_unpack_read(unpack, piece, room, &len, &error);
		if (r || len == 0 || out->len >= ENOUGH)
			break;
		check(len <= room, "more than was asked for");
		kev_buf_append(out, piece, len);
	}
	check((r == 0) == (error.text[0] == '\0'), "an error without a text");
	kev_unpack_destroy(unpack);
	close(fd);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str packed = {(const char *)data, size};
	struct kev_buf whole, parts;
	int r;

	if (size > (64U << 10) || kev_unpack_guess(packed) == KEV_UNPACK_NONE)
		return 0;
	r = run(packed, size, sizeof((char[4096]){0}), &whole);
	for (size_t room = 1; room < 200; room = room * 13 + 1) {
		int again = run(packed, size / room, room * 20, &parts);
		size_t len = whole.len < parts.len ? whole.len : parts.len;

		/* libzstd looks at the size that a frame says it has only where it gets all of it at once. */
		check(again == r || kev_unpack_guess(packed) == KEV_UNPACK_ZSTD || whole.len >= ENOUGH ||
				parts.len >= ENOUGH,
			"another end");
		/* Where it is damaged, more or less of what stands before may have come. */
		check(r || again || len >= ENOUGH || whole.len == parts.len, "another length");
		check(len == 0 || memcmp(whole.data, parts.data, len) == 0, "another text");
		kev_buf_fini(&parts);
	}
	kev_buf_fini(&whole);
	return 0;
}
