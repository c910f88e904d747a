#include "nomem.h"

#include "test.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The allocation to fail is so many away; 0: none. */
static _Thread_local size_t left;
static _Thread_local bool failed;

bool nomem_fails(void)
{
	if (!left || --left)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void nomem_fail_in(size_t n)
{
	failed = false;
	left = n;
}

bool nomem_end(void)
{
	left = 0;
	return failed;
}

static size_t run(int (*action)(void *context), void *context, bool all)
{
	for (size_t n = 1;; n++) {
		bool hit;
		int r;

		nomem_fail_in(n);
		r = action(context);
		hit = nomem_end();
		if (!hit)
			assert_int_equal(r, 0);
		else if (all || r)
			assert_int_equal(r, -ENOMEM);
		if (!hit)
			return n - 1;
	}
}

size_t nomem_fail_each(int (*action)(void *context), void *context)
{
	return run(action, context, true);
}

size_t nomem_fail_some(int (*action)(void *context), void *context)
{
	return run(action, context, false);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *s);
char *__real_realpath(const char *path, char *resolved);
int __real_vasprintf(char **out, const char *format, va_list args);
locale_t __real_newlocale(int mask, const char *name, locale_t base);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_realpath(const char *path, char *resolved);
int __wrap_vasprintf(char **out, const char *format, va_list args);
int __wrap_asprintf(char **out, const char *format, ...);
/* What they are called where the headers fortify. */
int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list args);
int __wrap___asprintf_chk(char **out, int flag, const char *format, ...);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base);

void *__wrap_malloc(size_t size)
{
	return nomem_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return nomem_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return nomem_fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return nomem_fails() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *s)
{
	return nomem_fails() ? NULL : __real_strdup(s);
}

char *__wrap_realpath(const char *path, char *resolved)
{
	return nomem_fails() ? NULL : __real_realpath(path, resolved);
}

/* glibc leaves *out undefined where it fails, so nobody may count on it. */
static int print(char **out, const char *format, va_list args)
{
	if (!nomem_fails())
		return __real_vasprintf(out, format, args);
	*out = (char *)(uintptr_t)0xdead;
	return -1;
}

int __wrap_vasprintf(char **out, const char *format, va_list args)
{
	return print(out, format, args);
}

int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list args)
{
	(void)flag;
	return print(out, format, args);
}

int __wrap_asprintf(char **out, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = print(out, format, args);
	va_end(args);
	return n;
}

int __wrap___asprintf_chk(char **out, int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = print(out, format, args);
	va_end(args);
	return n;
}

locale_t __wrap_newlocale(int mask, const char *name, locale_t base)
{
	return nomem_fails() ? (locale_t)0 : __real_newlocale(mask, name, base);
}
