#include "kevfs/cluster/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/impersonation.h"
#include "kevfs/cluster/pem.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/url.h"

struct kev_cluster_config *kev_cluster_config_create(void)
{
	return calloc(1, sizeof(struct kev_cluster_config));
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void kev_cluster_config_destroy(struct kev_cluster_config *config)
{
	if (!config)
		return;
	wipe(config->source);
	wipe(config->server);
	wipe(config->namespace_);
	wipe(config->ca_file);
	wipe(config->ca_data);
	wipe(config->tls_server_name);
	wipe(config->proxy_url);
	wipe(config->cert_file);
	wipe(config->cert_data);
	wipe(config->key_file);
	wipe(config->key_data);
	wipe(config->token);
	wipe(config->token_file);
	wipe(config->username);
	wipe(config->password);
	kev_plugin_config_destroy(config->plugin);
	kev_impersonation_free(config->impersonate);
	free(config);
}

const char *kev_cluster_config_namespace(const struct kev_cluster_config *config)
{
	return config->namespace_ ? config->namespace_ : "default";
}

bool kev_cluster_config_is_secure(const struct kev_cluster_config *config)
{
	return config->server && kev_str_starts(kev_str_c(config->server), KEV_STR("https://"));
}

bool kev_cluster_config_withholds_credential(const struct kev_cluster_config *config)
{
	return !kev_cluster_config_is_secure(config) &&
	       (config->token || config->token_file || config->username || config->cert_file ||
		       config->cert_data || config->plugin);
}

static int check_server(const struct kev_cluster_config *config, struct kev_error *error)
{
	char *server = NULL;
	int r;

	if (!config->server) {
		kev_error_set(error, "no server is given");
		return -EINVAL;
	}
	r = kev_url_server(kev_str_c(config->server), &server, error);
	if (r == -EINVAL)
		kev_error_prefix(error, "server");
	wipe(server);
	return r;
}

static int check_proxy(const struct kev_cluster_config *config, struct kev_error *error)
{
	char *proxy = NULL;
	int r;

	if (!config->proxy_url)
		return 0;
	r = kev_url_proxy(kev_str_c(config->proxy_url), &proxy, error);
	if (r == -EINVAL)
		kev_error_prefix(error, "proxy-url");
	wipe(proxy);
	return r;
}

static bool is_name_character(char c, bool label)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
		return true;
	return !label && ((c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == ':');
}

static bool is_name(const char *s, bool label)
{
	size_t len = strlen(s);

	if (len == 0 || len > (label ? 63 : 253) || (label && (s[0] == '-' || s[len - 1] == '-')))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_name_character(s[i], label))
			return false;
	}
	return true;
}

static int check_names(const struct kev_cluster_config *config, struct kev_error *error)
{
	/* It goes into a request's path. */
	if (config->namespace_ && !is_name(config->namespace_, true)) {
		kev_error_set(error, "\"%s\" cannot be a namespace's name", config->namespace_);
		return -EINVAL;
	}
	/* A host name or an address, without brackets. */
	if (config->tls_server_name && !is_name(config->tls_server_name, false)) {
		kev_error_set(error, "tls-server-name: \"%s\" is neither a host name nor an address",
			config->tls_server_name);
		return -EINVAL;
	}
	return 0;
}

static bool holds_control(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	}
	return false;
}

static int check_combinations(const struct kev_cluster_config *config, struct kev_error *error)
{
	const char *wrong = NULL;
	bool cert = config->cert_file || config->cert_data, key = config->key_file || config->key_data;

	if (config->ca_file && config->ca_data)
		wrong = "certificate-authority and certificate-authority-data are both given";
	else if (config->cert_file && config->cert_data)
		wrong = "client-certificate and client-certificate-data are both given";
	else if (config->key_file && config->key_data)
		wrong = "client-key and client-key-data are both given";
	else if ((config->ca_file || config->ca_data) && config->insecure)
		wrong = "a certificate-authority and insecure-skip-tls-verify are both given";
	else if (cert && !key)
		wrong = "there is a client-certificate, but no client-key";
	else if (key && !cert)
		wrong = "there is a client-key, but no client-certificate";
	else if ((config->token || config->token_file) && (config->username || config->password))
		wrong = "a token and a username or password are both given";
	else if (config->password && !config->username)
		wrong = "there is a password, but no username";
	else if (config->token && holds_control(config->token))
		wrong = "the token holds a line break or another control character";
	if (!wrong)
		return 0;
	kev_error_set(error, "%s", wrong);
	return -EINVAL;
}

/* One certificate, CA bundle or key: of file and data at most one is set. */
static int check_pem(const char *what, const char *file, const char *data,
	const char *(*check)(struct kev_str text), struct kev_error *error)
{
	struct kev_buf content;
	const char *wrong = NULL;
	int r = 0;

	kev_buf_init(&content, KEV_CLUSTER_PEM_MAX);
	if (file) {
		r = kev_file_read(file, KEV_FILE_REGULAR, &content);
		if (r == -ENOMEM)
			return r;
		wrong = r ? strerror(-r) : check(kev_buf_str(&content));
	} else if (data) {
		wrong = check(kev_str_c(data));
	}
	kev_buf_wipe(&content);
	if (!wrong)
		return 0;
	if (!file)
		kev_error_set(error, "%s-data %s", what, wrong);
	else if (r)
		kev_error_set(error, "%s %s: %s", what, kev_file_shown(file), wrong);
	else
		kev_error_set(error, "%s %s %s", what, kev_file_shown(file), wrong);
	return -EINVAL;
}

static int check_token_file(const struct kev_cluster_config *config, struct kev_error *error)
{
	struct kev_buf content;
	int r;

	if (!config->token_file || config->token || !kev_cluster_config_is_secure(config))
		return 0;
	kev_buf_init(&content, KEV_CLUSTER_PEM_MAX);
	r = kev_file_read(config->token_file, KEV_FILE_REGULAR, &content);
	kev_buf_wipe(&content);
	if (!r || r == -ENOMEM)
		return r;
	kev_error_set(error, "tokenFile %s: %s", kev_file_shown(config->token_file), strerror(-r));
	return -EINVAL;
}

int kev_cluster_config_check(const struct kev_cluster_config *config, struct kev_error *error)
{
	int r = check_server(config, error);

	if (!r)
		r = check_proxy(config, error);
	if (!r)
		r = check_names(config, error);
	if (!r)
		r = check_combinations(config, error);
	if (!r)
		r = check_pem("certificate-authority", config->ca_file, config->ca_data,
			kev_pem_check_certificate, error);
	if (!r)
		r = check_pem("client-certificate", config->cert_file, config->cert_data,
			kev_pem_check_certificate, error);
	if (!r)
		r = check_pem("client-key", config->key_file, config->key_data, kev_pem_check_key, error);
	if (!r)
		r = check_token_file(config, error);
	if (r == -EINVAL && config->source)
		kev_error_prefix(error, "%s", config->source);
	return r;
}
