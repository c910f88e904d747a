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
 * frame, is one word (intern.h) for all of them. Of the values most are words as well, or a number, a time, a
 * uid, or one of the strings that the event knows of itself anyway; which of these each is, and which words,
 * is alike for many Events, too: that is their shape, and a word. What is left of about a kilobyte is ten
 * bytes of numbers. To read it takes a memcpy or forty.
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
	KEV_PACK_OBJECT_COUNT, /**< so many say what the event is about: together they are a word */
	KEV_PACK_NODE = KEV_PACK_OBJECT_COUNT,
	KEV_PACK_TYPE,
	KEV_PACK_REASON,
	KEV_PACK_FIELD_COUNT,
};

/** What is known without the text. All borrowed. */
struct kev_pack_known {
	struct kev_str own[KEV_PACK_OWN_COUNT];
	struct kev_str fields[KEV_PACK_FIELD_COUNT];
	int64_t time; /**< ns since the epoch, not negative: times in the text are likely near it */
};

/** A text taken apart. Its bytes, the codes, are elsewhere. All are words. */
struct kev_pack {
	uint32_t object;     /**< what the event is about: holds the fields, and is the last of them */
	uint32_t node;       /**< the field */
	uint32_t object_uid; /**< 16 bytes; KEV_INTERN_NONE: it stands in the codes, or there is none */
	uint32_t shape;      /**< holds those of the type, the reason and the text; KEV_INTERN_NONE: it is not
				shared, and stands in the codes */
};

/**
 * Take a text apart.
 * @param codes  empty; what is this text's own is put there
 * @param out    holds words: kev_pack_release()
 * @return 0, -ENOMEM or the buffer's error; nothing is held then
 */
int kev_pack_make(struct kev_intern *words, const struct kev_pack_known *known, struct kev_str text,
	struct kev_buf *codes, struct kev_pack *out) KEV_MUST_USE;

/** Give the words back that a pack holds, its codes' too. */
void kev_pack_release(struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes);

/** A field, borrowed from the pack. */
struct kev_str kev_pack_field(const struct kev_intern *words, const struct kev_pack *pack,
	struct kev_str codes, enum kev_pack_field field);

/** The text, where it could not be taken apart and is kept as it is: borrowed from the codes. Else its data
 * is NULL. */
struct kev_str kev_pack_plain(
	const struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes);

/**
 * Put the text together again.
 * @param own, time  the same as when it was taken apart
 * @param out        has room for as many bytes as the text had
 */
void kev_pack_expand(const struct kev_intern *words, const struct kev_pack *pack,
	const struct kev_str own[KEV_PACK_OWN_COUNT], int64_t time, struct kev_str codes, char *out);

#endif
