/*
 * A small certificate authority.  Keys are on P-256; everything is valid from 2000 to 2100, so that
 * neither the machine's clock nor a test's matters.
 */
#include "support/rpc_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

#include "base/bug.h"

struct test_authority {
    struct arena *arena;
    EVP_PKEY *key;
    X509 *certificate;
    const char *pem;
    bool is_below; /* another authority */
};

#define FOR_EVER "21000101000000Z"

static atomic_long serial = 1000;

static void must(bool worked, const char *what)
{
    if (!worked)
        bug("test certificates: %s", what);
}

static const char *bio_text(struct arena *arena, BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    const char *text = arena_strndup(arena, data, (size_t)size);

    BIO_free(bio);
    return text;
}

static const char *certificate_text(struct arena *arena, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());

    must(PEM_write_bio_X509(bio, certificate) == 1, "write");
    return bio_text(arena, bio);
}

static const char *key_text(struct arena *arena, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    must(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, "write key");
    return bio_text(arena, bio);
}

static void set_times(X509 *certificate, const char *not_after)
{
    must(ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20000101000000Z") == 1 &&
             ASN1_TIME_set_string(X509_getm_notAfter(certificate), not_after) == 1,
         "times");
}

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static X509 *start(EVP_PKEY *key, const char *common_name, const char *not_after)
{
    X509 *certificate = X509_new();

    must(X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(certificate), atomic_fetch_add(&serial, 1)) ==
                 1 &&
             X509_set_pubkey(certificate, key) == 1 &&
             X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                        (const unsigned char *)common_name, -1, -1, 0) == 1,
         "start");
    set_times(certificate, not_after);
    return certificate;
}

/* `parent` NULL: it signs itself. */
static struct test_authority *make_authority(struct arena *arena, const char *name,
                                             const struct test_authority *parent)
{
    struct test_authority *authority = arena_alloc(arena, sizeof *authority);

    authority->arena = arena;
    authority->is_below = parent != NULL;
    authority->key = EVP_EC_gen("P-256");
    authority->certificate = start(authority->key, name, FOR_EVER);
    X509 *certificate = authority->certificate;
    X509 *issuer = parent == NULL ? certificate : parent->certificate;
    must(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1, "issuer");
    add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    must(X509_sign(certificate, parent == NULL ? authority->key : parent->key, EVP_sha256()) > 0,
         "sign");
    authority->pem = certificate_text(arena, certificate);
    return authority;
}

struct test_authority *test_authority_new(struct arena *arena, const char *name)
{
    return make_authority(arena, name, NULL);
}

struct test_authority *test_authority_below(struct test_authority *parent, const char *name)
{
    return make_authority(parent->arena, name, parent);
}

void test_authority_free(struct test_authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
}

const char *test_authority_pem(const struct test_authority *authority)
{
    return authority->pem;
}

static const char *alternative_names(struct arena *arena, const struct test_wish *wish)
{
    const char *names = "";

    for (size_t i = 0; i < TEST_URIS_MAX && wish->uris[i] != NULL; i++)
        names = arena_printf(arena, "%s%sURI:%s", names, *names ? "," : "", wish->uris[i]);
    if (wish->dns_name != NULL)
        names = arena_printf(arena, "%s%sDNS:%s", names, *names ? "," : "", wish->dns_name);
    if (wish->ip_address != NULL)
        names = arena_printf(arena, "%s%sIP:%s", names, *names ? "," : "", wish->ip_address);
    return names;
}

struct test_pair test_issue(struct test_authority *authority, const struct test_wish *wish)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const char *not_after = wish->not_after != NULL ? wish->not_after : FOR_EVER;
    X509 *certificate =
        start(key, wish->common_name, wish->expired ? "20010101000000Z" : not_after);
    const char *names = alternative_names(authority->arena, wish);

    must(X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate)) == 1,
         "issuer");
    add_extension(certificate, authority->certificate, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, authority->certificate, NID_ext_key_usage, "serverAuth,clientAuth");
    if (names[0] != '\0')
        add_extension(certificate, authority->certificate, NID_subject_alt_name, names);
    must(X509_sign(certificate, authority->key, EVP_sha256()) > 0, "sign");

    const char *own = certificate_text(authority->arena, certificate);
    struct test_pair pair = {
        .certificate_pem =
            authority->is_below ? arena_printf(authority->arena, "%s%s", own, authority->pem) : own,
        .key_pem = key_text(authority->arena, key),
    };
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pair;
}

struct test_pair test_issue_server(struct test_authority *authority)
{
    return test_issue(authority, &(struct test_wish){.common_name = "server",
                                                     .dns_name = "localhost",
                                                     .ip_address = "127.0.0.1"});
}

struct test_pair test_issue_client(struct test_authority *authority, const char *path)
{
    const char *uri = arena_printf(authority->arena, "spiffe://dues.local/%s", path);

    return test_issue(authority, &(struct test_wish){.common_name = "client", .uris = {uri}});
}

void test_write_file(const char *directory, const char *name, const char *text)
{
    char path[512];
    char fresh[520];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || rename(fresh, path) != 0)
        bug("test file %s cannot be written", path);
}

struct dues_client *test_client(const char *target, const struct test_authority *authority,
                                struct test_pair pair)
{
    char problem[DUES_PROBLEM_SIZE];
    const struct dues_client_options options = {
        .target = target,
        .ca_pem = test_authority_pem(authority),
        .certificate_pem = pair.certificate_pem,
        .key_pem = pair.key_pem,
    };
    struct dues_client *client = dues_client_open(&options, problem);

    if (client == NULL)
        bug("test client: %s", problem);
    return client;
}
