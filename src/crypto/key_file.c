/*
 * Files of keys.  A new one is written beside the old one and renamed over it, so that a crash
 * leaves one of the two whole.
 */

#include "crypto/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define HEX_SIZE       ((size_t)2 * SECRET_SIZE)
#define FILE_SIZE_MAX  4096
#define FILE_TEXT_SIZE (KEY_RING_MAX * (HEX_SIZE + 1) + 1)

static void close_descriptor(const int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}

void key_lines_wipe(struct key_lines *lines)
{
    secret_wipe(lines, sizeof(*lines));
}

static bool has_line(const struct key_lines *lines, const uint8_t line[SECRET_SIZE])
{
    for (size_t i = 0; i < lines->count; i++) {
        if (secret_equal(lines->list[i], line, SECRET_SIZE))
            return true;
    }
    return false;
}

bool key_lines_parse(char *text, struct key_lines *lines)
{
    lines->count = 0;
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
        uint8_t key[SECRET_SIZE];
        size_t size = strlen(line);
        if (size > 0 && line[size - 1] == '\r')
            line[--size] = '\0';
        if (size == 0 || line[0] == '#')
            continue;
        if (size != HEX_SIZE || !hex_decode(line, key, SECRET_SIZE) ||
            lines->count == KEY_RING_MAX || has_line(lines, key))
            return false;
        memcpy(lines->list[lines->count++], key, SECRET_SIZE);
        secret_wipe(key, sizeof(key));
    }
    return lines->count > 0;
}

bool key_lines_read(const char *path, struct key_lines *lines, char problem[256])
{
    char text[FILE_SIZE_MAX + 1] = "";
    AUTO(close_descriptor) int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0) {
        snprintf(problem, 256, "could not open master key file \"%.150s\": %s", path,
                 strerror(errno));
        return false;
    }
    ssize_t got = read(descriptor, text, FILE_SIZE_MAX);
    size_t size = got > 0 ? (size_t)got : 0;
    text[size] = '\0';
    bool good = size < FILE_SIZE_MAX && strlen(text) == size && key_lines_parse(text, lines);
    secret_wipe(text, sizeof(text));
    if (!good)
        snprintf(problem, 256, "master key file \"%.150s\" does not hold 64 hex digits", path);
    return good;
}

static bool fill_file(int descriptor, const struct stat *old, const struct key_lines *lines)
{
    char text[FILE_TEXT_SIZE] = "";
    size_t size = 0;

    for (size_t i = 0; i < lines->count; i++) {
        hex_encode(lines->list[i], SECRET_SIZE, text + size);
        size += HEX_SIZE;
        text[size++] = '\n';
    }
    bool good = fchmod(descriptor, old->st_mode & 07777) == 0 &&
                (fchown(descriptor, old->st_uid, old->st_gid) == 0 || geteuid() != 0) &&
                write(descriptor, text, size) == (ssize_t)size && fsync(descriptor) == 0;
    secret_wipe(text, sizeof(text));
    return good;
}

static void sync_directory_of(const char *path)
{
    char copy[KEY_PATH_SIZE];

    snprintf(copy, sizeof(copy), "%s", path);
    AUTO(close_descriptor) int directory = open(dirname(copy), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (directory >= 0)
        (void)fsync(directory);
}

bool key_lines_write(const char *path, const struct key_lines *lines, char problem[256])
{
    char beside[KEY_PATH_SIZE + 8];
    struct stat old;

    snprintf(beside, sizeof(beside), "%s.new", path);
    (void)unlink(beside); /* of a run that was killed */
    AUTO(close_descriptor)
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0 || stat(path, &old) != 0 || !fill_file(descriptor, &old, lines) ||
        rename(beside, path) != 0) {
        snprintf(problem, 256, "could not replace \"%.150s\": %s", path, strerror(errno));
        if (descriptor >= 0)
            (void)unlink(beside);
        return false;
    }
    sync_directory_of(path);
    return true;
}
