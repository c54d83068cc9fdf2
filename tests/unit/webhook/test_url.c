/*
 * Where deliveries may go: a zoo of addresses that look harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "webhook/url.h"

static const char *const good[] = {
    "https://example.com",
    "https://example.com/",
    "https://hooks.example.com/dues?tenant=7&x=%20",
    "https://example.com:443/a",
    "https://example.com:8443/a",
    "https://xn--bcher-kva.example/a",
    "https://8.8.8.8/a",
    "https://[2606:4700:4700::1111]/a",
    "https://[2606:4700:4700::1111]:8443/a",
};

/* Refused everywhere. */
static const char *const bad[] = {
    "",
    "example.com",
    "//example.com/a",
    "ftp://example.com/a",
    "file:///etc/passwd",
    "gopher://example.com/",
    "HTTPS://example.com/",
    "http://example.com/",
    "https://",
    "https:///a",
    "https://:443/a",
    "https://intranet/a",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/a#b",
    "https://example.com/a b",
    "https://example.com/a\tb",
    "https://example.com/\xc3\xa4",
    "https://exa\xe3\x80\x82mple.com/",
    "https://example.com:/a",
    "https://example.com:0/a",
    "https://example.com:65536/a",
    "https://example.com:99999999999/a",
    "https://example.com:22/a",
    "https://example.com:80/a",
    "https://example.com:4x3/a",
    "https://.example.com/",
    "https://example..com/",
    /* private, link local, metadata, carriers', benchmarks, multicast */
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://0.0.0.0/",
    "https://0/",
    /* the same in other notations */
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://example.com.0x10/",
    "https://3232235777/",
    /* IPv6: unique local, link local, mapped, NAT64, 6to4, unspecified, with a zone */
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[::]/",
    "https://[::1",
    "https://::1/",
    "https://[]/",
    "https://[2606:4700::1111]x/",
};

/* This machine: in the sandbox only. */
static const char *const local[] = {
    "https://localhost/a",    "https://LocalHost:9999/a", "http://localhost:3000/hook",
    "http://127.0.0.1:3000/", "https://127.0.0.1:22/",    "http://[::1]:3000/",
    "https://[::1]/",
};

static void takes_public_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        if (webhook_url_problem(good[i], false) != NULL ||
            webhook_url_problem(good[i], true) != NULL)
            print_error("refused %s\n", good[i]);
        assert_null(webhook_url_problem(good[i], false));
        assert_null(webhook_url_problem(good[i], true));
        assert_false(webhook_url_is_loopback(good[i]));
    }
}

static void refuses_what_is_not_public_or_not_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (webhook_url_problem(bad[i], false) == NULL || webhook_url_problem(bad[i], true) == NULL)
            print_error("took %s\n", bad[i]);
        assert_non_null(webhook_url_problem(bad[i], false));
        assert_non_null(webhook_url_problem(bad[i], true));
        assert_false(webhook_url_is_loopback(bad[i]));
    }
}

static void takes_this_machine_in_the_sandbox_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(local); i++) {
        if (webhook_url_problem(local[i], true) != NULL)
            print_error("refused %s\n", local[i]);
        assert_null(webhook_url_problem(local[i], true));
        assert_non_null(webhook_url_problem(local[i], false));
        assert_true(webhook_url_is_loopback(local[i]));
    }
    assert_non_null(webhook_url_problem("https://a.localhost/", true));
}

static void refuses_more_than_2048_characters(void **state)
{
    char url[2100] = "https://example.com/";

    (void)state;
    size_t length = strlen(url);
    memset(url + length, 'a', 2048 - length);
    url[2048] = '\0';
    assert_null(webhook_url_problem(url, false));
    url[2048] = 'a';
    url[2049] = '\0';
    assert_non_null(webhook_url_problem(url, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_public_addresses),
        cmocka_unit_test(refuses_what_is_not_public_or_not_clear),
        cmocka_unit_test(takes_this_machine_in_the_sandbox_only),
        cmocka_unit_test(refuses_more_than_2048_characters),
    };
    return cmocka_run_group_tests_name("webhook URLs", tests, NULL, NULL);
}
