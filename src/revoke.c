/*
 * Finds the key that is meant and lets pg/ write it down.
 */
#include "revoke.h"

#include <errno.h>

#include "base/text.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "pg/migrate.h"
#include "pg/revocation.h"

#define FILE_SIZE_MAX (64 * 1024)
#define REASON_MAX    200 /* as in revoked_key */

bool revoke_options_fit(const struct revoke_options *options)
{
    return (options->certificate == NULL) != (options->spki == NULL) &&
           (options->reason == NULL) == options->undo;
}

static void close_stream(FILE **stream)
{
    if (*stream != NULL)
        fclose(*stream);
}

/* Whose key it is, on `out`; its hash in `hex`. */
static bool read_certificate(const char *path, char hex[REVOCATION_SPKI_LENGTH + 1], FILE *out,
                             FILE *problems)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(256 * 1024);
    AUTO(close_stream) FILE *file = fopen(path, "re");
    char *pem = arena_alloc(arena, FILE_SIZE_MAX + 1);
    struct certificate certificate;
    char until[TIME_TEXT_SIZE];

    if (file == NULL || (fread(pem, 1, FILE_SIZE_MAX, file) == 0 && ferror(file) != 0)) {
        fprintf(problems, "could not read %s: %s\n", path, strerror(errno));
        return false;
    }
    if (!x509_read(arena, pem, &certificate)) {
        fprintf(problems, "%s is no certificate in PEM\n", path);
        return false;
    }
    hex_encode(certificate.spki_hash, SHA256_SIZE, hex);
    time_format(certificate.not_after_us, until);
    if (certificate.is_ca)
        fprintf(out, "%s is an authority's, valid until %s: what it issued falls with it\n", hex,
                until);
    else
        fprintf(out, "%s is of %s, valid until %s\n", hex,
                *certificate.spiffe_id != '\0' ? certificate.spiffe_id : "nobody of ours", until);
    return true;
}

static bool read_hash(const char *text, char hex[REVOCATION_SPKI_LENGTH + 1], FILE *problems)
{
    uint8_t hash[SHA256_SIZE];

    if (!hex_decode(text, hash, sizeof hash)) {
        fprintf(problems, "--spki takes SHA-256 of a SubjectPublicKeyInfo, %d hex digits\n",
                REVOCATION_SPKI_LENGTH);
        return false;
    }
    hex_encode(hash, sizeof hash, hex);
    return true;
}

static bool reason_fits(const char *reason, FILE *problems)
{
    if (reason == NULL || (*reason != '\0' && strlen(reason) <= REASON_MAX))
        return true;
    fprintf(problems, "--reason takes 1 to %d bytes\n", REASON_MAX);
    return false;
}

int revoke_key(const struct settings *settings, const struct revoke_options *options, FILE *out,
               FILE *problems)
{
    char hex[REVOCATION_SPKI_LENGTH + 1];

    if (!reason_fits(options->reason, problems))
        return PG_MIGRATE_FAILED;
    bool found = options->certificate != NULL
                     ? read_certificate(options->certificate, hex, out, problems)
                     : read_hash(options->spki, hex, problems);
    const struct revocation revocation = {
        .spki_hex = hex,
        .reason = options->reason,
        .withdrawn = options->undo,
        .now_us = clock_wall_us(clock_system()),
    };

    return found ? pg_revoke(settings->database_owner, &revocation, out, problems)
                 : PG_MIGRATE_FAILED;
}
