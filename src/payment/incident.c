/*
 * Opening incidents.  The customer's row is locked for the event that tells of it, so whoever opens
 * one holds nothing else.
 */

#include "payment/incident.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "payment/payment_internal.h"

static const char *const kind_names[INCIDENT_KIND_COUNT] = {
    [INCIDENT_AMOUNT_MISMATCH] = "AMOUNT_MISMATCH",
    [INCIDENT_DUPLICATE_REFERENCE] = "DUPLICATE_REFERENCE",
    [INCIDENT_DUPLICATE_TRANSACTION] = "DUPLICATE_TRANSACTION",
    [INCIDENT_EVIDENCE_AFTER_MANUAL] = "EVIDENCE_AFTER_MANUAL",
    [INCIDENT_GATEWAY_ONLY] = "GATEWAY_ONLY",
    [INCIDENT_GRANTED_NOT_PAID] = "GRANTED_NOT_PAID",
    [INCIDENT_LATE_OPPOSITE_EVIDENCE] = "LATE_OPPOSITE_EVIDENCE",
    [INCIDENT_NEVER_CAPTURED] = "NEVER_CAPTURED",
    [INCIDENT_OURS_ONLY] = "OURS_ONLY",
    [INCIDENT_PAID_NOT_GRANTED] = "PAID_NOT_GRANTED",
    [INCIDENT_REFUNDED_AT_GATEWAY_ONLY] = "REFUNDED_AT_GATEWAY_ONLY",
    [INCIDENT_RELEASE_REFUSED] = "RELEASE_REFUSED",
    [INCIDENT_STATUS_DIFFERS] = "STATUS_DIFFERS",
    [INCIDENT_UNKNOWN_TOO_LONG] = "UNKNOWN_TOO_LONG",
    [INCIDENT_UNMATCHED_NEWS] = "UNMATCHED_NEWS",
};

const char *incident_kind_name(enum incident_kind kind)
{
    return kind_names[kind];
}

bool incident_kind_parse(const char *name, enum incident_kind *kind)
{
    for (size_t i = 0; i < INCIDENT_KIND_COUNT; i++) {
        if (text_equal(kind_names[i], name)) {
            *kind = (enum incident_kind)i;
            return true;
        }
    }
    return false;
}

const struct pg_statement incident_open_statement = {
    .name = "incident_open",
    .sql = "SELECT incident_open($1, NULL, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
};

const char *incident_subject_at(struct arena *arena, const char *gateway, const char *thing)
{
    return arena_printf(arena, "%s %s", gateway, thing);
}

const struct error *incident_open(struct call *call, const struct incident_new *incident)
{
    const struct uuid customer = customer_or_house(incident->customer);
    bool has_amount = incident->amount.currency[0] != '\0';
    struct pg_rows rows;

    return FAIL_STEP(
        call, "incident.open", incident_kind_name(incident->kind),
        pg_write(call, customer, &incident_open_statement,
                 PG_PARAMS(pg_uuid(customer), pg_text(incident_kind_name(incident->kind)),
                           pg_text(incident->subject), pg_text(incident->detail),
                           pg_time(incident->now_us == 0 ? call->now_us : incident->now_us),
                           pg_uuid_or_null(incident->attempt), pg_uuid_or_null(incident->payment),
                           pg_text(incident->gateway == NULL ? "" : incident->gateway),
                           pg_text(incident->transaction == NULL ? "" : incident->transaction),
                           pg_text(has_amount ? incident->amount.currency : NULL),
                           has_amount ? pg_int64(incident->amount.minor_units) : pg_null(PG_INT64)),
                 &rows));
}
