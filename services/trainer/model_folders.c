#include "trainer/model_folders.h"

#include "base/folder.h"
#include "trainer/model.h"

#include <stdio.h>

enum err model_folders_set(struct model_folders *models, const char *dir, struct err_msg *msg)
{
	if (snprintf(models->made, sizeof models->made, "%s/model", dir) >=
		(int)sizeof models->made ||
	    snprintf(models->pulled, sizeof models->pulled, "%s/pulled", dir) >=
		(int)sizeof models->pulled)
		return err_set(msg, ERR_LIMIT, "%s: the path is too long", dir);
	return ERR_OK;
}

const char *model_folders_find(const struct model_folders *models, uint64_t checksum)
{
	const char *folders[] = {models->made, models->pulled};
	for (size_t i = 0; i < 2; i++) {
		uint64_t found;
		struct err_msg msg;
		if (model_folder_checksum(folders[i], &found, &msg) == ERR_OK && found == checksum)
			return folders[i];
	}
	return NULL;
}

void model_folders_delete(const struct model_folders *models)
{
	folder_delete(models->made);
	folder_delete(models->pulled);
}
