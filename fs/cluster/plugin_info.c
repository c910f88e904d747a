#include "kevfs/cluster/plugin_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/extension.h"
#include "kevfs/cluster/file.h"

/* MAX_ARG_STRLEN of the kernel, with pages of 4 KiB, less the name and its NUL. */
#define INFO_MAX (131072 - sizeof("KUBERNETES_EXEC_INFO="))

/* Every json_object_set_new() is told here whether it failed. */
static bool set(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_new(object, key, value) == 0;
}

static bool set_text(json_t *object, const char *key, const char *text)
{
	return !text || set(object, key, json_string(text));
}

static bool set_flag(json_t *object, const char *key, bool flag)
{
	return !flag || set(object, key, json_true());
}

static int read_authority(
	const struct kev_cluster_config *config, struct kev_buf *out, struct kev_error *error)
{
	int r;

	if (config->ca_data)
		return kev_buf_append_c(out, config->ca_data);
	if (!config->ca_file)
		return 0;
	r = kev_file_read(config->ca_file, KEV_FILE_REGULAR, out);
	if (!r || r == -ENOMEM)
		return r;
	kev_error_set(error, "certificate-authority %s: %s", kev_file_shown(config->ca_file), strerror(-r));
	return -EINVAL;
}

/* @return whether there was memory */
static bool set_base64(json_t *object, const char *key, const struct kev_buf *data)
{
	char *text;
	bool ok;

	if (!data->len)
		return true;
	text = malloc((data->len + 2) / 3 * 4 + 1);
	if (!text)
		return false;
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)data->data, (int)data->len);
	ok = set_text(object, key, text);
	free(text);
	return ok;
}

static int set_extension(json_t *object, const struct kev_plugin_cluster *cluster, struct kev_error *error)
{
	json_t *json = NULL;
	int r;

	if (!cluster->extension)
		return 0;
	r = kev_extension_json(cluster->document, cluster->extension, &json, error);
	if (r == -EINVAL)
		kev_error_prefix(error, "the extension client.authentication.k8s.io/exec");
	if (r)
		return r;
	return set(object, "config", json) ? 0 : -ENOMEM;
}

static int print_cluster(json_t *object, const struct kev_plugin_cluster *cluster, struct kev_error *error)
{
	const struct kev_cluster_config *config = cluster->config;
	struct kev_buf authority;
	bool ok;
	int r;

	kev_buf_init(&authority, KEV_CLUSTER_PEM_MAX);
	r = read_authority(config, &authority, error);
	if (!r) {
		ok = set_text(object, "server", config->server) &&
		     set_text(object, "tls-server-name", config->tls_server_name) &&
		     set_flag(object, "insecure-skip-tls-verify", config->insecure) &&
		     set_base64(object, "certificate-authority-data", &authority) &&
		     set_text(object, "proxy-url", config->proxy_url) &&
		     set_flag(object, "disable-compression", config->disable_compression);
		r = ok ? set_extension(object, cluster, error) : -ENOMEM;
	}
	kev_buf_fini(&authority);
	return r;
}

static int print_spec(json_t *spec, const struct kev_plugin_cluster *cluster, struct kev_error *error)
{
	json_t *object;
	int r = 0;

	if (cluster) {
		object = json_object();
		if (!set(spec, "cluster", object))
			return -ENOMEM;
		r = print_cluster(object, cluster, error);
	}
	if (!r && !set(spec, "interactive", json_false()))
		r = -ENOMEM;
	return r;
}

static int dump(const json_t *json, char **out, struct kev_error *error)
{
	/* It says how long the text is, and in the second call writes it; 0: it had no memory. */
	size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
	char *text;

	if (!len)
		return -ENOMEM;
	if (len > INFO_MAX) {
		kev_error_set(error,
			"exec: with provideClusterInfo, KUBERNETES_EXEC_INFO has %zu bytes, and Linux takes "
			"%zu",
			len, INFO_MAX);
		return -EINVAL;
	}
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	if (json_dumpb(json, text, len, JSON_COMPACT) != len) {
		free(text);
		return -ENOMEM;
	}
	text[len] = '\0';
	*out = text;
	return 0;
}

int kev_plugin_info_print(const struct kev_plugin_config *config, const struct kev_plugin_cluster *cluster,
	char **out, struct kev_error *error)
{
	json_t *json = json_object(), *spec = NULL;
	int r = -ENOMEM;

	if (json && set_text(json, "kind", "ExecCredential") &&
		set_text(json, "apiVersion", config->api_version)) {
		spec = json_object();
		r = set(json, "spec", spec) ? print_spec(spec, cluster, error) : -ENOMEM;
	}
	if (!r)
		r = dump(json, out, error);
	json_decref(json);
	return r;
}
