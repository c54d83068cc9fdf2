/*
 * One buffer that doubles until it holds what goes in, which is bounded long before.
 */

#include "gateway/stripe/form.h"

#include <inttypes.h>

#include "base/bug.h"

#define FIRST_SIZE ((size_t)256)

static size_t size_max(const struct stripe_form *form)
{
    return form->size_max == 0 ? STRIPE_FORM_SIZE_MAX : form->size_max;
}

static void grow(struct stripe_form *form)
{
    size_t capacity = form->capacity == 0 ? FIRST_SIZE : 2 * form->capacity;
    char *text;

    if (form->capacity == size_max(form))
        bug("stripe: a form of more than %zu bytes", size_max(form));
    if (capacity > size_max(form))
        capacity = size_max(form);
    text = arena_alloc(form->arena, capacity);
    if (form->size > 0)
        memcpy(text, form->text, form->size);
    form->text = text;
    form->capacity = capacity;
}

static void put(struct stripe_form *form, char byte)
{
    if (form->size + 1 >= form->capacity)
        grow(form);
    form->text[form->size++] = byte;
    form->text[form->size] = '\0';
}

static bool is_plain(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || (byte != '\0' && strchr("-._~", byte) != NULL);
}

static void put_encoded(struct stripe_form *form, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (is_plain(*text)) {
            put(form, *text);
            continue;
        }
        put(form, '%');
        put(form, digits[byte >> 4]);
        put(form, digits[byte & 15]);
    }
}

void form_add(struct stripe_form *form, const char *name, const char *value)
{
    if (form->size > 0)
        put(form, '&');
    put_encoded(form, name);
    put(form, '=');
    put_encoded(form, value);
}

void form_add_number(struct stripe_form *form, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    form_add(form, name, text);
}
