/*
 * Reads descriptors with the wire reader alone: descriptor.proto is proto2 with extensions, which
 * is more than a reader of names needs.  Field numbers are those of
 * google/protobuf/descriptor.proto.
 *
 * A few thousand names in lists, searched one by one: reflection is for people.
 */

#include "rpc/descriptor_index.h"

#include "base/arena.h"
#include "base/attributes.h"
#include "base/text.h"
#include "rpc/wire.h"

#define INDEX_SIZE_MAX   (16 * 1024 * 1024)
#define FILES_MAX        256
#define DEPENDENCIES_MAX 64

enum set_field { SET_FILE = 1 };
enum file_field {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7
};
enum message_field {
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_EXTENSION = 6,
    MESSAGE_ONEOF = 8
};
enum field_field { FIELD_EXTENDEE = 2, FIELD_NUMBER = 3 };
enum { NAME = 1, ENUM_VALUE = 2, SERVICE_METHOD = 2 };

struct symbol {
    const struct symbol *next;
    const char *name;
    const struct descriptor_file *file;
    const char *extended; /* of extensions; NULL */
    int32_t number;
    bool is_message;
};

struct descriptor_index {
    struct arena *arena;
    struct descriptor_file files[FILES_MAX];
    size_t file_count;
    const struct symbol *symbols;
};

/* Goes through the fields of a message that have a number. */
static bool next_of(struct wire_reader *reader, uint32_t number, struct wire_field *field)
{
    while (reader->next < reader->end && wire_read_field(reader, field)) {
        if (field->number == number)
            return true;
    }
    return false;
}

static struct wire_reader reader_of(const struct wire_field *field)
{
    return (struct wire_reader){field->data, field->data + field->size};
}

/* The last string of that number; "" when there is none. */
static const char *string_of(struct arena *arena, struct wire_reader reader, uint32_t number)
{
    const char *text = "";
    struct wire_field field;

    while (next_of(&reader, number, &field)) {
        if (field.type == WIRE_BYTES)
            text = arena_strndup(arena, (const char *)field.data, field.size);
    }
    return text;
}

static struct symbol *add(struct descriptor_index *index, const struct descriptor_file *file,
                          const char *scope, struct wire_reader declaration)
{
    struct symbol *symbol = arena_alloc(index->arena, sizeof *symbol);
    const char *name = string_of(index->arena, declaration, NAME);

    symbol->name = scope[0] == '\0' ? name : arena_printf(index->arena, "%s.%s", scope, name);
    symbol->file = file;
    symbol->next = index->symbols;
    index->symbols = symbol;
    return symbol;
}

static void add_all(struct descriptor_index *index, const struct descriptor_file *file,
                    const char *scope, struct wire_reader reader, uint32_t number)
{
    struct wire_field field;

    while (next_of(&reader, number, &field))
        add(index, file, scope, reader_of(&field));
}

static void add_extensions(struct descriptor_index *index, const struct descriptor_file *file,
                           const char *scope, struct wire_reader reader, uint32_t number)
{
    struct wire_field field;
    struct wire_field value;

    while (next_of(&reader, number, &field)) {
        struct symbol *symbol = add(index, file, scope, reader_of(&field));
        const char *extended = string_of(index->arena, reader_of(&field), FIELD_EXTENDEE);
        symbol->extended = extended[0] == '.' ? extended + 1 : extended;
        for (struct wire_reader inner = reader_of(&field); next_of(&inner, FIELD_NUMBER, &value);)
            symbol->number = (int32_t)value.value;
    }
}

/* An enum's values stand beside it, not in it: that is how protobuf scopes them. */
static void add_enums(struct descriptor_index *index, const struct descriptor_file *file,
                      const char *scope, struct wire_reader reader, uint32_t number)
{
    struct wire_field field;

    while (next_of(&reader, number, &field)) {
        add(index, file, scope, reader_of(&field));
        add_all(index, file, scope, reader_of(&field), ENUM_VALUE);
    }
}

static void add_services(struct descriptor_index *index, const struct descriptor_file *file,
                         const char *scope, struct wire_reader reader)
{
    struct wire_field field;

    while (next_of(&reader, FILE_SERVICE, &field)) {
        const struct symbol *service = add(index, file, scope, reader_of(&field));
        add_all(index, file, service->name, reader_of(&field), SERVICE_METHOD);
    }
}

static void add_messages(struct descriptor_index *index, const struct descriptor_file *file,
                         const char *scope, struct wire_reader reader, uint32_t number)
{
    struct wire_field field;

    while (next_of(&reader, number, &field)) {
        struct wire_reader inner = reader_of(&field);
        struct symbol *message = add(index, file, scope, inner);
        message->is_message = true;
        add_all(index, file, message->name, inner, MESSAGE_FIELD);
        add_all(index, file, message->name, inner, MESSAGE_ONEOF);
        add_enums(index, file, message->name, inner, MESSAGE_ENUM);
        add_extensions(index, file, message->name, inner, MESSAGE_EXTENSION);
        add_messages(index, file, message->name, inner, MESSAGE_NESTED);
    }
}

static void add_file(struct descriptor_index *index, const struct wire_field *field)
{
    struct descriptor_file *file = &index->files[index->file_count];
    struct wire_reader reader = reader_of(field);
    const char *package = string_of(index->arena, reader, FILE_PACKAGE);

    file->name = string_of(index->arena, reader, FILE_NAME);
    file->bytes = field->data;
    file->size = field->size;
    file->number = index->file_count++;
    add_messages(index, file, package, reader, FILE_MESSAGE);
    add_enums(index, file, package, reader, FILE_ENUM);
    add_services(index, file, package, reader);
    add_extensions(index, file, package, reader, FILE_EXTENSION);
}

static void link_dependencies(struct descriptor_index *index, struct descriptor_file *file)
{
    struct wire_reader reader = {file->bytes, file->bytes + file->size};
    struct wire_field field;

    file->dependencies = arena_array(index->arena, DEPENDENCIES_MAX, sizeof *file->dependencies);
    while (next_of(&reader, FILE_DEPENDENCY, &field) && file->dependency_count < DEPENDENCIES_MAX) {
        const char *name = arena_strndup(index->arena, (const char *)field.data, field.size);
        const struct descriptor_file *dependency = descriptor_index_file(index, name);
        if (dependency != NULL)
            file->dependencies[file->dependency_count++] = dependency;
    }
}

struct descriptor_index *descriptor_index_open(const void *set, size_t size)
{
    struct wire_reader reader = {set, (const uint8_t *)set + size};
    struct arena *arena = arena_new(INDEX_SIZE_MAX);
    struct descriptor_index *index = arena_alloc(arena, sizeof *index);
    struct wire_field field;

    index->arena = arena;
    while (reader.next < reader.end) {
        if (!wire_read_field(&reader, &field) || field.number != SET_FILE ||
            field.type != WIRE_BYTES || index->file_count == FILES_MAX) {
            arena_free(arena);
            return NULL;
        }
        add_file(index, &field);
    }
    for (size_t i = 0; i < index->file_count; i++)
        link_dependencies(index, &index->files[i]);
    return index;
}

void descriptor_index_close(struct descriptor_index *index)
{
    if (index != NULL)
        arena_free(index->arena);
}

size_t descriptor_index_file_count(const struct descriptor_index *index)
{
    return index->file_count;
}

const struct descriptor_file *descriptor_index_file(const struct descriptor_index *index,
                                                    const char *name)
{
    for (size_t i = 0; i < index->file_count; i++) {
        if (text_equal(index->files[i].name, name))
            return &index->files[i];
    }
    return NULL;
}

static const struct symbol *find(const struct descriptor_index *index, const char *name)
{
    const struct symbol *symbol = index->symbols;

    while (symbol != NULL && !text_equal(symbol->name, name))
        symbol = symbol->next;
    return symbol;
}

const struct descriptor_file *descriptor_index_symbol(const struct descriptor_index *index,
                                                      const char *symbol)
{
    const struct symbol *found = find(index, symbol);

    return found == NULL ? NULL : found->file;
}

static bool extends(const struct symbol *symbol, const char *extended)
{
    return symbol->extended != NULL && text_equal(symbol->extended, extended);
}

const struct descriptor_file *descriptor_index_extension(const struct descriptor_index *index,
                                                         const char *extended, int32_t number)
{
    for (const struct symbol *symbol = index->symbols; symbol != NULL; symbol = symbol->next) {
        if (extends(symbol, extended) && symbol->number == number)
            return symbol->file;
    }
    return NULL;
}

int descriptor_index_extensions_of(const struct descriptor_index *index, const char *extended,
                                   int32_t *numbers, size_t count_max)
{
    const struct symbol *message = find(index, extended);
    size_t count = 0;

    if (message == NULL || !message->is_message)
        return -1;
    for (const struct symbol *symbol = index->symbols; symbol != NULL; symbol = symbol->next) {
        if (!extends(symbol, extended))
            continue;
        if (count < count_max)
            numbers[count] = symbol->number;
        count++;
    }
    return (int)count;
}
