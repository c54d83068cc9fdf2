/*
 * The gRPC server: one listener with mutual TLS, one completion queue, one poller thread, and a
 * fiber for every call.  For main and the tests; handlers need base/call.h only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"
#include "base/measure.h"
#include "base/method.h"
#include "pg/pg.h"

#define RPC_PROBLEM_SIZE 256

/*
 * Verifies an access token for the certificate in caller->certificate_hash and fills user, session
 * and scope.  UNAUTHENTICATED when it is not good.  Runs in the call's fiber.
 */
typedef const struct error *rpc_verify_token(struct call *call, const char *bearer,
                                             struct caller *caller);

struct rpc_server_options {
    const struct house *house;
    const struct rpc_service *const *services;
    size_t service_count;
    rpc_verify_token *verify_token;
    bool (*is_ready)(const struct house *house); /* cheap: what the health service reports */
    const char *device_ca_pem; /* trusted beside settings.tls_client_ca; NULL: none */
};

struct rpc_server;
struct settings;

/* For the test that PREPAREs every statement. */
extern pg_statement_list rpc_statements;

/*
 * The key of the TLS file that cannot be read or does not fit, and why in `problem`; NULL: a server
 * could serve with them.
 */
const char *rpc_find_bad_file(const struct settings *settings, char problem[RPC_PROBLEM_SIZE]);

enum rpc_listen { RPC_LISTEN_FREE, RPC_LISTEN_TAKEN, RPC_LISTEN_IMPOSSIBLE };

/* Could a server listen there now?  One line in `problem` when not. */
enum rpc_listen rpc_listen_check(const char *address, char problem[RPC_PROBLEM_SIZE]);

/* Of the gRPC library that this process runs with: "29.0.0". */
const char *rpc_library_version(void);

/* Where gRPC's own complaints go from now on; NULL: nowhere. */
void rpc_grpc_log_to(struct log *log);

/*
 * Takes away the environment variables by which gRPC and OpenSSL would change their behaviour
 * silently.  Call it first thing in the process, before any thread starts.
 */
void rpc_environment_clear(void);

/*
 * Checks the tables against their descriptors, reads the certificates, listens and serves.  NULL
 * and one line in `problem` when something is wrong: a row without scope, a key that is not the
 * certificate's, a busy port.  What the options point to outlives the server.
 */
struct rpc_server *rpc_server_open(const struct rpc_server_options *options,
                                   char problem[RPC_PROBLEM_SIZE]);

/* The port that it listens on: the one asked for, or the kernel's choice for port 0. */
int rpc_server_port(const struct rpc_server *server);

/*
 * Health says NOT_SERVING, no call is accepted any more, running calls finish; those still running
 * after `grace_ms` are cancelled for the client (the handler is not aborted).  True when all calls
 * have ended; false when a handler still runs a second after that.
 */
bool rpc_server_drain(struct rpc_server *server, int64_t grace_ms);

/* Unary calls that have not ended. */
size_t rpc_server_running(struct rpc_server *server);

/* Drains without grace unless that was done, stops the poller, frees.  NULL is allowed. */
void rpc_server_close(struct rpc_server *server);

/*
 * Reads the three PEM files again (for SIGHUP; changed files are noticed without it too) and serves
 * new connections with them about a second later.  False and one line in `problem` when they do not
 * fit together: what was served before stays.
 */
bool rpc_server_reload_certificates(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE]);

/*
 * When the certificates that are served and trusted end, how clients' certificates were judged, and
 * the list of revoked keys.
 */
void rpc_server_measure_certificates(struct rpc_server *server, struct measures *out);

/* Durations by method and status, calls that live, what was refused, the limit of admission. */
void rpc_server_measure(struct rpc_server *server, struct measures *out);

enum rpc_call_state {
    RPC_CALL_AWAITS_MESSAGE,
    RPC_CALL_RUNS,
    RPC_CALL_STREAMS,
    RPC_CALL_ANSWERED, /* its client has not taken the answer, or its handler goes on without it */
};
#define RPC_CALL_STATES 4

/* "runs" for RPC_CALL_RUNS. */
const char *rpc_call_state_name(enum rpc_call_state state);

struct rpc_call_view {
    char method[96]; /* "/dues.payment.v1.PaymentService/CreatePayment" */
    char caller[96]; /* SPIFFE id; "" when the certificate had none that is good */
    int64_t age_us;
    enum rpc_call_state state;
};

/* The calls that live now, the youngest first: how many were written. */
size_t rpc_server_describe_calls(struct rpc_server *server, struct rpc_call_view *views,
                                 size_t views_max);
