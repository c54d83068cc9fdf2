/*
 * A payment method: a card that we know as the gateway's token only.  The token is sealed at rest,
 * never changes until the method is deleted, and never leaves the server.
 *
 *   ACTIVE ──┬──► STOPPED    the bank said not to try again; other card data make it ACTIVE again
 *            ├──► UNUSABLE   lost, stolen: never again
 *            └──► DELETED    from every state; the token is forgotten when the gateway has let go
 * of it
 */
#pragma once

#include "crypto/secrets.h"
#include "gateway/gateway.h"
#include "pg/pg.h"

enum payment_method_state {
    PAYMENT_METHOD_ACTIVE,
    PAYMENT_METHOD_STOPPED,
    PAYMENT_METHOD_UNUSABLE,
    PAYMENT_METHOD_DELETED,
    PAYMENT_METHOD_STATE_COUNT
};

/* The customer's consent to charges when not there. */
struct mandate {
    const char *type; /* "RECURRING", "UNSCHEDULED", "GRANDFATHERED"; "": there is none */
    int64_t accept_us;
    const char *ip_address; /* "" when not told, as the next */
    const char *user_agent;
    const char *text_version;
};

struct payment_method {
    struct uuid customer;
    struct uuid id;
    const char *gateway;
    struct bytes token_sealed;
    struct bytes data_key; /* the customer's, wrapped; no bytes: not brought along */
    const char *brand;
    const char *last4;
    int32_t exp_month;
    int32_t exp_year;
    const char *fingerprint; /* "" when the gateway does not tell */
    enum payment_method_state state;
    bool is_usable; /* ACTIVE */
    bool is_default;
    int64_t retry_us; /* no try before, by the networks' rule; 0: at any time */
    struct mandate mandate;
    int64_t version;
    int64_t create_time_us;
    int64_t delete_time_us; /* 0 unless DELETED */
};

const char *payment_method_state_name(enum payment_method_state state);

/* Fails with NOT_FOUND / PAYMENT_METHOD_NOT_FOUND. */
const struct error *payment_method_load(struct call *call, struct uuid customer, struct uuid id,
                                        struct payment_method *method) MUST_CHECK;

/* At most `limit` methods older than `before` (UUID_NIL: from the newest), newest first. */
const struct error *payment_method_list(struct call *call, struct uuid customer, struct uuid before,
                                        int64_t limit, struct payment_method **methods,
                                        size_t *count) MUST_CHECK;

/*
 * May it be charged now, by the customer or (`without_customer`) by ourselves?  NULL, or
 * FAILED_PRECONDITION PAYMENT_METHOD_UNUSABLE, PAYMENT_METHOD_MANDATE_REQUIRED,
 * PAYMENT_METHOD_RETRY_LIMIT.  SQL payment_method_refuses says the same against races.
 */
const struct error *payment_method_check(struct call *call, const struct payment_method *method,
                                         bool without_customer, int64_t now_us) MUST_CHECK;

/* Seals and opens the token; customer and row are part of the seal.  A deleted method's token is
 * "". */
const struct error *payment_method_seal(struct call *call, struct payment_method *method,
                                        const char *token) MUST_CHECK;
const struct error *payment_method_open(struct call *call, const struct payment_method *method,
                                        const char **token) MUST_CHECK;

/* From a row with token_sealed and data_key, customer_data_key's of the customer. */
void payment_method_sealed_from_row(const struct pg_rows *rows, size_t row,
                                    struct payment_method *method);

/*
 * Records the method and its answer.  `*changed`: another became the default meanwhile; nothing was
 * written.  `*replayed`: call->recorded holds the first answer.
 */
const struct error *payment_method_record(struct call *call, const struct payment_method *method,
                                          struct bytes answer, int64_t now_us, bool *changed,
                                          bool *replayed) MUST_CHECK;

/*
 * The gateway tells other data of a card than we have: its bank renewed or replaced it.  Records
 * them, with the event payment_method.updated, and lets a STOPPED method be charged again.  For
 * whoever hears of it: a look at the gateway, a webhook.  `*changed` false: nothing is new.
 */
const struct error *payment_method_refresh(struct call *call, struct uuid customer, struct uuid id,
                                           const struct gateway_card *card, int64_t now_us,
                                           bool *changed) MUST_CHECK;

/* Must its gateway hear when it changes or is deleted?  Not one that keeps no cards. */
bool payment_method_is_told(const struct call *call, const struct payment_method *method);
