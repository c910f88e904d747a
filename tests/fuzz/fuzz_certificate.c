/* Any bytes as a certificate that somebody shows: what is said of it ends within its place, and is only said
 * where it can be read. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/cluster/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
	check(memchr(text, '\0', room) != NULL, "a text without an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_certificate certificate, untouched;
	int r;

	memset(&untouched, 'x', sizeof(untouched));
	certificate = untouched;
	r = kev_certificate_read((struct kev_str){(const char *)data, size}, &certificate);
	check(r == 0 || r == -EINVAL, "no memory");
	if (r) {
		check(memcmp(&certificate, &untouched, sizeof(certificate)) == 0, "touched on failure");
		return 0;
	}
	check_text(certificate.subject, sizeof(certificate.subject));
	check_text(certificate.issuer, sizeof(certificate.issuer));
	check_text(certificate.names, sizeof(certificate.names));
	return 0;
}
