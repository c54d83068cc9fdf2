/*
 * `dues top`: what a server is doing right now, from its metrics listener.
 */
#include "cli/top.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/connection.h"
#include "http/fetch.h"

#define ARENA_SIZE_MAX  (128u << 20)
#define FETCH_LIMIT_MS  5000
#define SECONDS_DEFAULT 2
#define SECONDS_MAX     3600
#define ROWS_MAX        12
#define CONFIG_SIZE_MAX 65536
#define METRICS_KEY     "metrics_listen = "
#define CLEAR_SCREEN    "\033[H\033[2J"

enum { OPTION_METRICS = OPTION_OTHER, OPTION_SECONDS, OPTION_ONCE };

struct top {
    const char *metrics;
    int64_t seconds;
    bool once;
};

static void close_stream(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

/* Where the server of a state directory says that its metrics are; NULL: it does not say. */
static const char *find_metrics(struct arena *arena, const char *state_dir)
{
    AUTO(close_stream)
    FILE *file = fopen(arena_printf(arena, "%s/duesd.conf", state_dir), "re");

    if (file == NULL)
        return NULL;
    char *text = arena_alloc(arena, CONFIG_SIZE_MAX + 1);
    text[fread(text, 1, CONFIG_SIZE_MAX, file)] = '\0';
    const char *key = strstr(text, "\n" METRICS_KEY);
    if (key == NULL)
        return NULL;
    key += strlen("\n" METRICS_KEY);
    return arena_strndup(arena, key, strcspn(key, "\n"));
}

static const char *look(struct arena *arena, const char *metrics, struct top_look *look)
{
    char *problem = arena_alloc(arena, HTTP_PROBLEM_SIZE);
    const char *page = http_fetch(arena, metrics, "/metrics", FETCH_LIMIT_MS, problem);

    if (page == NULL)
        return problem;
    look->calls = http_fetch(arena, metrics, "/calls", FETCH_LIMIT_MS, problem);
    if (look->calls == NULL)
        return problem;
    metrics_read(arena, page, &look->page);
    look->time_us = clock_monotonic_us(clock_system());
    return NULL;
}

/* One look, a pause, another look, the tables. */
static const char *show_once(struct arena *arena, const struct top *top)
{
    const struct timespec pause = {.tv_sec = top->seconds};
    struct top_look before;
    struct top_look now;

    const char *problem = look(arena, top->metrics, &before);
    if (problem != NULL)
        return problem;
    nanosleep(&pause, NULL);
    problem = look(arena, top->metrics, &now);
    if (problem != NULL)
        return problem;
    if (!top->once && isatty(STDOUT_FILENO) != 0)
        fputs(CLEAR_SCREEN, stdout);
    top_show(stdout, arena, &before, &now, ROWS_MAX);
    fflush(stdout);
    return NULL;
}

static int show(const struct top *top)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    const char *problem;

    do {
        arena_reset(arena);
        problem = show_once(arena, top);
    } while (problem == NULL && !top->once && ferror(stdout) == 0);
    int exit_status = problem == NULL ? EXIT_SUCCESS : complain("%s", problem);
    arena_free(arena);
    return exit_status;
}

static bool read_seconds(const char *text, int64_t *seconds)
{
    char *end = NULL;

    errno = 0;
    *seconds = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *seconds >= 1 && *seconds <= SECONDS_MAX;
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"metrics", required_argument, NULL, OPTION_METRICS},
        {"seconds", required_argument, NULL, OPTION_SECONDS},
        {"once", no_argument, NULL, OPTION_ONCE},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct top top = {.seconds = SECONDS_DEFAULT};
    const char *state_dir = state_dir_default(arena);
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("top");
        if (option == OPTION_STATE_DIR)
            state_dir = optarg;
        else if (option == OPTION_METRICS)
            top.metrics = optarg;
        else if (option == OPTION_ONCE)
            top.once = true;
        else if (option != OPTION_SECONDS)
            return complain_option("top");
        else if (!read_seconds(optarg, &top.seconds))
            return complain_usage("--seconds needs 1 to %d", SECONDS_MAX);
    }
    if (optind != argc)
        return complain_usage("top takes no \"%s\"", argv[optind]);
    if (top.metrics == NULL && state_dir == NULL)
        return complain_usage("%s", STATE_DIR_UNKNOWN);
    if (top.metrics == NULL)
        top.metrics = find_metrics(arena, state_dir);
    if (top.metrics == NULL || text_equal(top.metrics, "off"))
        return complain("%s/duesd.conf is not there or names no metrics_listen: give --metrics",
                        state_dir);
    return show(&top);
}

int command_top(int argc, char **argv)
{
    struct arena *arena = arena_new(1U << 20);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
