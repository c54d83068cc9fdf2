/*
 * `duesd doctor`: looks at everything that a server needs, says each finding on one line, and
 * changes nothing.  It may run beside the server, or before the first start.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/settings.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_FAILED };

struct doctor {
    FILE *out;
    bool json; /* one object a line instead of text for people */
    const struct settings *settings;
    const char *page; /* /metrics of the running server; NULL: none answers */
    int counts[FINDING_FAILED + 1];
};

/* "warning  certificates  the server's ends in 5 days" */
void doctor_say(struct doctor *doctor, enum finding finding, const char *topic, const char *format,
                ...) PRINTF_LIKE(4, 5);

/* Each looks at one topic or two. */
void doctor_database(struct doctor *doctor);     /* doctor_database.c */
void doctor_certificates(struct doctor *doctor); /* doctor_files.c */
void doctor_secrets(struct doctor *doctor);
void doctor_master_key(struct doctor *doctor);                           /* doctor_keys.c */
void doctor_gateway(struct doctor *doctor);                              /* doctor_gateway.c */
void doctor_clock(struct doctor *doctor);                                /* doctor_machine.c */
void doctor_look_for_server(struct doctor *doctor, struct arena *arena); /* says nothing */
void doctor_ports(struct doctor *doctor);
void doctor_limits(struct doctor *doctor);
void doctor_guards(struct doctor *doctor);
void doctor_versions(struct doctor *doctor);

/* All of them.  True when nothing failed; warnings do not count. */
bool doctor_run(struct doctor *doctor);
