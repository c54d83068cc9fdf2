/*
 * Finds files of a FileDescriptorSet by name, by a symbol they declare, or by an extension: what
 * reflection answers from.  The bytes stay the caller's; the index lives as long as the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct descriptor_index;

struct descriptor_file {
    const char *name;
    const uint8_t *bytes; /* serialized FileDescriptorProto */
    size_t size;
    const struct descriptor_file **dependencies; /* those that are in the set */
    size_t dependency_count;
    size_t number; /* position in the set */
};

/* NULL when the bytes are no FileDescriptorSet. */
struct descriptor_index *descriptor_index_open(const void *set, size_t size);
void descriptor_index_close(struct descriptor_index *index);

size_t descriptor_index_file_count(const struct descriptor_index *index);

/* NULL when there is none.  Names without a leading dot. */
const struct descriptor_file *descriptor_index_file(const struct descriptor_index *index,
                                                    const char *name);
const struct descriptor_file *descriptor_index_symbol(const struct descriptor_index *index,
                                                      const char *symbol);
const struct descriptor_file *descriptor_index_extension(const struct descriptor_index *index,
                                                         const char *extended, int32_t number);

/*
 * Writes the numbers of the known extensions of a message, at most `count_max`, and returns how
 * many there are.  -1: no such message.
 */
int descriptor_index_extensions_of(const struct descriptor_index *index, const char *extended,
                                   int32_t *numbers, size_t count_max);
