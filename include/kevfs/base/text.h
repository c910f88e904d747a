#ifndef KEVFS_BASE_TEXT_H
#define KEVFS_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/**
 * Decode one UTF-8 character (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
 * @param s          at least one byte
 * @param codepoint  set only on success; may be NULL
 * @return bytes taken (1 to 4), or 0 where no valid character begins
 */
size_t kev_text_decode_utf8(struct kev_str s, uint32_t *codepoint);

/** Encode a code point (at most U+10FFFF, no surrogate) into out. @return bytes written, 1 to 4 */
size_t kev_text_encode_utf8(uint32_t codepoint, char out[4]);

/** Make A to Z small in what the buffer holds from start on. */
void kev_text_lower(struct kev_buf *buf, size_t start);

/** Append s for a person's eyes: C0, DEL, C1 and invalid bytes become \xNN, a backslash stays. */
void kev_text_append_escaped(struct kev_buf *buf, struct kev_str s);

#endif
