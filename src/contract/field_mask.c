/*
 * Reading update masks.  Only whole fields of the first level are named; a path twice is a path.
 */

#include "contract/field_mask.h"

#include "base/text.h"

static bool mark(const char *path, const char *const *known, size_t known_count, bool *named)
{
    for (size_t i = 0; i < known_count; i++) {
        if (text_equal(known[i], path)) {
            named[i] = true;
            return true;
        }
    }
    return false;
}

void check_field_mask(struct field_errors *errors, const char *field,
                      const Google__Protobuf__FieldMask *mask, const char *const *known,
                      size_t known_count, bool *named)
{
    for (size_t i = 0; i < known_count; i++)
        named[i] = false;
    if (mask == NULL || mask->n_paths == 0) {
        field_error_add(errors, field, "must name at least one field");
        return;
    }
    for (size_t i = 0; i < mask->n_paths; i++) {
        if (!mark(mask->paths[i], known, known_count, named)) {
            field_error_add(errors, field, "may name only fields that can be changed");
            return;
        }
    }
}
