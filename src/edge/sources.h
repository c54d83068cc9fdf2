/*
 * How many connections each source address holds, and all together.  Plain data in static storage:
 * whoever owns the table locks it.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* More than connections_max may say. */
#define SOURCES_MAX (128 * 1024)

struct source {
    uint64_t key;
    uint32_t connections; /* 0: free */
    uint32_t next; /* place + 1 of the next with the same hash, or of the next that is free */
};

/* All zero is empty, but for the seed. */
struct sources {
    uint64_t seed; /* nobody outside knows which addresses share a chain */
    uint32_t chains[SOURCES_MAX];
    struct source places[SOURCES_MAX];
    uint32_t places_used; /* those from here on were never used */
    uint32_t first_free;  /* place + 1 */
    uint32_t connections;
};

enum admission { ADMITTED, SHED_TOTAL, SHED_SOURCE };

/* IPv4: the address, also when it came mapped into IPv6.  IPv6: its /64, which one subscriber has
 * as a whole.  Anything else is one source. */
uint64_t source_key(const struct sockaddr_storage *address);

/* 0 is no limit.  `*place` only when admitted. */
enum admission sources_enter(struct sources *sources, uint64_t key, uint32_t total_max,
                             uint32_t source_max, uint32_t *place);
void sources_leave(struct sources *sources, uint32_t place);
