/*
 * The order of the findings, and how they are said: for people one aligned line each, for machines
 * one JSON object a line.
 */

#include "doctor.h"

#include <stdarg.h>

#include "base/text.h"

#define TEXT_SIZE        512
#define PAGE_MEMORY_SIZE (32 * 1024 * 1024)
#define LINE_MEMORY_SIZE (16 * 1024)

static const char *finding_name(enum finding finding)
{
    switch (finding) {
    case FINDING_OK:
        return "ok";
    case FINDING_WARNING:
        return "warning";
    case FINDING_FAILED:
        return "failed";
    }
    return "failed";
}

void doctor_say(struct doctor *doctor, enum finding finding, const char *topic, const char *format,
                ...)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(LINE_MEMORY_SIZE);
    char text[TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    doctor->counts[finding]++;
    if (doctor->json)
        fprintf(doctor->out, "{\"finding\":\"%s\",\"topic\":\"%s\",\"message\":%s}\n",
                finding_name(finding), topic, json_quote(arena, text));
    else
        fprintf(doctor->out, "%-8s %-13s %s\n", finding_name(finding), topic, text);
}

bool doctor_run(struct doctor *doctor)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(PAGE_MEMORY_SIZE);

    doctor_versions(doctor);
    doctor_secrets(doctor);
    doctor_master_key(doctor);
    doctor_certificates(doctor);
    doctor_gateway(doctor);
    doctor_database(doctor);
    doctor_clock(doctor);
    doctor_limits(doctor);
    doctor_look_for_server(doctor, arena);
    doctor_ports(doctor);
    doctor_guards(doctor);
    if (!doctor->json)
        fprintf(doctor->out, "%d ok, %d warning%s, %d failed\n", doctor->counts[FINDING_OK],
                doctor->counts[FINDING_WARNING], doctor->counts[FINDING_WARNING] == 1 ? "" : "s",
                doctor->counts[FINDING_FAILED]);
    return doctor->counts[FINDING_FAILED] == 0;
}
