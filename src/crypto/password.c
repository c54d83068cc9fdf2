/*
 * Argon2id over libargon2.  The parameters stand here once; those of a stored hash stand in it.
 */

#include "crypto/password.h"

#include <argon2.h>

#include "base/random.h"
#include "crypto/must.h"
#include "crypto/offload.h"
#include "crypto/secrets.h"

#define MEMORY_KIB 19456
#define PASSES     2
#define LANES      1
#define SALT_SIZE  16
#define TAG_SIZE   32
#define PHC_SIZE   128

/* A hash that no password is looked for under: it only costs what a real one costs. */
#define HASH_OF_NOBODY                                                                             \
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxpdmVzIGhlcmU$"                                      \
    "3+Ki1kpym2AncjleubtWTbSrlLcxzkKqXwDS0zIhkoQ"

struct hashing {
    const char *password;
    uint8_t salt[SALT_SIZE];
    char hash[PHC_SIZE];
};

struct verifying {
    const char *password;
    const char *hash;
    bool matches;
};

static void run_hash(void *arg)
{
    struct hashing *work = arg;
    int result =
        argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, work->password, strlen(work->password),
                              work->salt, SALT_SIZE, TAG_SIZE, work->hash, sizeof(work->hash));
    crypto_must(result == ARGON2_OK, argon2_error_message(result));
}

const struct error *password_check_room(struct call *call)
{
    return crypto_offload_check(call);
}

const struct error *password_hash(struct call *call, const char *password, const char **hash)
{
    struct hashing work = {.password = password};
    random_fill(call->house->random, work.salt, sizeof(work.salt));
    TRY(crypto_offload(call, run_hash, &work));
    *hash = arena_strdup(call->arena, work.hash);
    return NULL;
}

static void run_verify(void *arg)
{
    struct verifying *work = arg;
    int result = argon2id_verify(work->hash, work->password, strlen(work->password));
    crypto_must(result == ARGON2_OK || result == ARGON2_VERIFY_MISMATCH,
                argon2_error_message(result));
    work->matches = result == ARGON2_OK;
}

const struct error *password_verify(struct call *call, const char *hash, const char *password,
                                    bool *matches)
{
    struct verifying work = {.password = password, .hash = hash ? hash : HASH_OF_NOBODY};
    TRY(crypto_offload(call, run_verify, &work));
    *matches = work.matches && hash != NULL;
    return NULL;
}

/* One parameter of a PHC string: the number after `name`, 0 when it is not there. */
static unsigned long parameter(const char *hash, const char *name)
{
    const char *at = strstr(hash, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

bool password_is_outdated(const char *hash)
{
    return strncmp(hash, "$argon2id$v=19$", 15) != 0 || parameter(hash, "$m=") < MEMORY_KIB ||
           parameter(hash, ",t=") < PASSES || parameter(hash, ",p=") < LANES;
}
