/*
 * A server without rooms behind it: the real rpc/, real TLS, and a PaymentService whose handlers do
 * what a transport test needs.  No database, no gateway.
 *
 *   GetPayment           payments.read: service, operator, user.  Echoes the name; description is
 *                        the trace, invoice the caller's kind
 *   ListPayments         PUBLIC; as many payments as page_size
 *   CreatePayment        payments.write: service, user; request_id required.  Description is the
 *                        hash of the request in hex
 *   CreatePaymentMethod  payments.write: device, user; request_id optional
 *   GetPaymentMethod     payments.read: service.  Fails: INTERNAL with a private cause
 *   ListPaymentMethods   payments.read: service.  A recorded answer is replayed
 *   CreateRefund         payments.write: operator; request_id required.  ABORTED, RetryInfo,
 *                        metadata, many field errors
 *   GetRefund            payments.read: service.  Sleeps as many milliseconds as the name says
 *   ListRefunds          payments.read: service; sandbox only
 */
#pragma once

#include <dues/client.h>

#include "base/house.h"
#include "base/settings.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "rpc/server.h"
#include "support/db_fakes.h"
#include "support/rpc_certificates.h"

/* The access token that the server takes for a user with the scope payments.read. */
#define BARE_TOKEN "good-token"

struct rpc_bare {
    struct settings settings;
    struct house house;
    struct fake_clock clock;
    struct fake_random random;
    struct rpc_server *server;
    struct secrets *secrets;
    atomic_bool ready; /* what is_ready answers */
    int log_file;
    char directory[64];
    char paths[4][128];
    char target[64];
    struct arena *arena;
    struct test_authority *authority;
    struct test_pair service; /* service/service-billing: all scopes */
    struct test_pair reader;  /* service/reader: payments.read */
    struct test_pair app;
    struct test_pair device;
    struct test_pair operator_; /* operator/support: payments.write */
};

/* `change` may alter the settings before the server opens; NULL: none. */
struct rpc_bare *rpc_bare_new(void (*change)(struct settings *settings));
void rpc_bare_free(struct rpc_bare *bare);

/* Group setup and teardown of cmocka. */
int rpc_bare_setup(void **state);
int rpc_bare_teardown(void **state);

struct dues_client *rpc_bare_client(struct rpc_bare *bare, struct test_pair pair);

/* Blocks; the caller frees the answer.  `token` may be NULL, `deadline_ms` 0. */
struct dues_answer *rpc_bare_ask(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, const char *token,
                                 int64_t deadline_ms);
struct dues_answer *rpc_bare_bytes(struct dues_client *client, const char *method,
                                   const void *bytes, size_t size);

bool rpc_bare_log_has(const struct rpc_bare *bare, const char *text);

/* How many calls of a method (its path; NULL: of all) are in that state now. */
size_t rpc_bare_calls(const struct rpc_bare *bare, const char *method, enum rpc_call_state state);
/* Waits until so many are; false: in vain. */
bool rpc_bare_await_calls(const struct rpc_bare *bare, const char *method,
                          enum rpc_call_state state, size_t count);

/* How many calls of GetRefund have ended their sleep. */
int rpc_bare_sleeps_done(void);

/* Beside the methods above it has all of the contract, which do nothing. */
const struct rpc_service *rpc_bare_service(void);
