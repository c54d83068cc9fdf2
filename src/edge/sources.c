/*
 * A hash table with chains in a fixed array; places that become free are used again first, so the
 * pages that it touches are as many as there were sources at one time.
 */

#include "edge/sources.h"

#include <string.h>

/* Of 0000::/8 only addresses that no peer can have lie beside this. */
#define IPV4_PREFIX (1ULL << 32)

static uint64_t read_bytes(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint64_t source_key(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->ss_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return IPV4_PREFIX | ntohl(v4.sin_addr.s_addr);
    }
    if (address->ss_family != AF_INET6)
        return 0;
    memcpy(&v6, address, sizeof v6);
    const uint8_t *bytes = v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return IPV4_PREFIX | read_bytes(bytes + 12, 4);
    return read_bytes(bytes, 8);
}

/* The finish of splitmix64. */
static uint32_t *chain_of(struct sources *sources, uint64_t key)
{
    uint64_t hash = key ^ sources->seed;

    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
    return &sources->chains[(hash ^ (hash >> 31)) % SOURCES_MAX];
}

static struct source *find(struct sources *sources, uint64_t key)
{
    for (uint32_t at = *chain_of(sources, key); at != 0; at = sources->places[at - 1].next) {
        if (sources->places[at - 1].key == key)
            return &sources->places[at - 1];
    }
    return NULL;
}

/* NULL when every place is taken. */
static struct source *add(struct sources *sources, uint64_t key)
{
    uint32_t *chain = chain_of(sources, key);
    uint32_t place;

    if (sources->first_free != 0) {
        place = sources->first_free - 1;
        sources->first_free = sources->places[place].next;
    } else if (sources->places_used < SOURCES_MAX) {
        place = sources->places_used++;
    } else {
        return NULL;
    }
    sources->places[place] = (struct source){.key = key, .next = *chain};
    *chain = place + 1;
    return &sources->places[place];
}

static bool is_full(uint32_t count, uint32_t max)
{
    return max != 0 && count >= max;
}

enum admission sources_enter(struct sources *sources, uint64_t key, uint32_t total_max,
                             uint32_t source_max, uint32_t *place)
{
    if (is_full(sources->connections, total_max))
        return SHED_TOTAL;
    struct source *source = find(sources, key);
    if (source != NULL && is_full(source->connections, source_max))
        return SHED_SOURCE;
    if (source == NULL)
        source = add(sources, key);
    if (source == NULL)
        return SHED_TOTAL;
    source->connections++;
    sources->connections++;
    *place = (uint32_t)(source - sources->places);
    return ADMITTED;
}

void sources_leave(struct sources *sources, uint32_t place)
{
    struct source *source = &sources->places[place];

    sources->connections--;
    source->connections--;
    if (source->connections > 0)
        return;
    uint32_t *link = chain_of(sources, source->key);
    while (*link != place + 1)
        link = &sources->places[*link - 1].next;
    *link = source->next;
    source->next = sources->first_free;
    sources->first_free = place + 1;
}
