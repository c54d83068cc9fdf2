/*
 * The machine around the server: its clock, its limits, its ports, the guards, and the versions of
 * what it runs on.
 */

#include "doctor.h"

#include <sys/resource.h>
#include <sys/timex.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/library.h"
#include "http/fetch.h"
#include "pg/inspect.h"
#include "rpc/server.h"

#define PAGE_MEMORY_SIZE (32 * 1024 * 1024)
#define PAGE_LIMIT_MS    2000
/* Files beside the connections: lanes, logs, libraries, the spare of the accept guard. */
#define FILES_FOR_OTHERS 256
/* What NTP's client calls synchronised may still be off by. */
#define CLOCK_ERROR_MAX_US US_PER_SECOND

static void free_arena(struct arena **arena)
{
    arena_free(*arena);
}

void doctor_clock(struct doctor *doctor)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);

    if (state == -1 || state == TIME_ERROR || (timex.status & STA_UNSYNC) != 0)
        doctor_say(
            doctor, FINDING_WARNING, "clock",
            "nothing keeps this machine's clock (NTP): tokens and certificates depend on it");
    else if (timex.maxerror > CLOCK_ERROR_MAX_US)
        doctor_say(doctor, FINDING_WARNING, "clock", "may be off by %ld ms", timex.maxerror / 1000);
    else
        doctor_say(doctor, FINDING_OK, "clock", "synchronised, off by %ld ms at most",
                   timex.maxerror / 1000);
}

void doctor_limits(struct doctor *doctor)
{
    rlim_t needed = (rlim_t)doctor->settings->connections_max + FILES_FOR_OTHERS;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    if (files.rlim_max < needed)
        doctor_say(doctor, FINDING_WARNING, "limits",
                   "%llu open files are allowed, connections_max = %d needs %llu (LimitNOFILE)",
                   (unsigned long long)files.rlim_max, doctor->settings->connections_max,
                   (unsigned long long)needed);
    else
        doctor_say(doctor, FINDING_OK, "limits", "%llu open files are allowed",
                   (unsigned long long)files.rlim_max);
}

/* The value of the sample that begins with `name`, as text; NULL: there is none. */
static const char *sample(struct arena *arena, const char *page, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = page; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, length) != 0)
            continue;
        const char *value = at + strcspn(at, " \n");
        return arena_strndup(arena, value + 1, strcspn(value + 1, "\n"));
    }
    return NULL;
}

/* NULL: nobody answers there; the page of the running server otherwise. */
static char *running_server(struct arena *arena, const struct settings *settings)
{
    char problem[HTTP_PROBLEM_SIZE];

    if (text_equal(settings->metrics_listen, "off"))
        return NULL;
    return http_fetch(arena, settings->metrics_listen, "/metrics", PAGE_LIMIT_MS, problem);
}

void doctor_ports(struct doctor *doctor)
{
    AUTO(free_arena) struct arena *arena = arena_new(PAGE_MEMORY_SIZE);
    const struct settings *settings = doctor->settings;
    char problem[RPC_PROBLEM_SIZE];
    bool is_free = rpc_listen_check(settings->listen, problem);
    const char *page = running_server(arena, settings);

    bool is_taken = !is_free && strstr(problem, "the port is taken") != NULL;

    if (!is_free && !is_taken)
        doctor_say(doctor, FINDING_FAILED, "ports", "%s", problem);
    else if (page != NULL && is_taken)
        doctor_say(doctor, FINDING_OK, "ports", "a server answers: %s (gRPC), %s (metrics)",
                   settings->listen, settings->metrics_listen);
    else if (page != NULL)
        doctor_say(doctor, FINDING_FAILED, "ports",
                   "metrics answer at %s, but nobody listens on %s: is it another server's?",
                   settings->metrics_listen, settings->listen);
    else if (is_free)
        doctor_say(doctor, FINDING_OK, "ports", "%s is free, no server runs", settings->listen);
    else
        doctor_say(doctor, FINDING_WARNING, "ports",
                   "%s (if that is the server: its metrics do not answer at %s)", problem,
                   settings->metrics_listen);
}

void doctor_guards(struct doctor *doctor)
{
    AUTO(free_arena) struct arena *arena = arena_new(PAGE_MEMORY_SIZE);
    const char *page = running_server(arena, doctor->settings);

    if (page == NULL) {
        doctor_say(doctor, FINDING_OK, "guards",
                   "built into this binary; a server proves them by calling itself when it starts");
        return;
    }
    const char *open = sample(arena, page, "dues_edge_connections ");
    if (open == NULL)
        doctor_say(doctor, FINDING_FAILED, "guards", "the running server does not count them");
    else
        doctor_say(doctor, FINDING_OK, "guards", "proven by the running server, %s connections",
                   open);
}

void doctor_versions(struct doctor *doctor)
{
    char libpq[16];

    pg_library_version(libpq);
    doctor_say(doctor, FINDING_OK, "versions", "duesd %s, gRPC %s, %s, libpq %s", DUES_VERSION,
               rpc_library_version(), crypto_library_version(), libpq);
}
