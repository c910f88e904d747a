#ifndef KEVFS_FS_EVENT_RUNS_H
#define KEVFS_FS_EVENT_RUNS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/*
 * Where does a run of ordinary bytes end? Eight bytes at a time in one register, since most of JSON is the
 * inside of strings. A subtraction borrows from the next higher byte only where a lower one has hit already,
 * so the lowest hit, the only one that is asked for, is always true.
 */

#define RUN_ONES 0x0101010101010101ULL
#define RUN_HIGH 0x8080808080808080ULL

/* High bits where a byte of word, all below 0x80, is c. */
static inline uint64_t run_ascii_is(uint64_t word, unsigned char c)
{
	return (word ^ RUN_ONES * c) - RUN_ONES;
}

/* The same for any bytes. */
static inline uint64_t run_byte_is(uint64_t word, unsigned char c)
{
	uint64_t x = word ^ RUN_ONES * c;

	return (x - RUN_ONES) & ~x;
}

static inline uint64_t run_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* The first quote, backslash, control, non-ASCII byte, '<', '>' or '&' from p on: whatever in a string is not
 * both its own value and what Go writes. '<' and '>' differ in one bit. */
static inline const char *run_string(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t word = run_load(p);
		uint64_t hits =
			(run_ascii_is(word, '"') | run_ascii_is(word, '\\') | run_ascii_is(word, '&') |
				run_ascii_is(word | RUN_ONES * ('<' ^ '>'), '<' | '>') |
				(word - RUN_ONES * 0x20) | word) &
			RUN_HIGH;

		if (hits)
			return p + __builtin_ctzll(hits) / 8;
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\' && *p != '&' && *p != '<' && *p != '>' && *p >= 0x20 &&
		!((unsigned char)*p & 0x80))
		p++;
	return p;
}

/* The first quote or backslash from p on: what ends a string, if anything. */
static inline const char *run_quoted(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t word = run_load(p);
		uint64_t hits = (run_byte_is(word, '"') | run_byte_is(word, '\\')) & RUN_HIGH;

		if (hits)
			return p + __builtin_ctzll(hits) / 8;
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

#endif
