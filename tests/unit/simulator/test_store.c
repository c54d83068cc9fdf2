/*
 * The store: what was committed is there after a crash at any byte, what was not is gone, and
 * chains give the newest first.
 */

#include "simulator/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attributes.h"

#define MEMORY_MAX (64 * 1024 * 1024)
#define MANY       6000

struct world {
    struct arena *arena;
    struct store *store;
    char path[64];
};

static void reopen(struct world *world)
{
    const struct store_watcher nobody = {0};
    char problem[STORE_PROBLEM_SIZE] = "";

    store_close(world->store);
    world->store = store_open(world->path, &nobody, problem);
    if (world->store == NULL)
        fail_msg("%s", problem);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->arena = arena_new(MEMORY_MAX);
    snprintf(world->path, sizeof world->path, "/tmp/dues-store-XXXXXX");
    int file = mkstemp(world->path);
    assert_true(file >= 0);
    close(file);
    *state = world;
    reopen(world);
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    store_close(world->store);
    unlink(world->path);
    arena_free(world->arena);
    free(world);
    return 0;
}

/* One step: a charge of a customer, with metadata. */
static void add_charge(struct world *world, const char *id, const char *customer, int amount)
{
    struct tx tx;

    tx_begin(&tx, world->store, world->arena, 0);
    json_t *charge = tx_load(&tx, "charge", id);
    if (charge == NULL) {
        tx_add(&tx, json_pack("{s:s, s:s, s:s, s:i, s:{s:s}}", "id", id, "object", "charge",
                              "customer", customer, "amount", amount, "metadata", "mark", id));
    } else {
        json_object_set_new(charge, "amount", json_integer(amount));
        tx_change(&tx, charge);
    }
    assert_true(tx_commit(&tx, "call", json_pack("{s:i}", "number", amount)));
    tx_end(&tx);
}

static int64_t amount_of(struct world *world, const char *id)
{
    struct tx tx;

    tx_begin(&tx, world->store, world->arena, 0);
    const json_t *charge = tx_load(&tx, "charge", id);
    int64_t amount =
        charge == NULL ? -1 : (int64_t)json_integer_value(json_object_get(charge, "amount"));
    tx_end(&tx);
    return amount;
}

static void keeps_the_newest_version_over_a_restart(void **state)
{
    struct world *world = *state;

    add_charge(world, "ch_1", "cus_1", 5);
    add_charge(world, "ch_2", "cus_1", 6);
    add_charge(world, "ch_1", "cus_1", 7);
    assert_int_equal(amount_of(world, "ch_1"), 7);
    reopen(world);

    assert_int_equal(amount_of(world, "ch_1"), 7);
    assert_int_equal(amount_of(world, "ch_2"), 6);
    assert_int_equal(amount_of(world, "ch_3"), -1);
}

static void a_step_that_was_not_committed_never_was(void **state)
{
    struct world *world = *state;
    struct tx tx;

    add_charge(world, "ch_1", "cus_1", 5);
    tx_begin(&tx, world->store, world->arena, 0);
    json_object_set_new(tx_load(&tx, "charge", "ch_1"), "amount", json_integer(9));
    tx_change(&tx, tx_load(&tx, "charge", "ch_1"));
    tx_end(&tx);
    tx_begin(&tx, world->store, world->arena, 0);
    tx_add(&tx, json_pack("{s:s, s:s}", "id", "ch_2", "object", "charge"));
    tx_forget(&tx);
    assert_true(tx_commit(&tx, "call", json_pack("{s:i}", "number", 1)));
    tx_end(&tx);

    assert_int_equal(amount_of(world, "ch_1"), 5);
    assert_int_equal(amount_of(world, "ch_2"), -1);
    reopen(world);
    assert_int_equal(amount_of(world, "ch_1"), 5);
    assert_int_equal(amount_of(world, "ch_2"), -1);
}

static void a_file_that_was_cut_at_any_byte_has_every_whole_step(void **state)
{
    struct world *world = *state;
    char bytes[4096];

    add_charge(world, "ch_1", "cus_1", 5);
    int64_t first_end = 0;
    store_close(world->store);
    world->store = NULL;
    FILE *file = fopen(world->path, "rb");
    size_t whole = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    first_end = (int64_t)whole;
    reopen(world);
    add_charge(world, "ch_2", "cus_1", 6);
    store_close(world->store);
    world->store = NULL;
    file = fopen(world->path, "rb");
    whole = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 0; cut <= whole; cut++) {
        file = fopen(world->path, "wb");
        assert_int_equal(fwrite(bytes, 1, cut, file), cut);
        fclose(file);
        reopen(world);
        assert_int_equal(amount_of(world, "ch_1"), (int64_t)cut < first_end ? -1 : 5);
        assert_int_equal(amount_of(world, "ch_2"), cut < whole ? -1 : 6);
        add_charge(world, "ch_3", "cus_1", 8);
        reopen(world);
        assert_int_equal(amount_of(world, "ch_3"), 8);
        store_close(world->store);
        world->store = NULL;
        arena_reset(world->arena);
    }
    reopen(world);
}

static void chains_give_the_newest_first(void **state)
{
    struct world *world = *state;
    char id[32];
    char customer[32];

    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "ch_%d", i);
        snprintf(customer, sizeof customer, "cus_%d", i % 7);
        add_charge(world, id, customer, i);
        arena_reset(world->arena);
    }
    for (int turn = 0; turn < 2; turn++, reopen(world)) {
        struct store_cursor cursor = store_list(world->store, "charge", "customer", "cus_3");
        int wanted = MANY - 1;
        int count = 0;
        while (wanted % 7 != 3)
            wanted--;
        for (const char *found; (found = store_next(&cursor)) != NULL; wanted -= 7, count++) {
            snprintf(id, sizeof id, "ch_%d", wanted);
            assert_string_equal(found, id);
        }
        assert_int_equal(count, (MANY - 4) / 7 + 1);
        cursor = store_list(world->store, "charge", "metadata/mark", "ch_42");
        assert_string_equal(store_next(&cursor), "ch_42");
        assert_null(store_next(&cursor));
        cursor = store_list(world->store, "refund", "", "");
        assert_null(store_next(&cursor));
    }
}

static void two_processes_do_not_share_a_journal(void **state)
{
    struct world *world = *state;
    const struct store_watcher nobody = {0};
    char problem[STORE_PROBLEM_SIZE] = "";

    assert_null(store_open(world->path, &nobody, problem));
    assert_non_null(strstr(problem, "in use"));
}

static void a_file_that_is_no_journal_is_named(void **state)
{
    struct world *world = *state;
    const struct store_watcher nobody = {0};
    char problem[STORE_PROBLEM_SIZE] = "";

    store_close(world->store);
    FILE *file = fopen(world->path, "we");
    fputs("a letter\n", file);
    fclose(file);
    world->store = store_open(world->path, &nobody, problem);

    assert_null(world->store);
    assert_non_null(strstr(problem, world->path));
    assert_non_null(strstr(problem, "is not a journal of the simulator, at byte 0"));
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(keeps_the_newest_version_over_a_restart),
        STORE_TEST(a_step_that_was_not_committed_never_was),
        STORE_TEST(a_file_that_is_no_journal_is_named),
        STORE_TEST(a_file_that_was_cut_at_any_byte_has_every_whole_step),
        STORE_TEST(chains_give_the_newest_first),
        STORE_TEST(two_processes_do_not_share_a_journal),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
