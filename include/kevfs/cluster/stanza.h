#ifndef KEVFS_CLUSTER_STANZA_H
#define KEVFS_CLUSTER_STANZA_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/document.h"

/**
 * What one kubeconfig file says, with its types checked: the clusters, users and contexts by name. All
 * strings are borrowed from the document; an empty one is one that is not set, as for client-go. Unknown
 * fields are ignored. Source: client-go tools/clientcmd/api/v1/types.go.
 */

/** One named item of a list. */
struct kev_stanza {
	struct kev_str name;
	const struct kev_document_node *body; /**< NULL where there is none */
	size_t line;
};

/** A list, sorted by name, each name once. */
struct kev_stanza_list {
	struct kev_stanza *items; /**< owned */
	size_t count;
};

/** One file. */
struct kev_stanza_file {
	const char *path;              /**< for messages; borrowed */
	const char *directory;         /**< what relative paths in it start from; borrowed */
	struct kev_document *document; /**< borrowed */
	struct kev_stanza_list clusters, users, contexts;
	struct kev_str current_context;
};

struct kev_stanza_cluster {
	struct kev_str server, tls_server_name, proxy_url;
	struct kev_str ca_file, ca_data; /**< data is valid base64 here and below */
	bool insecure;
	bool disable_compression;
	const struct kev_document_node *plugin_config; /**< of any type, or NULL: what the extension
							  client.authentication.k8s.io/exec holds */
};

/** How a credential plugin is run. */
struct kev_stanza_exec {
	struct kev_str command, api_version, interactive_mode, install_hint;
	const struct kev_document_node *args; /**< a list of text, or NULL */
	const struct kev_document_node *env;  /**< a list for kev_stanza_read_variable(), or NULL */
	bool provide_cluster_info;
};

/** A variable of its environment. */
struct kev_stanza_variable {
	struct kev_str name, value;
};

struct kev_stanza_user {
	struct kev_str cert_file, cert_data, key_file, key_data;
	struct kev_str token, token_file;
	struct kev_str username, password;
	const struct kev_document_node *exec, *auth_provider; /**< mappings, or NULL */
	struct kev_str as, as_uid;
	const struct kev_document_node *as_groups;     /**< a list of text, or NULL */
	const struct kev_document_node *as_user_extra; /**< a mapping of lists of text, or NULL */
};

struct kev_stanza_context {
	struct kev_str cluster, user, namespace_;
};

/**
 * Read a file's document, and check the type of every field of every stanza, as client-go refuses a file
 * whole.
 * @param path, directory, document  borrowed
 * @param out  untouched on error; end with kev_stanza_file_fini()
 * @return 0, -ENOMEM, or -EINVAL with the error set: "PATH:LINE: …"; it never shows a secret
 */
int kev_stanza_file_read(const char *path, const char *directory, struct kev_document *document,
	struct kev_stanza_file *out, struct kev_error *error) KEV_MUST_USE;
void kev_stanza_file_fini(struct kev_stanza_file *file);

/** @return borrowed, or NULL where there is none of the name */
const struct kev_stanza *kev_stanza_find(const struct kev_stanza_list *list, struct kev_str name);

/* What a stanza says. @return 0, or as kev_stanza_file_read(), with out untouched. */
int kev_stanza_read_cluster(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_cluster *out, struct kev_error *error) KEV_MUST_USE;
int kev_stanza_read_user(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_user *out, struct kev_error *error) KEV_MUST_USE;
/** @param exec  of a kev_stanza_user */
int kev_stanza_read_exec(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	const struct kev_document_node *exec, struct kev_stanza_exec *out,
	struct kev_error *error) KEV_MUST_USE;
/** @param item  of env */
int kev_stanza_read_variable(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	const struct kev_document_node *item, struct kev_stanza_variable *out,
	struct kev_error *error) KEV_MUST_USE;
int kev_stanza_read_context(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_context *out, struct kev_error *error) KEV_MUST_USE;

#endif
