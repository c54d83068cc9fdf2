/*
 * Page tokens open for the method and the arguments they were made for, and for nothing else.
 */

#include "crypto/page_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "crypto/secrets.h"

struct fixture {
    struct house house;
    struct call call;
    struct secrets *secrets;
    char path[64];
};

static int given_call(void **state)
{
    static struct fixture f;
    char problem[256];

    f = (struct fixture){.house = {.random = random_system()}};
    snprintf(f.path, sizeof(f.path), "page-key-%d", (int)getpid());
    FILE *file = fopen(f.path, "w");
    if (file == NULL)
        return 1;
    for (int i = 0; i < SECRET_SIZE; i++)
        fprintf(file, "%02x", i);
    fclose(file);
    f.secrets = secrets_open(f.path, problem);
    f.house.secrets = f.secrets;
    f.call = (struct call){
        .arena = arena_new(1 << 20), .house = &f.house, .method = "/dues.test/ListThings"};
    *state = &f;
    return f.secrets == NULL;
}

static int end_call(void **state)
{
    struct fixture *f = *state;
    secrets_close(f->secrets);
    arena_free(f->call.arena);
    unlink(f->path);
    return 0;
}

static void reads_back_the_position(void **state)
{
    struct fixture *f = *state;
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    uint8_t read[PAGE_POSITION_SIZE_MAX];
    size_t size = 0;
    memset(position, 0xa5, sizeof(position));

    char *token = page_token_make(&f->call, "customers/1", position, sizeof(position));

    assert_null(page_token_read(&f->call, "customers/1", token, read, &size));
    assert_int_equal(size, sizeof(position));
    assert_memory_equal(read, position, sizeof(position));
}

static void reads_back_ids_and_numbers(void **state)
{
    struct fixture *f = *state;
    struct uuid last = {.bytes = {1, 2, 3}};
    struct uuid id;
    int64_t number;

    assert_null(page_token_read_id(&f->call, "a", page_token_make_id(&f->call, "a", last), &id));
    assert_null(
        page_token_read_number(&f->call, "a", page_token_make_number(&f->call, "a", 42), &number));

    assert_true(uuid_equal(id, last));
    assert_int_equal(number, 42);
}

static void begins_at_the_start_without_a_token(void **state)
{
    struct fixture *f = *state;
    uint8_t read[PAGE_POSITION_SIZE_MAX];
    size_t size = 99;
    struct uuid id = {.bytes = {1}};
    int64_t number = 99;

    assert_null(page_token_read(&f->call, "customers/1", "", read, &size));
    assert_null(page_token_read_id(&f->call, "customers/1", "", &id));
    assert_null(page_token_read_number(&f->call, "customers/1", "", &number));

    assert_int_equal(size, 0);
    assert_true(uuid_is_nil(id));
    assert_int_equal(number, 0);
}

static void assert_refused(struct call *call, const char *arguments, const char *token)
{
    uint8_t read[PAGE_POSITION_SIZE_MAX];
    size_t size;
    const struct error *error = page_token_read(call, arguments, token, read, &size);
    assert_non_null(error);
    assert_int_equal(error->status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(error->reason, "PAGE_TOKEN_INVALID");
}

static void refuses_a_token_of_other_arguments_or_another_method(void **state)
{
    struct fixture *f = *state;
    char *token = page_token_make(&f->call, "customers/1", "position", 8);

    assert_refused(&f->call, "customers/2", token);
    f->call.method = "/dues.test/ListOthers";
    assert_refused(&f->call, "customers/1", token);
}

static void refuses_what_was_altered_or_made_up(void **state)
{
    struct fixture *f = *state;
    char *token = page_token_make(&f->call, "a", "position", 8);

    for (char *at = token; *at != '\0'; at++) {
        char kept = *at;
        *at = kept == 'A' ? 'B' : 'A';
        assert_refused(&f->call, "a", token);
        *at = kept;
    }
    assert_refused(&f->call, "a", "hello");
    assert_refused(&f->call, "a", arena_printf(f->call.arena, "%s=", token));
    assert_refused(&f->call, "a", arena_printf(f->call.arena, "%01000d", 0));
}

#define PAGE_TEST(test) cmocka_unit_test_setup_teardown(test, given_call, end_call)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGE_TEST(reads_back_the_position),
        PAGE_TEST(reads_back_ids_and_numbers),
        PAGE_TEST(begins_at_the_start_without_a_token),
        PAGE_TEST(refuses_a_token_of_other_arguments_or_another_method),
        PAGE_TEST(refuses_what_was_altered_or_made_up),
    };
    return cmocka_run_group_tests_name("page tokens", tests, NULL, NULL);
}
