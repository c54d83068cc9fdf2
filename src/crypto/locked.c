/*
 * Memory for keys: whole pages, so that locking them and leaving them out of dumps touches nothing
 * else.
 */

#include "crypto/locked.h"

#include <sys/mman.h>

#include "crypto/must.h"
#include "crypto/secrets.h"

void *locked_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    crypto_must(memory != MAP_FAILED, "memory for keys");
    /* Best effort: a small RLIMIT_MEMLOCK must not stop the server. */
    (void)mlock(memory, size);
    (void)madvise(memory, size, MADV_DONTDUMP);
    return memory;
}

void locked_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    secret_wipe(memory, size);
    munmap(memory, size);
}
