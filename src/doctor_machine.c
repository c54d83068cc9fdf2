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

#define VALUE_MEMORY_SIZE (64 * 1024)
#define PAGE_LIMIT_MS     2000
/* Files beside the connections: lanes, logs, libraries, the spare of the accept guard. */
#define FILES_FOR_OTHERS 256
/* What NTP's client calls synchronised may still be off by. */
#define CLOCK_ERROR_MAX_US US_PER_SECOND

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

void doctor_look_for_server(struct doctor *doctor, struct arena *arena)
{
    const char *listen = doctor->settings->metrics_listen;
    char problem[HTTP_PROBLEM_SIZE];

    if (!text_equal(listen, "off"))
        doctor->page = http_fetch(arena, listen, "/metrics", PAGE_LIMIT_MS, problem);
}

static void look_at_taken_port(struct doctor *doctor, const char *problem)
{
    const struct settings *settings = doctor->settings;

    if (doctor->page != NULL)
        doctor_say(doctor, FINDING_OK, "ports", "a server answers: %s (gRPC), %s (metrics)",
                   settings->listen, settings->metrics_listen);
    else
        doctor_say(doctor, FINDING_WARNING, "ports",
                   "%s (if that is the server: its metrics do not answer at %s)", problem,
                   settings->metrics_listen);
}

void doctor_ports(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    char problem[RPC_PROBLEM_SIZE];

    switch (rpc_listen_check(settings->listen, problem)) {
    case RPC_LISTEN_TAKEN:
        look_at_taken_port(doctor, problem);
        return;
    case RPC_LISTEN_IMPOSSIBLE:
        doctor_say(doctor, FINDING_FAILED, "ports", "%s", problem);
        return;
    case RPC_LISTEN_FREE:
        break;
    }
    if (doctor->page != NULL)
        doctor_say(doctor, FINDING_FAILED, "ports",
                   "metrics answer at %s, but nobody listens on %s: is it another server's?",
                   settings->metrics_listen, settings->listen);
    else
        doctor_say(doctor, FINDING_OK, "ports", "%s is free, no server runs", settings->listen);
}

void doctor_guards(struct doctor *doctor)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(VALUE_MEMORY_SIZE);

    if (doctor->page == NULL) {
        doctor_say(doctor, FINDING_OK, "guards",
                   "built into this binary; a server proves them by calling itself when it starts");
        return;
    }
    const char *open = sample(arena, doctor->page, "dues_edge_connections ");
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
