#include "kevfs/cluster/failure.h"

#include <errno.h>
#include <string.h>

#include <openssl/x509_vfy.h>

static const char *through(const struct kev_failure *failure)
{
	return failure->proxy ? " through the proxy " : "";
}

static const char *proxy_of(const struct kev_failure *failure)
{
	return failure->proxy ? failure->proxy : "";
}

static int connect_error(const struct kev_failure *failure)
{
	switch (failure->os_error) {
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case EACCES:
	case EPERM:
		return -EHOSTUNREACH;
	case ETIMEDOUT:
		return -ETIMEDOUT;
	default:
		return failure->timed_out ? -ETIMEDOUT : -ECONNREFUSED;
	}
}

static void explain_connect(const struct kev_failure *failure, struct kev_error *error)
{
	const char *what = failure->os_error ? strerror(failure->os_error) : failure->text;

	kev_error_set(error, "cannot connect to %s%s%s: %s", failure->server, through(failure),
		proxy_of(failure), what);
}

/* What a wrong certificate-authority looks like. */
static const char *hint(const struct kev_failure *failure)
{
	switch (failure->verify_result) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return failure->has_ca ? " (is the certificate-authority that is given the cluster's?)"
				       : " (does the kubeconfig name the cluster's certificate-authority?)";
	default:
		return "";
	}
}

/* libcurl compares the names itself; OpenSSL's verdict is then none, which reads as OK or as UNSPECIFIED. */
static bool is_verdict(long result)
{
	return result != X509_V_OK && result != X509_V_ERR_UNSPECIFIED;
}

static void explain_certificate(const struct kev_failure *failure, struct kev_error *error)
{
	if (failure->proxy_verify_result)
		kev_error_set(error, "the certificate of the proxy %s to %s is not trusted: %s",
			proxy_of(failure), failure->server,
			is_verdict(failure->proxy_verify_result)
				? X509_verify_cert_error_string(failure->proxy_verify_result)
				: failure->text);
	else if (is_verdict(failure->verify_result))
		kev_error_set(error, "the certificate of %s is not trusted: %s%s", failure->server,
			X509_verify_cert_error_string(failure->verify_result), hint(failure));
	else
		kev_error_set(error,
			"the certificate of %s is not for that name: %s (does the kubeconfig need "
			"tls-server-name?)",
			failure->server, failure->text);
}

int kev_failure_explain(const struct kev_failure *failure, struct kev_error *error)
{
	switch (failure->kind) {
	case KEV_FAILURE_CONNECT:
		explain_connect(failure, error);
		return connect_error(failure);
	case KEV_FAILURE_RESOLVE:
		explain_connect(failure, error);
		return -EHOSTUNREACH;
	case KEV_FAILURE_CERTIFICATE:
		explain_certificate(failure, error);
		return -EKEYREJECTED;
	case KEV_FAILURE_TLS:
		kev_error_set(error, "TLS with %s failed: %s", failure->server, failure->text);
		return -EPROTO;
	case KEV_FAILURE_BROKEN:
		kev_error_set(error, "the connection to %s%s%s broke off: %s", failure->server,
			through(failure), proxy_of(failure), failure->text);
		return -ECONNRESET;
	case KEV_FAILURE_MEMORY:
		kev_error_set(error, "%s: %s", failure->server, strerror(ENOMEM));
		return -ENOMEM;
	case KEV_FAILURE_PROTOCOL:
		break;
	}
	kev_error_set(
		error, "%s%s%s: %s", failure->server, through(failure), proxy_of(failure), failure->text);
	return -EPROTO;
}
