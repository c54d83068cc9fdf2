/*
 * Reading and showing mandates.  Their types are kept by the enum's own names, without its prefix.
 */

#include "payment/mandate.h"

#include "base/text.h"
#include "base/time.h"
#include "contract/message.h"

#define TYPE_PREFIX             "TYPE_"
#define USER_AGENT_LENGTH_MAX   255
#define TEXT_VERSION_LENGTH_MAX 63

/* Clocks of phones go wrong. */
#define AHEAD_US US_PER_DAY

const struct mandate mandate_none = {
    .type = "", .ip_address = "", .user_agent = "", .text_version = ""};

static const char *type_name(Dues__Payment__V1__Mandate__Type type)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &dues__payment__v1__mandate__type__descriptor, (int)type);

    return value == NULL ? "" : value->name + strlen(TYPE_PREFIX);
}

static const char *path(struct call *call, const char *field, const char *name)
{
    return arena_printf(call->arena, "%s.%s", field, name);
}

void mandate_from_proto(struct field_errors *errors, const char *field,
                        const Dues__Payment__V1__Mandate *proto, struct mandate *mandate)
{
    struct call *call = errors->call;

    *mandate = mandate_none;
    if (proto == NULL)
        return;
    if (proto->type != DUES__PAYMENT__V1__MANDATE__TYPE__TYPE_RECURRING &&
        proto->type != DUES__PAYMENT__V1__MANDATE__TYPE__TYPE_UNSCHEDULED)
        field_error_add(errors, path(call, field, "type"), "must be RECURRING or UNSCHEDULED");
    if (proto->accept_time != NULL)
        check_timestamp(errors, path(call, field, "accept_time"), true, proto->accept_time->seconds,
                        proto->accept_time->nanos, &mandate->accept_us);
    check_ip_address(errors, path(call, field, "ip_address"), proto->ip_address);
    check_text(errors, path(call, field, "user_agent"), proto->user_agent, 0,
               USER_AGENT_LENGTH_MAX);
    check_text(errors, path(call, field, "text_version"), proto->text_version, 1,
               TEXT_VERSION_LENGTH_MAX);
    mandate->type = type_name(proto->type);
    mandate->ip_address = proto->ip_address;
    mandate->user_agent = proto->user_agent;
    mandate->text_version = proto->text_version;
}

const struct error *mandate_begin(struct call *call, const char *field, int64_t customer_now_us,
                                  struct mandate *mandate)
{
    /* A customer on a test clock may be charged in a time of its own, but agrees in the world's. */
    int64_t latest_us =
        (customer_now_us > call->now_us ? customer_now_us : call->now_us) + AHEAD_US;
    struct field_errors errors = {.call = call};

    if (mandate->type[0] == '\0')
        return NULL;
    if (mandate->accept_us == 0)
        mandate->accept_us = customer_now_us;
    if (mandate->accept_us > latest_us)
        field_error_add(&errors, path(call, field, "accept_time"), "must not be in the future");
    return field_errors_result(&errors);
}

Dues__Payment__V1__Mandate *mandate_to_proto(struct arena *arena, const struct mandate *mandate)
{
    if (mandate->type[0] == '\0')
        return NULL;
    Dues__Payment__V1__Mandate *proto = arena_alloc(arena, sizeof *proto);
    const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value_by_name(
        &dues__payment__v1__mandate__type__descriptor,
        arena_printf(arena, TYPE_PREFIX "%s", mandate->type));

    dues__payment__v1__mandate__init(proto);
    if (type != NULL)
        proto->type = (Dues__Payment__V1__Mandate__Type)type->value;
    proto->accept_time = time_to_proto(arena, mandate->accept_us);
    proto->ip_address = arena_strdup(arena, mandate->ip_address);
    proto->user_agent = arena_strdup(arena, mandate->user_agent);
    proto->text_version = arena_strdup(arena, mandate->text_version);
    return proto;
}
