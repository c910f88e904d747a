#include "kevfs/base/program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUSERMOUNT "fusermount3"
#define FUSERMOUNT_PLACES "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin"

static bool is_there(const char *name, const char *directory, size_t len, char out[PATH_MAX])
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, directory, name);

	if (n < 0 || (size_t)n >= sizeof(path) || access(path, X_OK) < 0)
		return false;
	memcpy(out, path, (size_t)n + 1);
	return true;
}

int kev_program_find(const char *name, const char *directories, char out[PATH_MAX])
{
	const char *at = directories ? directories : "";

	while (*at) {
		size_t len = strcspn(at, ":");

		if (*at == '/' && len < PATH_MAX && is_there(name, at, len, out))
			return 0;
		at += len + (at[len] ? 1 : 0);
	}
	return -ENOENT;
}

int kev_program_find_fusermount(char out[PATH_MAX])
{
	int r = kev_program_find(FUSERMOUNT, FUSERMOUNT_PLACES, out);

	return r ? kev_program_find(FUSERMOUNT, secure_getenv("PATH"), out) : 0;
}
