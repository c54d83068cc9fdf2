/*
 * The database: is it there and of this version, does it keep what it acknowledges, may the service
 * role do no more than it must, is there room for the lanes, does its clock agree.
 */

#include "doctor.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/time.h"
#include "pg/inspect.h"
#include "pg/migrate.h"

#define TOPIC "database"
/* Business happens in the server's time, leases in the database's. */
#define CLOCK_SKEW_WARNING_US (200 * US_PER_MS)
#define CLOCK_SKEW_FAILED_US  (5 * US_PER_SECOND)
/* A migration, a backup, somebody with psql. */
#define CONNECTIONS_FOR_OTHERS 5

static void look_at_durability(struct doctor *doctor, const struct pg_facts *facts)
{
    static const char *const must_be_on[] = {"fsync", "full_page_writes"};
    const char *commit = pg_fact(facts, "synchronous_commit");
    bool good = true;

    for (size_t i = 0; i < ARRAY_LENGTH(must_be_on); i++) {
        if (text_equal(pg_fact(facts, must_be_on[i]), "on"))
            continue;
        good = false;
        doctor_say(doctor, FINDING_FAILED, "durability",
                   "%s is off: a crash loses or tears what was acknowledged", must_be_on[i]);
    }
    if (text_equal(commit, "off")) {
        good = false;
        doctor_say(doctor, FINDING_FAILED, "durability",
                   "synchronous_commit is off: a crash loses what was acknowledged");
    }
    if (!text_equal(pg_fact(facts, "data_checksums"), "on"))
        doctor_say(doctor, FINDING_WARNING, "durability",
                   "data_checksums is off: a bad disk goes unnoticed (pg_checksums --enable)");
    if (good)
        doctor_say(doctor, FINDING_OK, "durability",
                   "fsync and full_page_writes on, synchronous_commit %s, wal_level %s", commit,
                   pg_fact(facts, "wal_level"));
}

static void look_at_role(struct doctor *doctor, const struct pg_facts *facts)
{
    const char *user = pg_fact(facts, "user");
    bool good = true;

    if (text_equal(pg_fact(facts, "superuser"), "true") ||
        text_equal(pg_fact(facts, "may_create"), "true")) {
        good = false;
        doctor_say(doctor, FINDING_FAILED, "role", "%s may do more than a server should: %s", user,
                   "superuser, or may create roles or databases, replicate or bypass row security");
    }
    if (!text_equal(pg_fact(facts, "owned_tables"), "0") ||
        !text_equal(pg_fact(facts, "writable_tables"), "0")) {
        good = false;
        doctor_say(doctor, FINDING_FAILED, "role",
                   "%s may write tables directly (%s), so the ledger can be edited", user,
                   pg_fact(facts, "writable_tables"));
    }
    if (text_equal(pg_fact(facts, "statement_timeout"), "0") ||
        text_equal(pg_fact(facts, "lock_timeout"), "0"))
        doctor_say(doctor, FINDING_WARNING, "role",
                   "%s has no statement_timeout or no lock_timeout "
                   "(deploy/postgresql/roles.sql sets them)",
                   user);
    if (good)
        doctor_say(doctor, FINDING_OK, "role", "%s reads, and writes through functions only", user);
}

static void look_at_room(struct doctor *doctor, const struct pg_facts *facts)
{
    const struct settings *settings = doctor->settings;
    int64_t most = strtoll(pg_fact(facts, "max_connections"), NULL, 10) -
                   strtoll(pg_fact(facts, "superuser_reserved_connections"), NULL, 10);
    int64_t needed = settings->write_lanes + settings->read_lanes;

    if (needed + CONNECTIONS_FOR_OTHERS > most)
        doctor_say(doctor, FINDING_WARNING, TOPIC,
                   "%lld lanes of each server leave little of %lld connections (max_connections)",
                   (long long)needed, (long long)most);
    else
        doctor_say(doctor, FINDING_OK, TOPIC,
                   "%lld lanes of this server, %lld connections allowed, %s in use",
                   (long long)needed, (long long)most, pg_fact(facts, "connections"));
    if (text_equal(pg_fact(facts, "local"), "false") && !text_equal(pg_fact(facts, "tls"), "true"))
        doctor_say(doctor, FINDING_FAILED, TOPIC,
                   "the connection crosses a network without TLS (sslmode=verify-full)");
    if (text_equal(pg_fact(facts, "in_recovery"), "true"))
        doctor_say(doctor, FINDING_FAILED, TOPIC, "this is a standby: nothing can be written");
}

static void look_at_skew(struct doctor *doctor, const struct pg_facts *facts)
{
    int64_t skew_us = strtoll(pg_fact(facts, "clock_us"), NULL, 10) - clock_wall_us(clock_system());
    int64_t size_us = skew_us < 0 ? -skew_us : skew_us;
    enum finding finding = size_us > CLOCK_SKEW_FAILED_US    ? FINDING_FAILED
                           : size_us > CLOCK_SKEW_WARNING_US ? FINDING_WARNING
                                                             : FINDING_OK;

    doctor_say(doctor, finding, "clock", "the database's clock is %lld ms %s this machine's",
               (long long)(size_us / US_PER_MS), skew_us < 0 ? "behind" : "ahead of");
}

void doctor_database(struct doctor *doctor)
{
    const char *connection = doctor->settings->database;
    struct pg_facts facts;
    char problem[256];

    if (!pg_inspect(connection, &facts, problem)) {
        doctor_say(doctor, FINDING_FAILED, TOPIC, "%s", problem);
        return;
    }
    if (pg_check_version(connection, problem) != 0)
        doctor_say(doctor, FINDING_FAILED, TOPIC, "%s", problem);
    else
        doctor_say(doctor, FINDING_OK, TOPIC, "PostgreSQL %s, all migrations of this version",
                   pg_fact(&facts, "server_version"));
    look_at_durability(doctor, &facts);
    look_at_role(doctor, &facts);
    look_at_room(doctor, &facts);
    look_at_skew(doctor, &facts);
}
