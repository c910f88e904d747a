#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/watch/unpack.h"

#define TEXT_MAX (8U << 20)

/* The forms, by the names of what the real tools made of the corpus' "text". */
static const struct {
	const char *name;
	enum kev_unpack_form form;
} forms[] = {
	{"gzip", KEV_UNPACK_GZIP},
	{"xz", KEV_UNPACK_XZ},
	{"zstd", KEV_UNPACK_ZSTD},
	{"bzip2", KEV_UNPACK_BZIP2},
};

static void read_corpus(const char *name, const char *more, struct kev_buf *out)
{
	char path[4096], piece[4096];
	size_t len;
	FILE *file;

	kev_buf_init(out, TEXT_MAX);
	snprintf(path, sizeof(path), "%s/%s%s", KEVFS_CORPUS, name, more);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", path);
	while ((len = fread(piece, 1, sizeof(piece), file)) > 0)
		assert_int_equal(kev_buf_append(out, piece, len), 0);
	fclose(file);
}

/* A file with this content, read from its beginning on. */
static int file_of(struct kev_str content)
{
	int fd = memfd_create("packed", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.data, content.len), content.len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* All that is in it: known is how much of it was read already, room how much is asked for at once. */
static int unpack(enum kev_unpack_form form, struct kev_str packed, size_t known, size_t room,
	struct kev_buf *out, struct kev_error *error)
{
	struct kev_unpack *unpack = NULL;
	int fd = file_of(packed), r;
	char piece[4096];
	size_t len;

	kev_buf_init(out, TEXT_MAX);
	assert_int_equal(lseek(fd, (off_t)known, SEEK_SET), known);
	assert_int_equal(
		kev_unpack_create(form, fd, (struct kev_str){packed.data, known}, &unpack, error), 0);
	do {
		len = 77;
		r = kev_unpack_read(unpack, piece, room, &len, error);
		assert_true(r == 0 || len == 77);
		assert_int_equal(kev_buf_append(out, piece, r ? 0 : len), 0);
	} while (r == 0 && len > 0);
	/* The end stays the end. */
	if (r == 0)
		assert_true(kev_unpack_read(unpack, piece, room, &len, error) == 0 && len == 0);
	kev_unpack_destroy(unpack);
	close(fd);
	return r;
}

static void assert_unpacks(enum kev_unpack_form form, const char *name, const char *more)
{
	static const size_t rooms[] = {1, 7, 4096};
	struct kev_buf packed, text, found;

	read_corpus("text", "", &text);
	read_corpus(name, more, &packed);
	assert_int_equal(kev_unpack_guess(kev_buf_str(&packed)), form);
	for (size_t i = 0; i < KEV_ARRAY_LEN(rooms); i++) {
		size_t known = i == 0 ? 0 : i == 1 ? packed.len / 2 : packed.len;
		struct kev_error error = {""};

		if (unpack(form, kev_buf_str(&packed), known, rooms[i], &found, &error))
			fail_msg("%s%s: %s", name, more, error.text);
		assert_str_equal(kev_buf_str(&found), kev_buf_str(&text));
		kev_buf_fini(&found);
	}
	kev_buf_fini(&packed);
	kev_buf_fini(&text);
}

static void test_read_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(forms); i++) {
		assert_unpacks(forms[i].form, forms[i].name, "");
		assert_unpacks(forms[i].form, forms[i].name, "-twice");
	}
	assert_unpacks(KEV_UNPACK_GZIP, "gzip-zeros", "");
	assert_unpacks(KEV_UNPACK_GZIP, "gzip-name", "");
	assert_unpacks(KEV_UNPACK_ZSTD, "zstd-skippable", "");
}

/* Nothing in it is no error. */
static void test_read_empty(void **state)
{
	struct kev_buf packed, found;

	(void)state;
	read_corpus("zstd-empty", "", &packed);
	assert_int_equal(unpack(KEV_UNPACK_ZSTD, kev_buf_str(&packed), packed.len, 100, &found, NULL), 0);
	assert_int_equal(found.len, 0);
	kev_buf_fini(&packed);
	read_corpus("bzip2-empty", "", &packed);
	assert_int_equal(unpack(KEV_UNPACK_BZIP2, kev_buf_str(&packed), 0, 100, &found, NULL), 0);
	assert_int_equal(found.len, 0);
	kev_buf_fini(&packed);
}

/* Wherever it ends too early. */
static void test_read_broken_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(forms); i++) {
		struct kev_buf packed, found;

		read_corpus(forms[i].name, "", &packed);
		for (size_t len = 0; len < packed.len; len++) {
			struct kev_error error = {""};
			char expected[64];

			assert_int_equal(unpack(forms[i].form, (struct kev_str){packed.data, len}, len / 2,
						 4096, &found, &error),
				-EBADMSG);
			snprintf(expected, sizeof(expected), "%s, byte %zu: broken off", forms[i].name, len);
			assert_string_equal(error.text, expected);
			kev_buf_fini(&found);
		}
		kev_buf_fini(&packed);
	}
}

/* One bit wrong, wherever: it is told, or it was one that says nothing of the content. */
static void test_read_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(forms); i++) {
		struct kev_buf packed, text, found;
		size_t told = 0;

		read_corpus("text", "", &text);
		read_corpus(forms[i].name, "", &packed);
		for (size_t bit = 0; bit < packed.len * 8; bit++) {
			struct kev_error error = {""};
			int r;

			packed.data[bit / 8] ^= (char)(1 << bit % 8);
			r = unpack(forms[i].form, kev_buf_str(&packed), packed.len, 4096, &found, &error);
			packed.data[bit / 8] ^= (char)(1 << bit % 8);
			if (r) {
				assert_int_equal(r, -EBADMSG);
				assert_int_equal(
					strncmp(error.text, forms[i].name, strlen(forms[i].name)), 0);
				assert_non_null(strstr(error.text, ", byte "));
				told++;
			} else {
				assert_str_equal(kev_buf_str(&found), kev_buf_str(&text));
			}
			kev_buf_fini(&found);
		}
		assert_true(told > packed.len * 8 * 9 / 10);
		kev_buf_fini(&packed);
		kev_buf_fini(&text);
	}
}

static void test_read_garbage_behind_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(forms); i++) {
		struct kev_error error = {""};
		struct kev_buf packed, found;
		unsigned long long byte = 0;

		read_corpus(forms[i].name, "", &packed);
		byte = packed.len;
		assert_int_equal(kev_buf_append_c(&packed, "garbage of some length"), 0);
		assert_int_equal(
			unpack(forms[i].form, kev_buf_str(&packed), 0, 4096, &found, &error), -EBADMSG);
		/* Where it is: at its first bytes. */
		assert_int_equal(strncmp(error.text, forms[i].name, strlen(forms[i].name)), 0);
		assert_true(strtoull(strstr(error.text, "byte ") + 5, NULL, 10) >= byte);
		assert_true(strtoull(strstr(error.text, "byte ") + 5, NULL, 10) <= packed.len);
		kev_buf_fini(&packed);
		kev_buf_fini(&found);
	}
}

/* Some bytes can ask for any amount of memory. */
static void test_read_too_large(void **state)
{
	static const struct {
		const char *name;
		enum kev_unpack_form form;
	} cases[] = {{"xz-large", KEV_UNPACK_XZ}, {"zstd-large", KEV_UNPACK_ZSTD}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_error error = {""};
		struct kev_buf packed, found;

		read_corpus(cases[i].name, "", &packed);
		assert_int_equal(
			unpack(cases[i].form, kev_buf_str(&packed), 0, 4096, &found, &error), -EBADMSG);
		assert_non_null(strstr(error.text, "it needs more memory than kevfs gives it"));
		kev_buf_fini(&packed);
		kev_buf_fini(&found);
	}
}

/* 4 MB of white space in 4 KB. */
static void test_read_bomb(void **state)
{
	struct kev_buf packed, found;

	(void)state;
	read_corpus("gzip-bomb", "", &packed);
	assert_true(packed.len < 5000);
	assert_int_equal(unpack(KEV_UNPACK_GZIP, kev_buf_str(&packed), 0, 4096, &found, NULL), 0);
	assert_int_equal(found.len, 4000000);
	kev_buf_fini(&packed);
	kev_buf_fini(&found);
}

static void test_read_that_fails(void **state)
{
	struct kev_error error = {""};
	struct kev_unpack *unpack = NULL;
	size_t len = 77;
	char byte;

	(void)state;
	/* No such descriptor. */
	assert_int_equal(kev_unpack_create(KEV_UNPACK_GZIP, -1, KEV_STR("\x1f\x8b"), &unpack, NULL), 0);
	assert_int_equal(kev_unpack_read(unpack, &byte, 1, &len, &error), -EBADF);
	assert_string_equal(error.text, "Bad file descriptor");
	assert_int_equal(len, 77);
	kev_unpack_destroy(unpack);
	kev_unpack_destroy(NULL);
}

static void test_guess(void **state)
{
	static const struct kev_str others[] = {KEV_STR(""), KEV_STR("{"), KEV_STR("\x1f"), KEV_STR("BZ"),
		KEV_STR("\x28\xb5\x2f"), KEV_STR("\x2a\x4d\x18\x50"), KEV_STR("PK\x03\x04")};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++)
		assert_int_equal(kev_unpack_guess(others[i]), KEV_UNPACK_NONE);
	assert_int_equal(kev_unpack_guess(KEV_STR("\x1f\x8b")), KEV_UNPACK_GZIP);
	assert_int_equal(kev_unpack_guess(KEV_STR("BZh9")), KEV_UNPACK_BZIP2);
	assert_int_equal(kev_unpack_guess(KEV_STR("\x5f\x2a\x4d\x18")), KEV_UNPACK_ZSTD);
	assert_int_equal(kev_unpack_guess((struct kev_str){NULL, 0}), KEV_UNPACK_NONE);
}

/* Where kevfs was built without it. */
static void test_create_refused(void **state)
{
	struct kev_error error = {""};
	struct kev_unpack *unpack = NULL;

	(void)state;
	assert_int_equal(kev_unpack_create(KEV_UNPACK_ZSTD, -1, KEV_STR(""), &unpack, &error), -EOPNOTSUPP);
	assert_null(unpack);
	assert_string_equal(error.text, "compressed, and this kevfs was built without that; unpack it first: "
					"zstd -dc FILE | kevfs file:- MOUNTPOINT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_read_all),
		cmocka_unit_test(test_read_empty),
		cmocka_unit_test(test_read_broken_off),
		cmocka_unit_test(test_read_damaged),
		cmocka_unit_test(test_read_garbage_behind_it),
		cmocka_unit_test(test_read_too_large),
		cmocka_unit_test(test_read_bomb),
		cmocka_unit_test(test_read_that_fails),
	};
	const struct CMUnitTest without[] = {
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_create_refused),
	};

	if (KEVFS_COMPRESSION)
		return cmocka_run_group_tests(tests, NULL, NULL);
	return cmocka_run_group_tests(without, NULL, NULL);
}
