/*
 * The key-encryption keys: where they come from, whether the database's keys open with them, how
 * old the one in use is and what hangs on those before.
 */

#include "doctor.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"
#include "house_open.h"
#include "key_bunch.h"

#define OLD_KEY_US (365 * US_PER_DAY)

#define TOPIC "master_key"

static bool ask_database(struct doctor *doctor, struct key_bunch *bunch)
{
    char problem[KEY_BUNCH_PROBLEM_SIZE];

    if (key_bunch_read_database(bunch, doctor->settings, problem))
        return true;
    doctor_say(doctor, FINDING_WARNING, TOPIC,
               "well-formed; whether it opens the signing keys of the database is not known: %s",
               problem);
    return false;
}

static bool open_house(struct doctor *doctor, struct key_bunch *bunch)
{
    char hex[2 * KEY_ID_SIZE + 1];

    if (key_bunch_open_house(bunch))
        return true;
    hex_encode(bunch->facts.key_id, KEY_ID_SIZE, hex);
    doctor_say(doctor, FINDING_FAILED, TOPIC,
               "does not open the data keys of the database: they are wrapped by key %s, and no "
               "server starts without it",
               hex);
    return false;
}

static bool try_signing_keys(struct doctor *doctor, const struct key_bunch *bunch)
{
    for (size_t i = 0; i < bunch->signing_count; i++) {
        const struct pg_sealed_key *key = &bunch->signing[i];
        struct bytes pem;
        if (key_bunch_open_signing(bunch, key, &pem))
            continue;
        doctor_say(doctor, FINDING_FAILED, TOPIC,
                   "does not open the %s key (generation %lld) of the database: it was altered, or "
                   "comes from another one",
                   key->kind, (long long)key->generation);
        return false;
    }
    doctor_say(doctor, FINDING_OK, TOPIC, "opens the %zu signing keys of the database",
               bunch->signing_count);
    return true;
}

static void say_use(struct doctor *doctor, const struct key_bunch *bunch)
{
    const char *kind = key_source_kind(house_key_source(doctor->settings));
    int64_t age_us = clock_wall_us(clock_system()) - bunch->facts.since_us;
    char hex[2 * KEY_ID_SIZE + 1];

    hex_encode(bunch->facts.key_id, KEY_ID_SIZE, hex);
    doctor_say(doctor, age_us > OLD_KEY_US ? FINDING_WARNING : FINDING_OK, TOPIC,
               "key %s from %s, in use for %lld days%s", hex, kind,
               (long long)(age_us / US_PER_DAY),
               age_us > OLD_KEY_US ? ": time for `dues keys rotate`" : "");
    if (bunch->facts.old_rows > 0)
        doctor_say(doctor, FINDING_WARNING, TOPIC,
                   "%" PRId64 " data keys hang on a key that was replaced: `dues keys rotate`",
                   bunch->facts.old_rows);
    if (memcmp(bunch->ring->keys[0].id, bunch->facts.key_id, KEY_ID_SIZE) != 0)
        doctor_say(doctor, FINDING_WARNING, TOPIC,
                   "the first key of the source is not the one in use: `dues keys rotate`");
}

static void look_at_keys(struct doctor *doctor, struct key_bunch *bunch)
{
    char problem[KEY_BUNCH_PROBLEM_SIZE] = "";

    if (!key_bunch_read_source(bunch, doctor->settings, problem)) {
        doctor_say(doctor, FINDING_FAILED, TOPIC, "%s", problem);
        return;
    }
    if (!ask_database(doctor, bunch))
        return;
    if (!bunch->facts.is_made)
        doctor_say(doctor, FINDING_OK, TOPIC,
                   "well-formed; the first server that starts will wrap the data keys with it");
    else if (open_house(doctor, bunch) && try_signing_keys(doctor, bunch))
        say_use(doctor, bunch);
}

void doctor_master_key(struct doctor *doctor)
{
    struct key_bunch bunch = key_bunch_new();

    look_at_keys(doctor, &bunch);
    key_bunch_close(&bunch);
}
