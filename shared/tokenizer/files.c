#include "tokenizer/tokenizer_impl.h"

#include "base/folder.h"
#include "text/json_file.h"
#include "text/text_file.h"

#include <limits.h>

#define FILE_BYTES_MAX (32u << 20) /* the largest known has 17 MB */

const char *const tokenizer_files[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    NULL,
};

enum err tokenizer_file(const char *folder, const char *name, struct buf *ret_text,
			struct err_msg *msg)
{
	char path[PATH_MAX];
	enum err e = folder_path(folder, name, path, msg);
	return e ? e : text_file_load(path, FILE_BYTES_MAX, ret_text, msg);
}

enum err tokenizer_file_json(const char *folder, const char *name, json_t **ret_root,
			     struct err_msg *msg)
{
	char path[PATH_MAX];
	enum err e = folder_path(folder, name, path, msg);
	return e ? e : json_file_load(path, FILE_BYTES_MAX, ret_root, msg);
}
