/*
 * The prepared statements of the room, for the list that the PREPARE test walks.
 */
#pragma once

#include "pg/pg.h"

extern const struct pg_statement membership_load_statement;
extern const struct pg_statement membership_due_statement;
extern const struct pg_statement membership_list_statement;
extern const struct pg_statement entitlement_facts_statement;
extern const struct pg_statement entitlement_facts_clocked_statement;
extern const struct pg_statement entitlement_poll_statement;
extern const struct pg_statement entitlement_change_forget_statement;
extern const struct pg_statement payment_method_newer_statement;
extern const struct pg_statement invoice_load_statement;
extern const struct pg_statement invoice_list_statement;
extern const struct pg_statement invoice_lines_statement;
extern const struct pg_statement membership_open_statement;
extern const struct pg_statement membership_start_statement;
extern const struct pg_statement membership_charge_statement;
extern const struct pg_statement membership_settle_statement;
extern const struct pg_statement membership_move_statement;
extern const struct pg_statement plan_find_statement;
extern const struct pg_statement plan_list_statement;
extern const struct pg_statement tier_find_statement;
extern const struct pg_statement tier_list_statement;
extern const struct pg_statement customer_create_statement;
