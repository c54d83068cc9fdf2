/*
 * The arena: a chain of blocks, handed out from the front and wiped together.
 *
 * What is not handed out is always zero (calloc at first, explicit_bzero after use), so allocation
 * is a pointer bump.  Under AddressSanitizer the unused part is poisoned and each allocation is
 * followed by a gap, so that an overflow is found although malloc is not asked.
 */

#include "base/arena.h"

#include <stdarg.h>

#include "base/bug.h"
#include "base/sanitizer.h"

#if DUES_ASAN
#include <sanitizer/asan_interface.h>
#define GAP_SIZE 16
#else
#define ASAN_POISON_MEMORY_REGION(start, size)   ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define GAP_SIZE                                 0
#endif

#define ALIGNMENT        16
#define FIRST_BLOCK_SIZE 8192
#define BLOCK_SIZE_MAX   (256 * 1024)

struct block {
    struct block *next;
    size_t capacity;
    size_t used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct arena {
    size_t size_max;
    size_t used; /* handed out, rounded up to the alignment, gaps not counted */
    struct block *first;
    struct block *last;
};

static struct block *block_new(size_t capacity)
{
    struct block *block = calloc(1, sizeof *block + capacity);

    if (block == NULL)
        bug("arena: out of memory, wanted %zu bytes", capacity);
    block->capacity = capacity;
    ASAN_POISON_MEMORY_REGION(block->bytes, block->capacity);
    return block;
}

static void block_wipe(struct block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->capacity);
    explicit_bzero(block->bytes, block->used);
    block->used = 0;
}

static void blocks_free(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;
        block_wipe(block);
        free(block);
        block = next;
    }
}

struct arena *arena_new(size_t size_max)
{
    struct arena *arena = calloc(1, sizeof *arena);

    if (arena == NULL)
        bug("arena: out of memory");
    arena->size_max = size_max;
    arena->first = block_new(FIRST_BLOCK_SIZE);
    arena->last = arena->first;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    blocks_free(arena->first);
    free(arena);
}

void arena_auto_free(struct arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    blocks_free(arena->first->next);
    arena->first->next = NULL;
    arena->last = arena->first;
    arena->used = 0;
    block_wipe(arena->first);
    ASAN_POISON_MEMORY_REGION(arena->first->bytes, arena->first->capacity);
}

/* A block with room for `size`, and for more of its kind while the cap allows. */
static void grow(struct arena *arena, size_t size)
{
    size_t capacity = arena->last->capacity * 2;

    if (capacity > BLOCK_SIZE_MAX)
        capacity = BLOCK_SIZE_MAX;
    if (capacity > arena->size_max - arena->used)
        capacity = arena->size_max - arena->used;
    if (capacity < size)
        capacity = size;
    arena->last->next = block_new(capacity);
    arena->last = arena->last->next;
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    if (size > arena->size_max || size > SIZE_MAX - ALIGNMENT - GAP_SIZE)
        return NULL;
    size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded > arena->size_max - arena->used)
        return NULL;
    if (rounded + GAP_SIZE > arena->last->capacity - arena->last->used)
        grow(arena, rounded + GAP_SIZE);

    struct block *block = arena->last;
    void *memory = block->bytes + block->used;
    block->used += rounded + GAP_SIZE;
    arena->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = arena_try_alloc(arena, size);

    if (memory == NULL)
        bug("arena: %zu bytes wanted, %zu of %zu used", size, arena->used, arena->size_max);
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        bug("arena: array of %zu times %zu bytes", count, size);
    return arena_alloc(arena, total);
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text) + 1);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    size_t size = strnlen(text, length);
    char *copy = arena_alloc(arena, size + 1);

    memcpy(copy, text, size);
    return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        bug("arena: cannot format '%s'", format);

    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
