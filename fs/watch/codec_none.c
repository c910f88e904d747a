#include "codec.h"

#include <errno.h>

int codec_create(enum kev_unpack_form form, struct codec **out)
{
	(void)form, (void)out;
	return -EOPNOTSUPP;
}

void codec_destroy(struct codec *codec)
{
	(void)codec;
}

int codec_step(struct codec *codec, struct codec_io *io, const char **why)
{
	(void)codec, (void)io, (void)why;
	return -EOPNOTSUPP;
}
