/*
 * Payments and refunds as people read them: a row in a list, a page of their own.
 */
#include "cli/payments.h"

#include "cli/amount.h"
#include "cli/print.h"

static const char *state_word(struct arena *arena, const Dues__Payment__V1__Payment *payment)
{
    return enum_word(arena, &dues__payment__v1__payment__state__descriptor, (int)payment->state,
                     "STATE_");
}

void print_payment_head(FILE *out)
{
    fprintf(out, "%-20s  %-16s  %14s  %14s  %14s  %-24s  %s\n", "CREATED", "STATE", "AMOUNT",
            "CAPTURED", "REFUNDED", "DECLINE", "PAYMENT");
}

void print_payment_row(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment)
{
    fprintf(out, "%-20s  %-16s  %14s  %14s  %14s  %-24s  %s\n",
            to_the_second(arena, payment->create_time), state_word(arena, payment),
            amount_text(arena, payment->amount), amount_text(arena, payment->amount_captured),
            amount_text(arena, payment->amount_refunded),
            payment->decline == NULL ? "-" : payment->decline->code, payment->name);
}

static void print_decline(FILE *out, struct arena *arena, const Dues__Payment__V1__Decline *decline)
{
    print_line(out, "decline",
               arena_printf(arena, "%s (%s)", decline->code,
                            enum_word(arena, &dues__payment__v1__decline__decline_class__descriptor,
                                      (int)decline->decline_class, "DECLINE_CLASS_")));
    print_line(out, "who must act",
               enum_word(arena, &dues__payment__v1__decline__actor__descriptor, (int)decline->actor,
                         "ACTOR_"));
    print_line(out, "network code", decline->network_decline_code);
    if (decline->advice != DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_UNSPECIFIED)
        print_line(out, "advice",
                   enum_word(arena, &dues__payment__v1__decline__advice__descriptor,
                             (int)decline->advice, "ADVICE_"));
    print_line(out, "to customers", decline->customer_message);
}

static void print_action(FILE *out, const Dues__Payment__V1__PaymentAction *action)
{
    /* The client secret is for the customer's own app, not for a terminal. */
    print_line(out, "action",
               action->redirect_url[0] != '\0'
                   ? action->redirect_url
                   : "the app's SDK, with the secret that -o json shows");
    print_moment(out, "until", action->expire_time);
}

void print_payment(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment)
{
    fprintf(out, "%s\n", payment->name);
    print_line(out, "state", state_word(arena, payment));
    print_money(out, arena, "amount", payment->amount);
    print_money(out, arena, "captured", payment->amount_captured);
    print_money(out, arena, "refunded", payment->amount_refunded);
    print_money(out, arena, "disputed", payment->amount_disputed);
    print_money(out, arena, "capturable", payment->amount_capturable);
    print_money(out, arena, "on its way", payment->amount_capture_pending);
    print_line(out, "capture mode",
               enum_word(arena, &dues__payment__v1__payment__capture_mode__descriptor,
                         (int)payment->capture_mode, "CAPTURE_MODE_"));
    if (payment->decline != NULL)
        print_decline(out, arena, payment->decline);
    if (payment->action != NULL)
        print_action(out, payment->action);
    print_line(out, "method", payment->payment_method);
    print_line(out, "invoice", payment->invoice);
    print_line(out, "description", payment->description);
    print_moment(out, "created", payment->create_time);
    print_moment(out, "changed", payment->update_time);
    print_moment(out, "held until", payment->authorization_expire_time);
}

void print_refund(FILE *out, struct arena *arena, const Dues__Payment__V1__Refund *refund)
{
    const char *state = enum_word(arena, &dues__payment__v1__refund__state__descriptor,
                                  (int)refund->state, "STATE_");

    fprintf(out, "  refund         %s  %s  %s", to_the_second(arena, refund->create_time),
            amount_text(arena, refund->amount), state);
    if (refund->failure_code[0] != '\0')
        fprintf(out, " (%s)", refund->failure_code);
    if (refund->origin == DUES__PAYMENT__V1__REFUND__ORIGIN__ORIGIN_GATEWAY)
        fprintf(out, " (at the gateway)");
    fprintf(out, "  %s\n", refund->name);
}

void print_payment_dispute(FILE *out, struct arena *arena,
                           const Dues__Payment__V1__Dispute *dispute)
{
    fprintf(out, "  dispute        %s  %s  %s (%s%s)", to_the_second(arena, dispute->create_time),
            amount_text(arena, dispute->amount),
            enum_word(arena, &dues__payment__v1__dispute__state__descriptor, (int)dispute->state,
                      "STATE_"),
            dispute->inquiry ? "inquiry, " : "", dispute->reason);
    if (dispute->state == DUES__PAYMENT__V1__DISPUTE__STATE__STATE_NEEDS_RESPONSE)
        fprintf(out, "  evidence until %s", to_the_second(arena, dispute->evidence_due_time));
    fprintf(out, "  %s\n", dispute->name);
}
