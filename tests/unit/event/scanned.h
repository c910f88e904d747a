#ifndef KEVFS_TESTS_UNIT_EVENT_SCANNED_H
#define KEVFS_TESTS_UNIT_EVENT_SCANNED_H

#include <stdio.h>
#include <stdlib.h>

#include "kevfs/event/json.h"

/** Scan a text that must be valid, with a scanner of its own. */
static inline struct kev_json *scanned(struct kev_str text)
{
	struct kev_json *json = kev_json_create();
	struct kev_error error;

	assert_non_null(json);
	if (kev_json_scan(json, text, &error))
		fail_msg("%s", error.text);
	return json;
}

/** The whole of a file; free() it. */
static inline char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	char *data;
	long size;

	if (!file)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	/* Exactly as large as the content, so that AddressSanitizer sees a read past its end. */
	data = malloc(size > 0 ? (size_t)size : 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, file), size);
	fclose(file);
	*len = (size_t)size;
	return data;
}

#endif
