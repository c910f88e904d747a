#include "kevfs/cluster/identity.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "kevfs/cluster/file.h"
#include "kevfs/cluster/pem.h"

/* One of the three, and what to call it. */
struct part {
	const char *field; /* as the kubeconfig calls it, or the plugin */
	const char *data_suffix;
	const char *file, *data;
	struct kev_buf *out;
};

void kev_identity_init(struct kev_identity *identity)
{
	kev_buf_init(&identity->ca, KEV_CLUSTER_PEM_MAX);
	kev_buf_init(&identity->certificate, KEV_CLUSTER_PEM_MAX);
	kev_buf_init(&identity->key, KEV_CLUSTER_PEM_MAX);
}

void kev_identity_fini(struct kev_identity *identity)
{
	kev_buf_fini(&identity->ca);
	kev_buf_fini(&identity->certificate);
	kev_buf_wipe(&identity->key);
}

static int fail(const struct part *part, const char *what, struct kev_error *error)
{
	if (part->file)
		kev_error_set(error, "%s %s %s", part->field, kev_file_shown(part->file), what);
	else
		kev_error_set(error, "%s%s %s", part->field, part->data_suffix, what);
	return -EINVAL;
}

/* OpenSSL's own words for what it did not like. */
static int fail_openssl(const struct part *part, const char *what, struct kev_error *error)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", what, reason ? reason : "malformed");
	ERR_clear_error();
	return fail(part, text, error);
}

static int read_part(const struct part *part, struct kev_error *error)
{
	int r = 0;

	if (part->file) {
		r = kev_file_read(part->file, KEV_FILE_REGULAR, part->out);
	} else if (part->data) {
		kev_buf_reserve(part->out, strlen(part->data));
		r = kev_buf_append_c(part->out, part->data);
	}
	if (r == 0 || r == -ENOMEM)
		return r;
	kev_error_set(error, "%s%s%s: %s", part->field, part->file ? " " : part->data_suffix,
		part->file ? kev_file_shown(part->file) : "", strerror(r == -EMSGSIZE ? EFBIG : -r));
	return -EINVAL;
}

static BIO *open_part(const struct part *part)
{
	return BIO_new_mem_buf(part->out->data, (int)part->out->len);
}

/* The way that curl reads a bundle of certificate authorities: all of it, or none. */
static int check_ca(const struct part *part, struct kev_error *error)
{
	const char *wrong = kev_pem_check_certificate(kev_buf_str(part->out));
	STACK_OF(X509_INFO) * infos;
	int certificates = 0;
	BIO *bio;

	if (wrong)
		return fail(part, wrong, error);
	bio = open_part(part);
	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
	BIO_free(bio);
	for (int i = 0; infos && i < sk_X509_INFO_num(infos); i++)
		certificates += sk_X509_INFO_value(infos, i)->x509 != NULL;
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	if (!certificates)
		return fail_openssl(part, "holds a certificate that cannot be read", error);
	ERR_clear_error();
	return 0;
}

/* There is nobody to ask. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	(void)text, (void)size, (void)writing, (void)context;
	return -1;
}

static int read_certificate(const struct part *part, X509 **out, struct kev_error *error)
{
	const char *wrong = kev_pem_check_certificate(kev_buf_str(part->out));
	BIO *bio;

	if (wrong)
		return fail(part, wrong, error);
	bio = open_part(part);
	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	/* Behind it the intermediate ones may follow. */
	*out = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return *out ? 0 : fail_openssl(part, "holds a certificate that cannot be read", error);
}

static int read_key(const struct part *part, EVP_PKEY **out, struct kev_error *error)
{
	const char *wrong = kev_pem_check_key(kev_buf_str(part->out));
	BIO *bio;

	if (wrong)
		return fail(part, wrong, error);
	bio = open_part(part);
	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	*out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return *out ? 0 : fail_openssl(part, "holds a key that cannot be read", error);
}

/* The server would say no more than 401. A certificate that is not valid yet is one of a machine whose clock
 * is behind, which mends itself. */
static int check_expiry(
	const struct part *part, const X509 *certificate, int64_t now, struct kev_error *error)
{
	const ASN1_TIME *end = X509_get0_notAfter(certificate);
	char text[64] = "has expired";
	time_t at = (time_t)now;
	struct tm tm;

	if (X509_cmp_time(end, &at) >= 0)
		return 0;
	if (ASN1_TIME_to_tm(end, &tm))
		(void)strftime(text, sizeof(text), "has expired on %Y-%m-%d at %H:%M:%S UTC", &tm);
	return fail(part, text, error);
}

static int check_pair(const struct part *certificate, const struct part *key, bool alone, int64_t now,
	struct kev_error *error)
{
	EVP_PKEY *private_key = NULL;
	X509 *leaf = NULL;
	int r = read_certificate(certificate, &leaf, error);

	if (r == 0)
		r = read_key(key, &private_key, error);
	if (r == 0 && X509_check_private_key(leaf, private_key) != 1)
		r = fail(key, "is not the key of the client certificate", error);
	if (r == 0 && alone)
		r = check_expiry(certificate, leaf, now, error);
	ERR_clear_error();
	EVP_PKEY_free(private_key);
	X509_free(leaf);
	return r;
}

static int load(struct kev_identity *identity, const struct kev_cluster_config *config, int64_t now,
	struct kev_error *error)
{
	const struct part ca = {
		"certificate-authority", "-data", config->ca_file, config->ca_data, &identity->ca};
	const struct part certificate = {
		"client-certificate", "-data", config->cert_file, config->cert_data, &identity->certificate};
	const struct part key = {"client-key", "-data", config->key_file, config->key_data, &identity->key};
	bool alone = !config->token && !config->token_file && !config->username;
	int r = read_part(&ca, error);

	if (r == 0 && (ca.file || ca.data))
		r = check_ca(&ca, error);
	if (r == 0)
		r = read_part(&certificate, error);
	if (r == 0)
		r = read_part(&key, error);
	if (r == 0 && (certificate.file || certificate.data))
		r = check_pair(&certificate, &key, alone, now, error);
	return r;
}

static int copy(struct kev_buf *out, struct kev_str text)
{
	/* At once, as a reallocation would leave a copy behind. */
	kev_buf_reserve(out, text.len);
	return kev_buf_append_str(out, text);
}

int kev_identity_set_pair(struct kev_identity *identity, struct kev_str certificate, struct kev_str key,
	const struct kev_clock *clock, struct kev_error *error)
{
	struct kev_identity pair;
	const struct part parts[] = {
		{"clientCertificate", "Data", NULL, certificate.data, &pair.certificate},
		{"clientKey", "Data", NULL, key.data, &pair.key},
	};
	int r;

	kev_identity_init(&pair);
	r = copy(&pair.certificate, certificate);
	if (r == 0)
		r = copy(&pair.key, key);
	if (r == 0 && certificate.len)
		r = check_pair(&parts[0], &parts[1], true, kev_clock_realtime(clock) / KEV_NS_PER_SEC, error);
	if (r) {
		kev_identity_fini(&pair);
		return r;
	}
	kev_buf_fini(&identity->certificate);
	kev_buf_wipe(&identity->key);
	identity->certificate = pair.certificate;
	identity->key = pair.key;
	return 0;
}

int kev_identity_load(struct kev_identity *out, const struct kev_cluster_config *config,
	const struct kev_clock *clock, struct kev_error *error)
{
	struct kev_identity identity;
	int r = 0;

	kev_identity_init(&identity);
	if (kev_cluster_config_is_secure(config))
		r = load(&identity, config, kev_clock_realtime(clock) / KEV_NS_PER_SEC, error);
	if (r) {
		kev_identity_fini(&identity);
		return r;
	}
	kev_identity_fini(out);
	*out = identity;
	return 0;
}
