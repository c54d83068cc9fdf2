/*
 * Access tokens.  As they come: nothing is accepted that our key did not sign.  And, after a line
 * feed has parted header from claims, signed rightly, so that the claims' JSON is read.
 */
#include "auth/jwt.h"
#include "base/text.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"

/* A key for tests; the seeds hold a token of it. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHf10pVuNFNBnt2IL\n"
                              "jtzc3ZxTmQ2T2laoudQEfV9hfj+hRANCAAQaVEVPMHcec5PhN7CHBPRkn6SFZmnI\n"
                              "6uN57ci+T+lRGHO36UcjXlelV87hRkTRgCjymS4jMtqJO3O5Inmgp3Me\n"
                              "-----END PRIVATE KEY-----\n";

static const struct token_key *the_key(void)
{
    static struct token_key key;

    if (key.key == NULL) {
        key.key = ec_key_from_pem(key_pem);
        if (key.key == NULL)
            bug("the key cannot be read");
        ec_key_thumbprint(key.key, key.kid);
    }
    return &key;
}

static const char *sign(struct arena *arena, const uint8_t *header, size_t header_size,
                        const uint8_t *claims, size_t claims_size)
{
    const char *part = arena_printf(arena, "%s.%s", base64url_encode(arena, header, header_size),
                                    base64url_encode(arena, claims, claims_size));
    uint8_t signature[ES256_SIGNATURE_SIZE];

    es256_sign(the_key()->key, part, strlen(part), signature);
    return arena_printf(arena, "%s.%s", part, base64url_encode(arena, signature, sizeof signature));
}

/* What was read of a token makes one that reads the same. */
static void check_round_trip(struct arena *arena, const struct jwt_claims *claims)
{
    struct jwt_claims again;

    if (jwt_read(arena, the_key(), 1, jwt_make(arena, the_key(), claims), &again) != NULL)
        bug("claims that were read make a token that is refused");
    if (!uuid_equal(claims->user, again.user) || !text_equal(claims->issuer, again.issuer) ||
        !text_equal(claims->scope, again.scope) || claims->expires_s != again.expires_s)
        bug("claims change on the way");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();
    const uint8_t *feed = size == 0 ? NULL : memchr(data, '\n', size);
    struct jwt_claims claims;

    const char *text = arena_strndup(arena, (const char *)data, size);
    if (jwt_read(arena, the_key(), 1, text, &claims) == NULL)
        check_round_trip(arena, &claims);
    if (feed == NULL)
        return 0;
    size_t header_size = (size_t)(feed - data);
    text = sign(arena, data, header_size, feed + 1, size - header_size - 1);
    if (jwt_read(arena, the_key(), 1, text, &claims) == NULL)
        check_round_trip(arena, &claims);
    return 0;
}
