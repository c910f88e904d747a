#include "kevfs/cluster/badge.h"

#include <errno.h>

#define BEARER "Authorization: Bearer "

static int read_header(struct kev_str header, struct kev_badge *out)
{
	const size_t start = sizeof(BEARER) - 1;

	if (kev_str_starts(header, KEV_STR("Authorization: Basic ")))
		out->header = KEV_BADGE_PASSWORD;
	if (!kev_str_starts(header, KEV_STR(BEARER)))
		return 0;
	out->header = KEV_BADGE_TOKEN;
	return kev_jwt_read((struct kev_str){header.data + start, header.len - start}, &out->token);
}

int kev_badge_read(struct kev_str header, struct kev_str certificate, struct kev_badge *out)
{
	struct kev_badge found = {.header = KEV_BADGE_NOTHING};
	int r = read_header(header, &found);

	/* Any text may be a token. */
	if (r == -EINVAL)
		r = 0;
	if (r == 0 && certificate.len) {
		r = kev_certificate_read(certificate, &found.certificate);
		found.has_certificate = r == 0;
	}
	if (r == -ENOMEM)
		return r;
	*out = found;
	return 0;
}
