/*
 * Conversions of incidents.  The contract's enums have our names behind a prefix, so descriptors
 * tell which is which.
 */

#include "payment/incident_proto.h"

#include <inttypes.h>

#include "base/bug.h"
#include "base/text.h"
#include "contract/message.h"
#include "payment/payment_internal.h"

typedef Dues__Payment__V1__Incident Incident;
typedef Dues__Payment__V1__IncidentApproval Approval;

#define STATE(name)      DUES__PAYMENT__V1__INCIDENT__STATE__STATE_##name
#define RESOLUTION(name) DUES__PAYMENT__V1__INCIDENT__RESOLUTION__RESOLUTION_##name

/* The value of `prefix` and `name`. */
static int value_of(const ProtobufCEnumDescriptor *type, struct arena *arena, const char *prefix,
                    const char *name)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(
        type, arena_printf(arena, "%s%s", prefix, name));

    if (value == NULL)
        bug("the contract has no %s%s", prefix, name);
    return value->value;
}

/* The name behind the prefix; NULL for 0. */
static const char *name_of(const ProtobufCEnumDescriptor *type, const char *prefix, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);

    return found == NULL || value == 0 ? NULL : found->name + strlen(prefix);
}

const char *incident_state_asked(Dues__Payment__V1__Incident__State state)
{
    return name_of(&dues__payment__v1__incident__state__descriptor, "STATE_", (int)state);
}

const char *incident_kind_asked(Dues__Payment__V1__Incident__Kind kind)
{
    return name_of(&dues__payment__v1__incident__kind__descriptor, "KIND_", (int)kind);
}

enum incident_resolution
incident_resolution_asked(Dues__Payment__V1__Incident__Resolution resolution)
{
    switch (resolution) {
    case RESOLUTION(MARK_SUCCEEDED):
        return RESOLUTION_MARK_SUCCEEDED;
    case RESOLUTION(MARK_FAILED):
        return RESOLUTION_MARK_FAILED;
    case RESOLUTION(POST_FROM_SUSPENSE):
        return RESOLUTION_POST_FROM_SUSPENSE;
    case RESOLUTION(IGNORE):
        return RESOLUTION_IGNORE;
    case RESOLUTION(UNSPECIFIED):
    case _DUES__PAYMENT__V1__INCIDENT__RESOLUTION_IS_INT_SIZE:
        break;
    }
    return RESOLUTION_NONE;
}

static Dues__Payment__V1__Incident__Resolution
resolution_to_proto(enum incident_resolution resolution)
{
    static const Dues__Payment__V1__Incident__Resolution values[RESOLUTION_COUNT] = {
        [RESOLUTION_NONE] = RESOLUTION(UNSPECIFIED),
        [RESOLUTION_MARK_SUCCEEDED] = RESOLUTION(MARK_SUCCEEDED),
        [RESOLUTION_MARK_FAILED] = RESOLUTION(MARK_FAILED),
        [RESOLUTION_POST_FROM_SUSPENSE] = RESOLUTION(POST_FROM_SUSPENSE),
        [RESOLUTION_IGNORE] = RESOLUTION(IGNORE),
    };

    return values[resolution];
}

static Dues__Payment__V1__Incident__State state_to_proto(enum incident_state state)
{
    static const Dues__Payment__V1__Incident__State values[INCIDENT_STATE_COUNT] = {
        [INCIDENT_OPEN] = STATE(OPEN),
        [INCIDENT_APPROVED] = STATE(APPROVED),
        [INCIDENT_RESOLVED] = STATE(RESOLVED),
    };

    return values[state];
}

const char *incident_etag(struct arena *arena, int64_t version)
{
    return arena_printf(arena, "%" PRId64, version);
}

static Approval *approval_to_proto(struct arena *arena, const struct incident_approval *approval)
{
    Approval *proto = arena_alloc(arena, sizeof *proto);

    dues__payment__v1__incident_approval__init(proto);
    proto->approver = arena_strdup(arena, approval->approver);
    proto->resolution = resolution_to_proto(approval->resolution);
    proto->account = arena_strdup(arena, approval->account);
    proto->reason = arena_strdup(arena, approval->reason);
    proto->etag = arena_strdup(arena, incident_etag(arena, approval->version));
    proto->create_time = time_to_proto(arena, approval->create_time_us);
    return proto;
}

void incident_to_proto(struct arena *arena, const struct incident *incident, Incident *proto)
{
    const struct uuid ids[] = {incident->customer, incident->id};
    const struct uuid payment[] = {incident->customer, incident->payment};
    bool has_amount = incident->amount.currency[0] != '\0';

    proto->name = name_make(arena, INCIDENT_PATTERN, ids);
    proto->kind = (Dues__Payment__V1__Incident__Kind)value_of(
        &dues__payment__v1__incident__kind__descriptor, arena, "KIND_",
        incident_kind_name(incident->kind));
    proto->state = state_to_proto(incident->state);
    proto->subject = arena_strdup(arena, incident->subject);
    proto->detail = arena_strdup(arena, incident->detail);
    if (!uuid_is_nil(incident->payment))
        proto->payment = name_make(arena, PAYMENT_PATTERN, payment);
    proto->gateway = arena_strdup(arena, incident->gateway);
    proto->gateway_transaction = arena_strdup(arena, incident->transaction);
    if (has_amount)
        proto->amount = money_to_proto(arena, incident->amount);
    if (has_amount && incident->suspense_minor != 0)
        proto->suspense =
            money_to_proto(arena, money_make(incident->amount.currency, incident->suspense_minor));
    proto->etag = arena_strdup(arena, incident_etag(arena, incident->version));
    proto->approvals = arena_array(arena, incident->approval_count + 1, sizeof(void *));
    for (size_t i = 0; i < incident->approval_count; i++)
        proto->approvals[i] = approval_to_proto(arena, &incident->approvals[i]);
    proto->n_approvals = incident->approval_count;
    proto->resolution = resolution_to_proto(incident->resolution);
    proto->outcome = arena_strdup(arena, incident->outcome);
    proto->create_time = time_to_proto(arena, incident->create_time_us);
    proto->update_time = time_to_proto(arena, incident->update_time_us);
}
