/*
 * The keys of a house that does not run, opened for a look: nothing is changed.
 */
#pragma once

#include "base/settings.h"
#include "crypto/key_ring.h"
#include "crypto/secrets.h"
#include "pg/inspect.h"

#define KEY_BUNCH_PROBLEM_SIZE 256

struct key_bunch {
    struct arena *arena; /* of all that is read */
    struct key_ring *ring;
    struct secrets *secrets;
    struct data_key house;
    struct pg_vault_facts facts;
    struct pg_sealed_key *signing;
    size_t signing_count;
};

/* Needs key_bunch_close in any case. */
struct key_bunch key_bunch_new(void);
void key_bunch_close(struct key_bunch *bunch);

/* The key-encryption keys; false and one line in `problem`. */
bool key_bunch_read_source(struct key_bunch *bunch, const struct settings *settings,
                           char problem[KEY_BUNCH_PROBLEM_SIZE]);

/* What they seal, if `facts.is_made`. */
bool key_bunch_read_database(struct key_bunch *bunch, const struct settings *settings,
                             char problem[KEY_BUNCH_PROBLEM_SIZE]);

/* The house's data key and root; false: the source's keys are not the database's. */
bool key_bunch_open_house(struct key_bunch *bunch);

/*
 * The newest key of the name in table gateway_key, after the house.  False: `problem` says why not.
 */
bool key_bunch_read_gateway(const struct key_bunch *bunch, const struct settings *settings,
                            const char *name, const char **text,
                            char problem[KEY_BUNCH_PROBLEM_SIZE]);

/* One of `signing`, after the house; false: it was altered, or comes from another database. */
bool key_bunch_open_signing(const struct key_bunch *bunch, const struct pg_sealed_key *key,
                            struct bytes *pem);
