#ifndef KEVFS_TESTS_UNIT_WATCH_RECORDING_H
#define KEVFS_TESTS_UNIT_WATCH_RECORDING_H

#include "sample.h"

#include <unistd.h>

/** A file in the making, removed by recording_remove(). */
struct recording {
	char path[64];
	FILE *file;
};

static inline void recording_create(struct recording *recording)
{
	int fd;

	snprintf(recording->path, sizeof(recording->path), "/tmp/kevfs-test-recording-XXXXXX");
	fd = mkstemp(recording->path);
	recording->file = fd < 0 ? NULL : fdopen(fd, "w");
	assert_non_null(recording->file);
}

static inline void recording_close(struct recording *recording)
{
	assert_int_equal(fclose(recording->file), 0);
	recording->file = NULL;
}

static inline void recording_remove(struct recording *recording)
{
	if (recording->path[0])
		unlink(recording->path);
	recording->path[0] = '\0';
}

/** An Event last seen so many ms after noon; without a time where that is negative. */
static inline void recording_line(
	struct recording *recording, const char *type, const char *name, const char *rv, int ms)
{
	fprintf(recording->file,
		"{\"type\":\"%s\",\"object\":{\"kind\":\"Event\",\"metadata\":{\"namespace\":\"ns\","
		"\"name\":\"%s\",\"uid\":\"u\",\"resourceVersion\":\"%s\"},",
		type, name, rv);
	if (ms >= 0)
		fprintf(recording->file, "\"eventTime\":\"2026-07-01T12:%02d:%02d.%03dZ\",", ms / 60000,
			ms / 1000 % 60, ms % 1000);
	fprintf(recording->file, "\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"o\"}}}\n");
}

#endif
