/*
 * Certificates for tests, right ones and odd ones: an authority of its own, in the arena.  Made
 * with OpenSSL directly, because crypto/x509.h only issues what is right.
 */
#pragma once

#include <dues/client.h>

#include "base/arena.h"

struct test_authority;

struct test_pair {
    const char *certificate_pem;
    const char *key_pem;
};

#define TEST_URIS_MAX 3

struct test_wish {
    const char *common_name;
    const char *uris[TEST_URIS_MAX]; /* URI SANs; NULLs at the end */
    const char *dns_name;            /* NULL: none */
    const char *ip_address;          /* NULL: none */
    bool expired;
    const char *not_after; /* "20990101000000Z"; NULL: 2100 */
};

struct test_authority *test_authority_new(struct arena *arena, const char *name);
/* Below another, in the same arena; what it issues comes with its own certificate behind. */
struct test_authority *test_authority_below(struct test_authority *parent, const char *name);
void test_authority_free(struct test_authority *authority);
const char *test_authority_pem(const struct test_authority *authority);

struct test_pair test_issue(struct test_authority *authority, const struct test_wish *wish);

/* "localhost" and 127.0.0.1. */
struct test_pair test_issue_server(struct test_authority *authority);

/* `path` is "service/service-billing"; the domain is dues.local. */
struct test_pair test_issue_client(struct test_authority *authority, const char *path);

/* Ends the program when the file cannot be written. */
void test_write_file(const char *directory, const char *name, const char *text);

/* A client of the server at `target`, whose certificate the authority issued too. */
struct dues_client *test_client(const char *target, const struct test_authority *authority,
                                struct test_pair pair);
