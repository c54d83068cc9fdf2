/*
 * Finds a method by the name that a person types.
 */
#include "cli/methods.h"

#include "base/text.h"

#include "dues/auth/v1/auth_service.pb-c.h"
#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"

const ProtobufCServiceDescriptor *const known_services[] = {
    &dues__auth__v1__auth_service__descriptor,
    &dues__membership__v1__membership_service__descriptor,
    &dues__payment__v1__payment_service__descriptor,
    &dues__sandbox__v1__sandbox_service__descriptor,
    &grpc__health__v1__health__descriptor,
    NULL,
};

/* "PaymentService" in "dues.payment.v1.PaymentService". */
static const char *last_segment(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

static bool is_called(const ProtobufCServiceDescriptor *service, const char *name, size_t length)
{
    static const char suffix[] = "Service";
    const char *segment = last_segment(service->name);
    size_t short_length = strlen(segment);
    if (short_length > strlen(suffix) &&
        text_equal(segment + short_length - strlen(suffix), suffix))
        short_length -= strlen(suffix);
    if (length == short_length && strncmp(segment, name, length) == 0)
        return true;
    if (length == strlen(segment) && strncmp(segment, name, length) == 0)
        return true;
    return length == strlen(service->name) && strncmp(service->name, name, length) == 0;
}

bool method_find(const char *name, struct method *found)
{
    const char *slash = strrchr(name, '/');
    if (slash == NULL)
        return false;
    if (name[0] == '/' && slash != name)
        name++;
    for (size_t i = 0; known_services[i] != NULL; i++) {
        if (!is_called(known_services[i], name, (size_t)(slash - name)))
            continue;
        const ProtobufCMethodDescriptor *method =
            protobuf_c_service_descriptor_get_method_by_name(known_services[i], slash + 1);
        if (method == NULL)
            return false;
        *found = (struct method){known_services[i], method};
        return true;
    }
    return false;
}
