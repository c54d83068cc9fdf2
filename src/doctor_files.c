/*
 * The files that the configuration names: do they fit together, who else can read the secret ones,
 * and when does a certificate end.
 */

#include "doctor.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/time.h"
#include "crypto/key_ring.h"
#include "crypto/x509.h"
#include "house_open.h"
#include "rpc/server.h"

#define FILE_SIZE_MAX     (256 * 1024)
#define MEMORY_SIZE_MAX   (4 * 1024 * 1024)
#define ENDS_SOON_US      (30 * US_PER_DAY)
#define ENDS_VERY_SOON_US US_PER_DAY
#define PEM_BEGIN         "-----BEGIN CERTIFICATE-----"
#define PEM_END           "-----END CERTIFICATE-----"

static void close_stream(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

/* NULL: the topic "certificates" says already why it cannot be read. */
static char *read_text(struct arena *arena, const char *path)
{
    AUTO(close_stream) FILE *file = fopen(path, "re");

    if (file == NULL)
        return NULL;
    char *text = arena_alloc(arena, FILE_SIZE_MAX + 1);
    size_t size = fread(text, 1, FILE_SIZE_MAX, file);
    text[size] = '\0';
    return text;
}

static void say_end(struct doctor *doctor, const char *role, const struct certificate *certificate,
                    int64_t now_us)
{
    int64_t left_us = certificate->not_after_us - now_us;
    char end[TIME_TEXT_SIZE];

    time_format(certificate->not_after_us, end);
    if (certificate->not_before_us > now_us)
        doctor_say(doctor, FINDING_FAILED, "certificates", "%s: not valid yet", role);
    else if (left_us <= 0)
        doctor_say(doctor, FINDING_FAILED, "certificates", "%s: ended at %s", role, end);
    else
        doctor_say(doctor,
                   left_us < ENDS_VERY_SOON_US ? FINDING_FAILED
                   : left_us < ENDS_SOON_US    ? FINDING_WARNING
                                               : FINDING_OK,
                   "certificates", "%s: %lld days left, until %s", role,
                   (long long)(left_us / US_PER_DAY), end);
}

static void say_nameless(struct doctor *doctor, const char *role)
{
    doctor_say(doctor, FINDING_WARNING, "certificates",
               "%s: its subjectAltName has no DNS name and no address, so clients do not believe "
               "that it is the server's",
               role);
}

static void look_at_file(struct doctor *doctor, const char *role, const char *path, bool is_server)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(MEMORY_SIZE_MAX);
    int64_t now_us = clock_wall_us(clock_system());
    const char *at = read_text(arena, path);

    while (at != NULL && (at = strstr(at, PEM_BEGIN)) != NULL) {
        struct certificate certificate;
        const char *end = strstr(at, PEM_END);
        if (end == NULL)
            return;
        end += sizeof PEM_END - 1;
        if (x509_read(arena, arena_strndup(arena, at, (size_t)(end - at)), &certificate)) {
            say_end(doctor, role, &certificate, now_us);
            if (is_server && !certificate.names_a_host)
                say_nameless(doctor, role);
        }
        is_server = false; /* what follows are authorities */
        at = end;
    }
}

void doctor_certificates(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    char problem[RPC_PROBLEM_SIZE];
    const char *bad = rpc_find_bad_file(settings, problem);

    if (bad != NULL)
        doctor_say(doctor, FINDING_FAILED, "certificates", "%s: %s", bad, problem);
    else
        doctor_say(doctor, FINDING_OK, "certificates", "server certificate, key and CAs fit");
    look_at_file(doctor, "server certificate", settings->tls_certificate, true);
    look_at_file(doctor, "client CA", settings->tls_client_ca, false);
    if (settings->gateway_news_certificate[0] != '\0')
        look_at_file(doctor, "gateway news certificate", settings->gateway_news_certificate, true);
}

static void look_at_secret(struct doctor *doctor, const char *key, const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        doctor_say(doctor, FINDING_FAILED, "secrets", "%s: %s is not there", key, path);
    else if ((status.st_mode & (S_IWGRP | S_IRWXO)) != 0)
        doctor_say(doctor, FINDING_FAILED, "secrets", "%s: %s is open to others (mode %03o)", key,
                   path, (unsigned)status.st_mode & 0777);
    else
        doctor_say(doctor, FINDING_OK, "secrets", "%s: mode %03o", key,
                   (unsigned)status.st_mode & 0777);
}

void doctor_secrets(struct doctor *doctor)
{
    look_at_secret(doctor, "tls_key", doctor->settings->tls_key);
    const struct key_source source = house_key_source(doctor->settings);
    char paths[KEY_SOURCE_FILES_MAX][KEY_PATH_SIZE];
    size_t count = key_source_files(source, paths);
    for (size_t i = 0; i < count; i++)
        look_at_secret(doctor, "master_key_file", paths[i]);
}
