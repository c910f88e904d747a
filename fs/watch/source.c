#include "kevfs/watch/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevfs/watch/unpack.h"

#define CHUNK (256U << 10)

/* So much of what makes no sense is unpacked to see whether the file is damaged: what is packed well may be a
 * million times as much. */
#define BLAME_MAX (1ULL << 30)

struct kev_source {
	int fd;
	bool standard_input;
	off_t start; /* where in the file it begins: standard input may have been read from before */
	struct kev_unpack *unpack; /* NULL: not compressed */
	size_t len;                /* of what lies in the chunk */
	bool begins;               /* the chunk holds the beginning */
	enum kev_form form;
	char chunk[CHUNK];
};

const char *kev_source_name(const char *path)
{
	return strcmp(path, KEV_SOURCE_STANDARD_INPUT) == 0 ? "standard input" : path;
}

/* Say what errno says. @return it, negative */
static int fail(struct kev_error *error, const char *what)
{
	int r = -errno;

	kev_error_set(error, "%s%s", what, strerror(-r));
	return r;
}

/* Read as much as there is, up to a whole chunk. @return 0, with source->len set, or -errno */
static int fill_raw(struct kev_source *source, struct kev_error *error)
{
	source->len = 0;
	while (source->len < CHUNK) {
		ssize_t len = read(source->fd, source->chunk + source->len, CHUNK - source->len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return fail(error, "");
		if (len == 0)
			break;
		source->len += (size_t)len;
	}
	return 0;
}

static int fill_unpacked(struct kev_source *source, struct kev_error *error)
{
	size_t len = 1;
	int r = 0;

	source->len = 0;
	while (source->len < CHUNK && len > 0 && !r) {
		r = kev_unpack_read(
			source->unpack, source->chunk + source->len, CHUNK - source->len, &len, error);
		if (!r)
			source->len += len;
	}
	return r;
}

static int fill(struct kev_source *source, struct kev_error *error)
{
	return source->unpack ? fill_unpacked(source, error) : fill_raw(source, error);
}

/* The file stands at its start: read the beginning of what is in it. */
static int begin(struct kev_source *source, struct kev_error *error)
{
	struct kev_str raw = {source->chunk, 0};
	enum kev_unpack_form form;
	int r;

	kev_unpack_destroy(source->unpack);
	source->unpack = NULL;
	r = fill_raw(source, error);
	if (r)
		return r;
	raw.len = source->len;
	form = kev_unpack_guess(raw);
	if (form != KEV_UNPACK_NONE) {
		r = kev_unpack_create(form, source->fd, raw, &source->unpack, error);
		if (!r)
			r = fill(source, error);
	}
	source->begins = !r;
	return r;
}

static int open_path(struct kev_source *source, const char *path, struct kev_error *error)
{
	source->standard_input = strcmp(path, KEV_SOURCE_STANDARD_INPUT) == 0;
	/* A daemon's standard input becomes /dev/null while a replay may still read. */
	source->fd = source->standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
					    : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0)
		return fail(error, "");
	/* It would seem to hang. */
	if (isatty(source->fd)) {
		kev_error_set(error, "a terminal, where a file or a pipe belongs%s",
			source->standard_input ? ": COMMAND | kevfs file:- MOUNTPOINT" : "");
		return -EINVAL;
	}
	source->start = lseek(source->fd, 0, SEEK_CUR);
	return 0;
}

/* @return a new file's descriptor, or -errno */
static int create_nameless(struct kev_error *error)
{
	const char *given = getenv("TMPDIR"), *directory = given && *given ? given : "/tmp";
	char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/kevfs-XXXXXX", directory) < 0)
		return -ENOMEM;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		kev_error_set(error, "it is read more than once, and cannot be kept in %s: %s", directory,
			strerror(-fd));
	} else {
		unlink(path);
	}
	free(path);
	return fd;
}

static int write_all(int fd, struct kev_str text)
{
	while (text.len > 0) {
		ssize_t len = write(fd, text.data, text.len);

		if (len < 0 && errno != EINTR)
			return -errno;
		if (len > 0) {
			text.data += len;
			text.len -= (size_t)len;
		}
	}
	return 0;
}

/* What cannot be rewound goes on as a file that can. */
static int keep(struct kev_source *source, struct kev_error *error)
{
	int fd = create_nameless(error), r;

	if (fd < 0)
		return fd;
	do {
		r = fill_raw(source, error);
		if (!r && (r = write_all(fd, (struct kev_str){source->chunk, source->len})) != 0)
			kev_error_set(
				error, "it is read more than once, and cannot be kept: %s", strerror(-r));
	} while (!r && source->len > 0);
	close(source->fd);
	source->fd = fd;
	source->start = 0;
	if (!r && lseek(fd, 0, SEEK_SET) < 0)
		r = fail(error, "");
	return r;
}

static int open_source(
	struct kev_source *source, const char *path, enum kev_source_use use, struct kev_error *error)
{
	int r = open_path(source, path, error);

	if (!r && source->start < 0 && use == KEV_SOURCE_AGAIN)
		r = keep(source, error);
	if (!r)
		r = begin(source, error);
	if (r)
		return r;
	if (source->len == 0) {
		kev_error_set(error, "empty%s",
			source->standard_input ? ", as it is where fstab or systemd mounts: name a file there"
					       : "");
		return -EINVAL;
	}
	source->form = kev_form_guess((struct kev_str){source->chunk, source->len});
	return 0;
}

int kev_source_open(
	const char *path, enum kev_source_use use, struct kev_source **out, struct kev_error *error)
{
	struct kev_source *source = malloc(sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->start = 0;
	source->unpack = NULL;
	r = open_source(source, path, use, error);
	if (r) {
		kev_source_close(source);
		return r;
	}
	*out = source;
	return 0;
}

void kev_source_close(struct kev_source *source)
{
	if (!source)
		return;
	kev_unpack_destroy(source->unpack);
	if (source->fd >= 0)
		close(source->fd);
	free(source);
}

enum kev_form kev_source_form(const struct kev_source *source)
{
	return source->form;
}

/* What comes out of a damaged file may make no sense long before a checksum says why. @return what is wrong
 * with the file, or else r, which was wrong with the text */
static int blame(struct kev_source *source, int r, struct kev_error *error)
{
	struct kev_error why = {""};
	uint64_t unpacked = 0;
	int broken = 0;

	while (!broken && source->len > 0 && unpacked < BLAME_MAX) {
		broken = fill(source, &why);
		unpacked += source->len;
	}
	if (!broken)
		return r;
	if (error)
		*error = why;
	return broken;
}

int kev_source_read(struct kev_source *source, kev_source_fn *chunk, void *context, struct kev_error *error)
{
	int r = 0;

	if (!source->begins) {
		if (lseek(source->fd, source->start, SEEK_SET) < 0)
			return fail(error, "it cannot be read again from its beginning: ");
		r = begin(source, error);
	}
	source->begins = false;
	while (!r && source->len > 0) {
		r = chunk(context, (struct kev_str){source->chunk, source->len}, error);
		if ((r == -EINVAL || r == -E2BIG) && source->unpack)
			r = blame(source, r, error);
		else if (!r)
			r = fill(source, error);
	}
	return r;
}
