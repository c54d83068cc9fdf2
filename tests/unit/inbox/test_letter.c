/*
 * Who uses up whose letters a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fiber.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "inbox/internal.h"

#define PER_SECOND 3
#define BURST      6

struct world {
    struct fiber_pool *fibers;
    struct house house;
    struct gateways gateways;
    struct gateway gateway;
    struct inbox inbox;
    struct arena *arena;
};

/* Everything is forged but "genuine". */
static enum gateway_letter_verdict read_news(const struct gateway *gateway, struct call *call,
                                             const struct gateway_letter *letter,
                                             struct gateway_news *news)
{
    (void)gateway;
    (void)call;
    *news = (struct gateway_news){.event = "evt_1", .type = "x", .object = ""};
    return text_equal(letter->body, "genuine") ? GATEWAY_LETTER_GENUINE : GATEWAY_LETTER_FORGED;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->arena = arena_new(1024 * 1024);
    world->fibers = fiber_pool_open(2);
    world->gateway = (struct gateway){.name = "stripe", .read_news = read_news};
    world->gateways = (struct gateways){.list = {&world->gateway}, .count = 1};
    world->house = (struct house){.clock = clock_system(),
                                  .random = random_system(),
                                  .fibers = world->fibers,
                                  .gateways = &world->gateways};
    world->inbox.house = &world->house;
    world->inbox.rate = bucket_rate_make(PER_SECOND, BURST);
    pthread_mutex_init(&world->inbox.lock, NULL);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    fiber_pool_close(world->fibers);
    pthread_mutex_destroy(&world->inbox.lock);
    arena_free(world->arena);
    free(world);
    return 0;
}

static int send_from(struct world *world, uint64_t source, const char *body)
{
    const struct http_service_request request = {
        .method = "POST",
        .path = "/v1/gateways/stripe/news",
        .query = "",
        .body = body,
        .body_size = strlen(body),
        .source = source,
        .arena = world->arena,
    };
    struct http_service_reply reply = {.status = 0};

    inbox_answer(&world->inbox, &request, &reply);
    return reply.status;
}

static void a_stranger_who_sends_too_many_keeps_nobody_out(void **state)
{
    struct world *world = *state;
    int last = 0;

    for (int i = 0; i < 4 * BURST; i++)
        last = send_from(world, 1, "forged");

    assert_int_equal(last, 429);
    assert_int_equal(send_from(world, 2, "forged"), 400);
    /* Forgeries have taken nothing of what all share. */
    assert_true(bucket_take(&world->inbox.genuine, world->inbox.rate, BURST,
                            clock_monotonic_us(clock_system())));
}

static void genuine_letters_of_all_sources_have_one_bound(void **state)
{
    struct world *world = *state;

    assert_true(bucket_take(&world->inbox.genuine, world->inbox.rate, BURST,
                            clock_monotonic_us(clock_system()) + US_PER_MINUTE));

    assert_int_equal(send_from(world, 1, "genuine"), 429);
    assert_int_equal(send_from(world, 2, "genuine"), 429);
    assert_int_equal(send_from(world, 2, "forged"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stranger_who_sends_too_many_keeps_nobody_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(genuine_letters_of_all_sources_have_one_bound, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("inbox/letter", tests, NULL, NULL);
}
