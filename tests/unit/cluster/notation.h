#ifndef KEVFS_TESTS_UNIT_CLUSTER_NOTATION_H
#define KEVFS_TESTS_UNIT_CLUSTER_NOTATION_H

#include "../test.h"

#include <stdlib.h>

#include "kevfs/cluster/document.h"

/**
 * A document from words: "{", "}", "[", "]", &name in front of a value, *name for an alias, else a plain
 * scalar. Lines count. So that what reads documents is tested without libyaml.
 */
static inline int add_word(
	struct kev_document *document, char *word, char *anchor, size_t line, struct kev_error *error)
{
	struct kev_document_scalar scalar = {.text = kev_str_c(word), .plain = true};
	int r;

	if (strcmp(word, "{") == 0 || strcmp(word, "[") == 0)
		r = kev_document_begin(document,
			word[0] == '{' ? KEV_DOCUMENT_MAPPING : KEV_DOCUMENT_SEQUENCE, kev_str_c(anchor),
			line, error);
	else if (word[0] == '*')
		r = kev_document_add_alias(document, kev_str_c(word + 1), line, error);
	else
		r = kev_document_add_scalar(document, &scalar, kev_str_c(anchor), line, error);
	return r;
}

static inline struct kev_document *document_of(const char *notation, struct kev_error *error)
{
	struct kev_document *document = kev_document_create();
	char *text = strdup(notation), *rest = NULL, *anchor = NULL;
	int r = 0;

	assert_non_null(document);
	assert_non_null(text);
	for (char *word = strtok_r(text, " \n", &rest); word && !r; word = strtok_r(NULL, " \n", &rest)) {
		size_t line = 1;

		for (const char *at = notation; at < notation + (word - text); at++)
			line += *at == '\n';
		if (word[0] == '&') {
			anchor = word + 1;
			continue;
		}
		if (strcmp(word, "}") == 0 || strcmp(word, "]") == 0)
			kev_document_end(document);
		else
			r = add_word(document, word, anchor, line, error);
		anchor = NULL;
	}
	free(text);
	if (!r)
		return document;
	kev_document_destroy(document);
	return NULL;
}

#endif
