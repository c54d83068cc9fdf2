/*
 * E-mail addresses and the requests of callers who are nobody yet: what is looked up without
 * knowing a customer.  These rows have a key of their own, and so their own place in the lanes.
 */

#include "auth/auth_internal.h"
#include "base/bug.h"
#include "base/text.h"

/* A sign-up that has not confirmed its address by then has died; another may take over. */
#define RESERVATION_LIFE_US (10 * US_PER_SECOND)

static struct uuid lookup_key(const char *text)
{
    uint8_t hash[SHA256_SIZE];
    struct uuid key;
    sha256(text, strlen(text), hash);
    memcpy(key.bytes, hash, sizeof(key.bytes));
    return key;
}

const struct pg_statement auth_email_find = {
    .name = "auth_email_find",
    .sql = "SELECT customer_id, state = 'CONFIRMED' AS confirmed FROM email_reservation"
           " WHERE email = $1",
};

const struct error *email_find(struct call *call, const char *email_key, struct uuid *customer,
                               bool *confirmed)
{
    struct pg_rows rows;
    TRY(pg_read(call, lookup_key(email_key), &auth_email_find, PG_PARAMS(pg_text(email_key)),
                &rows));
    *customer = rows.count > 0 ? pg_get_uuid(&rows, 0, "customer_id") : UUID_NIL;
    *confirmed = rows.count > 0 && pg_get_bool(&rows, 0, "confirmed");
    return NULL;
}

const struct pg_statement auth_email_reserve = {
    .name = "auth_email_reserve",
    .sql = "SELECT outcome, customer_id FROM email_reserve($1, $2, $3, $4, $5, $6, $7)",
};

const struct error *email_reserve(struct call *call, const char *email_key, struct uuid *customer,
                                  enum email_outcome *outcome)
{
    struct pg_rows rows;
    TRY(pg_write(call, lookup_key(email_key), &auth_email_reserve,
                 PG_PARAMS(pg_text(email_key), pg_uuid(*customer), pg_text(call->caller.spiffe_id),
                           pg_text(call->request_id[0] ? call->request_id : NULL),
                           pg_bytes(call->request_hash, REQUEST_HASH_SIZE), pg_time(call->now_us),
                           pg_time(call->now_us - RESERVATION_LIFE_US)),
                 &rows));
    const char *text = pg_get_text(&rows, 0, "outcome");
    if (text_equal(text, "reserved"))
        *outcome = EMAIL_RESERVED;
    else if (text_equal(text, "confirmed"))
        *outcome = EMAIL_CONFIRMED;
    else if (text_equal(text, "busy"))
        *outcome = EMAIL_BUSY;
    else
        bug("email_reserve answered '%s'", text);
    *customer = pg_get_uuid(&rows, 0, "customer_id");
    return NULL;
}

const struct pg_statement auth_email_confirm = {
    .name = "auth_email_confirm",
    .sql = "SELECT outcome FROM email_confirm($1, $2)",
};

const struct error *email_confirm(struct call *call, const char *email_key, struct uuid customer)
{
    struct pg_rows rows;
    return pg_write(call, lookup_key(email_key), &auth_email_confirm,
                    PG_PARAMS(pg_text(email_key), pg_uuid(customer)), &rows);
}

const struct pg_statement auth_stranger_request_claim = {
    .name = "auth_stranger_request_claim",
    .sql = "SELECT outcome FROM stranger_request_claim($1, $2, $3, $4, $5)",
};

const struct error *stranger_request_claim(struct call *call)
{
    if (call->request_id[0] == '\0')
        return NULL;
    struct pg_rows rows;
    TRY(pg_write(call, lookup_key(call->request_id), &auth_stranger_request_claim,
                 PG_PARAMS(pg_text(call->caller.spiffe_id), pg_text(call->method),
                           pg_text(call->request_id),
                           pg_bytes(call->request_hash, REQUEST_HASH_SIZE), pg_time(call->now_us)),
                 &rows));
    if (!text_equal(pg_get_text(&rows, 0, "outcome"), "reused"))
        return NULL;
    return error_with(call->arena,
                      refuse(call, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED",
                             "request_id \"%s\" was used for another request", call->request_id),
                      "request_id", "%s", call->request_id);
}
