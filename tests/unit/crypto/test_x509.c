/*
 * Certificates and the requests for them.
 */

#include "crypto/x509.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"

#define NOW_US   (1768471200 * US_PER_SECOND)
#define IDENTITY "spiffe://dues.local/device/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"

struct fixture {
    struct arena *arena;
    struct ec_key *ca_key;
    char *ca_pem;
    struct ec_key *key;
};

static int given_authority(void **state)
{
    static struct fixture f;
    f.arena = arena_new(1 << 20);
    f.ca_key = ec_key_make();
    f.key = ec_key_make();
    f.ca_pem = x509_make_ca(f.arena, random_system(), f.ca_key, "test authority", NOW_US,
                            NOW_US + 10 * US_PER_DAY);
    *state = &f;
    return 0;
}

static int free_authority(void **state)
{
    struct fixture *f = *state;
    ec_key_free(f->ca_key);
    ec_key_free(f->key);
    arena_free(f->arena);
    return 0;
}

static const struct certificate_wish device_wish = {
    .use = CERTIFICATE_CLIENT,
    .common_name = "a device",
    .spiffe_id = IDENTITY,
    .not_before_us = NOW_US,
    .not_after_us = NOW_US + US_PER_DAY,
};

static char *issue(struct fixture *f, const struct certificate_wish *wish)
{
    return x509_issue(f->arena, random_system(), f->ca_pem, f->ca_key, f->key, wish);
}

static void issues_a_leaf_that_says_who_and_until_when(void **state)
{
    struct fixture *f = *state;
    struct certificate leaf;

    char *pem = issue(f, &device_wish);

    assert_non_null(pem);
    assert_true(x509_read(f->arena, pem, &leaf));
    assert_string_equal(leaf.spiffe_id, IDENTITY);
    assert_int_equal(leaf.not_before_us, NOW_US);
    assert_int_equal(leaf.not_after_us, NOW_US + US_PER_DAY);
    assert_false(leaf.is_ca);
    assert_false(leaf.names_a_host);
    assert_true(x509_is_issued_by(pem, f->ca_pem));
}

static void makes_an_authority_that_issues_leaves(void **state)
{
    struct fixture *f = *state;
    struct certificate authority;

    assert_true(x509_read(f->arena, f->ca_pem, &authority));
    assert_true(authority.is_ca);
    assert_string_equal(authority.spiffe_id, "");
    assert_true(x509_is_issued_by(f->ca_pem, f->ca_pem));
}

static void issues_for_a_server_with_name_and_address(void **state)
{
    struct fixture *f = *state;
    struct certificate_wish wish = device_wish;
    wish.use = CERTIFICATE_SERVER;
    wish.spiffe_id = NULL;
    wish.dns_name = "localhost";
    wish.ip_address = "127.0.0.1";
    struct certificate leaf;

    char *pem = issue(f, &wish);

    assert_non_null(pem);
    assert_true(x509_read(f->arena, pem, &leaf));
    assert_string_equal(leaf.spiffe_id, "");
    assert_true(leaf.names_a_host);
    wish.dns_name = NULL;
    assert_true(x509_read(f->arena, issue(f, &wish), &leaf));
    assert_true(leaf.names_a_host);
    wish.ip_address = "localhost";
    assert_null(issue(f, &wish));
}

static void tells_certificates_and_keys_apart_by_their_hashes(void **state)
{
    struct fixture *f = *state;
    struct certificate one;
    struct certificate two;
    struct certificate authority;

    assert_true(x509_read(f->arena, issue(f, &device_wish), &one));
    assert_true(x509_read(f->arena, issue(f, &device_wish), &two));
    assert_true(x509_read(f->arena, f->ca_pem, &authority));

    assert_memory_not_equal(one.hash, two.hash, SHA256_SIZE);
    assert_memory_equal(one.spki_hash, two.spki_hash, SHA256_SIZE);
    assert_memory_not_equal(one.spki_hash, authority.spki_hash, SHA256_SIZE);
}

static void refuses_to_issue_with_a_key_that_is_not_the_authority_s(void **state)
{
    struct fixture *f = *state;
    const struct random *random = random_system();

    assert_null(x509_issue(f->arena, random, f->ca_pem, f->key, f->key, &device_wish));
    assert_null(x509_issue(f->arena, random, "no PEM", f->ca_key, f->key, &device_wish));
}

static void knows_what_another_authority_issued(void **state)
{
    struct fixture *f = *state;
    struct ec_key *other_key = ec_key_make();
    char *other_pem = x509_make_ca(f->arena, random_system(), other_key, "test authority", NOW_US,
                                   NOW_US + US_PER_DAY);

    bool issued = x509_is_issued_by(issue(f, &device_wish), other_pem);

    assert_false(issued);
    assert_false(x509_is_issued_by("no PEM", f->ca_pem));
    ec_key_free(other_key);
}

static void takes_the_key_from_a_request(void **state)
{
    struct fixture *f = *state;
    char problem[128] = "";

    struct ec_key *key = csr_read(csr_make(f->arena, f->key, "CN=operator"), problem);

    assert_non_null(key);
    char asked[ES256_THUMBPRINT_SIZE];
    char taken[ES256_THUMBPRINT_SIZE];
    ec_key_thumbprint(f->key, asked);
    ec_key_thumbprint(key, taken);
    assert_string_equal(asked, taken);
    ec_key_free(key);
}

/* A changed character of the body is another name, another key, another signature, or no request.
 */
static void refuses_a_request_with_any_character_changed(void **state)
{
    struct fixture *f = *state;
    char *pem = csr_make(f->arena, f->key, "a device");
    char *body = strchr(pem, '\n') + 1;
    size_t length = (size_t)(strstr(body, "-----END") - body);
    char problem[128] = "";

    for (size_t i = 0; i < length; i++) {
        char kept = body[i];
        if (kept == '\n' || kept == '=')
            continue;
        body[i] = kept == 'A' ? 'B' : 'A';
        struct ec_key *key = csr_read(pem, problem);
        body[i] = kept;
        if (key != NULL) {
            /* The last character before the padding carries bits that are not used. */
            assert_true(body[i + 1] == '=' || body[i + 1] == '\n');
            ec_key_free(key);
        }
    }
    assert_true(problem[0] != '\0');
}

static void refuses_requests_of_other_keys(void **state)
{
    (void)state;
    static const char p384[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
                               "MIIBBTCBiwIBADAMMQowCAYDVQQDDAF4MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE\n"
                               "Qb7JmnUEV0f+9ZP71xROURMnwF39b5IQbT3IDoQBsMmTwcBLwqNBXM8lwOi/jCzw\n"
                               "2EW8wILU8Gl4/8YGWL3RYwEHlnk2sfu90msklupU8c6cn9BjhbXAjvOPlDXv80gT\n"
                               "oAAwCgYIKoZIzj0EAwIDaQAwZgIxAI2qBOOA2O3C/f1226BjlZBfAENbZm4p3rXL\n"
                               "xunvtZARDfxKLdZnT+PpjrT8LaBgcAIxAIY7KIiVho+sQSd37OyBZvpLFBqKFKm3\n"
                               "xviJFU12cvmU6bD3rtLw0cTztx5sfXP3Cg==\n"
                               "-----END CERTIFICATE REQUEST-----\n";
    static const char rsa[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
                              "MIICUTCCATkCAQAwDDEKMAgGA1UEAwwBeDCCASIwDQYJKoZIhvcNAQEBBQADggEP\n"
                              "ADCCAQoCggEBAISaWvLvy8aEdHn/i99BEqw2Ja2hnfHp2ZVGA2HVllavz4h56t5B\n"
                              "8MvCR2fyBtvB0bIEBM0o7QX3xcc+/R3UkurSGwo1IA27r7Xa7/a2r2hVyRkw/fh3\n"
                              "WA/QYY4iAwjxmxLnfBUlohMyPElq2kxbupZIiMgn/az7uZaf8OHREXv4tNJBWGgd\n"
                              "v3WWwVZ5Ceh88FvgTVws+SP7LkBg1c3LIVUz6LSeAip54DqWPz7iNw86AI+Bbjaf\n"
                              "F5PPImgNACkaeneWlKDeZH+GwMq+alEgPaVdht+Qgw+AmezO1QhzG6WMB+t3GzfI\n"
                              "igioP0pgXkssV768fNZvXq459i11kgV9nQ0CAwEAAaAAMA0GCSqGSIb3DQEBCwUA\n"
                              "A4IBAQBR4spj2R9MAzNzgYwZjzg8RS+tMWDR79SiK1ocjk6IBaFqT5Mqym00xPQK\n"
                              "+uciNsg5PWCLYClMqKl8d28eSxLE0IVLNFiv/vzuNqHXOBG0zE4KVHr+oBLf+BSQ\n"
                              "c/w/0KbWcPlIPq3i4EtO0p4PrWDKuxhi0yKGg19l9ypZ/D1hsdF2uEoai5qWrKZA\n"
                              "ayBl2GyYRbGwn4cY25EoCOv5peSKyEtj4dTgU6Gh3Za58MBBO5B8tPALy7+82V54\n"
                              "s4s7dqAu1gsJIGjBWY3jew2WZUj9X6Wl8F3mZKSgAueN3hAl8ttf/KYuOBpaQ2W/\n"
                              "2/N/CSG4Rj7aYSOlU6RU8Zza8Kxf\n"
                              "-----END CERTIFICATE REQUEST-----\n";
    char problem[128] = "";

    assert_null(csr_read(p384, problem));
    assert_string_equal(problem, "its key is not on the curve P-256");
    assert_null(csr_read(rsa, problem));
    assert_string_equal(problem, "its key is not on the curve P-256");
}

static void refuses_what_is_no_request(void **state)
{
    struct fixture *f = *state;
    char problem[128] = "";

    assert_null(csr_read("", problem));
    assert_null(csr_read("hello", problem));
    assert_null(csr_read(f->ca_pem, problem));
    assert_string_equal(problem, "it is not a certificate signing request in PEM");
}

#define X509_TEST(test) cmocka_unit_test_setup_teardown(test, given_authority, free_authority)

int main(void)
{
    const struct CMUnitTest tests[] = {
        X509_TEST(issues_a_leaf_that_says_who_and_until_when),
        X509_TEST(makes_an_authority_that_issues_leaves),
        X509_TEST(issues_for_a_server_with_name_and_address),
        X509_TEST(tells_certificates_and_keys_apart_by_their_hashes),
        X509_TEST(refuses_to_issue_with_a_key_that_is_not_the_authority_s),
        X509_TEST(knows_what_another_authority_issued),
        X509_TEST(takes_the_key_from_a_request),
        X509_TEST(refuses_a_request_with_any_character_changed),
        X509_TEST(refuses_requests_of_other_keys),
        X509_TEST(refuses_what_is_no_request),
    };
    return cmocka_run_group_tests_name("certificates", tests, NULL, NULL);
}
