/*
 * The recorded steps of a response to the bank.  Its texts are about a person, so they are sealed
 * while they are owed to the gateway, and forgotten when it has them.
 */

#include "payment/dispute_internal.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"
#include "vault/vault.h"

const char *dispute_action_name(enum dispute_action action)
{
    return action == DISPUTE_ACCEPT ? "ACCEPT" : "EVIDENCE";
}

/* Name, NUL, text, NUL …: neither of the two holds one. */
static struct bytes evidence_pack(struct arena *arena, const struct dispute_response *response)
{
    size_t size = 0;
    char *at;

    for (size_t i = 0; i < response->evidence_count; i++)
        size += strlen(response->evidence[i].name) + strlen(response->evidence[i].text) + 2;
    char *packed = arena_alloc(arena, size + 1);
    at = packed;
    for (size_t i = 0; i < response->evidence_count; i++) {
        at = stpcpy(at, response->evidence[i].name) + 1;
        at = stpcpy(at, response->evidence[i].text) + 1;
    }
    return (struct bytes){packed, size};
}

static void evidence_unpack(struct arena *arena, struct bytes plain,
                            struct dispute_response *response)
{
    char *copy = arena_alloc(arena, plain.size + 1);
    const char *end = copy + plain.size;

    memcpy(copy, plain.data, plain.size);
    copy[plain.size] = '\0';
    response->evidence_count = 0;
    for (const char *at = copy; at < end && response->evidence_count < GATEWAY_EVIDENCE_TEXTS;) {
        struct gateway_evidence_text *text = &response->evidence[response->evidence_count++];
        text->name = at;
        at += strlen(at) + 1;
        text->text = at < end ? at : "";
        at += strlen(text->text) + 1;
    }
}

static const struct error *evidence_seal(struct call *call, const struct dispute_response *response,
                                         struct bytes *sealed)
{
    *sealed = (struct bytes){"", 0};
    if (response->evidence_count == 0)
        return NULL;
    const struct vault_place place =
        vault_place_dispute_evidence(call->arena, response->customer, response->id);
    return vault_seal(call, &place, evidence_pack(call->arena, response), sealed);
}

const struct pg_statement dispute_respond_statement = {
    .name = "dispute_respond",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM dispute_respond($1, ROW($2, $3, $4, $5)::request_key,"
           "       ROW($6, $7, $8, $9, $10, $11, $12)::dispute_response_intent, $13, $14)",
};

const struct error *dispute_response_record(struct call *call, const struct dispute *dispute,
                                            const struct dispute_response *response,
                                            enum dispute_responding *recorded, struct uuid *object)
{
    struct bytes sealed;
    struct pg_rows rows;
    bool found;

    TRY(evidence_seal(call, response, &sealed));
    TRY(FAIL_STEP(
        call, "dispute.intend", dispute_action_name(response->action),
        pg_write(call, response->customer, &dispute_respond_statement,
                 PG_PARAMS(pg_uuid(response->customer), REPLAY_PARAMS(call), pg_uuid(response->id),
                           pg_uuid(response->dispute),
                           pg_text(dispute_action_name(response->action)),
                           pg_text(response->gateway_key), pg_bytes(sealed.data, sealed.size),
                           pg_int64(attempt_lease_ms(call)), pg_bool(response->had_evidence),
                           pg_int64(dispute->version), pg_time(response->now_us)),
                 &rows)));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    *object = pg_get_uuid(&rows, 0, "object_id");
    if (text_equal(outcome, "busy") || text_equal(outcome, "changed")) {
        *recorded = text_equal(outcome, "busy") ? DISPUTE_RESPONSE_BUSY : DISPUTE_RESPONSE_CHANGED;
        return NULL;
    }
    if (text_equal(outcome, "running")) {
        *recorded = DISPUTE_RESPONSE_RUNNING;
        return NULL;
    }
    TRY(replay_outcome(call, &rows, &found));
    *recorded = found ? DISPUTE_RESPONSE_REPLAYED : DISPUTE_RESPONDING;
    return NULL;
}

const struct pg_statement dispute_response_load_statement = {
    .name = "dispute_response_load",
    .sql = "SELECT dispute_id, action, gateway_key, evidence_sealed, had_evidence,"
           "       state NOT IN ('SENDING', 'UNKNOWN') AS is_over,"
           "       (extract(epoch FROM clock_timestamp() - first_sent_time) * 1000000)::bigint"
           "           AS age_us"
           "  FROM dispute_response WHERE customer_id = $1 AND response_id = $2",
    .is_lookup = true,
};

const struct error *dispute_response_load(struct call *call, struct uuid customer, struct uuid id,
                                          struct dispute_response *response, bool *found)
{
    struct bytes sealed;
    struct bytes plain;
    struct pg_rows rows;

    TRY(pg_read(call, customer, &dispute_response_load_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(id)), &rows));
    *found = rows.count > 0;
    if (!*found)
        return NULL;
    *response = (struct dispute_response){
        .customer = customer,
        .id = id,
        .dispute = pg_get_uuid(&rows, 0, "dispute_id"),
        .action = text_equal(pg_get_text(&rows, 0, "action"), "ACCEPT") ? DISPUTE_ACCEPT
                                                                        : DISPUTE_EVIDENCE,
        .gateway_key = pg_get_text(&rows, 0, "gateway_key"),
        .had_evidence = pg_get_bool(&rows, 0, "had_evidence"),
        .age_us = pg_get_int64(&rows, 0, "age_us"),
        .is_over = pg_get_bool(&rows, 0, "is_over"),
    };
    sealed.data = pg_get_bytes(&rows, 0, "evidence_sealed", &sealed.size);
    if (sealed.size == 0)
        return NULL;
    const struct vault_place place = vault_place_dispute_evidence(call->arena, customer, id);
    TRY(vault_unseal(call, &place, sealed, (struct bytes){NULL, 0}, &plain));
    evidence_unpack(call->arena, plain, response);
    return NULL;
}

const struct pg_statement dispute_responded_statement = {
    .name = "dispute_responded",
    .sql = "SELECT dispute_responded($1, $18, ROW(" DISPUTE_PLACES
           ")::dispute_known, $19, $20, $21, $22) AS outcome",
};

const struct error *dispute_responded(struct call *call, const struct dispute_response *response,
                                      const struct dispute *before, const struct dispute *after,
                                      const char **outcome)
{
    Dues__Payment__V1__Dispute proto = DUES__PAYMENT__V1__DISPUTE__INIT;
    struct pg_rows rows;

    dispute_to_proto(call->arena, after, &proto);
    struct bytes packed = message_pack(call->arena, &proto.base);
    TRY(FAIL_STEP(
        call, "dispute.settle", dispute_action_name(response->action),
        pg_write(call, after->customer, &dispute_responded_statement,
                 PG_PARAMS(
                     pg_uuid(after->customer), DISPUTE_PARAMS(before, after), pg_uuid(response->id),
                     pg_text(response->action == DISPUTE_ACCEPT ? ACCEPT_DISPUTE_METHOD
                                                                : SUBMIT_DISPUTE_EVIDENCE_METHOD),
                     pg_bytes(packed.data, packed.size), pg_time(dispute_watch_us(call)),
                     pg_time(after->update_time_us)),
                 &rows)));
    *outcome = pg_get_text(&rows, 0, "outcome");
    return NULL;
}

const struct pg_statement dispute_refused_statement = {
    .name = "dispute_response_refused",
    .sql = "SELECT dispute_response_refused($1, $2, $3) AS is_refused",
};

const struct error *dispute_response_refused(struct call *call,
                                             const struct dispute_response *response, bool *refused)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "dispute.refuse", dispute_action_name(response->action),
                  pg_write(call, response->customer, &dispute_refused_statement,
                           PG_PARAMS(pg_uuid(response->customer), pg_uuid(response->id),
                                     pg_time(response->now_us)),
                           &rows)));
    *refused = pg_get_bool(&rows, 0, "is_refused");
    return NULL;
}

const struct pg_statement dispute_wait_statement = {
    .name = "dispute_response_wait",
    .sql = "SELECT dispute_response_wait($1, $2) AS waits",
};

const struct error *dispute_response_wait(struct call *call,
                                          const struct dispute_response *response)
{
    struct pg_rows rows;

    return FAIL_STEP(call, "dispute.wait", dispute_action_name(response->action),
                     pg_write(call, response->customer, &dispute_wait_statement,
                              PG_PARAMS(pg_uuid(response->customer), pg_uuid(response->id)),
                              &rows));
}

const struct pg_statement dispute_give_up_statement = {
    .name = "dispute_response_give_up",
    .sql = "SELECT dispute_response_give_up($1, $2, $3, $4, $5) AS gave_up",
};

const struct error *dispute_response_give_up(struct call *call,
                                             const struct dispute_response *response,
                                             const char *detail)
{
    const struct uuid ids[2] = {response->customer, response->dispute};
    struct pg_rows rows;

    return pg_write(call, response->customer, &dispute_give_up_statement,
                    PG_PARAMS(pg_uuid(response->customer), pg_uuid(response->id),
                              pg_text(name_make(call->arena, DISPUTE_PATTERN, ids)),
                              pg_text(detail), pg_time(response->now_us)),
                    &rows);
}
