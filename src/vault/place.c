/*
 * Places.  Changing one makes what rests there unreadable.
 */

#include "vault/place.h"

#include "base/text.h"

struct vault_place vault_place_payment_token(struct arena *arena, struct uuid customer,
                                             struct uuid payment_method)
{
    const char *row = uuid_text(arena, payment_method);

    return (struct vault_place){
        .at = {"payment_method", "token_sealed", customer, row},
        .old_purpose = SECRET_SEAL_TOKENS,
        .old_context = arena_printf(arena, "payment_method|token|%s", row),
    };
}

struct vault_place vault_place_payment_action(struct arena *arena, struct uuid customer,
                                              struct uuid payment)
{
    const char *row = uuid_text(arena, payment);

    return (struct vault_place){.at = {"payment_action", "action_sealed", customer, row}};
}

struct vault_place vault_place_dispute_evidence(struct arena *arena, struct uuid customer,
                                                struct uuid response)
{
    const char *row = uuid_text(arena, response);

    return (struct vault_place){.at = {"dispute_response", "evidence_sealed", customer, row}};
}

struct vault_place vault_place_answer(struct arena *arena, struct uuid customer, const char *caller,
                                      const char *method, const char *request_id)
{
    const char *row = arena_printf(arena, "%s|%s|%s", caller, method, request_id);

    return (struct vault_place){
        .at = {"recorded_request", "answer", customer, row},
        .old_purpose = SECRET_SEAL_ANSWERS,
        .old_context =
            arena_printf(arena, "recorded_request|answer|%s|%s", uuid_text(arena, customer), row),
    };
}

struct vault_place vault_place_signing_key(struct arena *arena, const char *kind,
                                           int64_t generation)
{
    const char *row = arena_printf(arena, "%s|%lld", kind, (long long)generation);

    return (struct vault_place){
        .at = {"signing_key", "sealed_key", UUID_NIL, row},
        .old_purpose = SECRET_SEAL_KEYS,
        .old_context = arena_printf(arena, "signing_key|sealed_key|%s", row),
    };
}

struct vault_place vault_place_house_secret(const char *name)
{
    return (struct vault_place){.at = {"house_secret", "sealed", UUID_NIL, name}};
}

struct vault_place vault_place_news(struct arena *arena, const char *gateway, const char *event)
{
    const char *row = arena_printf(arena, "%s|%s", gateway, event);

    return (struct vault_place){.at = {"news", "body_sealed", UUID_NIL, row}};
}

struct vault_place vault_place_gateway_key(struct arena *arena, const char *name,
                                           int64_t generation)
{
    const char *row = arena_printf(arena, "%s|%lld", name, (long long)generation);

    return (struct vault_place){.at = {"gateway_key", "sealed_key", UUID_NIL, row}};
}

struct vault_place vault_place_webhook_secret(struct arena *arena, struct uuid endpoint,
                                              struct uuid secret)
{
    const char *row =
        arena_printf(arena, "%s|%s", uuid_text(arena, endpoint), uuid_text(arena, secret));

    return (struct vault_place){.at = {"webhook_endpoint", "secret_sealed", UUID_NIL, row}};
}

struct vault_place vault_place_house_answer(struct arena *arena, struct uuid owner,
                                            const char *caller, const char *method,
                                            const char *request_id)
{
    const char *row =
        arena_printf(arena, "%s|%s|%s|%s", uuid_text(arena, owner), caller, method, request_id);

    return (struct vault_place){.at = {"recorded_request", "answer", UUID_NIL, row}};
}

struct seal_place vault_place_customer_key(struct uuid customer)
{
    return (struct seal_place){"customer_data_key", "wrapped_key", customer, ""};
}

struct seal_place vault_place_house_key(void)
{
    return (struct seal_place){"house_data_key", "wrapped_key", UUID_NIL, "house"};
}

struct seal_place vault_place_bridge(struct arena *arena, const uint8_t kek_id[KEY_ID_SIZE])
{
    char *hex = arena_alloc(arena, (size_t)2 * KEY_ID_SIZE + 1);

    hex_encode(kek_id, KEY_ID_SIZE, hex);
    return (struct seal_place){"key_encryption_key", "bridge", UUID_NIL, hex};
}
