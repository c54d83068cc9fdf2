/*
 * The places where sealed values rest: whoever seals, opens, or seals anew says the same.
 */
#pragma once

#include "crypto/sealed.h"
#include "crypto/secrets.h"

struct vault_place {
    struct seal_place at;
    /* How it was sealed before there were data keys. */
    enum secret_purpose old_purpose;
    const char *old_context; /* NULL: it never was */
};

struct vault_place vault_place_payment_token(struct arena *arena, struct uuid customer,
                                             struct uuid payment_method);
struct vault_place vault_place_payment_action(struct arena *arena, struct uuid customer,
                                              struct uuid payment);
struct vault_place vault_place_dispute_evidence(struct arena *arena, struct uuid customer,
                                                struct uuid response);
struct vault_place vault_place_answer(struct arena *arena, struct uuid customer, const char *caller,
                                      const char *method, const char *request_id);
struct vault_place vault_place_signing_key(struct arena *arena, const char *kind,
                                           int64_t generation);
struct vault_place vault_place_house_secret(const char *name);
struct vault_place vault_place_gateway_key(struct arena *arena, const char *name,
                                           int64_t generation);
struct vault_place vault_place_webhook_secret(struct arena *arena, struct uuid endpoint,
                                              struct uuid secret);
/* The raw bytes of news, which are nobody's yet. */
struct vault_place vault_place_news(struct arena *arena, const char *gateway, const char *event);
/* A recorded answer that belongs to no customer: `owner` stands in its row for one. */
struct vault_place vault_place_house_answer(struct arena *arena, struct uuid owner,
                                            const char *caller, const char *method,
                                            const char *request_id);

/* Data keys and KEKs, wrapped. */
struct seal_place vault_place_customer_key(struct uuid customer);
struct seal_place vault_place_house_key(void);
struct seal_place vault_place_bridge(struct arena *arena, const uint8_t kek_id[KEY_ID_SIZE]);
