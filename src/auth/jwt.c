/*
 * Writing and reading JWTs.  The header is compared, not interpreted: there is one algorithm, one
 * type, and a key by its exact name, so no header can talk us into anything else (RFC 8725).
 */

#include "auth/jwt.h"

#include <jansson.h>

#include "auth/token.h"
#include "base/text.h"
#include "base/time.h"

#define HEADER_BEFORE_KID "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\""
#define HEADER_AFTER_KID  "\"}"

#define CLAIM_LENGTH_MAX 1024

static void release_json(json_t **json)
{
    json_decref(*json);
}

static const char *payload_text(struct arena *arena, const struct jwt_claims *claims)
{
    return arena_printf(
        arena,
        "{\"iss\":%s,\"aud\":%s,\"sub\":\"%s\",\"sid\":\"%s\",\"jti\":\"%s\",\"client_id\":%s,"
        "\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"scope\":%s,\"cnf\":{\"x5t#S256\":\"%s\"}}",
        json_quote(arena, claims->issuer), json_quote(arena, claims->audience),
        uuid_text(arena, claims->user), uuid_text(arena, claims->session),
        uuid_text(arena, claims->id), json_quote(arena, claims->client),
        (long long)claims->issued_s, (long long)claims->not_before_s, (long long)claims->expires_s,
        json_quote(arena, claims->scope),
        base64url_encode(arena, claims->certificate_hash, SHA256_SIZE));
}

char *jwt_make(struct arena *arena, const struct token_key *key, const struct jwt_claims *claims)
{
    const char *header = arena_printf(arena, HEADER_BEFORE_KID "%s" HEADER_AFTER_KID, key->kid);
    const char *payload = payload_text(arena, claims);
    const char *signed_part =
        arena_printf(arena, "%s.%s", base64url_encode(arena, header, strlen(header)),
                     base64url_encode(arena, payload, strlen(payload)));
    uint8_t signature[ES256_SIGNATURE_SIZE];
    es256_sign(key->key, signed_part, strlen(signed_part), signature);
    return arena_printf(arena, "%s.%s", signed_part,
                        base64url_encode(arena, signature, sizeof(signature)));
}

static const struct token_key *header_key(struct arena *arena, const struct token_key *keys,
                                          size_t key_count, const char *part, size_t length)
{
    size_t size;
    const uint8_t *header = base64url_decode(arena, part, length, &size);
    for (size_t i = 0; header != NULL && i < key_count; i++) {
        const char *expected =
            arena_printf(arena, HEADER_BEFORE_KID "%s" HEADER_AFTER_KID, keys[i].kid);
        if (size == strlen(expected) && memcmp(header, expected, size) == 0)
            return &keys[i];
    }
    return NULL;
}

/* Copied into the arena: the JSON is released before the claims are used. */
static bool read_string(struct arena *arena, const json_t *object, const char *name,
                        const char **value)
{
    const json_t *json = json_object_get(object, name);
    if (!json_is_string(json) || json_string_length(json) > CLAIM_LENGTH_MAX)
        return false;
    *value = arena_strdup(arena, json_string_value(json));
    return true;
}

static bool read_uuid(const json_t *object, const char *name, struct uuid *id)
{
    const json_t *json = json_object_get(object, name);
    return json_is_string(json) && uuid_parse(json_string_value(json), id);
}

static bool read_seconds(const json_t *object, const char *name, int64_t *seconds)
{
    const json_t *json = json_object_get(object, name);
    if (!json_is_integer(json))
        return false;
    *seconds = json_integer_value(json);
    return *seconds >= 0 && *seconds <= TIME_US_MAX / US_PER_SECOND;
}

static bool read_confirmation(struct arena *arena, const json_t *object, uint8_t hash[SHA256_SIZE])
{
    const json_t *confirmation = json_object_get(object, "cnf");
    const char *text;
    if (!json_is_object(confirmation) || json_object_size(confirmation) != 1 ||
        !read_string(arena, confirmation, "x5t#S256", &text))
        return false;
    size_t size;
    const uint8_t *bytes = base64url_decode(arena, text, strlen(text), &size);
    if (bytes == NULL || size != SHA256_SIZE)
        return false;
    memcpy(hash, bytes, SHA256_SIZE);
    return true;
}

static bool read_claims(struct arena *arena, const json_t *json, struct jwt_claims *claims)
{
    return json_is_object(json) && read_string(arena, json, "iss", &claims->issuer) &&
           read_string(arena, json, "aud", &claims->audience) &&
           read_string(arena, json, "client_id", &claims->client) &&
           read_string(arena, json, "scope", &claims->scope) &&
           read_uuid(json, "sub", &claims->user) && read_uuid(json, "sid", &claims->session) &&
           read_uuid(json, "jti", &claims->id) && read_seconds(json, "iat", &claims->issued_s) &&
           read_seconds(json, "nbf", &claims->not_before_s) &&
           read_seconds(json, "exp", &claims->expires_s) &&
           read_confirmation(arena, json, claims->certificate_hash);
}

const char *jwt_read(struct arena *arena, const struct token_key *keys, size_t key_count,
                     const char *text, struct jwt_claims *claims)
{
    const char *payload_at = strchr(text, '.');
    const char *signature_at = payload_at ? strchr(payload_at + 1, '.') : NULL;
    if (strlen(text) > TOKEN_SIZE_MAX || signature_at == NULL)
        return "it does not have three parts of at most 4 KiB";

    const struct token_key *key =
        header_key(arena, keys, key_count, text, (size_t)(payload_at - text));
    if (key == NULL)
        return "its header is not that of a token of ours";

    size_t size;
    const uint8_t *signature =
        base64url_decode(arena, signature_at + 1, strlen(signature_at + 1), &size);
    if (signature == NULL || size != ES256_SIGNATURE_SIZE || !es256_has_small_s(signature) ||
        !es256_verify(key->key, text, (size_t)(signature_at - text), signature))
        return "its signature does not verify";

    const uint8_t *payload =
        base64url_decode(arena, payload_at + 1, (size_t)(signature_at - payload_at - 1), &size);
    if (payload == NULL)
        return "its claims are not base64url";
    json_error_t ignored;
    AUTO(release_json)
    json_t *json = json_loadb((const char *)payload, size, JSON_REJECT_DUPLICATES, &ignored);
    if (json == NULL || !read_claims(arena, json, claims))
        return "its claims are not those of a token of ours";
    return NULL;
}
