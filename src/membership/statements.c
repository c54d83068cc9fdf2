/*
 * Every statement of the room once, in one list.
 */
#include "membership/statements.h"

#include "membership/membership.h"

pg_statement_list membership_statements = {
    &membership_load_statement,
    &membership_due_statement,
    &membership_list_statement,
    &entitlement_facts_statement,
    &entitlement_facts_clocked_statement,
    &entitlement_poll_statement,
    &entitlement_change_forget_statement,
    &payment_method_newer_statement,
    &invoice_load_statement,
    &invoice_list_statement,
    &invoice_lines_statement,
    &membership_open_statement,
    &membership_start_statement,
    &membership_charge_statement,
    &membership_settle_statement,
    &membership_move_statement,
    &plan_find_statement,
    &plan_list_statement,
    &tier_find_statement,
    &tier_list_statement,
    &customer_create_statement,
    NULL,
};
