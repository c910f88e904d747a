#include "kevfs/cluster/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/impersonation.h"
#include "kevfs/cluster/pem.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/plugin_info.h"
#include "kevfs/cluster/url.h"

/* Put in front of an error where the stanza stands. @return r */
static int at(const struct kev_context_part *part, const char *kind, int r, struct kev_error *error)
{
	if (r == -EINVAL)
		kev_error_prefix(error, "%s:%zu: %s \"%.*s\"", part->file->path, part->stanza->line, kind,
			(int)part->stanza->name.len, part->stanza->name.data ? part->stanza->name.data : "");
	return r;
}

static int refuse_nul(const char *field, struct kev_str text, struct kev_error *error)
{
	if (!memchr(text.data, '\0', text.len))
		return 0;
	kev_error_set(error, "%s holds a NUL", field);
	return -EINVAL;
}

static int set_text(const char *field, struct kev_str text, char **out, struct kev_error *error)
{
	if (!text.len)
		return 0;
	if (refuse_nul(field, text, error))
		return -EINVAL;
	*out = kev_str_dup(text);
	return *out ? 0 : -ENOMEM;
}

static int set_path(const struct kev_context_part *part, const char *field, struct kev_str text, char **out,
	struct kev_error *error)
{
	int r;

	if (!text.len || text.data[0] == '/')
		return set_text(field, text, out, error);
	if (refuse_nul(field, text, error))
		return -EINVAL;
	r = kev_file_join(part->file->directory, text, out);
	if (r != -ENAMETOOLONG)
		return r;
	kev_error_set(error, "%s: %s", field, strerror(ENAMETOOLONG));
	return -EINVAL;
}

static int set_data(const char *field, struct kev_str text, char **out, struct kev_error *error)
{
	char *data;
	size_t len;
	int r;

	if (!text.len)
		return 0;
	r = kev_pem_decode_base64(text, &data, &len);
	if (r)
		return r;
	/* Line breaks only: as if it were not there. */
	if (!len) {
		free(data);
		return 0;
	}
	if (memchr(data, '\0', len)) {
		kev_error_set(error, "%s is not PEM: it holds a NUL", field);
		explicit_bzero(data, len);
		free(data);
		return -EINVAL;
	}
	*out = data;
	return 0;
}

static int set_server(struct kev_str text, char **out, struct kev_error *error)
{
	int r;

	if (!text.len) {
		kev_error_set(error, "has no server");
		return -EINVAL;
	}
	r = kev_url_server(text, out, error);
	if (r == -EINVAL)
		kev_error_prefix(error, "server");
	return r;
}

static int set_proxy(struct kev_str text, char **out, struct kev_error *error)
{
	int r = text.len ? kev_url_proxy(text, out, error) : 0;

	if (r == -EINVAL)
		kev_error_prefix(error, "proxy-url");
	return r;
}

static int fill_cluster(
	const struct kev_context_part *part, struct kev_cluster_config *config, struct kev_error *error)
{
	struct kev_stanza_cluster cluster;
	int r = kev_stanza_read_cluster(part->file, part->stanza, &cluster, error);

	/* That error says already where. */
	if (r)
		return r;
	config->insecure = cluster.insecure;
	config->disable_compression = cluster.disable_compression;
	r = set_server(cluster.server, &config->server, error);
	if (!r)
		r = set_proxy(cluster.proxy_url, &config->proxy_url, error);
	if (!r)
		r = set_text("tls-server-name", cluster.tls_server_name, &config->tls_server_name, error);
	if (!r)
		r = set_path(part, "certificate-authority", cluster.ca_file, &config->ca_file, error);
	if (!r)
		r = set_data("certificate-authority-data", cluster.ca_data, &config->ca_data, error);
	return at(part, "cluster", r, error);
}

static int fill_secrets(const struct kev_context_part *part, const struct kev_stanza_user *user,
	struct kev_cluster_config *config, struct kev_error *error)
{
	int r = set_path(part, "client-certificate", user->cert_file, &config->cert_file, error);

	if (!r)
		r = set_data("client-certificate-data", user->cert_data, &config->cert_data, error);
	if (!r)
		r = set_path(part, "client-key", user->key_file, &config->key_file, error);
	if (!r)
		r = set_data("client-key-data", user->key_data, &config->key_data, error);
	if (!r)
		r = set_text("token", user->token, &config->token, error);
	if (!r)
		r = set_path(part, "tokenFile", user->token_file, &config->token_file, error);
	if (!r)
		r = set_text("username", user->username, &config->username, error);
	if (!r)
		r = set_text("password", user->password, &config->password, error);
	return r;
}

static int fill_user(
	const struct kev_context_part *part, struct kev_cluster_config *config, struct kev_error *error)
{
	struct kev_stanza_user user;
	int r;

	if (!part->stanza)
		return 0;
	r = kev_stanza_read_user(part->file, part->stanza, &user, error);
	if (r)
		return r;
	r = fill_secrets(part, &user, config, error);
	if (!r)
		r = kev_impersonation_headers(part->file, &user, &config->impersonate, error);
	if (!r && user.auth_provider) {
		kev_error_set(
			error, "auth-provider is not supported: let an exec plugin (exec) log in instead");
		r = -EINVAL;
	}
	return at(part, "user", r, error);
}

/* As for kubectl: with any of these the plugin is never run. */
static bool has_other_credential(const struct kev_cluster_config *config)
{
	return config->token || config->token_file || config->username ||
	       ((config->cert_file || config->cert_data) && (config->key_file || config->key_data));
}

static int print_info(const struct kev_context *context, bool with_cluster,
	const struct kev_cluster_config *config, struct kev_error *error)
{
	const struct kev_context_part *part = &context->cluster;
	struct kev_plugin_cluster about = {.config = config, .document = part->file->document};
	struct kev_stanza_cluster cluster;
	int r = kev_stanza_read_cluster(part->file, part->stanza, &cluster, error);

	if (r)
		return r;
	about.extension = cluster.plugin_config;
	return kev_plugin_info_print(
		config->plugin, with_cluster ? &about : NULL, &config->plugin->info, error);
}

/* What is wrong with it is told though it is not needed, as by kubectl. */
static int fill_plugin(
	const struct kev_context *context, struct kev_cluster_config *config, struct kev_error *error)
{
	const struct kev_context_part *part = &context->user;
	struct kev_stanza_user user;
	struct kev_stanza_exec exec;
	int r = part->stanza ? kev_stanza_read_user(part->file, part->stanza, &user, error) : 0;

	if (r || !part->stanza || !user.exec)
		return r;
	r = kev_stanza_read_exec(part->file, part->stanza, user.exec, &exec, error);
	if (!r)
		r = kev_plugin_config_read(part->file, part->stanza, user.exec, &config->plugin, error);
	if (!r && has_other_credential(config)) {
		kev_plugin_config_destroy(config->plugin);
		config->plugin = NULL;
		return 0;
	}
	if (!r && config->plugin->interactive && kev_cluster_config_is_secure(config)) {
		kev_error_set(error,
			"exec: %s wants a terminal (interactiveMode: Always), which there is none "
			"for a mount",
			config->plugin->name);
		r = -EINVAL;
	}
	if (!r)
		r = print_info(context, exec.provide_cluster_info, config, error);
	return at(part, "user", r, error);
}

static int fill_context(
	const struct kev_context *context, struct kev_cluster_config *config, struct kev_error *error)
{
	struct kev_stanza_context stanza;
	int r = kev_stanza_read_context(context->context.file, context->context.stanza, &stanza, error);

	if (r)
		return r;
	if (asprintf(&config->source, "context %.*s", (int)context->name.len, context->name.data) < 0) {
		config->source = NULL;
		return -ENOMEM;
	}
	r = set_text("namespace", stanza.namespace_, &config->namespace_, error);
	return at(&context->context, "context", r, error);
}

int kev_context_config(
	const struct kev_context *context, struct kev_cluster_config **out, struct kev_error *error)
{
	KEV_CLEANUP(cluster_config_destroyp) struct kev_cluster_config *config = kev_cluster_config_create();
	int r = config ? fill_context(context, config, error) : -ENOMEM;

	if (!r)
		r = fill_cluster(&context->cluster, config, error);
	if (!r)
		r = fill_user(&context->user, config, error);
	if (!r)
		r = fill_plugin(context, config, error);
	if (r)
		return r;
	*out = config;
	config = NULL;
	return 0;
}
