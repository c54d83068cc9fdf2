/*
 * EnrollDevice issues a short-lived client certificate for a key that was made on the device.
 *
 * The request for it proves that the device holds the key; its other wishes are ignored: who the
 * device is and how long it may be that is decided here.  Times are wall time, as TLS sees them.
 */

#include "auth/auth_internal.h"
#include "auth/keys.h"
#include "base/bug.h"
#include "base/owner.h"
#include "base/settings.h"
#include "crypto/x509.h"

#define CSR_SIZE_MAX 8192

/* The device's clock may be behind ours. */
#define BACKDATE_US (60 * US_PER_SECOND)

static const struct error *validate(struct call *call, const EnrollDeviceRequest *req)
{
    struct field_errors errors = {.call = call};
    size_t size = strlen(req->csr_pem);

    if (size == 0 || size > CSR_SIZE_MAX)
        field_error_add(&errors, "csr_pem", "must have 1 to %d bytes", CSR_SIZE_MAX);
    check_text(&errors, "display_name", req->display_name, 0, DISPLAY_NAME_LENGTH_MAX);
    return field_errors_result(&errors);
}

static const struct error *issue(struct call *call, const EnrollDeviceRequest *req,
                                 struct new_device *device, DeviceMessage *res)
{
    const struct house *house = call->house;
    const struct settings *settings = house->settings;
    char problem[128];
    AUTO(ec_key_auto_free) struct ec_key *key = csr_read(req->csr_pem, problem);
    if (key == NULL)
        return refuse(call, STATUS_INVALID_ARGUMENT, "CSR_INVALID",
                      "certificate signing request is refused: %s", problem);

    const char *id = uuid_text(call->arena, device->id);
    const struct uuid names[] = {call->caller.user, device->id};
    const char *ca_pem = auth_keys_device_ca_pem(house->keys);
    res->spiffe_id = arena_printf(call->arena, "spiffe://%s/device/%s", settings->trust_domain, id);
    const struct certificate_wish wish = {
        .use = CERTIFICATE_CLIENT,
        .common_name = id,
        .spiffe_id = res->spiffe_id,
        .not_before_us = call->now_us - BACKDATE_US,
        .not_after_us =
            call->now_us - BACKDATE_US + settings->device_certificate_seconds * US_PER_SECOND,
    };
    res->certificate_pem = x509_issue(call->arena, house->random, ca_pem,
                                      auth_keys_device_ca_key(house->keys), key, &wish);
    struct certificate certificate;
    if (res->certificate_pem == NULL || !x509_read(call->arena, res->certificate_pem, &certificate))
        bug("the device authority could not issue");

    memcpy(device->certificate_hash, certificate.hash, SHA256_SIZE);
    memcpy(device->spki_hash, certificate.spki_hash, SHA256_SIZE);
    device->expire_time_us = certificate.not_after_us;
    res->name = name_make(call->arena, "users/{}/devices/{}", names);
    res->display_name = arena_strdup(call->arena, req->display_name);
    res->certificate_chain_pem = arena_strdup(call->arena, ca_pem);
    res->create_time = time_to_proto(call->arena, call->now_us);
    res->expire_time = time_to_proto(call->arena, device->expire_time_us);
    return NULL;
}

const struct error *enroll_device(struct call *call, const void *request, void *reply)
{
    const EnrollDeviceRequest *req = request;
    DeviceMessage *res = reply;
    struct new_device device = {
        .id = uuid_make(call->house->random, call->now_us),
        .display_name = req->display_name,
    };
    bool found;

    TRY(validate(call, req));
    TRY(owner_check(call, call->caller.user, "USER_NOT_FOUND", "users/me"));
    TRY(replay_find(call, call->caller.user, &found, NULL));
    if (found)
        return NULL;

    TRY(issue(call, req, &device, res));
    return device_record(call, &device, message_pack(call->arena, &res->base));
}
