#include "kevfs/tree/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/internal.h"
#include "kevfs/tree/publish.h"

/* Records between two marks: what is walked at most to find an offset. */
#define MARK_EVERY 32
#define ROOM_MIN 4

/* Not a random key: the serial and the generation are. */
static const struct kev_hash_key ino_key = {0x6b65766673206c6fULL, 0x672066696c650000ULL};

/* Where the record stands whose number is the mark's, counted from 1, times MARK_EVERY. */
struct kev_log_mark {
	uint64_t offsets[KEV_RECORD_FORMS];
};

const struct kev_role *kev_log_role(enum kev_record_form form)
{
	return form == KEV_RECORD_LINE ? &kev_role_log_line : &kev_role_log_json;
}

static struct kev_log_file *create_file(struct kev_tree *tree, struct kev_place home)
{
	struct kev_log_file *file = calloc(1, sizeof(*file));
	struct kev_attr attr;

	if (!file)
		return NULL;
	file->tree = tree;
	file->home = home;
	file->serial = tree->log_files++;
	/* Until something stands in it, it is as old as its directory. */
	home.role->attr(home.item, &attr);
	file->mtime = file->forms[KEV_RECORD_LINE].mtime = file->forms[KEV_RECORD_JSON].mtime = attr.mtime;
	return file;
}

static void free_file(struct kev_log_file *file)
{
	if (file->grows)
		LIST_REMOVE(file, growing);
	for (uint32_t i = 0; i < file->count; i++)
		kev_record_unref(file->records[i]);
	free(file->records);
	free(file->marks);
	free(file);
}

/* It stands in no directory any more; who reads it goes on. */
static void detach(struct kev_log_file *file)
{
	if (!file)
		return;
	file->detached = true;
	if (!file->known)
		free_file(file);
}

void kev_log_fini(struct kev_log *log)
{
	detach(log->current);
	detach(log->previous);
	*log = (struct kev_log){NULL, NULL};
}

int kev_log_current(struct kev_tree *tree, struct kev_log *log, struct kev_place home, void **out)
{
	if (!log->current)
		log->current = create_file(tree, home);
	if (!log->current)
		return -ENOMEM;
	*out = log->current;
	return 0;
}

int kev_log_previous(const struct kev_log *log, void **out)
{
	if (!log->previous)
		return -ENOENT;
	*out = log->previous;
	return 0;
}

/* Make room for the marks of so many records. */
static int grow_marks(struct kev_log_file *file, uint32_t room)
{
	uint32_t count = (room - 1) / MARK_EVERY;
	struct kev_log_mark *marks = count ? realloc(file->marks, count * sizeof(*marks)) : file->marks;

	if (count && !marks)
		return -ENOMEM;
	file->marks = marks;
	return 0;
}

static int grow(struct kev_log_file *file)
{
	/* Small steps: a large block is moved by its page tables, not by copying. */
	uint32_t room = file->room + file->room / 8 + ROOM_MIN;
	struct kev_record **records;

	if (room < file->room)
		return -ENOMEM;
	records = realloc(file->records, room * sizeof(struct kev_record *));
	if (!records)
		return -ENOMEM;
	file->records = records;
	if (grow_marks(file, room))
		return -ENOMEM;
	file->room = room;
	return 0;
}

int kev_log_reserve(struct kev_tree *tree, struct kev_log *log, struct kev_place home)
{
	void *file;
	int r = kev_log_current(tree, log, home, &file);

	if (r || log->current->count < log->current->room)
		return r;
	return grow(log->current);
}

/* Whom the kernel does not know has no reader whose caches it must keep in step. */
static void extend(struct kev_log_file *file, enum kev_record_form form)
{
	if (file->known &&
		kev_inodes_find_place(file->tree->inodes, (struct kev_place){kev_log_role(form), file})) {
		if (!file->grows)
			LIST_INSERT_HEAD(&file->tree->growing, file, growing);
		file->grows = true;
	} else {
		kev_log_publish(file, form);
	}
}

/* There is a record more. */
static void append_record(struct kev_log_file *file, struct kev_record *record /* taken */)
{
	uint32_t at = file->count++;

	file->records[at] = record;
	for (enum kev_record_form form = 0; form < KEV_RECORD_FORMS; form++) {
		if (at && at % MARK_EVERY == 0)
			file->marks[at / MARK_EVERY - 1].offsets[form] = file->forms[form].size;
		file->forms[form].size += kev_record_size(record, form);
		extend(file, form);
	}
}

void kev_log_append(struct kev_log *log, struct kev_record *record, int64_t when)
{
	struct kev_log_file *file = log->current;

	/* What the first sync brings is older than its directory. */
	if (!file->tree->logged || when > file->mtime)
		file->mtime = when;
	append_record(file, kev_record_ref(record));
}

int kev_log_fill(struct kev_tree *tree, struct kev_log *log, struct kev_place home,
	struct kev_record **records, uint32_t count)
{
	struct kev_log_file *file = create_file(tree, home);

	if (!file || grow_marks(file, count)) {
		free(file);
		return -ENOMEM;
	}
	file->records = records;
	file->room = count;
	file->mtime = kev_record_time(records[count - 1]);
	for (uint32_t i = 0; i < count; i++)
		append_record(file, records[i]);
	log->current = file;
	return 0;
}

bool kev_log_rotate(struct kev_log *log)
{
	if (!log->previous && !(log->current && log->current->count))
		return false;
	detach(log->previous);
	log->previous = NULL;
	if (log->current && log->current->count) {
		log->previous = log->current;
		log->current = NULL;
	}
	return true;
}

/* The roles. */

static struct kev_place file_parent(void *item)
{
	struct kev_log_file *file = item;

	return file->home;
}

static void file_hold(void *item)
{
	struct kev_log_file *file = item;

	file->known++;
	file->home.role->hold(file->home.item);
}

static void file_drop(void *item)
{
	struct kev_log_file *file = item;
	struct kev_place home = file->home;

	file->known--;
	if (!file->known && file->detached)
		free_file(file);
	/* With the last node number that holds it, what the log tells of may end, and the log with it. */
	home.role->drop(home.item);
}

/* Every file is another one, also in another mount: where it is of the same name, it need not begin alike. */
static uint64_t file_ino(const struct kev_log_file *file, enum kev_record_form form)
{
	const uint64_t identity[] = {file->tree->generation, file->serial, form};

	return kev_ino_of_hash(kev_hash_sip13(&ino_key, identity, sizeof(identity)));
}

static void file_attr(const struct kev_log_file *file, enum kev_record_form form, struct kev_attr *out)
{
	out->size = file->forms[form].published;
	out->mtime = out->ctime = file->forms[form].mtime;
}

static uint64_t line_ino(const void *item)
{
	return file_ino(item, KEV_RECORD_LINE);
}

static uint64_t json_ino(const void *item)
{
	return file_ino(item, KEV_RECORD_JSON);
}

static void line_attr(const void *item, struct kev_attr *out)
{
	file_attr(item, KEV_RECORD_LINE, out);
}

static void json_attr(const void *item, struct kev_attr *out)
{
	file_attr(item, KEV_RECORD_JSON, out);
}

/* Some records of a file, for one read. */
struct slice {
	enum kev_record_form form;
	uint64_t offset; /* of the first record in the file */
	uint32_t count;
	struct kev_record *records[];
};

/* The last record that begins at or before offset. */
static uint32_t find_record(
	const struct kev_log_file *file, enum kev_record_form form, uint64_t offset, uint64_t *begins)
{
	uint32_t low = 0, high = (file->count - 1) / MARK_EVERY, at;
	uint64_t here = 0;

	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (file->marks[middle - 1].offsets[form] <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	if (low)
		here = file->marks[low - 1].offsets[form];
	for (at = low * MARK_EVERY; at + 1 < file->count; at++) {
		uint64_t next = here + kev_record_size(file->records[at], form);

		if (next > offset)
			break;
		here = next;
	}
	*begins = here;
	return at;
}

static uint32_t count_records(const struct kev_log_file *file, enum kev_record_form form, uint32_t first,
	uint64_t begins, uint64_t end)
{
	uint32_t at = first;

	while (at < file->count && begins < end)
		begins += kev_record_size(file->records[at++], form);
	return at - first;
}

static int take_slice(const struct kev_log_file *file, enum kev_record_form form, uint64_t offset, size_t len,
	struct slice **out)
{
	uint64_t begins = 0, size = file->forms[form].size;
	uint64_t end = len < size && offset <= size - len ? offset + len : size;
	uint32_t first = 0, count = 0;
	struct slice *slice;

	if (offset < end) {
		first = find_record(file, form, offset, &begins);
		count = count_records(file, form, first, begins, end);
	}
	slice = malloc(sizeof(*slice) + count * sizeof(struct kev_record *));
	if (!slice)
		return -ENOMEM;
	*slice = (struct slice){.form = form, .offset = begins, .count = count};
	for (uint32_t i = 0; i < count; i++)
		slice->records[i] = kev_record_ref(file->records[first + i]);
	*out = slice;
	return 0;
}

static void slice_release(void *data)
{
	struct slice *slice = data;

	for (uint32_t i = 0; i < slice->count; i++)
		kev_record_unref(slice->records[i]);
	free(slice);
}

/* Make the line that long: cut, or filled up with spaces. */
static int fit(struct kev_buf *text, size_t size)
{
	size_t len = text->len ? text->len - 1 : 0, keep = len < size ? len : size - 1;

	/* Between two characters. */
	while (keep > 0 && keep < len && ((unsigned char)text->data[keep] & 0xc0) == 0x80)
		keep--;
	text->len = keep;
	kev_buf_append_fill(text, ' ', size - 1 - text->len);
	return kev_buf_append_char(text, '\n');
}

/*
 * Print the record, and nothing but so many bytes: an offset that was given once stays right. Of a state that
 * another version has written, or somebody, a line may come out otherwise than it says, or not at all; those
 * behind it are to be read all the same.
 */
static int print(const struct kev_record *record, enum kev_record_form form, struct kev_json *json,
	struct kev_buf *text)
{
	size_t size = kev_record_size(record, form);
	int r;

	kev_buf_clear(text);
	r = kev_record_append(record, form, json, text);
	if (r == -ENOMEM)
		return r;
	if (r)
		kev_buf_clear(text);
	return text->len == size || fit(text, size) == 0 ? 0 : -ENOMEM;
}

static ssize_t slice_read(void *data, uint64_t offset, void *out, size_t len)
{
	const struct slice *slice = data;
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	size_t skip = (size_t)(offset - slice->offset), got = 0;

	kev_buf_init(&text, (size_t)KEV_EVENT_SIZE_MAX + 1);
	if (!json)
		return -ENOMEM;
	for (uint32_t i = 0; i < slice->count && got < len; i++) {
		int r = print(slice->records[i], slice->form, json, &text);
		size_t take;

		if (r)
			return r;
		take = text.len - skip < len - got ? text.len - skip : len - got;
		if (take)
			memcpy((char *)out + got, text.data + skip, take);
		got += take;
		skip = 0;
	}
	return (ssize_t)got;
}

static int file_content(
	void *item, enum kev_record_form form, uint64_t offset, size_t len, struct kev_content *out)
{
	struct slice *slice;
	int r = take_slice(item, form, offset, len, &slice);

	if (!r)
		*out = (struct kev_content){slice_read, slice_release, slice};
	return r;
}

static int line_content(void *item, uint64_t offset, size_t len, struct kev_content *out)
{
	return file_content(item, KEV_RECORD_LINE, offset, len, out);
}

static int json_content(void *item, uint64_t offset, size_t len, struct kev_content *out)
{
	return file_content(item, KEV_RECORD_JSON, offset, len, out);
}

const struct kev_role kev_role_log_line = {
	.type = KEV_NODE_FILE,
	.parent = file_parent,
	.ino = line_ino,
	.attr = line_attr,
	.content = line_content,
	.hold = file_hold,
	.drop = file_drop,
};

const struct kev_role kev_role_log_json = {
	.type = KEV_NODE_FILE,
	.parent = file_parent,
	.ino = json_ino,
	.attr = json_attr,
	.content = json_content,
	.hold = file_hold,
	.drop = file_drop,
};
