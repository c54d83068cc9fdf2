/*
 * Where key-encryption keys come from.
 */

#include "crypto/key_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"

#define ONE   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define TWO   "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SHARE "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
/* ONE ^ SHARE */
#define REST "a5a4a7a6a1a0a3a2adacafaea9a8abaab5b4b7b6b1b0b3b2bdbcbfbeb9b8bbba"

static char directory[64];
static char path_a[96];
static char path_b[96];
static char shares[224];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/dues-keys-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path_a, sizeof(path_a), "%s/a", directory);
    snprintf(path_b, sizeof(path_b), "%s/b", directory);
    snprintf(shares, sizeof(shares), "shares:%s,%s", path_a, path_b);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path_a);
    unlink(path_b);
    return rmdir(directory);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0640), 0);
}

static struct key_source from(const char *text)
{
    return (struct key_source){.text = text, .credentials = directory};
}

static size_t keys_in(const char *text, struct key_ring *ring)
{
    char problem[256] = "";

    *ring = (struct key_ring){.count = 0};
    return key_ring_read(from(text), ring, problem) ? ring->count : 0;
}

static void come_from_a_file_first_line_first(void **state)
{
    struct key_ring alone;
    struct key_ring both;
    (void)state;
    write_file(path_a, ONE "\n");
    assert_int_equal(keys_in(path_a, &alone), 1);

    write_file(path_a, "# since monday\n" TWO "\n\n" ONE "\r\n");

    assert_int_equal(keys_in(path_a, &both), 2);
    assert_memory_equal(&both.keys[1], &alone.keys[0], sizeof(struct data_key));
    assert_memory_not_equal(both.keys[0].id, alone.keys[0].id, KEY_ID_SIZE);
    assert_ptr_equal(key_ring_find(&both, alone.keys[0].id), &both.keys[1]);
    assert_null(key_ring_find(&alone, both.keys[0].id));
}

static void are_not_what_stands_in_the_file(void **state)
{
    struct key_ring ring;
    uint8_t line[SECRET_SIZE];
    (void)state;
    write_file(path_a, ONE "\n");
    assert_true(hex_decode(ONE, line, sizeof(line)));

    assert_int_equal(keys_in(path_a, &ring), 1);

    assert_memory_not_equal(ring.keys[0].key, line, SECRET_SIZE);
    assert_memory_not_equal(ring.keys[0].id, line, KEY_ID_SIZE);
    assert_memory_equal(ring.first_line, line, SECRET_SIZE);
}

static void come_from_a_credential(void **state)
{
    struct key_ring file;
    struct key_ring credential;
    char problem[256];
    (void)state;
    write_file(path_a, ONE "\n");

    assert_int_equal(keys_in(path_a, &file), 1);
    assert_int_equal(keys_in("credential:a", &credential), 1);

    assert_memory_equal(&file, &credential, sizeof(file));
    assert_false(key_ring_read((struct key_source){.text = "credential:a"}, &credential, problem));
    assert_non_null(strstr(problem, "$CREDENTIALS_DIRECTORY/a"));
    assert_false(key_source_put_new(from("credential:a"), random_system(), problem));
}

static void come_from_two_shares_over_each_other(void **state)
{
    struct key_ring whole;
    struct key_ring shared;
    struct key_ring swapped;
    char turned[224];
    (void)state;
    write_file(path_a, ONE "\n");
    assert_int_equal(keys_in(path_a, &whole), 1);
    write_file(path_a, SHARE "\n");
    write_file(path_b, REST "\n");
    snprintf(turned, sizeof(turned), "shares:%s,%s", path_b, path_a);

    assert_int_equal(keys_in(shares, &shared), 1);
    assert_int_equal(keys_in(turned, &swapped), 1);

    assert_memory_equal(&shared, &whole, sizeof(whole));
    assert_memory_equal(&swapped, &whole, sizeof(whole));
}

/* Any key at all is still possible when one share is known: there is a second share for each. */
static void leave_everything_open_to_who_has_one_share(void **state)
{
    static const char *const candidates[] = {ONE, TWO, SHARE};
    uint8_t share[SECRET_SIZE];
    (void)state;
    assert_true(hex_decode(REST, share, SECRET_SIZE));

    for (size_t i = 0; i < ARRAY_LENGTH(candidates); i++) {
        uint8_t key[SECRET_SIZE];
        char hex[2 * SECRET_SIZE + 1];
        struct key_ring wanted;
        struct key_ring got;
        write_file(path_a, candidates[i]);
        assert_int_equal(keys_in(path_a, &wanted), 1);
        assert_true(hex_decode(candidates[i], key, SECRET_SIZE));
        for (size_t k = 0; k < SECRET_SIZE; k++)
            key[k] ^= share[k];
        hex_encode(key, SECRET_SIZE, hex);
        write_file(path_a, REST "\n");
        write_file(path_b, hex);

        assert_int_equal(keys_in(shares, &got), 1);
        assert_memory_equal(&got, &wanted, sizeof(got));
    }
}

static void do_not_come_from_anything_else(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "# nothing\n",
        "00",
        ONE "0",
        ONE " ",
        ONE "\n" ONE "\n",
        "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    };
    struct key_ring ring;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        write_file(path_a, bad[i]);
        assert_int_equal(keys_in(path_a, &ring), 0);
    }
    write_file(path_a, ONE "\n");
    write_file(path_b, ONE "\n");
    assert_int_equal(keys_in(shares, &ring), 0);
    assert_int_equal(keys_in("shares:/only/one", &ring), 0);
    assert_int_equal(keys_in("/nonexistent", &ring), 0);
}

static void stay_when_a_new_one_is_put_before_them(void **state)
{
    struct key_ring before;
    struct key_ring after;
    struct stat status;
    char problem[256];
    (void)state;
    write_file(path_a, ONE "\n");
    assert_int_equal(keys_in(path_a, &before), 1);

    assert_true(key_source_put_new(from(path_a), random_system(), problem));

    assert_int_equal(keys_in(path_a, &after), 2);
    assert_memory_equal(&after.keys[1], &before.keys[0], sizeof(struct data_key));
    assert_int_equal(stat(path_a, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    struct data_key kept = after.keys[0];
    assert_true(key_source_keep_first(from(path_a), problem));
    assert_int_equal(keys_in(path_a, &after), 1);
    assert_memory_equal(&after.keys[0], &kept, sizeof(kept));
}

/* Killed between the two files: the new line that one share has alone is none yet. */
static void of_two_shares_stay_when_one_has_a_line_more(void **state)
{
    struct key_ring before;
    struct key_ring after;
    char problem[256];
    (void)state;
    write_file(path_a, SHARE "\n");
    write_file(path_b, REST "\n");
    assert_int_equal(keys_in(shares, &before), 1);

    write_file(path_a, TWO "\n" SHARE "\n");
    assert_int_equal(keys_in(shares, &after), 1);
    assert_memory_equal(&after, &before, sizeof(before));

    assert_true(key_source_put_new(from(shares), random_system(), problem));
    assert_int_equal(keys_in(shares, &after), 2);
    assert_memory_equal(&after.keys[1], &before.keys[0], sizeof(struct data_key));
    assert_int_equal(keys_in(path_a, &after), 2);
    assert_false(key_source_keep_first(from(shares), problem));
}

static void are_eight_at_most(void **state)
{
    struct key_ring ring;
    char problem[256];
    (void)state;
    write_file(path_a, ONE "\n");

    for (int i = 1; i < KEY_RING_MAX; i++)
        assert_true(key_source_put_new(from(path_a), random_system(), problem));

    assert_int_equal(keys_in(path_a, &ring), KEY_RING_MAX);
    assert_false(key_source_put_new(from(path_a), random_system(), problem));
    assert_int_equal(keys_in(path_a, &ring), KEY_RING_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(come_from_a_file_first_line_first),
        cmocka_unit_test(are_not_what_stands_in_the_file),
        cmocka_unit_test(come_from_a_credential),
        cmocka_unit_test(come_from_two_shares_over_each_other),
        cmocka_unit_test(leave_everything_open_to_who_has_one_share),
        cmocka_unit_test(do_not_come_from_anything_else),
        cmocka_unit_test(stay_when_a_new_one_is_put_before_them),
        cmocka_unit_test(of_two_shares_stay_when_one_has_a_line_more),
        cmocka_unit_test(are_eight_at_most),
    };
    return cmocka_run_group_tests_name("key-encryption keys", tests, make_directory,
                                       remove_directory);
}
