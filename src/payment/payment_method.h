/*
 * A payment method: a card that we know as the gateway's token only.  The token is sealed at rest,
 * never changes and never leaves the server.
 */
#pragma once

#include "crypto/secrets.h"
#include "pg/pg.h"

struct payment_method {
    struct uuid customer;
    struct uuid id;
    const char *gateway;
    struct bytes token_sealed;
    const char *brand;
    const char *last4;
    int32_t exp_month;
    int32_t exp_year;
    bool is_usable;
    bool is_default;
    int64_t create_time_us;
};

/* Fails with NOT_FOUND / PAYMENT_METHOD_NOT_FOUND. */
const struct error *payment_method_load(struct call *call, struct uuid customer, struct uuid id,
                                        struct payment_method *method) MUST_CHECK;

/* At most `limit` methods older than `before` (UUID_NIL: from the newest), newest first. */
const struct error *payment_method_list(struct call *call, struct uuid customer, struct uuid before,
                                        int64_t limit, struct payment_method **methods,
                                        size_t *count) MUST_CHECK;

/* Seals and opens the token; the row is part of the seal. */
struct bytes payment_method_seal(struct call *call, struct uuid id, const char *token);
const struct error *payment_method_open(struct call *call, struct uuid id, struct bytes sealed,
                                        const char **token) MUST_CHECK;

/*
 * Records the method and its answer.  `*changed`: another became the default meanwhile; nothing was
 * written.  `*replayed`: call->recorded holds the first answer.
 */
const struct error *payment_method_record(struct call *call, const struct payment_method *method,
                                          struct bytes answer, int64_t now_us, bool *changed,
                                          bool *replayed) MUST_CHECK;
