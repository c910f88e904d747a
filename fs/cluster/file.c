#include "kevfs/cluster/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/url.h"

/* Of a pipe, whose size nobody knows. */
#define FIRST_READ 4096
/* Over any PATH_MAX, so that it is the kernel who refuses a path. */
#define PATH_BYTES_MAX 65536
/* A key is longer, and so is a service account's token. */
#define SHOWN_BYTES_MAX 200

static int check_kind(int fd, enum kev_file_kind kind, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (kind == KEV_FILE_REGULAR && !S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	*size = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
	return 0;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The buffer's cap is one byte over the caller's: that byte tells a full file from a larger one. */
static int read_all(int fd, size_t size, struct kev_buf *content)
{
	/* At once, as a reallocation would leave a copy of the secret behind. */
	size_t want = size ? size + 1 : FIRST_READ;

	for (;;) {
		ssize_t n;
		int r = kev_buf_reserve(content, smaller(want, content->max - content->len));

		if (r)
			return r;
		n = read(fd, content->data + content->len,
			smaller(content->room, content->max) - content->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		content->len += (size_t)n;
		if (content->len == content->max)
			return -EFBIG;
		want = 1;
	}
}

int kev_file_read(const char *path, enum kev_file_kind kind, struct kev_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == KEV_FILE_REGULAR ? O_NONBLOCK : 0));
	struct kev_buf content;
	size_t size = 0;
	int r;

	if (fd < 0)
		return -errno;
	kev_buf_init(&content, out->max < SIZE_MAX ? out->max + 1 : out->max);
	r = check_kind(fd, kind, &size);
	if (!r)
		r = read_all(fd, size, &content);
	close(fd);
	if (r) {
		kev_buf_wipe(&content);
		return r;
	}
	content.max = out->max;
	kev_buf_wipe(out);
	*out = content;
	return 0;
}

int kev_file_join(const char *directory, struct kev_str path, char **out)
{
	struct kev_buf joined, clean;
	int r;

	kev_buf_init(&joined, PATH_BYTES_MAX);
	kev_buf_init(&clean, PATH_BYTES_MAX);
	kev_buf_append_c(&joined, directory);
	kev_buf_append_char(&joined, '/');
	kev_buf_append_str(&joined, path);
	kev_url_append_path(&clean, kev_buf_str(&joined));
	if (!clean.len)
		kev_buf_append_char(&clean, '/');
	r = joined.error ? joined.error : clean.error;
	if (!r && !kev_buf_cstr(&clean))
		r = -ENOMEM;
	kev_buf_fini(&joined);
	if (r) {
		kev_buf_fini(&clean);
		return r == -EMSGSIZE ? -ENAMETOOLONG : r;
	}
	*out = clean.data;
	return 0;
}

int kev_file_directory(const char *path, char **out)
{
	const char *slash = strrchr(path, '/');
	struct kev_str directory = {path, slash ? (size_t)(slash - path) : 0};
	char *here;
	int r;

	if (path[0] == '/')
		return kev_file_join("", directory, out);
	here = getcwd(NULL, 0);
	if (!here)
		return -errno;
	r = kev_file_join(here, directory, out);
	free(here);
	return r;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct kev_str kev_file_trim(struct kev_str s)
{
	while (s.len && is_space(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

const char *kev_file_shown(const char *path)
{
	return strlen(path) <= SHOWN_BYTES_MAX ? path : "(too long to be shown)";
}
