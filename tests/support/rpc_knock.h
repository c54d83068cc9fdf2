/*
 * One call over a TLS connection of its own, below gRPC and without its scruples: it sends whatever
 * certificate it is given, weak, broken or not its own.
 */
#pragma once

#include <stdbool.h>

enum rpc_knock_tls { RPC_KNOCK_TLS_1_2, RPC_KNOCK_TLS_1_3 };

/* A TLS session to be resumed: kept by one knock, offered by the next.  Zero at first. */
struct rpc_knock_session {
    void *ticket;
    bool was_resumed;
};

void rpc_knock_session_release(struct rpc_knock_session *session);

struct rpc_knock {
    int port;               /* of 127.0.0.1 */
    enum rpc_knock_tls tls; /* this version only */
    const char *chain_path; /* PEM, leaf first; NULL: no certificate */
    const char *key_path;   /* PEM; need not be the leaf's */
    const char
        *method; /* "/dues.payment.v1.PaymentService/ListPayments"; an empty message is sent */
    struct rpc_knock_session *session; /* NULL: a new one, not kept */
};

#define RPC_KNOCK_REFUSED (-1) /* no byte of HTTP/2 came back */
#define RPC_KNOCK_NOTHING                                                                          \
    (-2) /* connected, and no answer within ten seconds, or it makes no sense */

/* The call's gRPC status, or one of the above.  `*has_reason`: `reason` was in the trailers. */
int rpc_knock(const struct rpc_knock *knock, const char *reason, bool *has_reason);
