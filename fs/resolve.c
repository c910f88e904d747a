#include "resolve.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/kubeconfig.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/kernel/mountpoint.h"
#include "kevfs/watch/source.h"

/* The daemon leaves this directory. Not realpath(3): a pipe, as in file:<(command), has no other path. */
static char *make_absolute(const char *path)
{
	char *here, *absolute = NULL;

	if (*path == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (here && asprintf(&absolute, "%s/%s", here, path) < 0)
		absolute = NULL;
	free(here);
	return absolute;
}

static int resolve_dump(const char *path, char **out, struct kev_error *error)
{
	char *dump;
	int r;

	if (!*path) {
		kev_error_set(error, "file: is followed by a path");
		return -EINVAL;
	}
	dump = strcmp(path, KEV_SOURCE_STANDARD_INPUT) == 0 ? strdup(path) : make_absolute(path);
	if (dump && (*dump != '/' || access(dump, R_OK) == 0)) {
		*out = dump;
		return 0;
	}
	r = -errno;
	free(dump);
	kev_error_set(error, "%s: %s%s", path, strerror(-r),
		*path == '~' ? " (the shell leaves ~ alone there)" : "");
	return r;
}

/* Somebody else's kubeconfig was looked for. */
static void explain_sudo(const struct kev_options *options, int r, struct kev_error *error)
{
	struct kev_error why = *error;

	if (r == -ENOENT && !options->kubeconfig && getenv("SUDO_USER") && !getenv("KUBECONFIG") &&
		geteuid() == 0)
		kev_error_set(
			error, "%s (it is root's, with sudo; name yours with -o kubeconfig=PATH)", why.text);
}

/* The name of a file was taken for that of a context. mount(8) makes a path of it. */
static void explain_file(const char *source, int r, struct kev_error *error)
{
	struct kev_error why = *error;
	struct stat st;

	if (r == -ENOENT && stat(source, &st) == 0 && S_ISREG(st.st_mode))
		kev_error_set(error, "%s; if the file of that name is meant: file:%s", why.text, source);
}

int kev_resolve_source(const struct kev_options *options, struct kev_cluster_config **cluster, char **dump,
	struct kev_error *error)
{
	const char *source = options->source;
	struct kev_environment environment;
	int r;

	if (strncmp(source, "file:", 5) == 0)
		return resolve_dump(source + 5, dump, error);
	kev_environment_read(&environment);
	if (strcmp(source, "in-cluster") == 0)
		return kev_kubeconfig_load_in_cluster(&environment, cluster, error);
	if (strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0)
		return kev_kubeconfig_load_url(source, cluster, error);
	r = kev_kubeconfig_load(
		&environment, options->kubeconfig, strcmp(source, "-") == 0 ? NULL : source, cluster, error);
	explain_sudo(options, r, error);
	explain_file(source, r, error);
	return r;
}

/* The path without links; where it is still to be made, that of what is there already of what it lies in.
 * @return new, or NULL */
static char *find_real(const char *path)
{
	char *above = strdup(path), *at = above, *real = NULL;

	while (at && !(real = realpath(at, NULL)) && errno == ENOENT && strcmp(at, "/") != 0)
		at = dirname(at);
	free(above);
	return real;
}

/* The mount would cover it: nobody could look into it, nor kevfs see that it is still there. */
static bool lies_in(const char *path, const char *directory)
{
	size_t len = strlen(directory);
	char *real = find_real(path);
	bool inside = real && strncmp(real, directory, len) == 0 && (real[len] == '/' || real[len] == '\0');

	free(real);
	return inside;
}

int kev_resolve_state(
	const struct kev_options *options, const char *mountpoint, char **out, struct kev_error *error)
{
	char *state = make_absolute(options->state);

	if (!state)
		return -ENOMEM;
	/* It would be made, with that name. */
	if (*options->state == '~' && access(state, F_OK) < 0) {
		kev_error_set(
			error, "-o state: %s: the shell leaves ~ alone there; say $HOME", options->state);
		free(state);
		return -EINVAL;
	}
	if (mountpoint && lies_in(state, mountpoint)) {
		kev_error_set(error, "-o state: %s lies in the mountpoint", options->state);
		free(state);
		return -EINVAL;
	}
	*out = state;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int kev_resolve_namespaces(const struct kev_options *options, struct kev_buf *out)
{
	size_t count = options->namespace_count;
	const char **sorted = calloc(count + 1, sizeof(const char *));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = options->namespaces[i];
	qsort(sorted, count, sizeof(const char *), by_name);
	for (size_t i = 0; i < count; i++)
		kev_buf_printf(out, "%s%s", i ? "," : "", sorted[i]);
	free(sorted);
	return kev_buf_cstr(out) && !out->error ? 0 : -ENOMEM;
}

/* Under mount(8) there is no PATH. */
static const char *plugin_path(const struct kev_options *options)
{
	const char *path = getenv("PATH");

	if (options->exec_path)
		return options->exec_path;
	return path && *path ? path : KEV_PLUGIN_PATH;
}

int kev_resolve_helper(const struct kev_options *options, struct kev_cluster_config *cluster,
	const char *mountpoint, struct kev_helper **out, struct kev_error *error)
{
	bool runs = cluster && cluster->plugin && kev_cluster_config_is_secure(cluster);
	struct kev_helper_config config = {
		.mountpoint = mountpoint, .bereave = kev_mountpoint_bereave, .path = plugin_path(options)};
	char **environment = NULL;
	int r = 0;

	*out = NULL;
	if (!runs && !mountpoint)
		return 0;
	if (runs) {
		cluster->plugin->timeout = (int)options->exec_timeout;
		config.argv = cluster->plugin->argv;
		r = kev_plugin_environment(cluster->plugin, environ, config.path, &environment);
		config.envp = environment;
	}
	if (!r)
		r = kev_helper_start(&config, out);
	kev_plugin_environment_free(environment);
	if (r)
		kev_error_set(error, "cannot start a helper process: %s", strerror(-r));
	else if (runs)
		cluster->helper = *out;
	return r;
}
