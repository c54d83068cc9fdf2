/*
 * Reading key-encryption keys from where they are kept.
 */

#include "crypto/key_ring.h"

#include "base/text.h"
#include "crypto/key_file.h"

#define CREDENTIAL "credential:"
#define SHARES     "shares:"

const char *key_source_kind(struct key_source source)
{
    if (text_starts_with(source.text, CREDENTIAL))
        return "a credential";
    return text_starts_with(source.text, SHARES) ? "two shares" : "a file";
}

size_t key_source_files(struct key_source source, char paths[][KEY_PATH_SIZE])
{
    if (text_starts_with(source.text, CREDENTIAL)) {
        snprintf(paths[0], KEY_PATH_SIZE, "%s/%s",
                 source.credentials == NULL ? "$CREDENTIALS_DIRECTORY" : source.credentials,
                 source.text + strlen(CREDENTIAL));
        return 1;
    }
    if (!text_starts_with(source.text, SHARES)) {
        snprintf(paths[0], KEY_PATH_SIZE, "%s", source.text);
        return 1;
    }
    const char *first = source.text + strlen(SHARES);
    const char *comma = strchr(first, ',');
    if (comma == NULL)
        return 0;
    snprintf(paths[0], KEY_PATH_SIZE, "%.*s", (int)(comma - first), first);
    snprintf(paths[1], KEY_PATH_SIZE, "%s", comma + 1);
    return 2;
}

static bool refuse_source(char problem[256], const char *why, const char *what)
{
    snprintf(problem, 256, "%s \"%.150s\"", why, what);
    return false;
}

/*
 * The share over the lines.  They are counted from the last: a new line that only one of them has
 * yet is none.
 */
static bool combine(struct key_lines *lines, const struct key_lines *share)
{
    size_t count = lines->count < share->count ? lines->count : share->count;
    size_t skipped = lines->count - count;
    size_t skipped_share = share->count - count;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *one = lines->list[skipped + i];
        const uint8_t *other = share->list[skipped_share + i];
        if (secret_equal(one, other, SECRET_SIZE))
            return false;
        for (size_t k = 0; k < SECRET_SIZE; k++)
            lines->list[i][k] = one[k] ^ other[k];
    }
    lines->count = count;
    return true;
}

static bool read_lines(struct key_source source, struct key_lines *lines, char problem[256])
{
    char paths[KEY_SOURCE_FILES_MAX][KEY_PATH_SIZE];
    size_t count = key_source_files(source, paths);
    AUTO(key_lines_wipe) struct key_lines share = {0};

    if (count == 0)
        return refuse_source(problem, "not two paths with a comma between them:", source.text);
    if (!key_lines_read(paths[0], lines, problem))
        return false;
    if (count == 1)
        return true;
    if (!key_lines_read(paths[1], &share, problem))
        return false;
    return combine(lines, &share) ||
           refuse_source(problem, "the two shares are the same:", source.text);
}

const struct data_key *key_ring_find(const struct key_ring *ring, const uint8_t id[KEY_ID_SIZE])
{
    for (size_t i = 0; i < ring->count; i++) {
        if (memcmp(ring->keys[i].id, id, KEY_ID_SIZE) == 0)
            return &ring->keys[i];
    }
    return NULL;
}

static void derive_key(const uint8_t line[SECRET_SIZE], struct data_key *key)
{
    uint8_t id[SECRET_SIZE];

    secret_derive(line, "dues kek", key->key);
    secret_derive(line, "dues kek id", id);
    memcpy(key->id, id, KEY_ID_SIZE);
}

bool key_ring_read(struct key_source source, struct key_ring *ring, char problem[256])
{
    AUTO(key_lines_wipe) struct key_lines lines = {0};

    if (!read_lines(source, &lines, problem))
        return false;
    ring->count = lines.count;
    for (size_t i = 0; i < lines.count; i++)
        derive_key(lines.list[i], &ring->keys[i]);
    memcpy(ring->first_line, lines.list[0], SECRET_SIZE);
    return true;
}

static bool put_line(const char *path, size_t wanted, const struct random *random,
                     char problem[256])
{
    AUTO(key_lines_wipe) struct key_lines lines = {0};

    if (!key_lines_read(path, &lines, problem))
        return false;
    if (lines.count >= wanted)
        return true;
    memmove(lines.list[1], lines.list[0], lines.count * SECRET_SIZE);
    random_fill(random, lines.list[0], SECRET_SIZE);
    lines.count++;
    return key_lines_write(path, &lines, problem);
}

/* A crash between two shares leaves a line that only one of them has; the next run fills it up. */
bool key_source_put_new(struct key_source source, const struct random *random, char problem[256])
{
    char paths[KEY_SOURCE_FILES_MAX][KEY_PATH_SIZE];
    size_t count = key_source_files(source, paths);
    AUTO(key_lines_wipe) struct key_lines lines = {0};

    if (text_starts_with(source.text, CREDENTIAL))
        return refuse_source(problem, "put a new key before the others yourself in", source.text);
    if (!read_lines(source, &lines, problem))
        return false;
    if (lines.count == KEY_RING_MAX)
        return refuse_source(problem, "there are too many keys already in", source.text);
    for (size_t i = 0; i < count; i++) {
        if (!put_line(paths[i], lines.count + 1, random, problem))
            return false;
    }
    return true;
}

bool key_source_keep_first(struct key_source source, char problem[256])
{
    AUTO(key_lines_wipe) struct key_lines lines = {0};

    /* Two files cannot be replaced at one moment, nor a credential by us. */
    if (text_starts_with(source.text, CREDENTIAL) || text_starts_with(source.text, SHARES))
        return refuse_source(problem, "take the old keys away yourself from", source.text);
    if (!key_lines_read(source.text, &lines, problem))
        return false;
    lines.count = 1;
    return key_lines_write(source.text, &lines, problem);
}
