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
    struct bytes data_key; /* the customer's, wrapped; no bytes: not brought along */
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

/* Seals and opens the token; customer and row are part of the seal. */
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
