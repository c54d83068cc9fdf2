/*
 * Nothing that crosses the contract is made to hold a card number, a security code, a PIN or a
 * magnetic stripe: every message that a request or an answer can contain, by its descriptor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"

#define MESSAGES_MAX 512

static const ProtobufCServiceDescriptor *const services[] = {
    &dues__auth__v1__auth_service__descriptor,
    &dues__payment__v1__payment_service__descriptor,
    &dues__membership__v1__membership_service__descriptor,
    &dues__sandbox__v1__sandbox_service__descriptor,
};

/* Words of a name between underscores. */
static const char *const forbidden[] = {
    "pan",       "cvc",         "cvv",           "cvv2",          "cvc2",   "csc",
    "pin",       "iin",         "track",         "track1",        "track2", "stripe",
    "magstripe", "card_number", "security_code", "number_of_card"};

struct walk {
    const ProtobufCMessageDescriptor *seen[MESSAGES_MAX];
    size_t count;
    size_t fields;
    size_t wrong;
    bool is_request;
};

static bool has_word(const char *name, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(name, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == name || at[-1] == '_') && (at[length] == '\0' || at[length] == '_'))
            return true;
    }
    return false;
}

static bool is_suspicious(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(forbidden); i++) {
        if (has_word(name, forbidden[i]))
            return true;
    }
    return false;
}

static void look_at(struct walk *walk, const ProtobufCMessageDescriptor *message)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->seen[i] == message)
            return;
    }
    assert_true(walk->count < MESSAGES_MAX);
    walk->seen[walk->count++] = message;
    for (unsigned i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        bool is_unchecked = walk->is_request && (field->type == PROTOBUF_C_TYPE_BYTES ||
                                                 field->type == PROTOBUF_C_TYPE_DOUBLE ||
                                                 field->type == PROTOBUF_C_TYPE_FLOAT);
        walk->fields++;
        if (is_suspicious(field->name) || is_unchecked) {
            walk->wrong++;
            print_error("%s.%s could hold card data\n", message->name, field->name);
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            look_at(walk, field->descriptor);
    }
}

static void no_field_of_the_contract_is_made_for_card_data(void **state)
{
    struct walk requests = {.is_request = true};
    struct walk answers = {.is_request = false};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(services); i++) {
        for (unsigned j = 0; j < services[i]->n_methods; j++) {
            look_at(&requests, services[i]->methods[j].input);
            look_at(&answers, services[i]->methods[j].output);
        }
    }

    print_message("%zu fields of requests, %zu of answers\n", requests.fields, answers.fields);
    assert_true(requests.fields > 50 && answers.fields > 50);
    assert_int_equal(requests.wrong + answers.wrong, 0);
}

static void would_notice_a_field_that_is(void **state)
{
    (void)state;
    assert_true(is_suspicious("cvc"));
    assert_true(is_suspicious("card_number"));
    assert_true(is_suspicious("payment_pan"));
    assert_false(is_suspicious("company"));
    assert_false(is_suspicious("shipping_time"));
    assert_false(is_suspicious("last4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_field_of_the_contract_is_made_for_card_data),
        cmocka_unit_test(would_notice_a_field_that_is),
    };
    return cmocka_run_group_tests_name("PCI scope", tests, NULL, NULL);
}
