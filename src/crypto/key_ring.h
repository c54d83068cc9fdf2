/*
 * Key-encryption keys (KEK), as their source gives them: the first is the one that wraps, those
 * after it still open what they wrapped.
 *
 *   /path/to/file          64 hex digits a line
 *   credential:NAME        the same in $CREDENTIALS_DIRECTORY/NAME (systemd.exec(5))
 *   shares:/path,/path     two such files; each line is the XOR of both, and each file alone is
 *                          nothing but chance
 *
 * The key that wraps and its id are derived from the line.
 */
#pragma once

#include "crypto/sealed.h"

#define KEY_RING_MAX 8

/* Keep it where locked_new put it. */
struct key_ring {
    size_t count;
    struct data_key keys[KEY_RING_MAX];
    uint8_t first_line[SECRET_SIZE]; /* what secrets derives its keys from */
};

/* False and one line in `problem`; `*ring` is as it was. */
bool key_ring_read(struct key_source source, struct key_ring *ring, char problem[256]) MUST_CHECK;

/* NULL: it is not there. */
const struct data_key *key_ring_find(const struct key_ring *ring, const uint8_t id[KEY_ID_SIZE]);

/*
 * Puts a new key before the others (not in a credential), or keeps the first alone (in a file).
 * Each file is replaced at once and is on disk when this returns; its mode and its owner stay.
 * False and one line in `problem` when that is the operator's to do, or does not work.
 */
bool key_source_put_new(struct key_source source, const struct random *random, char problem[256])
    MUST_CHECK;
bool key_source_keep_first(struct key_source source, char problem[256]) MUST_CHECK;

/* "a file", "a credential", "two shares". */
const char *key_source_kind(struct key_source source);

/* The files of the source, each in `paths`; their number. */
#define KEY_SOURCE_FILES_MAX 2
#define KEY_PATH_SIZE        4096
size_t key_source_files(struct key_source source, char paths[][KEY_PATH_SIZE]);
