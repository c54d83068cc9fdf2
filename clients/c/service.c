/*
 * A ProtobufCService whose invoke is a call over the network, so that the stubs that protobuf-c
 * generates work as they are.
 */
#include "internal.h"

struct service {
    ProtobufCService base; /* first: the stubs know us by it */
    struct dues_client *client;
    struct dues_call_options options;
    struct dues_answer *answer;
};

static void invoke(ProtobufCService *base, unsigned method_index, const ProtobufCMessage *input,
                   ProtobufCClosure closure, void *closure_data)
{
    struct service *service = (struct service *)base;
    dues_answer_free(service->answer);
    dues_call(service->client, base->descriptor, base->descriptor->methods[method_index].name,
              input, &service->options, &service->answer);
    closure(service->answer->reply, closure_data);
}

static void destroy(ProtobufCService *base)
{
    struct service *service = (struct service *)base;
    dues_answer_free(service->answer);
    free(service);
}

ProtobufCService *dues_client_service(struct dues_client *client,
                                      const ProtobufCServiceDescriptor *descriptor,
                                      const struct dues_call_options *options)
{
    struct service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        abort();
    service->base.descriptor = descriptor;
    service->base.invoke = invoke;
    service->base.destroy = destroy;
    service->client = client;
    if (options != NULL)
        service->options = *options;
    return &service->base;
}

const struct dues_answer *dues_service_answer(const ProtobufCService *service)
{
    return ((const struct service *)service)->answer;
}
