/*
 * Passwords at rest, and the pool that hashes them.
 */

#include "crypto/password.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/fiber.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/offload.h"

/* Of the reference implementation's tests: "password", salt "somesalt", t=2, m=65536, p=1. */
#define KNOWN_HASH                                                                                 \
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

struct fixture {
    struct house house;
    struct call call;
    const char *password;
    const char *stored; /* what is verified against */
    const char *hash;
    bool matches;
    const struct error *error;
};

static int given_pool(void **state)
{
    static struct fixture f;
    f = (struct fixture){.house = {.clock = clock_system(), .random = random_system()}};
    f.house.fibers = fiber_pool_open(8);
    f.house.offload = offload_open(1, 4);
    f.call = (struct call){
        .arena = arena_new(1 << 20),
        .house = &f.house,
        .deadline_us = clock_monotonic_us(f.house.clock) + 60 * US_PER_SECOND,
    };
    *state = &f;
    return 0;
}

static int close_pool(void **state)
{
    struct fixture *f = *state;
    offload_close(f->house.offload);
    fiber_pool_close(f->house.fibers);
    arena_free(f->call.arena);
    return 0;
}

static void run_hash(void *arg)
{
    struct fixture *f = arg;
    f->error = password_hash(&f->call, f->password, &f->hash);
}

static void run_verify(void *arg)
{
    struct fixture *f = arg;
    f->error = password_verify(&f->call, f->stored, f->password, &f->matches);
}

static const char *hash(struct fixture *f, const char *password)
{
    f->password = password;
    fiber_run(f->house.fibers, run_hash, f);
    assert_null(f->error);
    return f->hash;
}

static bool matches(struct fixture *f, const char *stored, const char *password)
{
    f->stored = stored;
    f->password = password;
    fiber_run(f->house.fibers, run_verify, f);
    assert_null(f->error);
    return f->matches;
}

static void verifies_the_known_hash(void **state)
{
    assert_true(matches(*state, KNOWN_HASH, "password"));
    assert_false(matches(*state, KNOWN_HASH, "passwore"));
}

static void hashes_with_today_s_parameters(void **state)
{
    const char *made = hash(*state, "correct horse battery staple");

    assert_ptr_equal(strstr(made, "$argon2id$v=19$m=19456,t=2,p=1$"), made);
    const char *salt = made + strlen("$argon2id$v=19$m=19456,t=2,p=1$");
    assert_int_equal(strcspn(salt, "$"), 22);                    /* 16 bytes */
    assert_int_equal(strlen(salt + strcspn(salt, "$") + 1), 43); /* 32 bytes */
    assert_true(matches(*state, made, "correct horse battery staple"));
    assert_false(matches(*state, made, "correct horse battery stapler"));
}

static void hashes_the_same_password_differently_each_time(void **state)
{
    const char *one = hash(*state, "correct horse battery staple");
    assert_string_not_equal(one, hash(*state, "correct horse battery staple"));
}

static void looks_at_every_byte_of_a_long_password(void **state)
{
    char password[PASSWORD_SIZE_MAX + 1];
    memset(password, 'a', PASSWORD_SIZE_MAX);
    password[PASSWORD_SIZE_MAX] = '\0';
    const char *made = hash(*state, password);

    assert_true(matches(*state, made, password));
    password[PASSWORD_SIZE_MAX - 1] = 'b';
    assert_false(matches(*state, made, password));
    password[PASSWORD_SIZE_MAX - 1] = 'a';
    password[72] = 'b';
    assert_false(matches(*state, made, password));
}

static void matches_nothing_for_nobody(void **state)
{
    assert_false(matches(*state, NULL, "\x01\x02\x03nobody\x7f\x90"));
    assert_false(matches(*state, NULL, ""));
}

static void matches_nothing_when_what_is_stored_is_no_hash(void **state)
{
    static const char *const stored[] = {
        "",
        "x",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc$",
        "$argon2id$v=19$m=8,t=2,p=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFh",
        "$argon2id$v=19$m=99999999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(stored); i++)
        assert_false(matches(*state, stored[i], "password"));
}

static void knows_which_hashes_are_outdated(void **state)
{
    (void)state;
    assert_false(password_is_outdated(KNOWN_HASH));
    assert_false(password_is_outdated("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$dGFn"));
    assert_true(password_is_outdated("$argon2id$v=19$m=19455,t=2,p=1$c2FsdA$dGFn"));
    assert_true(password_is_outdated("$argon2id$v=19$m=19456,t=1,p=1$c2FsdA$dGFn"));
    assert_true(password_is_outdated("$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$dGFn"));
    assert_true(password_is_outdated("$argon2id$v=16$m=19456,t=2,p=1$c2FsdA$dGFn"));
}

#define PASSWORD_TEST(test) cmocka_unit_test_setup_teardown(test, given_pool, close_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PASSWORD_TEST(verifies_the_known_hash),
        PASSWORD_TEST(hashes_with_today_s_parameters),
        PASSWORD_TEST(hashes_the_same_password_differently_each_time),
        PASSWORD_TEST(looks_at_every_byte_of_a_long_password),
        PASSWORD_TEST(matches_nothing_for_nobody),
        PASSWORD_TEST(matches_nothing_when_what_is_stored_is_no_hash),
        cmocka_unit_test(knows_which_hashes_are_outdated),
    };
    return cmocka_run_group_tests_name("passwords", tests, NULL, NULL);
}
