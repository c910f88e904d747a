#ifndef KEVFS_CLUSTER_FAILURE_H
#define KEVFS_CLUSTER_FAILURE_H

#include <stdbool.h>

#include "kevfs/base/error.h"

/** How a connection can fail a request. */
enum kev_failure_kind {
	KEV_FAILURE_CONNECT,     /**< nobody answered, or a proxy did not let us through */
	KEV_FAILURE_RESOLVE,     /**< the name of the server or the proxy is not known */
	KEV_FAILURE_CERTIFICATE, /**< the peer's certificate was not accepted */
	KEV_FAILURE_TLS,         /**< another fault of the TLS handshake */
	KEV_FAILURE_BROKEN,      /**< the connection ended before the answer did */
	KEV_FAILURE_PROTOCOL,    /**< the answer makes no sense */
	KEV_FAILURE_MEMORY,
};

/** What is known of it. All borrowed. */
struct kev_failure {
	enum kev_failure_kind kind;
	const char *server; /**< "https://host:6443" */
	const char *text;   /**< the library's own words */
	const char *proxy;  /**< in between: "http://proxy:3128 (HTTPS_PROXY)"; NULL: none */
	bool has_ca;        /**< a certificate authority was given */
	bool timed_out;     /**< of CONNECT: nobody answered in time */
	int os_error;       /**< of CONNECT: errno; 0: not known */
	long verify_result, proxy_verify_result; /**< of CERTIFICATE: OpenSSL's X509_V_* */
};

/** The same as one of the errors of kev_http_result, with a line that says what to do, as far as we know. */
int kev_failure_explain(const struct kev_failure *failure, struct kev_error *error);

#endif
