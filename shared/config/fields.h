/*
 * Reads a YAML mapping into a struct by a table of its keys, and says with file
 * and line what is wrong: an unknown key, a key twice, a wrong type, a value
 * out of range.
 */
#ifndef FREEAL_CONFIG_FIELDS_H
#define FREEAL_CONFIG_FIELDS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

struct fields_file {
	const char *name; /* for messages */
	yaml_document_t *document;
	struct err_msg *msg;
};

enum field_type {
	FIELD_STRING,  /* char *, owned; any scalar */
	FIELD_STRINGS, /* struct task_strings, owned */
	FIELD_UINT,    /* uint32_t */
	FIELD_UINT64,
	FIELD_DOUBLE,
	FIELD_BOOL,   /* bool */
	FIELD_CHOICE, /* int: the number of the value in `choices` */
	FIELD_READ,   /* by `read` */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;	 /* in the struct */
	double min, max; /* of numbers, inclusive; of strings: max bytes */
	const char *choices[4];
	enum err (*read)(const struct fields_file *f, yaml_node_t *node, void *base);
	/* What to do where it is missing; NULL: it may be. */
	const char *required;
};

/* A table and the struct it fills. */
struct field_set {
	const struct field *fields;
	size_t count;
	void *base;
};

#define FIELDS_MAX 48 /* over all sets of a mapping */

/*
 * Reads the mapping `node` (`what` names it in messages) in the tables' order,
 * whatever its own. Fields that are not there are left as they are.
 */
WARN_UNUSED enum err fields_read(const struct fields_file *f, yaml_node_t *node, const char *what,
				 const struct field_set *sets, size_t set_count);

/* A scalar as an owned string without outer white space; not empty, at most `bytes_max`. */
WARN_UNUSED enum err fields_string(const struct fields_file *f, yaml_node_t *node, const char *what,
				   size_t bytes_max, char **ret_string);

/* Unquoted numbers within bounds, inclusive. */
WARN_UNUSED enum err fields_uint(const struct fields_file *f, yaml_node_t *node, const char *what,
				 double min, double max, uint64_t *ret_value);
WARN_UNUSED enum err fields_double(const struct fields_file *f, yaml_node_t *node, const char *what,
				   double min, double max, double *ret_value);

/* true, on and yes, or false, off and no. */
WARN_UNUSED enum err fields_bool(const struct fields_file *f, yaml_node_t *node, const char *what,
				 bool *ret_value);
/* A decimal number in billionths, exactly: at most nine decimals, from 1e-9 to 1e9. */
WARN_UNUSED enum err fields_nano(const struct fields_file *f, yaml_node_t *node, const char *what,
				 uint64_t *ret_value);

/* Items of a list; ERR_INVALID where it is none. */
WARN_UNUSED enum err fields_list(const struct fields_file *f, yaml_node_t *node, const char *what,
				 yaml_node_item_t **ret_items, size_t *ret_count);
yaml_node_t *fields_node(const struct fields_file *f, int number);
/* What the mapping `node` has under this key; NULL where it has nothing, or is no mapping. */
yaml_node_t *fields_value(const struct fields_file *f, const yaml_node_t *node, const char *key);

/* "FILE:LINE: ..." at the node; returns ERR_INVALID. */
enum err fields_fail(const struct fields_file *f, const yaml_node_t *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
