/*
 * A question that a fiber asks again and again: what its call looks like, when an outage is said,
 * and how it stops.
 */

#include "base/watch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/time.h"

/* Never waited for: a test that needs it has failed. */
#define FOREVER_US US_PER_HOUR

#define QUESTION_US (20 * US_PER_MS)

/* What is asked, and what has been: guarded by the lock. */
struct fixture {
    struct house house;
    struct fiber_pool *pool;
    FILE *log_file;
    struct watch *watch;
    char said[4096];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *outcomes; /* of one question each: '+' it works, '-' it fails; then it works */
    bool is_slow;
    int begun;
    int answered;
    int troubles;
    struct caller caller;
    const char *method;
    int64_t time_left_us;
    size_t arena_used;
};

static int given_house(void **state)
{
    static struct fixture f;

    f = (struct fixture){
        .pool = fiber_pool_open(1),
        .log_file = tmpfile(),
        .outcomes = "",
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    if (f.log_file == NULL)
        return -1;
    f.house = (struct house){
        .clock = clock_system(),
        .fibers = f.pool,
        .log = log_open(fileno(f.log_file), LOG_DEBUG, clock_system()),
    };
    *state = &f;
    return 0;
}

static void stop(struct fixture *f)
{
    watch_close(f->watch);
    f->watch = NULL;
}

static int close_house(void **state)
{
    struct fixture *f = *state;

    stop(f);
    if (f->house.log != NULL)
        log_close(f->house.log);
    fiber_pool_close(f->pool);
    fclose(f->log_file);
    return 0;
}

static const struct error *ask(void *owner, struct call *call)
{
    struct fixture *f = owner;

    pthread_mutex_lock(&f->lock);
    f->begun++;
    bool is_slow = f->is_slow;
    f->caller = call->caller;
    f->method = call->method;
    f->time_left_us = call_time_left_us(call);
    f->arena_used = arena_used(call->arena);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (is_slow)
        fiber_sleep(QUESTION_US);
    arena_alloc(call->arena, 1000);

    pthread_mutex_lock(&f->lock);
    f->answered++;
    bool fails = *f->outcomes == '-';
    f->outcomes += *f->outcomes != '\0';
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return fails ? error_cause(call->arena, refuse(call, STATUS_UNAVAILABLE, "GONE", "it is away"),
                               "nobody listens")
                 : NULL;
}

static void count_trouble(void *owner)
{
    struct fixture *f = owner;

    pthread_mutex_lock(&f->lock);
    f->troubles++;
    pthread_mutex_unlock(&f->lock);
}

static struct watch_question question_of(struct fixture *f)
{
    return (struct watch_question){
        .house = &f->house,
        .caller = "system/tester",
        .method = "tester/ask",
        .every_us = US_PER_MS,
        .limit_us = FOREVER_US,
        .arena_size = 4096,
        .ask = ask,
        .owner = f,
        .trouble_event = "tester.cannot_ask",
        .trouble = count_trouble,
    };
}

/* Asks no second time before the test is over. */
static struct watch *open_once(struct fixture *f)
{
    struct watch_question question = question_of(f);

    question.every_us = FOREVER_US;
    f->watch = watch_open(&question);
    return f->watch;
}

static struct watch *open_often(struct fixture *f)
{
    const struct watch_question question = question_of(f);

    f->watch = watch_open(&question);
    return f->watch;
}

static void wait_until(struct fixture *f, const int *count, int reached)
{
    pthread_mutex_lock(&f->lock);
    while (*count < reached)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* All that was logged; the log is closed. */
static const char *log_of(struct fixture *f)
{
    log_close(f->house.log);
    f->house.log = NULL;
    ssize_t size = pread(fileno(f->log_file), f->said, sizeof(f->said) - 1, 0);
    f->said[size > 0 ? size : 0] = '\0';
    return f->said;
}

static int times_said(const char *log, const char *text)
{
    int times = 0;

    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        times++;
    return times;
}

static void asks_again_and_again(void **state)
{
    struct fixture *f = *state;

    watch_start(open_often(f));
    wait_until(f, &f->answered, 5);
    stop(f);

    assert_string_equal(log_of(f), "");
    assert_int_equal(f->troubles, 0);
}

static void asks_in_a_call_of_the_house_with_an_empty_arena_each_time(void **state)
{
    struct fixture *f = *state;

    watch_start(open_often(f));
    wait_until(f, &f->answered, 5);
    stop(f);

    assert_int_equal(f->caller.kind, CALLER_SYSTEM);
    assert_string_equal(f->caller.spiffe_id, "system/tester");
    assert_string_equal(f->caller.name, "tester");
    assert_string_equal(f->method, "tester/ask");
    assert_in_range(f->time_left_us, 1, FOREVER_US);
    assert_int_equal(f->arena_used, 0);
}

static void complains_once_per_outage(void **state)
{
    struct fixture *f = *state;

    f->outcomes = "---++--+-";
    watch_start(open_often(f));
    wait_until(f, &f->answered, 10);
    stop(f);
    const char *log = log_of(f);

    assert_int_equal(times_said(log, "\n"), 3);
    assert_int_equal(times_said(log, "tester.cannot_ask"), 3);
    assert_int_equal(f->troubles, 3);
}

static void says_what_is_wrong(void **state)
{
    struct fixture *f = *state;

    f->outcomes = "-";
    watch_start(open_once(f));
    wait_until(f, &f->answered, 1);
    stop(f);
    const char *log = log_of(f);

    assert_non_null(strstr(log, "\"level\":\"warning\""));
    assert_non_null(strstr(log, "\"reason\":\"GONE\""));
    assert_non_null(strstr(log, "\"message\":\"it is away\""));
    assert_non_null(strstr(log, "\"cause\":\"nobody listens\""));
}

static void says_what_it_means_when_the_question_knows(void **state)
{
    struct fixture *f = *state;
    struct watch_question question = question_of(f);

    f->outcomes = "-";
    question.trouble_message = "the answers are old";
    question.trouble = NULL;
    f->watch = watch_open(&question);
    bool worked = watch_ask_now(f->watch);
    stop(f);
    const char *log = log_of(f);

    assert_false(worked);
    assert_non_null(strstr(log, "\"message\":\"the answers are old\""));
    assert_null(strstr(log, "it is away"));
    assert_non_null(strstr(log, "nobody listens"));
}

static void stops_promptly_between_two_questions(void **state)
{
    struct fixture *f = *state;
    int64_t begin_us = clock_monotonic_us(clock_system());

    watch_start(open_once(f));
    wait_until(f, &f->answered, 1);
    stop(f);

    assert_true(clock_monotonic_us(clock_system()) - begin_us < US_PER_MINUTE);
    assert_int_equal(f->begun, 1);
}

static void waits_for_the_question_under_way_before_it_closes(void **state)
{
    struct fixture *f = *state;

    f->is_slow = true;
    watch_start(open_often(f));
    wait_until(f, &f->begun, 1);
    stop(f);

    assert_int_equal(f->begun, f->answered);
}

static void a_failed_first_ask_is_reported_and_may_be_repeated(void **state)
{
    struct fixture *f = *state;

    f->outcomes = "--+";
    f->is_slow = true;
    open_once(f);
    bool first = watch_ask_now(f->watch);
    bool second = watch_ask_now(f->watch);
    bool third = watch_ask_now(f->watch);
    stop(f);

    assert_false(first);
    assert_false(second);
    assert_true(third);
    assert_int_equal(f->answered, 3);
    assert_int_equal(f->troubles, 1);
    assert_int_equal(times_said(log_of(f), "tester.cannot_ask"), 1);
}

static void an_outage_goes_on_from_the_first_ask_to_those_after_it(void **state)
{
    struct fixture *f = *state;

    f->outcomes = "---+";
    open_often(f);
    bool first = watch_ask_now(f->watch);
    watch_start(f->watch);
    wait_until(f, &f->answered, 4);
    stop(f);

    assert_false(first);
    assert_int_equal(f->troubles, 1);
}

static void rests_first_when_it_has_just_been_asked(void **state)
{
    struct fixture *f = *state;

    open_once(f);
    bool worked = watch_ask_now(f->watch);
    watch_start(f->watch);
    usleep(5 * QUESTION_US);
    stop(f);

    assert_true(worked);
    assert_int_equal(f->begun, 1);
}

static void one_that_never_started_and_none_at_all_are_closed(void **state)
{
    struct fixture *f = *state;

    watch_close(NULL);
    open_often(f);
    stop(f);

    assert_int_equal(f->begun, 0);
}

int main(void)
{
#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, given_house, close_house)
    const struct CMUnitTest tests[] = {
        WATCH_TEST(asks_again_and_again),
        WATCH_TEST(asks_in_a_call_of_the_house_with_an_empty_arena_each_time),
        WATCH_TEST(complains_once_per_outage),
        WATCH_TEST(says_what_is_wrong),
        WATCH_TEST(says_what_it_means_when_the_question_knows),
        WATCH_TEST(stops_promptly_between_two_questions),
        WATCH_TEST(waits_for_the_question_under_way_before_it_closes),
        WATCH_TEST(a_failed_first_ask_is_reported_and_may_be_repeated),
        WATCH_TEST(an_outage_goes_on_from_the_first_ask_to_those_after_it),
        WATCH_TEST(rests_first_when_it_has_just_been_asked),
        WATCH_TEST(one_that_never_started_and_none_at_all_are_closed),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
