#include "kevfs/cluster/login.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/credential.h"
#include "kevfs/cluster/plugin_config.h"

/* client-go: every 5 minutes. Whoever rotates a certificate looks sooner whether it is used. */
#define FILES_INTERVAL (10 * KEV_NS_PER_SEC)

/* What tells a file from the one that was there before. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

enum { AUTHORITY, CERTIFICATE, KEY, FILES };

struct kev_login {
	const struct kev_cluster_config *config;
	const struct kev_clock *clock;
	struct kev_credential *credential;
	struct kev_identity identity;
	unsigned version; /* of its certificate and key */
	bool renew;       /* read the files anew, whatever their stamps say */
	int64_t look_at;  /* monotonic: when the files are looked at; INT64_MAX: there are none */
	struct stamp stamps[FILES];
};

static int64_t now(const struct kev_login *login)
{
	return kev_clock_monotonic(login->clock);
}

static bool has_files(const struct kev_cluster_config *config)
{
	return kev_cluster_config_is_secure(config) &&
	       (config->ca_file || config->cert_file || config->key_file);
}

/* One that is not there has no stamp. */
static struct stamp stamp_of(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return (struct stamp){.size = -1};
	return (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static void take_stamps(const struct kev_login *login, struct stamp stamps[FILES])
{
	stamps[AUTHORITY] = stamp_of(login->config->ca_file);
	stamps[CERTIFICATE] = stamp_of(login->config->cert_file);
	stamps[KEY] = stamp_of(login->config->key_file);
}

int kev_login_create(const struct kev_cluster_config *config, const struct kev_clock *clock,
	struct kev_login **out, struct kev_error *error)
{
	struct kev_login *login = calloc(1, sizeof(*login));
	int r;

	if (!login)
		return -ENOMEM;
	login->config = config;
	login->clock = clock;
	login->look_at = has_files(config) ? now(login) + FILES_INTERVAL : INT64_MAX;
	kev_identity_init(&login->identity);
	/* First the stamps: what changes between is read once more. */
	take_stamps(login, login->stamps);
	r = kev_identity_load(&login->identity, config, clock, error);
	login->credential = r ? NULL : kev_credential_create(config, clock);
	if (!r && !login->credential)
		r = -ENOMEM;
	if (r) {
		kev_login_destroy(login);
		return r;
	}
	*out = login;
	return 0;
}

void kev_login_destroy(struct kev_login *login)
{
	if (!login)
		return;
	kev_credential_destroy(login->credential);
	kev_identity_fini(&login->identity);
	free(login);
}

/* Take over another identity. */
static void replace(struct kev_login *login, struct kev_identity *identity)
{
	if (!kev_str_eq(kev_buf_str(&login->identity.certificate), kev_buf_str(&identity->certificate)) ||
		!kev_str_eq(kev_buf_str(&login->identity.key), kev_buf_str(&identity->key)))
		login->version++;
	kev_identity_fini(&login->identity);
	login->identity = *identity;
}

/* What the plugin printed last belongs to it; where there is none, both are empty. */
static int add_printed(struct kev_login *login, struct kev_identity *identity, struct kev_error *error)
{
	struct kev_str certificate, key;

	if (!login->config->plugin)
		return 0;
	kev_credential_pair(login->credential, &certificate, &key);
	return kev_identity_set_pair(identity, certificate, key, login->clock, error);
}

static void read_files(struct kev_login *login)
{
	struct stamp stamps[FILES];
	struct kev_error error = {""};
	struct kev_identity identity;
	int r;

	take_stamps(login, stamps);
	kev_identity_init(&identity);
	r = kev_identity_load(&identity, login->config, login->clock, &error);
	if (!r)
		r = add_printed(login, &identity, &error);
	login->renew = false;
	if (r) {
		kev_log_info("%s", error.text);
		kev_identity_fini(&identity);
		return;
	}
	for (int i = 0; i < FILES; i++)
		login->stamps[i] = stamps[i];
	replace(login, &identity);
}

static bool has_changed(const struct kev_login *login)
{
	struct stamp stamps[FILES];
	bool same = true;

	take_stamps(login, stamps);
	for (int i = 0; i < FILES; i++)
		same = same && is_same(&stamps[i], &login->stamps[i]);
	return !same;
}

int kev_login_prepare(struct kev_login *login, struct kev_buf *header, struct kev_login_state *state,
	const struct kev_identity **identity, struct kev_error *error)
{
	int r = kev_credential_header(login->credential, header, error);

	if (r)
		return r;
	if (login->renew)
		read_files(login);
	*state = (struct kev_login_state){kev_credential_generation(login->credential), login->version};
	*identity = &login->identity;
	return 0;
}

void kev_login_prepare_bare(
	const struct kev_login *login, struct kev_login_state *state, const struct kev_identity **identity)
{
	*state = (struct kev_login_state){0, login->version};
	*identity = &login->identity;
}

bool kev_login_is_outdated(const struct kev_login *login, const struct kev_login_state *state)
{
	return state->version != login->version;
}

bool kev_login_has_authority(const struct kev_login *login)
{
	return login->identity.ca.len > 0;
}

bool kev_login_refused(struct kev_login *login, const struct kev_login_state *state)
{
	login->renew = login->config->cert_file != NULL || login->config->ca_file != NULL;
	return kev_credential_refresh(login->credential, state->generation) || login->config->cert_file;
}

void kev_login_explain(const struct kev_login *login, struct kev_error *error)
{
	kev_credential_explain(login->credential, error);
}

void kev_login_accepted(struct kev_login *login, const struct kev_login_state *state)
{
	kev_credential_accepted(login->credential, state->generation);
}

void kev_login_distrusted(struct kev_login *login, const struct kev_login_state *state)
{
	struct kev_str certificate, key;

	login->renew = true;
	kev_credential_pair(login->credential, &certificate, &key);
	if (certificate.len)
		(void)kev_credential_refresh(login->credential, state->generation);
}

size_t kev_login_descriptors(const struct kev_login *login, int fds[KEV_PLUGIN_DESCRIPTORS])
{
	return kev_credential_descriptors(login->credential, fds);
}

int64_t kev_login_deadline(const struct kev_login *login)
{
	int64_t plugin = kev_credential_deadline(login->credential);

	return plugin < login->look_at ? plugin : login->look_at;
}

/* With the certificate that the plugin has printed, which may be none, in place of the last one. */
static void take_printed(struct kev_login *login)
{
	struct kev_error error = {""};
	struct kev_identity identity;
	int r;

	kev_identity_init(&identity);
	r = kev_buf_append_str(&identity.ca, kev_buf_str(&login->identity.ca));
	if (!r)
		r = add_printed(login, &identity, &error);
	if (!r) {
		kev_log_info("exec plugin %s: a new credential", login->config->plugin->name);
		replace(login, &identity);
		return;
	}
	kev_identity_fini(&identity);
	kev_error_prefix(&error, "exec plugin %s prints what cannot be used", login->config->plugin->name);
	kev_credential_reject(login->credential, &error);
}

void kev_login_look(struct kev_login *login)
{
	if (kev_credential_look(login->credential))
		take_printed(login);
	if (now(login) < login->look_at)
		return;
	login->look_at = now(login) + FILES_INTERVAL;
	if (has_changed(login))
		read_files(login);
}
