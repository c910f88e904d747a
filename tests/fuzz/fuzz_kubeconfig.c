/* Any bytes as a kubeconfig: no crash, no leak, no undue time, and an error that says something. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kevfs/cluster/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const char *path, const char *context)
{
	const struct kev_environment environment = {.home = NULL};
	struct kev_cluster_config *config = NULL;
	struct kev_error error = {""};

	if (kev_kubeconfig_load(&environment, path, context, &config, &error)) {
		if (!error.text[0] || config)
			abort();
	} else if (!config || !config->server || strncmp(config->server, "http", 4) != 0) {
		abort();
	}
	kev_cluster_config_destroy(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* It reads files, so it is given one that no disk has. */
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	char path[32];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path, NULL);
	load(path, "x");
	close(fd);
	return 0;
}
