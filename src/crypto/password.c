/*
 * Argon2id over libargon2.  The parameters stand here once; those of a stored hash stand in it, in
 * the PHC string format: $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<tag>.
 *
 * The memory of a hash is kept by its thread: to ask the kernel for it each time, and to give it
 * back, would hold up every other thread of the process.
 */

#include "crypto/password.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/random.h"
#include "base/text.h"
#include "crypto/must.h"
#include "crypto/offload.h"
#include "crypto/secrets.h"

#define MEMORY_KIB 19456
#define PASSES     2
#define LANES      1
#define SALT_SIZE  16
#define TAG_SIZE   32

/* Of a stored hash; what is larger is no hash of ours. */
#define PART_SIZE_MAX  64
#define MEMORY_KIB_MAX 1048576
#define PASSES_MAX     64
#define LANES_MAX      16
/* Argon2 takes no less. */
#define SALT_SIZE_MIN         8
#define TAG_SIZE_MIN          4
#define MEMORY_KIB_MIN(lanes) (8 * (lanes))

/* A hash that no password is looked for under: it only costs what a real one costs. */
#define HASH_OF_NOBODY                                                                             \
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxpdmVzIGhlcmU$"                                      \
    "3+Ki1kpym2AncjleubtWTbSrlLcxzkKqXwDS0zIhkoQ"

/* One computation of a tag. */
struct hashing {
    const char *password;
    uint32_t memory_kib, passes, lanes;
    size_t salt_size, tag_size;
    uint8_t salt[PART_SIZE_MAX];
    uint8_t tag[PART_SIZE_MAX];
};

/* At the start of the memory that a thread keeps. */
struct memory {
    size_t size;
};

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;

static void release_memory(void *kept)
{
    struct memory *memory = kept;

    munmap(memory, memory->size);
}

static void make_memory_key(void)
{
    crypto_must(pthread_key_create(&memory_key, release_memory) == 0, "memory of hashes");
}

/* Argon2 wants blocks of 1 KiB, aligned for vectors; a page stands before them for our size. */
#define HEAD_SIZE 4096

static int take_memory(uint8_t **memory, size_t size)
{
    pthread_once(&memory_once, make_memory_key);
    struct memory *kept = pthread_getspecific(memory_key);

    if (kept == NULL || kept->size < size + HEAD_SIZE) {
        if (kept != NULL)
            release_memory(kept);
        kept = mmap(NULL, size + HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
        crypto_must(kept != MAP_FAILED, "memory of a hash");
        kept->size = size + HEAD_SIZE;
        pthread_setspecific(memory_key, kept);
    }
    *memory = (uint8_t *)kept + HEAD_SIZE;
    return ARGON2_OK;
}

/* Argon2 has wiped it (FLAG_clear_internal_memory, which is on unless somebody turns it off). */
static void leave_memory(uint8_t *memory, size_t size)
{
    (void)memory;
    (void)size;
}

static void compute(const struct hashing *hashing, uint8_t tag[PART_SIZE_MAX])
{
    argon2_context context = {
        .out = tag,
        .outlen = (uint32_t)hashing->tag_size,
        .pwd = (uint8_t *)(uintptr_t)hashing->password, /* read only, by its flags */
        .pwdlen = (uint32_t)strlen(hashing->password),
        .salt = (uint8_t *)(uintptr_t)hashing->salt,
        .saltlen = (uint32_t)hashing->salt_size,
        .t_cost = hashing->passes,
        .m_cost = hashing->memory_kib,
        .lanes = hashing->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .allocate_cbk = take_memory,
        .free_cbk = leave_memory,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    int result = argon2id_ctx(&context);

    crypto_must(result == ARGON2_OK, argon2_error_message(result));
}

const struct error *password_check_room(struct call *call)
{
    return crypto_offload_check(call);
}

static void run_hash(void *arg)
{
    struct hashing *work = arg;

    compute(work, work->tag);
}

/* Standard alphabet without padding, as the format has it. */
static char *encode(struct arena *arena, const uint8_t *bytes, size_t size)
{
    char *text = base64_encode(arena, bytes, size);

    text[strcspn(text, "=")] = '\0';
    return text;
}

const struct error *password_hash(struct call *call, const char *password, const char **hash)
{
    struct hashing work = {
        .password = password,
        .memory_kib = MEMORY_KIB,
        .passes = PASSES,
        .lanes = LANES,
        .salt_size = SALT_SIZE,
        .tag_size = TAG_SIZE,
    };

    random_fill(call->house->random, work.salt, SALT_SIZE);
    TRY(crypto_offload(call, run_hash, &work));
    *hash = arena_printf(call->arena, "$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", MEMORY_KIB, PASSES,
                         LANES, encode(call->arena, work.salt, SALT_SIZE),
                         encode(call->arena, work.tag, TAG_SIZE));
    return NULL;
}

/* `*text` begins with `name` and a number from 1 to `most`; moves on behind it. */
static bool read_number(const char **text, const char *name, uint32_t most, uint32_t *number)
{
    if (!text_starts_with(*text, name))
        return false;
    char *end;
    unsigned long value = strtoul(*text + strlen(name), &end, 10);

    *text = end;
    *number = (uint32_t)value;
    return value >= 1 && value <= most;
}

/* "$" and base64 without padding, to the next "$" or the end. */
static bool read_part(struct arena *arena, const char **text, uint8_t part[PART_SIZE_MAX],
                      size_t *size)
{
    if (**text != '$')
        return false;
    size_t length = strcspn(*text + 1, "$");
    char *url = arena_strndup(arena, *text + 1, length); /* in the other alphabet */

    *text += 1 + length;
    for (char *c = url; *c != '\0'; c++) {
        if (*c == '+')
            *c = '-';
        else if (*c == '/')
            *c = '_';
    }
    const uint8_t *bytes = base64url_decode(arena, url, length, size);
    if (bytes == NULL || *size < 1 || *size > PART_SIZE_MAX)
        return false;
    memcpy(part, bytes, *size);
    return true;
}

static bool read_parameters(const char **hash, struct hashing *hashing)
{
    return read_number(hash, "$argon2id$v=19$m=", MEMORY_KIB_MAX, &hashing->memory_kib) &&
           read_number(hash, ",t=", PASSES_MAX, &hashing->passes) &&
           read_number(hash, ",p=", LANES_MAX, &hashing->lanes);
}

/*
 * What has to be computed to compare with a stored hash; the tag is the stored one.  False: it is
 * none, as after an erasure.
 */
static bool read_hash(struct arena *arena, const char *hash, struct hashing *hashing)
{
    return read_parameters(&hash, hashing) &&
           read_part(arena, &hash, hashing->salt, &hashing->salt_size) &&
           read_part(arena, &hash, hashing->tag, &hashing->tag_size) && *hash == '\0' &&
           hashing->memory_kib >= MEMORY_KIB_MIN(hashing->lanes) &&
           hashing->salt_size >= SALT_SIZE_MIN && hashing->tag_size >= TAG_SIZE_MIN;
}

struct verifying {
    struct hashing stored;
    bool matches;
};

static void run_verify(void *arg)
{
    struct verifying *work = arg;
    uint8_t tag[PART_SIZE_MAX];

    compute(&work->stored, tag);
    work->matches = CRYPTO_memcmp(tag, work->stored.tag, work->stored.tag_size) == 0;
}

const struct error *password_verify(struct call *call, const char *hash, const char *password,
                                    bool *matches)
{
    struct verifying work = {.stored = {.password = password}};
    bool is_known = hash != NULL && read_hash(call->arena, hash, &work.stored);

    if (!is_known)
        crypto_must(read_hash(call->arena, HASH_OF_NOBODY, &work.stored), "hash of nobody");
    TRY(crypto_offload(call, run_verify, &work));
    *matches = work.matches && is_known;
    return NULL;
}

bool password_is_outdated(const char *hash)
{
    struct hashing stored = {0};

    return !read_parameters(&hash, &stored) || stored.memory_kib < MEMORY_KIB ||
           stored.passes < PASSES || stored.lanes < LANES;
}
