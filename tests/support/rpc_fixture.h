/*
 * The whole server in the process of the test, on real PostgreSQL, and clients that reach it over
 * mutual TLS.
 *
 *   const struct CMUnitTest tests[] = { cmocka_unit_test(refunds_part_of_a_payment), … };
 *   return cmocka_run_group_tests_name("CreateRefund", tests, rpc_setup, rpc_teardown);
 *
 * In a test: struct rpc_fixture *f = *state.
 *
 *   const struct dues_answer *answer = rpc_ask(f, AS(SERVICE_BILLING),
 *       &dues__payment__v1__payment_service__descriptor, "GetPayment", &request.base);
 *   assert_int_equal(answer->status, DUES_NOT_FOUND);
 *   assert_string_equal(answer->reason, "PAYMENT_NOT_FOUND");
 *
 * Answers and texts live until the end of the program.  Everything may be used from several
 * threads.
 */
#pragma once

#include <dues/client.h>
#include <pthread.h>

#include "house_open.h"
#include "support/db_fixture.h"
#include "support/rpc_certificates.h"

/* Certificates that every fixture has. */
enum rpc_identity {
    SERVICE_BILLING, /* service/service-billing: all scopes */
    SERVICE_POOR,    /* service/service-poor: none */
    OPERATOR_DEMO,   /* operator/operator-demo: all scopes */
    APP_DEMO,        /* app/app-demo */
    APP_OTHER,       /* app/app-other */
    RPC_IDENTITIES,
};

#define RPC_ANSWERS_MAX 65536

struct rpc_fixture {
    struct db_fixture *db;    /* db_execute, db_number … see the truth; its house is not used */
    struct fake_clock *clock; /* wall time of the server: the machine's at setup, then still */
    struct config *config;
    struct log *log;
    int log_file;
    struct opened_house *opened;
    const struct house *house;
    char directory[64]; /* certificates, master key, journal of the sandbox gateway */
    char target[64];
    struct arena *arena;  /* of rpc_strdup, for any thread; directly only where there is one */
    struct arena *papers; /* of the authority, which only the test's own thread asks */
    struct test_authority *authority;
    struct test_pair pairs[RPC_IDENTITIES];
    struct dues_client *clients[RPC_IDENTITIES];
    const char *more_settings;
    const char *database; /* of the server, when it is another way than db->service */
    const char *listen;

    pthread_mutex_t mutex;
    struct dues_answer **answers;
    size_t answer_count;
};

/* Who asks. */
struct rpc_as {
    struct dues_client *client; /* NULL: `identity` */
    enum rpc_identity identity;
    const char *token;   /* access token; NULL: none */
    int64_t deadline_ms; /* 0: the client's, ten seconds */
    const struct dues_metadata *metadata;
    size_t metadata_count;
};

/* Of calls that hash a password, for which a server takes no processor from anybody: its longest.
 */
#define RPC_HASHING_MS 30000

#define AS(who)                 ((struct rpc_as){.identity = (who)})
#define AS_USER(who, the_token) ((struct rpc_as){.identity = (who), .token = (the_token)})

int rpc_setup(void **state);
int rpc_teardown(void **state);

/* With lines for the configuration file ("sandbox = off\n"); the rest as rpc_setup. */
struct rpc_fixture *rpc_fixture_new(const char *more_settings);
/* `prepare` may do to the migrated database what a command does before the server's first start. */
struct rpc_fixture *rpc_fixture_new_prepared(const char *more_settings,
                                             void (*prepare)(const struct settings *settings));
void rpc_fixture_free(struct rpc_fixture *f);

/* Stops the server, in order, and starts it anew on the same database and journal. */
void rpc_restart(struct rpc_fixture *f);

/* The same, and from then on the server reaches its database by this way; NULL: directly. */
void rpc_restart_on(struct rpc_fixture *f, const char *database);

/* The same on the same port, with the clients as they are: what they had open is cut. */
void rpc_restart_in_place(struct rpc_fixture *f);

/* Sent once, never again by itself. */
const struct dues_answer *rpc_ask(struct rpc_fixture *f, struct rpc_as as,
                                  const ProtobufCServiceDescriptor *service, const char *method,
                                  const ProtobufCMessage *request);

/* Bytes that need not be a message, to any path. */
const struct dues_answer *rpc_ask_bytes(struct rpc_fixture *f, struct rpc_as as, const char *path,
                                        const void *bytes, size_t size);

/* True when a field violation names the field. */
bool answer_names(const struct dues_answer *answer, const char *field);

/* A client with another certificate; close it with dues_client_close before teardown. */
struct dues_client *rpc_client(struct rpc_fixture *f, struct test_pair pair);

/* A user made by SignUp with APP_DEMO. */
struct rpc_user {
    const char *user;     /* "users/…" */
    const char *customer; /* "customers/…" */
    const char *email;
    const char *password;
    const char *token;
    const char *refresh_token;
};

struct rpc_user rpc_given_user(struct rpc_fixture *f);
/* In the time of a test clock; `test_clock` "" is the wall's. */
struct rpc_user rpc_given_user_on(struct rpc_fixture *f, const char *test_clock);

/* True when the server's log, from its start, holds the text. */
bool rpc_log_has(struct rpc_fixture *f, const char *text);

const char *rpc_printf(struct rpc_fixture *f, const char *format, ...) PRINTF_LIKE(2, 3);
char *rpc_strdup(struct rpc_fixture *f, const char *text);

#define RPC_RACERS_MAX 128

/* Runs `run` with each of the racers (`count` of `size` bytes each) at once, and waits for all. */
void rpc_race(void *(*run)(void *racer), void *racers, size_t count, size_t size);
