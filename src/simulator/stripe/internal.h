/*
 * What the files of Stripe's face share: one call, and the objects that calls and tasks change.
 *
 * Handlers answer a borrowed object, or NULL after they have set an error.  Objects of the store
 * have private members ("_card", "_set_up"), which stripe_show leaves out.
 */
#pragma once

#include <jansson.h>

#include "base/text.h"
#include "base/time.h"
#include "simulator/simulator.h"
#include "simulator/stripe/cards.h"

/* Answers are indented, as those of the real one. */
#define STRIPE_INDENT 2

struct stripe_call {
    struct exchange *exchange; /* NULL: a task */
    struct simulator *simulator;
    struct tx *tx;
    struct arena *arena;
    const char *id; /* in the path; "" without one */
    json_t *params;
    const char *list_kind; /* of lists and searches: what is listed */
    int64_t now_s;
    const char *version;

    int32_t status; /* of the error */
    json_t *error;
    bool counts; /* the error is a result: what was changed is kept, and the answer stored */
};

typedef json_t *stripe_handler(struct stripe_call *call);

/* --- Errors (errors.c).  All answer NULL. --- */

/* type invalid_request_error; `code` and `param` may be NULL. */
json_t *stripe_refuse(struct stripe_call *call, int32_t status, const char *code, const char *param,
                      const char *format, ...) PRINTF_LIKE(5, 6);
json_t *stripe_missing(struct stripe_call *call, const char *param);
json_t *stripe_not_found(struct stripe_call *call, const char *kind, const char *id);

/* The error of a decline, as it stands in last_payment_error: a new reference. */
json_t *stripe_decline_error(const char *decline_code, const char *charge);
/* 402 with that error; `intent_key` ("payment_intent") and the intent may be NULL. */
json_t *stripe_decline_answer(struct stripe_call *call, const char *decline_code,
                              const char *charge, const char *intent_key, const json_t *intent);

/* --- Parameters (parameters.c) --- */

/* "card.number"; NULL when absent or no scalar. */
const char *param_text(const struct stripe_call *call, const char *path);
json_t *param_at(const struct stripe_call *call, const char *path);
bool param_is_given(const struct stripe_call *call, const char *path);
/* False: the error is set.  `*value` is untouched when the parameter is absent. */
bool param_integer(struct stripe_call *call, const char *path, int64_t *value);
bool param_boolean(struct stripe_call *call, const char *path, bool *value);
/* One of the words of `allowed`, which has blanks between them. */
bool param_choice(struct stripe_call *call, const char *path, const char *allowed);
/* Every parameter is in the list of words. */
bool params_are_known(struct stripe_call *call, const char *words);
bool word_in(const char *word, const char *words);
/* Copies texts and metadata as an update does: "" becomes null, or removes the key. */
bool param_copy(struct stripe_call *call, json_t *object, const char *words);
/* An object of texts: every word of `words` that is given below `path`; the others are kept. */
bool param_nested(struct stripe_call *call, json_t *object, const char *key, const char *path,
                  const char *words);
bool param_metadata(struct stripe_call *call, json_t *object);
/* Reads currency and amount by the rules of the gateway. */
bool param_money(struct stripe_call *call, int64_t *amount, const char **currency);

/* --- Objects (objects.c) --- */

enum stripe_template {
    TEMPLATE_CUSTOMER,
    TEMPLATE_PAYMENT_METHOD,
    TEMPLATE_PAYMENT_INTENT,
    TEMPLATE_SETUP_INTENT,
    TEMPLATE_CHARGE,
    TEMPLATE_REFUND,
    TEMPLATE_DISPUTE,
    TEMPLATE_BALANCE_TRANSACTION,
    TEMPLATE_WARNING,
    TEMPLATE_COUNT,
};

/* A new object in the step, with id and created. */
json_t *stripe_new(struct stripe_call *call, enum stripe_template template);
json_t *stripe_load(struct stripe_call *call, const char *kind, const char *id);
/* By the prefix of its id; NULL when there is none. */
json_t *stripe_load_any(struct stripe_call *call, const char *id);
/* An event about the object as it is now. */
void stripe_event(struct stripe_call *call, const char *type, const json_t *object);
/* A copy without private members: a new reference. */
json_t *stripe_show(const json_t *object);
/* False: the error is set. */
bool stripe_expand(struct stripe_call *call, json_t *shown, const json_t *paths);
json_t *stripe_list_of(struct stripe_call *call, const char *url, bool has_more);

const char *text_of(const json_t *object, const char *key); /* "" when null */
int64_t number_of(const json_t *object, const char *key);
bool truth_of(const json_t *object, const char *key);
void set_text(json_t *object, const char *key, const char *value); /* NULL: null */
void set_number(json_t *object, const char *key, int64_t value);
void set_truth(json_t *object, const char *key, bool value);

/* --- Money (balance.c) --- */

/* The id of a new balance transaction. */
const char *stripe_balance_add(struct stripe_call *call, const char *type, int64_t amount,
                               int64_t fee, const json_t *source, const char *description);
int64_t stripe_fee(int64_t amount);

/* --- What happens (payment_flow.c, charge.c, refund.c, dispute.c) --- */

const struct stripe_card *stripe_card_of(const json_t *object);

/* A charge of the intent; its decline code, NULL: approved.  `authenticated`: by 3-D Secure. */
json_t *stripe_charge(struct stripe_call *call, json_t *intent, const char *decline_code,
                      const char *authenticated);
void stripe_charge_capture(struct stripe_call *call, json_t *charge, int64_t amount);

json_t *stripe_payment_confirm(struct stripe_call *call, json_t *intent);
/* The challenge was passed or not; the error is recorded in the intent. */
void stripe_payment_challenged(struct stripe_call *call, json_t *intent, bool is_passed);
json_t *stripe_setup_confirm(struct stripe_call *call, json_t *intent);
void stripe_setup_challenged(struct stripe_call *call, json_t *intent, bool is_passed);
/* next_action of a challenge. */
void stripe_challenge(struct stripe_call *call, json_t *intent);

/* The method of payment_method or payment_method_data: loaded, or made.  NULL without one, or when
 * the error is set. */
json_t *stripe_method_given(struct stripe_call *call, const json_t *intent);
/* From the parameters below the path ("" or "payment_method_data."). */
json_t *stripe_method_make(struct stripe_call *call, const char *path);
bool stripe_method_attach(struct stripe_call *call, json_t *method, const char *customer);

void stripe_run_task(struct simulator *simulator, struct tx *tx, const json_t *task);
void stripe_settle_refund(struct stripe_call *call, json_t *refund, const char *status);
void stripe_open_dispute(struct stripe_call *call, json_t *charge);
void stripe_decide_dispute(struct stripe_call *call, json_t *dispute);
void stripe_expire_authorization(struct stripe_call *call, json_t *intent);
/* When what the bank does is done. */
void stripe_later(struct stripe_call *call, const char *kind, const char *target);

/* --- Paths (routes.c) --- */

struct stripe_route {
    const char *method;
    const char *path; /* one segment may be "{}" */
    stripe_handler *handler;
    const char *params;    /* names with blanks between them */
    const char *list_kind; /* what a list or search is of */
};

/* NULL: there is none.  `*id` is what stands for "{}". */
const struct stripe_route *stripe_route_find(struct arena *arena, const char *method,
                                             const char *path, const char **id);

stripe_handler stripe_create_customer, stripe_update_customer, stripe_delete_customer,
    stripe_retrieve, stripe_list, stripe_search, stripe_create_method, stripe_update_method,
    stripe_attach_method, stripe_detach_method, stripe_list_customer_methods, stripe_create_payment,
    stripe_update_payment, stripe_confirm_payment, stripe_capture_payment, stripe_cancel_payment,
    stripe_create_setup, stripe_update_setup, stripe_confirm_setup, stripe_cancel_setup,
    stripe_update_charge, stripe_create_refund, stripe_update_refund, stripe_cancel_refund,
    stripe_update_dispute, stripe_close_dispute, stripe_retrieve_balance;

/* --- What is false, and what is signed (lies.c) --- */

char *stripe_falsify(struct arena *arena, const char *body, const struct fault_plan *plan);
char *stripe_webhook(struct arena *arena, json_t *event, const struct webhook_form *form,
                     struct http_header *signature);

/* The page of a challenge, for browsers and tests. */
void stripe_challenge_page(struct stripe_call *call, struct exchange *exchange);
