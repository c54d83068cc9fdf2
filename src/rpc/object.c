/*
 * What a call is about, for its log line: the resource that its request names, or the one that its
 * reply made.  Only what looks like a resource name is told, because a client may write anything
 * into a field of that name.
 */

#include <limits.h>

#include "base/text.h"
#include "rpc/internal.h"

#define OBJECT_LENGTH_MAX 255

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

static const bool name_characters[UCHAR_MAX + 1] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
    ['/'] = true,         ['_'] = true,         ['-'] = true,
};

/* Not by strspn: this is done for every call. */
static bool is_name(const char *text)
{
    size_t length = 0;

    while (length <= OBJECT_LENGTH_MAX && name_characters[(unsigned char)text[length]])
        length++;
    return length > 0 && length <= OBJECT_LENGTH_MAX && text[length] == '\0';
}

void rpc_object_tell(struct call *call, const ProtobufCFieldDescriptor *field,
                     const ProtobufCMessage *message)
{
    if (field == NULL)
        return;
    const char *const *name = (const void *)((const char *)message + field->offset);
    if (*name != NULL && is_name(*name))
        call->object = *name;
}
