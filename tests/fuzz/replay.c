/* Runs a fuzz target over the files given, whole and cut short at every byte. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX (1u << 20)
#define CUTS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of just that size, so that a sanitizer sees what is read past its end. */
static void replay(const char *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char **argv)
{
	static char data[INPUT_BYTES_MAX];
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file) {
			perror(argv[i]);
			return 1;
		}
		size_t size = fread(data, 1, sizeof data, file);
		fclose(file);
		replay(data, size);
		for (size_t cut = 0; cut < size && cut < CUTS_MAX; cut++)
			replay(data, cut);
	}
	printf("%d files replayed\n", argc - 1);
	return 0;
}
