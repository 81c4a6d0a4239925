#include "trainer/encoder/safetensors.h"

#include "text/json_file.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_BYTES 8u
#define BLOCK_ELEMENTS (1u << 20) /* that are read at a time */
#define METADATA_NAME "__metadata__"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are read as they lie in the file");

struct safetensors {
	void *map; /* NULL: the bytes are borrowed */
	size_t map_bytes;
	json_t *header;			    /* owns the names */
	struct safetensors_tensor *tensors; /* (count) by `data` */
	const struct safetensors_tensor **by_name;
	size_t count;
};

static const struct type {
	const char *name;
	enum safetensors_type type;
	uint8_t bits;
} TYPES[] = {
    {"F32", SAFETENSORS_F32, 32},      {"F16", SAFETENSORS_F16, 16},
    {"BF16", SAFETENSORS_BF16, 16},    {"F64", SAFETENSORS_OTHER, 64},
    {"I64", SAFETENSORS_OTHER, 64},    {"U64", SAFETENSORS_OTHER, 64},
    {"C64", SAFETENSORS_OTHER, 64},    {"I32", SAFETENSORS_OTHER, 32},
    {"U32", SAFETENSORS_OTHER, 32},    {"I16", SAFETENSORS_OTHER, 16},
    {"U16", SAFETENSORS_OTHER, 16},    {"I8", SAFETENSORS_OTHER, 8},
    {"U8", SAFETENSORS_OTHER, 8},      {"BOOL", SAFETENSORS_OTHER, 8},
    {"F8_E5M2", SAFETENSORS_OTHER, 8}, {"F8_E4M3", SAFETENSORS_OTHER, 8},
    {"F8_E8M0", SAFETENSORS_OTHER, 8}, {"F6_E2M3", SAFETENSORS_OTHER, 6},
    {"F6_E3M2", SAFETENSORS_OTHER, 6}, {"F4", SAFETENSORS_OTHER, 4},
};

static const struct type *type_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof TYPES / sizeof *TYPES; i++)
		if (strcmp(TYPES[i].name, name) == 0)
			return &TYPES[i];
	return NULL;
}

/* ---- the header ---- */

/* A whole number of at least 0. */
static bool number_read(const json_t *value, uint64_t *ret)
{
	json_int_t number = json_integer_value(value);
	if (!json_is_integer(value) || number < 0)
		return false;
	*ret = (uint64_t)number;
	return true;
}

/* NULL, or what is wrong with it. */
static const char *shape_read(const json_t *shape, struct safetensors_tensor *t)
{
	if (!json_is_array(shape))
		return "has no shape";
	t->dims = json_array_size(shape);
	t->elements = 1;
	if (t->dims > SAFETENSORS_DIMS_MAX)
		return "has too many dimensions";
	for (size_t i = 0; i < t->dims; i++)
		if (!number_read(json_array_get(shape, i), &t->shape[i]) ||
		    __builtin_mul_overflow(t->elements, t->shape[i], &t->elements))
			return "has a shape that can't be right";
	return NULL;
}

static const char *tensor_read(const json_t *value, const unsigned char *body, size_t body_bytes,
			       struct safetensors_tensor *t)
{
	const json_t *offsets = json_object_get(value, "data_offsets");
	const struct type *type = type_find(json_string_value(json_object_get(value, "dtype")));
	uint64_t begin, end, bits;
	if (!type)
		return "has a dtype that the format does not know";
	const char *wrong = shape_read(json_object_get(value, "shape"), t);
	if (wrong)
		return wrong;
	if (json_array_size(offsets) != 2 || !number_read(json_array_get(offsets, 0), &begin) ||
	    !number_read(json_array_get(offsets, 1), &end) || begin > end)
		return "has no good data_offsets";
	if (end > body_bytes)
		return "ends behind the file's end: it is cut off or damaged";
	if (__builtin_mul_overflow(t->elements, (uint64_t)type->bits, &bits) || bits % 8 != 0 ||
	    bits / 8 != end - begin)
		return "has another number of bytes than its dtype and shape need";
	t->type = type->type;
	t->type_name = type->name;
	t->data = body + begin;
	t->bytes = (size_t)(end - begin);
	return NULL;
}

static int data_compare(const void *a, const void *b)
{
	const struct safetensors_tensor *x = a, *y = b;
	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	/* Empty ones first. */
	return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int name_compare(const void *a, const void *b)
{
	const struct safetensors_tensor *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* The bytes are covered once, without gaps, as the format demands. */
static enum err ranges_check(const struct safetensors *s, const unsigned char *body,
			     size_t body_bytes, const char *path, struct err_msg *msg)
{
	const unsigned char *at = body;
	for (size_t i = 0; i < s->count; at += s->tensors[i++].bytes)
		if (s->tensors[i].data != at)
			return err_set(msg, ERR_CORRUPT,
				       "%s: tensor %s does not begin where the one before ends",
				       path, s->tensors[i].name);
	if (at != body + body_bytes)
		return err_set(msg, ERR_CORRUPT, "%s: its last %zu bytes belong to no tensor", path,
			       (size_t)(body + body_bytes - at));
	return ERR_OK;
}

static enum err tensors_read(struct safetensors *s, const unsigned char *body, size_t body_bytes,
			     const char *path, struct err_msg *msg)
{
	const char *name;
	json_t *value;
	size_t count_max = json_object_size(s->header);
	s->tensors = calloc(count_max + 1, sizeof *s->tensors);
	s->by_name = calloc(count_max + 1, sizeof *s->by_name);
	if (!s->tensors || !s->by_name)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
	json_object_foreach(s->header, name, value)
	{
		if (strcmp(name, METADATA_NAME) == 0)
			continue;
		if (strlen(name) >= SAFETENSORS_NAME_BYTES_MAX)
			return err_set(msg, ERR_LIMIT, "%s: a name has more than %d bytes", path,
				       SAFETENSORS_NAME_BYTES_MAX - 1);
		struct safetensors_tensor *t = &s->tensors[s->count++];
		t->name = name;
		const char *wrong = tensor_read(value, body, body_bytes, t);
		if (wrong)
			return err_set(msg, ERR_CORRUPT, "%s: tensor %s %s", path, name, wrong);
	}
	qsort(s->tensors, s->count, sizeof *s->tensors, data_compare);
	for (size_t i = 0; i < s->count; i++)
		s->by_name[i] = &s->tensors[i];
	qsort(s->by_name, s->count, sizeof *s->by_name, name_compare);
	return ranges_check(s, body, body_bytes, path, msg);
}

static enum err header_read(struct safetensors *s, const unsigned char *data, size_t bytes,
			    const char *path, struct err_msg *msg)
{
	static const char pointer[] = "version https://git-lfs";
	uint64_t length;
	if (bytes >= sizeof pointer && memcmp(data, pointer, sizeof pointer - 1) == 0)
		return err_set(msg, ERR_CORRUPT,
			       "%s is a pointer to the weights: fetch them with `git lfs pull`",
			       path);
	if (bytes < LENGTH_BYTES)
		return err_set(msg, ERR_CORRUPT, "%s is cut off", path);
	memcpy(&length, data, LENGTH_BYTES);
	if (length > bytes - LENGTH_BYTES)
		return err_set(msg, ERR_CORRUPT, "%s is cut off, or no safetensors file", path);
	if (length > SAFETENSORS_HEADER_BYTES_MAX)
		return err_set(msg, ERR_LIMIT, "%s: its header has %" PRIu64 " bytes, over %u",
			       path, length, SAFETENSORS_HEADER_BYTES_MAX);
	const unsigned char *header = data + LENGTH_BYTES, *body = header + length;
	if (length == 0 || *header != '{')
		return err_set(msg, ERR_CORRUPT, "%s is no safetensors file", path);
	enum err e = json_file_parse(path, header, (size_t)length, &s->header, msg);
	if (e)
		return e;
	return tensors_read(s, body, (size_t)(data + bytes - body), path, msg);
}

enum err safetensors_parse(const char *path, const void *data, size_t bytes,
			   struct safetensors **ret_file, struct err_msg *msg)
{
	struct safetensors *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
	enum err e = header_read(s, data, bytes, path, msg);
	if (e)
		safetensors_close(s);
	else
		*ret_file = s;
	return e;
}

/* ---- the file ---- */

static enum err file_map(const char *path, void **ret_map, size_t *ret_bytes, struct err_msg *msg)
{
	struct stat stat;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(msg, "read", path);
	enum err e = ERR_OK;
	void *map = NULL;
	if (fstat(fd, &stat) != 0)
		e = err_set_errno(msg, "read", path);
	else if (!S_ISREG(stat.st_mode))
		e = err_set(msg, ERR_INVALID, "%s is not a file", path);
	else if (stat.st_size < (off_t)LENGTH_BYTES)
		e = err_set(msg, ERR_CORRUPT, "%s is cut off", path);
	else
		map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		e = err_set_errno(msg, "map", path);
	(void)close(fd);
	if (e)
		return e;
	*ret_map = map;
	*ret_bytes = (size_t)stat.st_size;
	return ERR_OK;
}

enum err safetensors_open(const char *path, struct safetensors **ret_file, struct err_msg *msg)
{
	void *map = NULL;
	size_t bytes = 0;
	struct safetensors *s;
	enum err e = file_map(path, &map, &bytes, msg);
	if (e)
		return e;
	e = safetensors_parse(path, map, bytes, &s, msg);
	if (e) {
		(void)munmap(map, bytes);
		return e;
	}
	s->map = map;
	s->map_bytes = bytes;
	*ret_file = s;
	return ERR_OK;
}

void safetensors_close(struct safetensors *s)
{
	if (!s)
		return;
	if (s->map)
		(void)munmap(s->map, s->map_bytes);
	json_decref(s->header);
	free(s->tensors);
	free(s->by_name);
	free(s);
}

size_t safetensors_count(const struct safetensors *s)
{
	return s->count;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t index)
{
	assert(index < s->count);
	return &s->tensors[index];
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
	const struct safetensors_tensor key = {.name = name}, *at = &key;
	const struct safetensors_tensor **found =
	    bsearch(&at, s->by_name, s->count, sizeof *s->by_name, name_compare);
	return found ? *found : NULL;
}

/* ---- the values ---- */

static float bits_float(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static float half_float(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u,
		 mantissa = half & 1023u;
	if (exponent == 0) /* 0 and subnormals: mantissa * 2^-24 */
		return bits_float(sign | 0x3f800000u) * ((float)mantissa * 0x1p-24f);
	if (exponent == 31) /* infinities and NANs */
		return bits_float(sign | 0x7f800000u | mantissa << 13);
	return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Gives back the mapped pages that lie wholly between. */
static void pages_drop(const struct safetensors *s, const unsigned char *data, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data,
		  end = begin + bytes;
	begin = (begin + page - 1) / page * page;
	end = end / page * page;
	if (s->map && begin < end)
		(void)madvise((unsigned char *)s->map + (begin - (uintptr_t)s->map), end - begin,
			      MADV_DONTNEED);
}

static void block_read(enum safetensors_type type, const unsigned char *data, size_t count,
		       float *ret)
{
	uint16_t half;
	if (type == SAFETENSORS_F32) {
		memcpy(ret, data, count * sizeof *ret);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		memcpy(&half, data + 2 * i, 2);
		ret[i] =
		    type == SAFETENSORS_F16 ? half_float(half) : bits_float((uint32_t)half << 16);
	}
}

void safetensors_read(const struct safetensors *s, const struct safetensors_tensor *t, float *ret)
{
	assert(t->type != SAFETENSORS_OTHER);
	size_t count = (size_t)t->elements, each = t->type == SAFETENSORS_F32 ? 4 : 2;
	for (size_t first = 0; first < count; first += BLOCK_ELEMENTS) {
		size_t size = count - first < BLOCK_ELEMENTS ? count - first : BLOCK_ELEMENTS;
		block_read(t->type, t->data + first * each, size, ret + first);
		pages_drop(s, t->data + first * each, size * each);
	}
}
