/* Any bytes as a command line, its words separated by NUL: no crash, no leak, and an error that says
 * something. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "options.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_options(const struct kev_options *options)
{
	if (options->help || options->version)
		return;
	check(options->source && options->mountpoint, "nothing to mount, or nowhere");
	for (size_t i = 0; i < options->namespace_count; i++) {
		size_t len = strlen(options->namespaces[i]);

		check(len > 0 && len <= 63, "no namespace's name");
	}
	check(!options->namespace_count || !options->namespaces[options->namespace_count], "no end");
	check(options->sync_timeout > 0, "no patience");
	check(options->retain.age >= 0, "kept for less than nothing");
	check(options->umask <= 0777, "no mask");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[] = "kevfs", *argv[WORDS_MAX + 2] = {name}, *copy, *at;
	struct kev_options options;
	struct kev_error error = {""};
	int argc = 1, r;

	copy = malloc(size + 1);
	check(copy != NULL, "no memory");
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	for (at = copy; at < copy + size && argc <= WORDS_MAX; at += strlen(at) + 1)
		argv[argc++] = at;
	r = kev_options_parse(&options, argc, argv, &error);
	if (r)
		check(r == -EINVAL && error.text[0], "an error without a text");
	else
		check_options(&options);
	kev_options_fini(&options);
	free(copy);
	return 0;
}
