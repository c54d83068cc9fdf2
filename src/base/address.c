/*
 * Reads addresses strictly, before anything is looked up by their name, and compares where sockets
 * are bound.
 */

#include "base/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define PORT_MAX        65535
#define PORT_DIGITS_MAX 5
#define DIGITS          "0123456789"
#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS ".-_"

static bool read_port(const char *text, int *port)
{
    size_t length = strspn(text, DIGITS);

    if (length < 1 || length > PORT_DIGITS_MAX || text[length] != '\0')
        return false;
    *port = (int)strtol(text, NULL, 10);
    return *port <= PORT_MAX;
}

static bool read_host(const char *text, size_t length, struct address *address)
{
    struct in6_addr ip;

    address->is_ipv6 = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (address->is_ipv6) {
        text++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof address->host)
        return false;
    snprintf(address->host, sizeof address->host, "%.*s", (int)length, text);
    if (address->is_ipv6)
        return inet_pton(AF_INET6, address->host, &ip) == 1;
    if (address->host[strspn(address->host, DIGITS ".")] == '\0')
        return inet_pton(AF_INET, address->host, &ip) == 1;
    address->is_name = true;
    return address->host[strspn(address->host, HOST_CHARACTERS)] == '\0';
}

bool address_parse(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');

    *address = (struct address){.path = NULL};
    if (text_starts_with(text, ADDRESS_UNIX_PREFIX)) {
        address->path = text + strlen(ADDRESS_UNIX_PREFIX);
        return address->path[0] == '/' && address->path[1] != '\0';
    }
    return colon != NULL && read_host(text, (size_t)(colon - text), address) &&
           read_port(colon + 1, &address->port);
}

void address_format(const struct address *address, int port, char text[ADDRESS_TEXT_SIZE])
{
    snprintf(text, ADDRESS_TEXT_SIZE, address->is_ipv6 ? "[%s]:%d" : "%s:%d", address->host, port);
}

struct addrinfo *address_find(const struct address *address, int port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[16];

    snprintf(service, sizeof service, "%d", port);
    return getaddrinfo(address->host, service, &hints, &found) == 0 ? found : NULL;
}

void address_list_release(struct addrinfo **list)
{
    if (*list != NULL)
        freeaddrinfo(*list);
    *list = NULL;
}

static struct in6_addr map_ipv4(struct in_addr ip)
{
    struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

    memcpy(&mapped.s6_addr[12], &ip, sizeof ip);
    return mapped;
}

bool address_place_of(const struct sockaddr *address, struct address_place *place)
{
    static const struct in_addr any = {.s_addr = INADDR_ANY};
    const struct in6_addr mapped_any = map_ipv4(any);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        *place = (struct address_place){.ip = map_ipv4(v4.sin_addr), .port = ntohs(v4.sin_port)};
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        *place = (struct address_place){.ip = v6.sin6_addr, .port = ntohs(v6.sin6_port)};
    } else {
        return false;
    }
    if (memcmp(&place->ip, &mapped_any, sizeof mapped_any) == 0)
        place->ip = in6addr_any;
    return true;
}

typedef int name_function(int descriptor, struct sockaddr *address, socklen_t *size);

static bool place_by(name_function *get_name, int descriptor, struct address_place *place)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } address = {.storage = {0}};
    socklen_t size = sizeof address;

    return get_name(descriptor, &address.any, &size) == 0 && address_place_of(&address.any, place);
}

bool address_place_of_socket(int descriptor, struct address_place *place)
{
    return place_by(getsockname, descriptor, place);
}

bool address_place_of_far_end(int descriptor, struct address_place *place)
{
    return place_by(getpeername, descriptor, place);
}

#define PEER_PREFIX_LENGTH 5 /* "ipv4:" */

bool address_place_of_peer(const char *peer, struct address_place *place)
{
    const char *colon = strrchr(peer, ':');
    bool is_ipv6 = text_starts_with(peer, "ipv6:");
    char host[ADDRESS_HOST_SIZE];
    struct in_addr v4;

    if ((!is_ipv6 && !text_starts_with(peer, "ipv4:")) || !read_port(colon + 1, &place->port))
        return false;
    /* Brackets are escaped or not. */
    const char *begin = peer + PEER_PREFIX_LENGTH;
    if (is_ipv6)
        begin += text_starts_with(begin, "%5B") ? strlen("%5B") : *begin == '[';
    snprintf(host, sizeof host, "%.*s", (int)strcspn(begin, is_ipv6 ? "%]" : ":"), begin);
    if (is_ipv6)
        return inet_pton(AF_INET6, host, &place->ip) == 1;
    bool is_ipv4 = inet_pton(AF_INET, host, &v4) == 1;
    if (is_ipv4)
        place->ip = map_ipv4(v4);
    return is_ipv4;
}

bool address_place_equal(const struct address_place *a, const struct address_place *b)
{
    return a->port == b->port && memcmp(&a->ip, &b->ip, sizeof a->ip) == 0;
}

int address_bound_port(int descriptor)
{
    struct address_place place;

    return address_place_of_socket(descriptor, &place) ? place.port : 0;
}

void address_socket_release(const int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}
