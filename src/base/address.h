/*
 * Addresses as the configuration names them, and the places of this machine that they stand for:
 * "127.0.0.1:8443", "[::1]:8443", "localhost:8443", "unix:/run/dues/metrics".
 */
#pragma once

#include <stdbool.h>

#include <netinet/in.h>

#include "base/attributes.h"

#define ADDRESS_HOST_SIZE   256
#define ADDRESS_UNIX_PREFIX "unix:"

struct addrinfo;
struct sockaddr;

struct address {
    const char *path;             /* of a unix socket, inside of the text; NULL: host and port */
    char host[ADDRESS_HOST_SIZE]; /* without brackets */
    bool is_ipv6;
    bool is_name; /* to be looked up */
    int port;     /* 0: the kernel chooses */
};

/*
 * False when the text is none: a host is an IPv4 address, an IPv6 one in brackets or a name, a port
 * has up to five digits, a path is absolute.  Nothing is looked up here.
 */
bool address_parse(const char *text, struct address *address) MUST_CHECK;

/* "host:port" with another port, as gRPC takes it.  For an address with a host. */
#define ADDRESS_TEXT_SIZE (ADDRESS_HOST_SIZE + 16)
void address_format(const struct address *address, int port, char text[ADDRESS_TEXT_SIZE]);

/*
 * What can be bound or connected to for its host and `port`, by getaddrinfo(3).  NULL: nothing.  To
 * be released.
 */
struct addrinfo *address_find(const struct address *address, int port);
void address_list_release(struct addrinfo **list);

/*
 * Where a socket is bound.  An IPv4 address stands in it as IPv6 maps it, and its wildcard as
 * IPv6's, because that is how a socket of both families has them.
 */
struct address_place {
    struct in6_addr ip;
    int port;
};

/* False: it is not of the internet. */
bool address_place_of(const struct sockaddr *address, struct address_place *place);
bool address_place_of_socket(int descriptor, struct address_place *place);
/* Where it is connected to. */
bool address_place_of_far_end(int descriptor, struct address_place *place);
/* Whose end a connection is, as gRPC says it: "ipv4:127.0.0.1:40113", "ipv6:%5B::1%5D:40113". */
bool address_place_of_peer(const char *peer, struct address_place *place);
bool address_place_equal(const struct address_place *a, const struct address_place *b);

/* The port that a socket is bound to: the kernel's choice for port 0.  0: none. */
int address_bound_port(int descriptor);

/* For AUTO: closes it unless it is negative. */
void address_socket_release(const int *descriptor);
