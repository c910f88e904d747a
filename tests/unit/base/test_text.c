#include "../test.h"

#include "kevfs/base/defs.h"
#include "kevfs/base/text.h"

static const struct {
	const char *bytes;
	size_t len;
	uint32_t codepoint;
} characters[] = {
	{"a", 1, 'a'},
	{"\x7f", 1, 0x7f},
	{"\xc2\x80", 2, 0x80},
	{"\xdf\xbf", 2, 0x7ff},
	{"\xe0\xa0\x80", 3, 0x800},
	{"\xed\x9f\xbf", 3, 0xd7ff},
	{"\xee\x80\x80", 3, 0xe000},
	{"\xef\xbf\xbf", 3, 0xffff},
	{"\xf0\x90\x80\x80", 4, 0x10000},
	{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	{"\x80", 0, 0},             /* continuation alone */
	{"\xc0\x80", 0, 0},         /* overlong */
	{"\xc1\xbf", 0, 0},         /* overlong */
	{"\xe0\x9f\xbf", 0, 0},     /* overlong */
	{"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
	{"\xed\xa0\x80", 0, 0},     /* surrogate */
	{"\xf4\x90\x80\x80", 0, 0}, /* over U+10FFFF */
	{"\xf5\x80\x80\x80", 0, 0},
	{"\xff", 0, 0},
	{"\xe2\x82", 0, 0}, /* broken off */
	{"\xc2", 0, 0},
	{"\xe2\x82z", 0, 0},
};

static void test_decode_utf8_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(characters); i++) {
		uint32_t c = 4711;

		assert_int_equal(kev_text_decode_utf8(kev_str_c(characters[i].bytes), &c), characters[i].len);
		assert_int_equal(c, characters[i].len ? characters[i].codepoint : 4711);
	}
}

static void test_encode_utf8_round_trip(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		uint32_t back = 0;
		char bytes[4];
		size_t len;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		len = kev_text_encode_utf8(c, bytes);
		assert_int_equal(kev_text_decode_utf8((struct kev_str){bytes, len}, &back), len);
		assert_int_equal(back, c);
	}
}

static void test_append_escaped(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 1000);
	kev_text_append_escaped(&buf, KEV_STR("\\n\t\x00\x7f\xc3\xa9\xe2\x80\xae\xf0\x9f"));
	assert_str_equal(kev_buf_str(&buf), KEV_STR("\\n\\x09\\x00\\x7f\xc3\xa9\\xe2\\x80\\xae\\xf0\\x9f"));
	kev_buf_clear(&buf);
	/* The mark of Arabic letters orders like those of left and right. */
	kev_text_append_escaped(&buf, KEV_STR("\xd8\x9c\xd8\xa8\xe2\x80\x8f"));
	assert_str_equal(kev_buf_str(&buf), KEV_STR("\\xd8\\x9c\xd8\xa8\\xe2\\x80\\x8f"));
	kev_buf_fini(&buf);
}

static void test_lower(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 100);
	kev_text_lower(&buf, 0);
	kev_buf_append_c(&buf, "AZ[@\xc3\x84_AZaz");
	kev_text_lower(&buf, 4);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("AZ[@\xc3\x84_azaz"));
	kev_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lower),
		cmocka_unit_test(test_decode_utf8_table),
		cmocka_unit_test(test_encode_utf8_round_trip),
		cmocka_unit_test(test_append_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
