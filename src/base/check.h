/*
 * Checks of request fields.  Each adds what is wrong to `errors`; the handler then asks for the
 * verdict once, so that the caller sees all its mistakes in one answer.
 *
 * rpc/validate.c has already refused, for every string of every request: invalid UTF-8, NUL,
 * control characters, more than 8192 bytes, unknown enum values and card numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"
#include "base/money.h"

struct field_errors {
    struct call *call;
    struct field_error list[ERROR_FIELDS_MAX];
    size_t count;
};

void field_error_add(struct field_errors *errors, const char *field, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* NULL, or INVALID_ARGUMENT / INVALID_FIELD with every violation. */
const struct error *field_errors_result(struct field_errors *errors) MUST_CHECK;

/* Gives an error that lists wrong fields its message and metadata: the first of them. */
struct error *field_errors_tell(struct call *call, struct error *error);

/* Length in code points. */
void check_text(struct field_errors *errors, const char *field, const char *value,
                size_t length_min, size_t length_max);

/* [A-Za-z0-9_-]{1,64}, or empty unless `required`. */
void check_token(struct field_errors *errors, const char *field, const char *value,
                 size_t length_min, size_t length_max);

/* IPv4 or IPv6 without brackets or zone, or empty. */
void check_ip_address(struct field_errors *errors, const char *field, const char *value);

void check_email(struct field_errors *errors, const char *field, const char *value);

/* Known currency, 1..MONEY_MINOR_UNITS_MAX.  `*money` is written when both are right. */
void check_money(struct field_errors *errors, const char *field, bool present,
                 const char *currency_code, int64_t minor_units, struct money *money);

/* A resource name by pattern ("plans/{plan}" style is check_catalogue_name). */
void check_name(struct field_errors *errors, const char *field, const char *value,
                const char *pattern, struct uuid *ids, size_t id_count);

/* "plans/premium-monthly": `collection` "plans"; `*id` points into `value`. */
void check_catalogue_name(struct field_errors *errors, const char *field, const char *value,
                          const char *collection, const char **id);

/* Negative is wrong, 0 becomes 50, more than 100 becomes 100 (AIP-158). */
int32_t check_page_size(struct field_errors *errors, const char *field, int32_t page_size);

/* Whole range of google.protobuf.Timestamp. */
void check_timestamp(struct field_errors *errors, const char *field, bool present, int64_t seconds,
                     int32_t nanos, int64_t *time_us);
