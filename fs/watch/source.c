#include "kevfs/watch/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (256U << 10)

struct kev_source {
	int fd;
	size_t len;  /* of what lies in the chunk */
	bool begins; /* the chunk holds the file's beginning */
	bool recording;
	char chunk[CHUNK];
};

/* Fill the chunk, as far as the file goes. */
static int fill(struct kev_source *source, struct kev_error *error)
{
	int r;

	source->len = 0;
	while (source->len < CHUNK) {
		ssize_t len = read(source->fd, source->chunk + source->len, CHUNK - source->len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0) {
			r = -errno;
			kev_error_set(error, "%s", strerror(-r));
			return r;
		}
		if (len == 0)
			break;
		source->len += (size_t)len;
	}
	return 0;
}

static void skip_space(struct kev_str *s)
{
	while (s->len > 0 && (*s->data == ' ' || (*s->data >= '\t' && *s->data <= '\r'))) {
		s->data++;
		s->len--;
	}
}

/* kubectl sorts keys, the API server does not; but an envelope has these two only. */
static bool seems_recording(struct kev_str text)
{
	skip_space(&text);
	if (text.len == 0 || *text.data != '{')
		return false;
	text.data++;
	text.len--;
	skip_space(&text);
	return kev_str_starts(text, KEV_STR("\"type\"")) || kev_str_starts(text, KEV_STR("\"object\""));
}

static int open_file(struct kev_source *source, const char *path, struct kev_error *error)
{
	int r;

	source->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0) {
		r = -errno;
		kev_error_set(error, "%s", strerror(-r));
		return r;
	}
	r = fill(source, error);
	if (r)
		return r;
	source->begins = true;
	source->recording = seems_recording((struct kev_str){source->chunk, source->len});
	return 0;
}

int kev_source_open(const char *path, struct kev_source **out, struct kev_error *error)
{
	struct kev_source *source = malloc(sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	r = open_file(source, path, error);
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
	if (source->fd >= 0)
		close(source->fd);
	free(source);
}

bool kev_source_is_recording(const struct kev_source *source)
{
	return source->recording;
}

int kev_source_read(struct kev_source *source, kev_source_fn *chunk, void *context, struct kev_error *error)
{
	int r = 0;

	if (!source->begins && lseek(source->fd, 0, SEEK_SET) < 0) {
		r = -errno;
		kev_error_set(error, "it cannot be read again from its beginning: %s", strerror(-r));
		return r;
	}
	if (!source->begins)
		r = fill(source, error);
	source->begins = false;
	while (!r && source->len > 0) {
		r = chunk(context, (struct kev_str){source->chunk, source->len}, error);
		if (!r)
			r = fill(source, error);
	}
	return r;
}
