/*
 * Which addresses are of the public internet?  For requests whose host somebody else chose: they
 * must not reach this machine, its network or the metadata services of a cloud.
 */
#pragma once

#include <stdbool.h>

struct sockaddr;

/* False for every family but IPv4 and IPv6. */
bool public_address(const struct sockaddr *address);

/* This machine itself: 127.0.0.0/8 and ::1. */
bool loopback_address(const struct sockaddr *address);

/* Public, for an address as text; false when it is none. */
bool public_address_text(const char *text);
