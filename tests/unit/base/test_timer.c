/*
 * The timer thread: order, ties, many entries, closing.
 */

#include "base/timer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"

#define ENTRIES_MAX 10000

/* What the timer has run, guarded by its lock. */
struct journal {
    struct timer *timer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
    int ran[ENTRIES_MAX];
};

struct entry {
    struct journal *journal;
    int64_t due_us; /* at the earliest: the timer read the clock between these two */
    int64_t due_latest_us;
    int number;
    bool early;
};

static int given_timer(void **state)
{
    static struct journal journal;

    journal = (struct journal){
        .timer = timer_open(),
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    *state = &journal;
    return 0;
}

static int close_timer(void **state)
{
    struct journal *journal = *state;

    timer_close(journal->timer);
    return 0;
}

static void run_entry(void *arg)
{
    struct entry *entry = arg;
    struct journal *journal = entry->journal;

    entry->early = clock_monotonic_us(clock_system()) < entry->due_us;
    pthread_mutex_lock(&journal->lock);
    journal->ran[journal->count++] = entry->number;
    pthread_cond_signal(&journal->changed);
    pthread_mutex_unlock(&journal->lock);
}

static void add(struct journal *journal, struct entry *entry, int number, int64_t delay_us)
{
    int64_t before_us = clock_monotonic_us(clock_system());

    *entry = (struct entry){.journal = journal, .number = number, .due_us = before_us + delay_us};
    timer_add(journal->timer, delay_us, run_entry, entry);
    /* The entry may be running by now; it does not look at this. */
    entry->due_latest_us = clock_monotonic_us(clock_system()) + delay_us;
}

static void wait_for(struct journal *journal, size_t count)
{
    pthread_mutex_lock(&journal->lock);
    while (journal->count < count)
        pthread_cond_wait(&journal->changed, &journal->lock);
    pthread_mutex_unlock(&journal->lock);
}

static void runs_in_the_order_of_time(void **state)
{
    static const int64_t delays_ms[] = {40, 10, 30, 0, 20};
    struct journal *journal = *state;
    struct entry entries[5];
    int place[5];

    for (int i = 0; i < 5; i++)
        add(journal, &entries[i], i, delays_ms[i] * US_PER_MS);
    wait_for(journal, 5);

    for (int i = 0; i < 5; i++)
        place[journal->ran[i]] = i;
    for (int i = 0; i < 5; i++) {
        assert_false(entries[i].early);
        for (int j = 0; j < 5; j++) {
            if (entries[i].due_latest_us < entries[j].due_us)
                assert_true(place[i] < place[j]);
        }
    }
}

static void an_earlier_one_wakes_a_sleeping_timer(void **state)
{
    struct journal *journal = *state;
    struct entry late, soon;
    int64_t begin_us = clock_monotonic_us(clock_system());

    add(journal, &late, 1, US_PER_HOUR);
    add(journal, &soon, 2, 5 * US_PER_MS);
    wait_for(journal, 1);

    assert_int_equal(journal->ran[0], 2);
    assert_true(clock_monotonic_us(clock_system()) - begin_us < US_PER_MINUTE);
}

static void negative_and_huge_delays_are_now_and_never(void **state)
{
    struct journal *journal = *state;
    struct entry never = {.journal = journal, .number = 1};
    struct entry now = {.journal = journal, .number = 2};

    timer_add(journal->timer, INT64_MAX, run_entry, &never);
    timer_add(journal->timer, INT64_MIN, run_entry, &now);
    wait_for(journal, 1);

    assert_int_equal(journal->ran[0], 2);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

static void wait_for_gate(void *arg)
{
    struct gate *gate = arg;

    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* Holds the timer up while all entries are added, so that their order is the heap's alone. */
static void add_all_at_once(struct journal *journal, struct entry *entries, int64_t delay_max_us)
{
    static struct gate gate;

    gate = (struct gate){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    timer_add(journal->timer, 0, wait_for_gate, &gate);
    for (int i = 0; i < ENTRIES_MAX; i++)
        add(journal, &entries[i], i,
            (int64_t)random_below(random_system(), (uint64_t)delay_max_us + 1));
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_signal(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    wait_for(journal, ENTRIES_MAX);
}

static void many_come_out_sorted(void **state)
{
    static struct entry entries[ENTRIES_MAX];
    struct journal *journal = *state;

    add_all_at_once(journal, entries, 200 * US_PER_MS);

    for (int i = 0; i < ENTRIES_MAX; i++) {
        assert_false(entries[i].early);
        if (i > 0)
            assert_true(entries[journal->ran[i - 1]].due_us <=
                        entries[journal->ran[i]].due_latest_us);
    }
}

static void equal_times_run_as_they_were_added(void **state)
{
    static struct entry entries[ENTRIES_MAX];
    struct journal *journal = *state;

    /* Thousands of these share a microsecond. */
    add_all_at_once(journal, entries, 0);

    for (int i = 0; i < ENTRIES_MAX; i++)
        assert_int_equal(journal->ran[i], i);
}

static void closing_drops_what_is_not_due(void **state)
{
    struct journal *journal = *state;
    struct entry entry;

    add(journal, &entry, 1, US_PER_HOUR);
    timer_close(journal->timer);
    journal->timer = NULL;

    assert_int_equal(journal->count, 0);
}

int main(void)
{
#define TIMER_TEST(name) cmocka_unit_test_setup_teardown(name, given_timer, close_timer)
    const struct CMUnitTest tests[] = {
        TIMER_TEST(runs_in_the_order_of_time),
        TIMER_TEST(an_earlier_one_wakes_a_sleeping_timer),
        TIMER_TEST(negative_and_huge_delays_are_now_and_never),
        TIMER_TEST(many_come_out_sorted),
        TIMER_TEST(equal_times_run_as_they_were_added),
        TIMER_TEST(closing_drops_what_is_not_due),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
