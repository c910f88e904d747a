#ifndef KEVFS_EVENT_JSON_H
#define KEVFS_EVENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * A scanner for foreign JSON that keeps no tree: one pass over the text makes a flat array of tokens in
 * document order, each knowing where its text is and where the token after its subtree stands.
 *
 * Why not jansson here: it refuses what the API server sends and kubectl prints (integers over int64, lone
 * surrogates, invalid UTF-8, 1e400), and it builds and frees 80 MB/s. It is the scanner's oracle in the
 * tests.
 *
 * What Go's encoding/json accepts is accepted, and nothing else: RFC 8259, any bytes >= 0x20 inside strings.
 */
enum kev_json_type {
	KEV_JSON_OBJECT,
	KEV_JSON_ARRAY,
	KEV_JSON_STRING,
	KEV_JSON_NUMBER,
	KEV_JSON_TRUE,
	KEV_JSON_FALSE,
	KEV_JSON_NULL,
};

/** An object's members are pairs of tokens: a STRING (the key), then its value. */
struct kev_json_token {
	uint32_t start; /**< offset of the value's first byte; for a string, of the byte behind its quote */
	uint32_t len;   /**< bytes; for a string, without its quotes */
	uint32_t next;  /**< index of the token behind this one's whole subtree */
	uint32_t count; /**< members of an object, elements of an array */
	uint8_t type;   /**< enum kev_json_type */
	uint8_t plain;  /**< of a string: its raw bytes are its value (no escape, valid UTF-8, no control) */
	uint8_t same;   /**< of a plain string: Go writes it as it stands (no <, >, &, U+2028, U+2029) */
};

/** No such token. */
#define KEV_JSON_NONE UINT32_MAX

/** Objects and arrays may nest this deep. */
#define KEV_JSON_DEPTH_MAX 1000

/** One text may be this long: client-go's cap on one watch object, and room for the envelope. */
#define KEV_JSON_TEXT_MAX (17U << 20)

/** One text may hold this many tokens. An event has about 150; a text of nothing but brackets has one a
 * byte, and a token is larger than a byte. */
#define KEV_JSON_TOKENS_MAX (1U << 20)

struct kev_json;

/** A scanner, to be used again and again: it keeps its array. @return new, or NULL on ENOMEM */
struct kev_json *kev_json_create(void);
void kev_json_destroy(struct kev_json *json);
static inline void kev_json_destroyp(struct kev_json **json)
{
	kev_json_destroy(*json);
}

/**
 * Scan one whole text (surrounding white space allowed). The scanner borrows the text until the next scan.
 * @return 0, -EINVAL (syntax: error says at which byte), -E2BIG (depth, size or tokens), -ENOMEM. On failure
 * the scanner holds no tokens.
 */
int kev_json_scan(struct kev_json *json, struct kev_str text, struct kev_error *error) KEV_MUST_USE;

/** Token number index (0 is the root); index must be less than the root's next. */
const struct kev_json_token *kev_json_token(const struct kev_json *json, uint32_t index);

/** Is there a token at index (which may be NONE), and is it of this type? */
bool kev_json_is(const struct kev_json *json, uint32_t index, enum kev_json_type type);

/** The value of the member key of the object at index; the last one of duplicates. KEV_JSON_NONE if absent,
 * or if index is NONE or no object. */
uint32_t kev_json_get(const struct kev_json *json, uint32_t index, const char *key);

/** The same for count keys in one walk: out[i] is the value of keys[i]. No two keys may be equal. */
void kev_json_get_many(
	const struct kev_json *json, uint32_t index, const struct kev_str *keys, size_t count, uint32_t *out);

/** The raw bytes of the token, borrowed from the text. */
struct kev_str kev_json_raw(const struct kev_json *json, uint32_t index);

/**
 * Append the string's value as Go decodes it: escapes resolved, each bad byte and each lone surrogate U+FFFD.
 * A token that is NONE or no string appends nothing.
 * @return 0 or the buffer's error
 */
int kev_json_append_string(const struct kev_json *json, uint32_t index, struct kev_buf *out);

/** Is the token (which may be NONE) a string with this value? */
bool kev_json_string_is(const struct kev_json *json, uint32_t index, struct kev_str value);

/**
 * Decode the first character of a string token's raw bytes as Go does.
 * @param raw        at least one byte
 * @param codepoint  U+FFFD for a bad byte and for a lone surrogate's escape
 * @return bytes taken
 */
size_t kev_json_decode_char(struct kev_str raw, uint32_t *codepoint);

#endif
