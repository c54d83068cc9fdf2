/*
 * The few macros of the house.  TRY is the only one in the tree that returns.
 */
#pragma once

/* The result must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Releases the variable with `release(&variable)` when it leaves its scope. */
#define AUTO(release) __attribute__((cleanup(release)))

#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Passes an error upward.  NULL is success. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        const struct error *try_error_ = (expression);                                             \
        if (try_error_ != NULL)                                                                    \
            return try_error_;                                                                     \
    } while (0)
