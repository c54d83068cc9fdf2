/*
 * main() of the fuzz targets where there is no libFuzzer: every file of the given directories is
 * one input.  Each is copied to the end of a block of its own, so that a sanitizer sees the first
 * byte that is read too far.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "base/bug.h"
#include "fuzz/fuzz.h"

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct stat status;

    if (file == NULL || fstat(fileno(file), &status) != 0)
        bug("cannot read %s", path);
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size)
        bug("cannot read %s", path);
    fclose(file);
    fuzz_one(data, size);
    free(data);
}

static int run_directory(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    if (directory == NULL)
        bug("cannot open %s", path);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        run_file(file);
        count++;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++)
        count += run_directory(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
