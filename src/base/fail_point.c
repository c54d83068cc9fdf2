/*
 * Carries out the faults that a test has ordered.  All state is in two files, so that it outlives
 * the process that a fault ends; the one thing kept here is how often an order was passed.
 */

#include "base/fail_point.h"

#ifdef DUES_FAIL_POINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/text.h"
#include "base/time.h"

#define ORDERS_SIZE 2048
#define ORDERS_MAX  8
#define PATH_SIZE   1024

struct order {
    char name[64];
    char detail[64];
    char fault[24];
    int nth; /* 0: every one */
    int milliseconds;
    int passed;
};

/* Of this build only, and one a process by its nature. */
static struct {
    pthread_mutex_t mutex;
    char path[PATH_SIZE];
    int log;
    char text[ORDERS_SIZE]; /* what the orders were made of */
    struct order orders[ORDERS_MAX];
    int count;
} points = {.mutex = PTHREAD_MUTEX_INITIALIZER, .log = -1};

void fail_points_open(const char *path)
{
    char log[PATH_SIZE + 8];

    if (path == NULL)
        return;
    snprintf(points.path, sizeof points.path, "%s", path);
    snprintf(log, sizeof log, "%s.log", path);
    points.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (points.log < 0)
        bug("fail points: could not open %s", log);
}

static bool read_order(char *line, struct order *order)
{
    char *words[5];

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        words[i] = strsep(&line, " ");
        if (words[i] == NULL)
            return false;
    }
    *order = (struct order){
        .nth = (int)strtol(words[3], NULL, 10),
        .milliseconds = (int)strtol(words[4], NULL, 10),
    };
    snprintf(order->name, sizeof order->name, "%s", words[0]);
    snprintf(order->detail, sizeof order->detail, "%s", words[1]);
    snprintf(order->fault, sizeof order->fault, "%s", words[2]);
    return true;
}

/* With the mutex held. */
static void read_orders(void)
{
    char text[ORDERS_SIZE] = "";
    int file = open(points.path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text - 1);

    if (file >= 0)
        close(file);
    text[size < 0 ? 0 : size] = '\0';
    if (strcmp(text, points.text) == 0)
        return;
    memcpy(points.text, text, sizeof text);
    points.count = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (points.count < ORDERS_MAX && read_order(line, &points.orders[points.count]))
            points.count++;
    }
}

static void say(const char *what, const char *name, const char *detail, const char *fault)
{
    char line[256];
    int size = snprintf(line, sizeof line, "%s %s %s %s\n", what, name,
                        detail[0] == '\0' ? "-" : detail, fault);

    if (write(points.log, line, (size_t)size) != size)
        bug("fail points: could not write the log");
}

/* The order that this passage is for, if any.  `is_quiet`: passages are too many to be told. */
static bool find_order(const char *name, const char *detail, bool is_quiet, struct order *found)
{
    bool is_found = false;

    if (points.log < 0)
        return false;
    pthread_mutex_lock(&points.mutex);
    read_orders();
    if (!is_quiet)
        say("passed", name, detail, "-");
    for (int i = 0; i < points.count; i++) {
        struct order *order = &points.orders[i];
        if (!text_equal(order->name, name) ||
            !(text_equal(order->detail, "*") || text_equal(order->detail, detail)))
            continue;
        order->passed++;
        if (is_found || (order->nth != 0 && order->nth != order->passed))
            continue;
        is_found = true;
        *found = *order;
    }
    if (is_found && (!is_quiet || found->passed == 1))
        say("fired", name, detail, found->fault);
    pthread_mutex_unlock(&points.mutex);
    return is_found;
}

static enum fail_fault fault_of(const char *name)
{
    static const char *const names[] = {
        [FAIL_NONE] = "none",   [FAIL_CRASH_BEFORE] = "crash_before",
        [FAIL_ERROR] = "error", [FAIL_CRASH_AFTER] = "crash_after",
        [FAIL_DELAY] = "delay", [FAIL_DUPLICATE] = "duplicate",
        [FAIL_JUMP] = "jump",
    };

    for (int i = 0; i < (int)ARRAY_LENGTH(names); i++) {
        if (text_equal(names[i], name))
            return (enum fail_fault)i;
    }
    bug("fail points: there is no fault \"%s\"", name);
}

/* As if the machine had lost its power, for this process. */
static _Noreturn void crash(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void wait_ms(int milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    if (fiber_current() != NULL)
        fiber_sleep(milliseconds * US_PER_MS);
    else
        nanosleep(&pause, NULL);
}

enum fail_fault fail_point_enter(const char *name, const char *detail)
{
    struct order order;

    if (!find_order(name, detail, false, &order))
        return FAIL_NONE;
    enum fail_fault fault = fault_of(order.fault);
    if (fault == FAIL_CRASH_BEFORE)
        crash();
    if (fault == FAIL_DELAY)
        wait_ms(order.milliseconds);
    return fault;
}

void fail_point_leave(enum fail_fault fault)
{
    if (fault == FAIL_CRASH_AFTER)
        crash();
}

bool fail_point_hit(const char *name, const char *detail)
{
    enum fail_fault fault = fail_point_enter(name, detail);

    fail_point_leave(fault);
    return fault == FAIL_ERROR;
}

int64_t fail_point_shift_us(const char *name)
{
    struct order order;

    return find_order(name, "", true, &order) ? order.milliseconds * US_PER_MS : 0;
}

const struct error *fail_point_error(struct call *call, const char *name)
{
    return error_cause(
        call->arena,
        refuse(call, STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database does not answer"),
        "ordered at the fail point %s", name);
}

#endif
