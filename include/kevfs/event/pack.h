#ifndef KEVFS_EVENT_PACK_H
#define KEVFS_EVENT_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/intern.h"
#include "kevfs/base/str.h"

/**
 * A printed Event, taken apart into what it shares with others and what is its own, and put together again to
 * the byte. All Events of a kind are printed alike but for the values: so the text without its values, the
 * frame, is one word (intern.h) for all of them; and of the values most are words as well, or a number, a
 * time, a uid, or one of the strings that the event knows of itself anyway. About a kilobyte becomes seventy
 * bytes, and takes a memcpy or forty to read.
 *
 * It is by lines that the text is looked through, not as JSON: any text at all comes back as it was.
 */

/** Strings that the event holds besides its text, and which the text is made of. */
enum kev_pack_own {
	KEV_PACK_NAME,
	KEV_PACK_UID,
	KEV_PACK_RESOURCE_VERSION,
	KEV_PACK_OWN_COUNT,
};

/** … and those of them that are words, since other events share them. */
enum kev_pack_field {
	KEV_PACK_NAMESPACE,
	KEV_PACK_OBJECT_API_VERSION,
	KEV_PACK_OBJECT_KIND,
	KEV_PACK_OBJECT_NAMESPACE,
	KEV_PACK_OBJECT_NAME,
	KEV_PACK_TYPE,
	KEV_PACK_REASON,
	KEV_PACK_NODE,
	KEV_PACK_FIELD_COUNT,
};

/** What is known without the text. All borrowed. */
struct kev_pack_known {
	struct kev_str own[KEV_PACK_OWN_COUNT];
	struct kev_str fields[KEV_PACK_FIELD_COUNT];
};

/** A text taken apart. Its bytes are elsewhere. */
struct kev_pack {
	uint32_t fields[KEV_PACK_FIELD_COUNT]; /**< words */
	uint32_t frame;                        /**< a word; KEV_INTERN_NONE: the text stands as it is */
};

/**
 * Take a text apart.
 * @param codes  what is this text's own is appended
 * @param out    holds words: kev_pack_release()
 * @return 0, -ENOMEM or the buffer's error; nothing is held then
 */
int kev_pack_make(struct kev_intern *words, const struct kev_pack_known *known, struct kev_str text,
	struct kev_buf *codes, struct kev_pack *out) KEV_MUST_USE;

/** Give the words back that a pack holds, its codes' too. */
void kev_pack_release(struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes);

/**
 * Put the text together again.
 * @param out  has room for as many bytes as the text had
 */
void kev_pack_expand(const struct kev_intern *words, const struct kev_pack *pack,
	const struct kev_str own[KEV_PACK_OWN_COUNT], struct kev_str codes, char *out);

#endif
