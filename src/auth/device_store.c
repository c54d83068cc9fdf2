/*
 * Devices and whose they are.
 */

#include "auth/auth_internal.h"

const struct pg_statement auth_device_find = {
    .name = "auth_device_find",
    .sql = "SELECT device_id FROM device WHERE customer_id = $1 AND device_id = $2",
};

/* The caller's certificate is that of a device: is it this customer's? */
const struct error *device_is_of(struct call *call, struct uuid customer, bool *is_of)
{
    struct uuid device;
    struct pg_rows rows;

    *is_of = false;
    if (!uuid_parse(call->caller.name, &device))
        return NULL;
    TRY(pg_read(call, customer, &auth_device_find, PG_PARAMS(pg_uuid(customer), pg_uuid(device)),
                &rows));
    *is_of = rows.count > 0;
    return NULL;
}

const struct pg_statement auth_device_record = {
    .name = "auth_device_record",
    .sql = "SELECT outcome, answer, object_id FROM device_enroll($1,"
           " ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12)",
};

const struct error *device_record(struct call *call, const struct new_device *device,
                                  struct bytes answer)
{
    struct pg_rows rows;
    TRY(pg_write(
        call, call->caller.user, &auth_device_record,
        PG_PARAMS(pg_uuid(call->caller.user), REPLAY_PARAMS(call), pg_uuid(device->id),
                  pg_text(device->display_name), pg_bytes(device->certificate_hash, SHA256_SIZE),
                  pg_bytes(device->spki_hash, SHA256_SIZE), pg_time(device->expire_time_us),
                  pg_bytes(answer.data, answer.size), pg_time(call->now_us)),
        &rows));
    bool replayed;
    return replay_outcome(call, &rows, &replayed);
}
