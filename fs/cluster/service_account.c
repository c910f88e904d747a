#include "kevfs/cluster/service_account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/url.h"

/* A namespace's name has at most 63. */
#define NAMESPACE_FILE_MAX 256

static bool is_set(const char *s)
{
	return s && *s;
}

static int path_in(const struct kev_environment *environment, const char *name, char **out)
{
	if (asprintf(out, "%s/%s", environment->service_account_directory, name) >= 0)
		return 0;
	*out = NULL;
	return -ENOMEM;
}

static void kev_freep(char **s)
{
	free(*s);
}

bool kev_service_account_is_there(const struct kev_environment *environment)
{
	KEV_CLEANUP(freep) char *token = NULL;
	struct stat st;

	if (!is_set(environment->service_host) || !is_set(environment->service_port) ||
		!environment->service_account_directory || path_in(environment, "token", &token))
		return false;
	return stat(token, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int set_server(
	const struct kev_environment *environment, struct kev_cluster_config *config, struct kev_error *error)
{
	const char *host = environment->service_host;
	bool brackets = strchr(host, ':') && host[0] != '[';
	KEV_CLEANUP(freep) char *url = NULL;
	int r;

	if (asprintf(&url, "https://%s%s%s:%s", brackets ? "[" : "", host, brackets ? "]" : "",
		    environment->service_port) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	/* A path would be valid in a URL, but not here. */
	if (strchr(host, '/') || strchr(environment->service_port, '/')) {
		kev_error_set(
			error, "\"%s\" and \"%s\" are no host and port", host, environment->service_port);
		r = -EINVAL;
	} else {
		r = kev_url_server(kev_str_c(url), &config->server, error);
	}
	if (r == -EINVAL)
		kev_error_prefix(error, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT");
	return r;
}

static int set_namespace(
	const struct kev_environment *environment, struct kev_cluster_config *config, struct kev_error *error)
{
	KEV_CLEANUP(freep) char *path = NULL;
	struct kev_buf text;
	struct kev_str name;
	int r = path_in(environment, "namespace", &path);

	if (r)
		return r;
	kev_buf_init(&text, NAMESPACE_FILE_MAX);
	r = kev_file_read(path, KEV_FILE_REGULAR, &text);
	if (r == -ENOENT)
		return 0;
	if (r) {
		kev_error_set(error, "%s: %s", path, strerror(-r));
		return r == -ENOMEM ? r : -EINVAL;
	}
	name = kev_file_trim(kev_buf_str(&text));
	if (name.len) {
		config->namespace_ = kev_str_dup(name);
		r = config->namespace_ ? 0 : -ENOMEM;
	}
	kev_buf_fini(&text);
	return r;
}

static int set_files(const struct kev_environment *environment, struct kev_cluster_config *config)
{
	int r = path_in(environment, "token", &config->token_file);

	if (!r)
		r = path_in(environment, "ca.crt", &config->ca_file);
	if (!r && access(config->ca_file, F_OK) < 0 && errno == ENOENT) {
		free(config->ca_file);
		config->ca_file = NULL;
	}
	return r;
}

int kev_service_account_config(
	const struct kev_environment *environment, struct kev_cluster_config **out, struct kev_error *error)
{
	KEV_CLEANUP(cluster_config_destroyp) struct kev_cluster_config *config = NULL;
	int r;

	if (!is_set(environment->service_host) || !is_set(environment->service_port) ||
		!environment->service_account_directory) {
		kev_error_set(error, "in-cluster: not in a pod: KUBERNETES_SERVICE_HOST and "
				     "KUBERNETES_SERVICE_PORT are not set");
		return -ENOENT;
	}
	config = kev_cluster_config_create();
	if (!config)
		return -ENOMEM;
	config->source = strdup("in-cluster");
	r = config->source ? set_server(environment, config, error) : -ENOMEM;
	if (!r)
		r = set_files(environment, config);
	if (!r)
		r = set_namespace(environment, config, error);
	if (r)
		return r;
	*out = config;
	config = NULL;
	return 0;
}
