/*
 * The certificates of `dues dev`: an authority of its own, the server's leaf for the address it
 * listens on (new at every start), and one client of each kind that a person can be.
 */
#include "cli/dev.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/connection.h"
#include "crypto/x509.h"

#define TRUST_DOMAIN "dues.local"
#define CA_DAYS      3650
#define LEAF_DAYS    365
#define RENEW_DAYS   30

struct maker {
    struct dev *dev;
    int64_t now_us;
    const char *ca_pem;
    struct ec_key *ca_key;
};

static const char *file_name(struct dev *dev, const char *name, const char *suffix)
{
    return arena_printf(dev->arena, "%s/%s%s", STATE_CERTIFICATES, name, suffix);
}

static const char *write_pair(struct dev *dev, const char *name, const char *pem,
                              const struct ec_key *key)
{
    const char *problem =
        dev_write(dev, file_name(dev, name, ".key"), ec_key_to_pem(dev->arena, key), 0600);
    if (problem == NULL)
        problem = dev_write(dev, file_name(dev, name, ".pem"), pem, 0644);
    return problem;
}

/* Valid for a while yet. */
static bool is_fresh(const struct maker *maker, const char *pem)
{
    struct certificate certificate;
    return pem != NULL && x509_read(maker->dev->arena, pem, &certificate) &&
           certificate.not_after_us > maker->now_us + RENEW_DAYS * US_PER_DAY;
}

static const char *take_authority(struct maker *maker)
{
    struct dev *dev = maker->dev;
    const char *key_pem = dev_read(dev, file_name(dev, "ca", ".key"));
    maker->ca_pem = dev_read(dev, file_name(dev, "ca", ".pem"));
    if (key_pem != NULL && is_fresh(maker, maker->ca_pem)) {
        maker->ca_key = ec_key_from_pem(key_pem);
        if (maker->ca_key != NULL)
            return NULL;
    }
    maker->ca_key = ec_key_make();
    maker->ca_pem = x509_make_ca(dev->arena, random_system(), maker->ca_key, "dues dev CA",
                                 maker->now_us - US_PER_HOUR, maker->now_us + CA_DAYS * US_PER_DAY);
    return write_pair(dev, "ca", maker->ca_pem, maker->ca_key);
}

static const char *issue(struct maker *maker, const char *name, struct certificate_wish wish)
{
    struct dev *dev = maker->dev;
    wish.common_name = name;
    wish.not_before_us = maker->now_us - US_PER_HOUR;
    wish.not_after_us = maker->now_us + LEAF_DAYS * US_PER_DAY;
    struct ec_key *key = ec_key_make();
    const char *pem =
        x509_issue(dev->arena, random_system(), maker->ca_pem, maker->ca_key, key, &wish);
    const char *problem =
        pem == NULL ? arena_printf(dev->arena, "could not make a certificate for %s", name)
                    : write_pair(dev, name, pem, key);
    ec_key_free(key);
    return problem;
}

static const char *issue_server(struct maker *maker)
{
    return issue(maker, "server",
                 (struct certificate_wish){.use = CERTIFICATE_SERVER,
                                           .dns_name = "localhost",
                                           .ip_address = maker->dev->host});
}

static const char *issue_client(struct maker *maker, const char *name, const char *identity)
{
    struct dev *dev = maker->dev;
    const char *pem = dev_read(dev, file_name(dev, name, ".pem"));
    if (is_fresh(maker, pem) && x509_is_issued_by(pem, maker->ca_pem) &&
        access(dev_path(dev, file_name(dev, name, ".key")), R_OK) == 0)
        return NULL;
    const char *spiffe_id = arena_printf(dev->arena, "spiffe://%s/%s", TRUST_DOMAIN, identity);
    return issue(maker, name,
                 (struct certificate_wish){.use = CERTIFICATE_CLIENT, .spiffe_id = spiffe_id});
}

/* Under sudo the grpcurl lines are pasted by whoever called it. */
static void give_to_caller(struct dev *dev, const char *name)
{
    const char *user = getenv("SUDO_UID");
    const char *group = getenv("SUDO_GID");
    if (geteuid() != 0 || user == NULL || group == NULL)
        return;
    if (chown(dev_path(dev, file_name(dev, name, ".key")), (uid_t)strtol(user, NULL, 10),
              (gid_t)strtol(group, NULL, 10)) != 0)
        fprintf(stderr, "dues: could not give %s.key to user %s\n", name, user);
}

const char *dev_certificates_make(struct dev *dev)
{
    static const struct {
        const char *name;
        const char *identity;
    } clients[] = {
        {"service-billing", "service/service-billing"},
        {"app-demo", "app/app-demo"},
        {"operator-demo", "operator/operator-demo"},
        {"operator-second", "operator/operator-second"}, /* some things take two */
    };
    struct maker maker = {.dev = dev, .now_us = clock_wall_us(clock_system())};
    const char *certs = dev_path(dev, STATE_CERTIFICATES);
    if (mkdir(certs, 0755) != 0 && errno != EEXIST)
        return arena_printf(dev->arena, "could not make %s: %s", certs, strerror(errno));
    const char *problem = take_authority(&maker);
    if (problem == NULL)
        problem = issue_server(&maker);
    for (size_t i = 0; problem == NULL && i < ARRAY_LENGTH(clients); i++) {
        problem = issue_client(&maker, clients[i].name, clients[i].identity);
        give_to_caller(dev, clients[i].name);
    }
    ec_key_free(maker.ca_key);
    return problem;
}
