/*
 * Which addresses others may make the server connect to.
 */

#include "http/public_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

static void addresses_of_the_internet_are_public(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "1.1.1.1",         "8.8.8.8",         "9.255.255.255", "11.0.0.0",     "100.63.255.255",
        "100.128.0.0",     "126.255.255.255", "128.0.0.1",     "169.253.0.1",  "172.15.255.255",
        "172.32.0.0",      "192.0.1.1",       "192.167.0.1",   "192.169.0.1",  "198.17.255.255",
        "198.20.0.0",      "203.0.112.1",     "223.255.255.1", "2606:4700::1", "2a00:1450::1",
        "2001:4860::8888", "2001:200::1",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        if (!public_address_text(addresses[i]))
            fail_msg("%s", addresses[i]);
    }
}

static void addresses_with_a_special_purpose_are_not(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a00:1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::127.0.0.1",
        "4000::1",
        "",
        "localhost",
        "1.1.1",
        "1.1.1.1 ",
        "fe80::1%lo",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        if (public_address_text(addresses[i]))
            fail_msg("%s", addresses[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_internet_are_public),
        cmocka_unit_test(addresses_with_a_special_purpose_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
