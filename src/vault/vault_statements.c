/*
 * Every statement of the room, for the test that prepares them.
 */

#include "vault/rotate.h"
#include "vault/vault_internal.h"

pg_statement_list vault_statements = {
    &vault_kek_list,
    &vault_kek_found,
    &vault_customer_key_load,
    &vault_customer_key_offer,
    &vault_signing_key_any,
    &vault_house_load,
    &vault_house_offer,
    &vault_gateway_generation,
    &vault_gateway_version,
    &vault_gateway_keys_load,
    &vault_gateway_keys_list,
    &vault_gateway_key_put,
    &vault_gateway_keys_end,
    &rotate_kek_succeed,
    &rotate_kek_close,
    &rotate_list_customer_keys,
    &rotate_customer_keys,
    &rotate_house_key,
    &reseal_list_tokens,
    &reseal_token,
    &reseal_list_answers,
    &reseal_answer,
    &reseal_list_signing,
    &reseal_signing,
    &rotate_count,
    NULL,
};
