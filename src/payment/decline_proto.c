/*
 * A decline in the words of the contract, all languages at once: the answer is recorded, and who
 * reads it later need not speak the language of who asked.
 */

#include "payment/payment_proto.h"

#include "gateway/decline.h"

static Dues__Payment__V1__Decline__DeclineClass class_to_proto(enum decline_class class)
{
    switch (class) {
    case DECLINE_RETRY_NOW:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_RETRY_NOW;
    case DECLINE_RETRY_LATER:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_RETRY_LATER;
    case DECLINE_FIX_DATA:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_FIX_DATA;
    case DECLINE_NEW_METHOD:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_NEW_METHOD;
    case DECLINE_STEP_UP:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_STEP_UP;
    case DECLINE_STOP:
        return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_STOP;
    case DECLINE_CLASS_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_UNSPECIFIED;
}

static Dues__Payment__V1__Decline__Actor actor_to_proto(enum decline_actor actor)
{
    switch (actor) {
    case DECLINE_BY_CUSTOMER:
        return DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_CUSTOMER;
    case DECLINE_BY_MERCHANT:
        return DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_MERCHANT;
    case DECLINE_BY_NOBODY:
        return DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_NOBODY;
    case DECLINE_BY_ISSUER:
        return DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_ISSUER;
    case DECLINE_ACTOR_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_UNSPECIFIED;
}

static Dues__Payment__V1__Decline__Advice advice_to_proto(enum decline_advice advice)
{
    switch (advice) {
    case DECLINE_ADVICE_DO_NOT_TRY_AGAIN:
        return DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_DO_NOT_TRY_AGAIN;
    case DECLINE_ADVICE_TRY_AGAIN_LATER:
        return DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_TRY_AGAIN_LATER;
    case DECLINE_ADVICE_CONFIRM_CARD_DATA:
        return DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_CONFIRM_CARD_DATA;
    case DECLINE_ADVICE_NONE:
    case DECLINE_ADVICE_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_UNSPECIFIED;
}

static Dues__Payment__V1__Decline__CustomerTexts *texts_to_proto(struct arena *arena,
                                                                 const struct decline *decline)
{
    Dues__Payment__V1__Decline__CustomerTexts *texts = arena_alloc(arena, sizeof *texts);

    dues__payment__v1__decline__customer_texts__init(texts);
    texts->en = arena_strdup(arena, decline->texts[DECLINE_ENGLISH]);
    texts->de = arena_strdup(arena, decline->texts[DECLINE_GERMAN]);
    texts->es = arena_strdup(arena, decline->texts[DECLINE_SPANISH]);
    texts->fr = arena_strdup(arena, decline->texts[DECLINE_FRENCH]);
    return texts;
}

Dues__Payment__V1__Decline *decline_to_proto(struct arena *arena, const char *code,
                                             const char *network_code, const char *advice)
{
    if (code[0] == '\0')
        return NULL;
    const struct decline *decline = decline_find(code);
    enum decline_advice advised = decline_advice_of(advice == NULL ? "" : advice);
    enum decline_class class = decline_class_of(code, advised);
    Dues__Payment__V1__Decline *proto = arena_alloc(arena, sizeof *proto);

    dues__payment__v1__decline__init(proto);
    proto->code = arena_strdup(arena, decline->code);
    proto->decline_class = class_to_proto(class);
    proto->actor = actor_to_proto(decline->actor);
    proto->customer_texts = texts_to_proto(arena, decline);
    proto->customer_message = proto->customer_texts->en;
    proto->may_retry = decline_may_retry(class);
    proto->network_decline_code = arena_strdup(arena, network_code == NULL ? "" : network_code);
    proto->advice = advice_to_proto(advised);
    return proto;
}
