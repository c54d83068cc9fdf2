/*
 * What a call is about, for its log line: the resource that its request names, or the one that its
 * reply made.  Only what looks like a resource name is told, because a client may write anything
 * into a field of that name.
 */

#include "base/text.h"
#include "rpc/internal.h"

#define OBJECT_LENGTH_MAX 255
#define NAME_CHARACTERS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_-"

const ProtobufCFieldDescriptor *rpc_object_field(const ProtobufCMessageDescriptor *message)
{
    static const char *const names[] = {"name", "parent", "customer"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(message, names[i]);
        if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
            field->label != PROTOBUF_C_LABEL_REPEATED)
            return field;
    }
    return NULL;
}

void rpc_object_tell(struct call *call, const ProtobufCFieldDescriptor *field,
                     const ProtobufCMessage *message)
{
    if (field == NULL)
        return;
    const char *const *name = (const void *)((const char *)message + field->offset);
    size_t length = *name == NULL ? 0 : strspn(*name, NAME_CHARACTERS);
    if (length > 0 && length <= OBJECT_LENGTH_MAX && (*name)[length] == '\0')
        call->object = *name;
}
