/*
 * IANA's registries of special-purpose addresses, as far as they are not globally reachable
 * (RFC 6890 and what followed).  IPv6 is public only within 2000::/3; what embeds an IPv4 address
 * (mapped, NAT64, 6to4, Teredo) is not, so that no private one hides in it.
 */

#include "http/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attributes.h"

struct block4 {
    uint32_t first;
    int bits;
};

static const struct block4 special4[] = {
    {0x00000000, 8},  /* 0.0.0.0: this network */
    {0x0a000000, 8},  /* 10.0.0.0 */
    {0x64400000, 10}, /* 100.64.0.0: carriers' NAT */
    {0x7f000000, 8},  /* 127.0.0.0 */
    {0xa9fe0000, 16}, /* 169.254.0.0: link local, metadata services */
    {0xac100000, 12}, /* 172.16.0.0 */
    {0xc0000000, 24}, /* 192.0.0.0: protocols */
    {0xc0000200, 24}, /* 192.0.2.0: documentation */
    {0xc0586300, 24}, /* 192.88.99.0: 6to4 relays */
    {0xc0a80000, 16}, /* 192.168.0.0 */
    {0xc6120000, 15}, /* 198.18.0.0: benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0: documentation */
    {0xcb007100, 24}, /* 203.0.113.0: documentation */
    {0xe0000000, 3},  /* 224.0.0.0: multicast, reserved, broadcast */
};

struct block6 {
    uint8_t first[6];
    int bits;
};

static const struct block6 special6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* 2001::: protocols, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static bool is_public4(uint32_t ip)
{
    for (size_t i = 0; i < ARRAY_LENGTH(special4); i++) {
        uint32_t mask = UINT32_MAX << (32 - special4[i].bits);
        if ((ip & mask) == special4[i].first)
            return false;
    }
    return true;
}

static bool is_within(const uint8_t ip[16], const struct block6 *block)
{
    for (int bit = 0; bit < block->bits; bit++) {
        int mask = 0x80 >> (bit % 8);
        if ((ip[bit / 8] & mask) != (block->first[bit / 8] & mask))
            return false;
    }
    return true;
}

static bool is_public6(const uint8_t ip[16])
{
    if ((ip[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(special6); i++) {
        if (is_within(ip, &special6[i]))
            return false;
    }
    return true;
}

bool public_address(const struct sockaddr *address)
{
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;

    if (address->sa_family == AF_INET) {
        memcpy(&ip4, address, sizeof ip4);
        return is_public4(ntohl(ip4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&ip6, address, sizeof ip6);
        return is_public6(ip6.sin6_addr.s6_addr);
    }
    return false;
}

bool public_address_text(const char *text)
{
    struct in_addr ip4;
    struct in6_addr ip6;

    if (inet_pton(AF_INET, text, &ip4) == 1)
        return is_public4(ntohl(ip4.s_addr));
    if (inet_pton(AF_INET6, text, &ip6) == 1)
        return is_public6(ip6.s6_addr);
    return false;
}

bool loopback_address(const struct sockaddr *address)
{
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;

    if (address->sa_family == AF_INET) {
        memcpy(&ip4, address, sizeof ip4);
        return ntohl(ip4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&ip6, address, sizeof ip6);
        return IN6_IS_ADDR_LOOPBACK(&ip6.sin6_addr);
    }
    return false;
}
