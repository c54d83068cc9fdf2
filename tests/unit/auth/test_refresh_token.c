/*
 * Refresh tokens: secrets that name their session, and that the server can make again.
 */

#include "auth/refresh_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"

struct fixture {
    struct house house;
    struct call call;
    struct secrets *secrets;
    struct uuid customer;
    struct uuid session;
};

static struct secrets *open_secrets(int first_byte)
{
    char path[64];
    char problem[256];
    snprintf(path, sizeof(path), "refresh-key-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < SECRET_SIZE; i++)
        fprintf(file, "%02x", first_byte + i);
    assert_int_equal(fclose(file), 0);
    struct secrets *secrets = secrets_open(path, problem);
    unlink(path);
    return secrets;
}

static int given_call(void **state)
{
    static struct fixture f;
    f = (struct fixture){.house = {.random = random_system()}, .secrets = open_secrets(0)};
    f.house.secrets = f.secrets;
    f.call = (struct call){.arena = arena_new(8 << 20), .house = &f.house};
    f.customer = uuid_make(f.house.random, 1);
    f.session = uuid_make(f.house.random, 2);
    *state = &f;
    return f.secrets == NULL;
}

static int end_call(void **state)
{
    struct fixture *f = *state;
    secrets_close(f->secrets);
    arena_free(f->call.arena);
    return 0;
}

static struct refresh_token make(struct fixture *f, int32_t generation)
{
    struct refresh_token token;
    refresh_token_make(&f->call, f->customer, f->session, generation, &token);
    return token;
}

static bool is_read(struct fixture *f, const char *text)
{
    struct refresh_token token;
    return refresh_token_read(&f->call, text, &token);
}

static void reads_what_it_made(void **state)
{
    struct fixture *f = *state;
    struct refresh_token made = make(f, 7);
    struct refresh_token read;

    assert_true(strlen(made.text) <= REFRESH_TOKEN_LENGTH_MAX);
    assert_true(refresh_token_read(&f->call, made.text, &read));
    assert_true(uuid_equal(read.customer, f->customer));
    assert_true(uuid_equal(read.session, f->session));
    assert_int_equal(read.generation, 7);
    assert_memory_equal(read.hash, made.hash, SHA256_SIZE);
}

static void makes_the_same_successor_again_and_another_for_each_generation(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(make(f, 2).text, make(f, 2).text);
    assert_string_not_equal(make(f, 2).text, make(f, 3).text);
    assert_string_not_equal(strrchr(make(f, 2).text, '_'), strrchr(make(f, 3).text, '_'));
}

static void refuses_every_changed_character_and_length(void **state)
{
    struct fixture *f = *state;
    char *text = arena_strdup(f->call.arena, make(f, 1).text);

    for (char *at = text; *at != '\0'; at++) {
        char kept = *at;
        *at = kept == 'A' ? 'B' : 'A';
        assert_false(is_read(f, text));
        *at = kept;
    }
    for (size_t length = 0; length < strlen(text); length++)
        assert_false(is_read(f, arena_strndup(f->call.arena, text, length)));
    assert_false(is_read(f, arena_printf(f->call.arena, "%sA", text)));
    assert_false(is_read(f, arena_printf(f->call.arena, "%s=", text)));
    assert_true(is_read(f, text));
}

static void refuses_tokens_of_another_master_key(void **state)
{
    struct fixture *f = *state;
    const char *text = make(f, 1).text;
    struct secrets *other = open_secrets(1);
    f->house.secrets = other;

    bool read = is_read(f, text);

    f->house.secrets = f->secrets;
    secrets_close(other);
    assert_false(read);
}

#define REFRESH_TEST(test) cmocka_unit_test_setup_teardown(test, given_call, end_call)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REFRESH_TEST(reads_what_it_made),
        REFRESH_TEST(makes_the_same_successor_again_and_another_for_each_generation),
        REFRESH_TEST(refuses_every_changed_character_and_length),
        REFRESH_TEST(refuses_tokens_of_another_master_key),
    };
    return cmocka_run_group_tests_name("refresh tokens", tests, NULL, NULL);
}
