/*
 * `dues wait`: returns when the server answers RPCs, be it started only later.  `dues dev` runs it
 * as a child to know when to say that it is ready, because it must not speak gRPC itself: it forks.
 */
#include "cli/cli.h"
#include "cli/connection.h"

#include <errno.h>
#include <time.h>

#include "base/text.h"
#include "base/time.h"

#include "grpc/health/v1/health.pb-c.h"

#define ARENA_SIZE_MAX          (1u << 20)
#define TRY_MS                  3000
#define LINE_SIZE               1024
#define PAUSE_NS                50000000L
#define TIMEOUT_SECONDS_DEFAULT 60

enum { OPTION_TIMEOUT = OPTION_OTHER };

/* True when the health service says SERVING; otherwise `last` tells what came instead. */
static bool is_serving(struct dues_client *client, char last[LINE_SIZE])
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct dues_call_options options = {
        .deadline_ms = TRY_MS, .wait_for_ready = true, .attempts_max = 1};
    struct dues_answer *answer = NULL;
    bool serving = false;
    if (dues_call(client, &grpc__health__v1__health__descriptor, "Check", &request.base, &options,
                  &answer) == DUES_OK) {
        const Grpc__Health__V1__HealthCheckResponse *reply =
            (const Grpc__Health__V1__HealthCheckResponse *)answer->reply;
        serving = reply->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
        snprintf(last, LINE_SIZE, "the server says that it is not serving");
    } else {
        snprintf(last, LINE_SIZE, "%s: %.200s", dues_status_name(answer->status), answer->message);
    }
    dues_answer_free(answer);
    return serving;
}

/* One try from the beginning: the server may not even have said yet where it will be. */
static bool try_once(struct arena *arena, const struct connection *given, char last[LINE_SIZE])
{
    struct connection connection = *given;
    const char *missing = connection_complete(&connection, arena);
    if (missing != NULL) {
        snprintf(last, LINE_SIZE, "%s", missing);
        return false;
    }
    struct dues_client *client = connection_open(&connection, last);
    if (client == NULL)
        return false;
    char answer[LINE_SIZE] = "";
    bool serving = is_serving(client, answer);
    dues_client_close(client);
    if (!serving)
        snprintf(last, LINE_SIZE, "%.300s does not answer: %.300s", connection.target, answer);
    return serving;
}

static int wait_until_serving(struct arena *arena, const struct connection *connection,
                              int64_t timeout_seconds)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    const struct clock *clock = clock_system();
    int64_t until_us = clock_monotonic_us(clock) + timeout_seconds * US_PER_SECOND;
    char last[LINE_SIZE] = "";
    bool serving = try_once(arena, connection, last);
    while (!serving && clock_monotonic_us(clock) < until_us) {
        nanosleep(&pause, NULL);
        arena_reset(arena);
        serving = try_once(arena, connection, last);
    }
    return serving ? EXIT_SUCCESS : complain("%s", last);
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct connection connection = {0};
    int64_t timeout_seconds = TIMEOUT_SECONDS_DEFAULT;
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (connection_option(&connection, option, optarg))
            continue;
        if (option == OPTION_HELP)
            return help_command("wait");
        if (option != OPTION_TIMEOUT)
            return complain_option("wait");
        char *end = NULL;
        errno = 0;
        timeout_seconds = strtoll(optarg, &end, 10);
        if (errno != 0 || *end != '\0' || timeout_seconds < 0 || timeout_seconds > 86400)
            return complain_usage("--timeout needs seconds, 0 to 86400");
    }
    if (optind != argc)
        return complain_usage("wait takes no \"%s\"", argv[optind]);
    const char *misuse = connection_check(&connection);
    if (misuse != NULL)
        return complain_usage("%s", misuse);
    return wait_until_serving(arena, &connection, timeout_seconds);
}

int command_wait(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
