/*
 * Certificates that change while the server runs.
 *
 * gRPC's file watcher swaps certificates under a lock (the config fetcher of its ssl credentials
 * does not), but it believes whatever it finds: a key without its certificate, half a file.  So it
 * watches not the configured files but two files in memory, which we replace only when the
 * configured ones have been read whole and fit together.  Key and certificate chain are in one of
 * them, and dup3(2) replaces a file in one step: the watcher cannot see halves.
 */

#include "rpc/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/settings.h"
#include "crypto/secrets.h"
#include "crypto/tls_identity.h"
#include "rpc/peer_door.h"

#define FILE_SIZE_MAX   (256 * 1024)
#define REFRESH_SECONDS 1
/* Certificates of one file whose end is told. */
#define EXPIRIES_MAX 16

enum source { SOURCE_KEY, SOURCE_CERTIFICATE, SOURCE_CLIENT_CA, SOURCE_COUNT };

/* Tells a changed file from an unchanged one. */
struct stamp {
    struct timespec modified[SOURCE_COUNT];
    ino_t inode[SOURCE_COUNT];
    off_t size[SOURCE_COUNT];
};

struct rpc_credentials {
    const struct house *house;
    const char *device_ca_pem;
    const char *paths[SOURCE_COUNT];
    struct peers *peers;
    grpc_tls_certificate_provider *provider;
    struct peer_door *door;
    grpc_server_credentials *grpc;

    pthread_mutex_t mutex;
    pthread_cond_t stop_wanted;
    bool stopping;
    bool thread_runs;
    pthread_t thread;
    int identity_file; /* key and chain; the number stays, what it stands for is replaced */
    int anchors_file;
    time_t generation; /* modification time given to the files in memory: later is newer */
    struct stamp loaded;
    struct stamp refused; /* so that a bad set is logged once */
    struct tls_expiry expiries[2 * EXPIRIES_MAX];
    size_t expiry_count;
    size_t server_expiry_count; /* the first ones; the rest are authorities */
};

static void close_file(const int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}

/* The whole file as text in `text`, which has FILE_SIZE_MAX + 1 bytes. */
static bool read_file(const char *path, char *text, char problem[RPC_PROBLEM_SIZE])
{
    AUTO(close_file) int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = 0;

    while (descriptor >= 0 && size < FILE_SIZE_MAX &&
           (got = read(descriptor, text + size, FILE_SIZE_MAX - size)) > 0)
        size += (size_t)got;
    if (descriptor < 0 || got < 0) {
        snprintf(problem, RPC_PROBLEM_SIZE, "could not read %s: %s", path, strerror(errno));
        return false;
    }
    if (size == FILE_SIZE_MAX) {
        snprintf(problem, RPC_PROBLEM_SIZE, "%s is larger than %d bytes", path, FILE_SIZE_MAX);
        return false;
    }
    text[size] = '\0';
    return true;
}

static bool write_all(int descriptor, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t written = write(descriptor, text, left);
        if (written < 0)
            return false;
        text += written;
        left -= (size_t)written;
    }
    return true;
}

/* Puts a new file in memory behind the number `*place`, or takes a number for it at first. */
static bool replace(int *place, time_t generation, const char *first, const char *second)
{
    const struct timespec times[2] = {{.tv_sec = generation}, {.tv_sec = generation}};
    int fresh = memfd_create("dues-tls", MFD_CLOEXEC);
    bool written = fresh >= 0 && write_all(fresh, first) && write_all(fresh, "\n") &&
                   write_all(fresh, second) && futimens(fresh, times) == 0;

    if (written && *place < 0) {
        *place = fresh;
        return true;
    }
    bool replaced = written && dup3(fresh, *place, O_CLOEXEC) >= 0;
    close_file(&fresh);
    return replaced;
}

static struct stamp stamp_of(const struct rpc_credentials *credentials)
{
    struct stamp stamp;

    memset(&stamp, 0, sizeof stamp);
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        struct stat status;
        if (stat(credentials->paths[i], &status) != 0)
            continue;
        stamp.modified[i] = status.st_mtim;
        stamp.inode[i] = status.st_ino;
        stamp.size[i] = status.st_size;
    }
    return stamp;
}

/* Answers which of them cannot be used, or SOURCE_COUNT. */
static enum source find_bad(const char *const paths[SOURCE_COUNT], char *texts[SOURCE_COUNT],
                            char problem[RPC_PROBLEM_SIZE])
{
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        if (!read_file(paths[i], texts[i], problem))
            return (enum source)i;
    }
    if (!tls_certificate_check(texts[SOURCE_CERTIFICATE], problem, RPC_PROBLEM_SIZE))
        return SOURCE_CERTIFICATE;
    if (!tls_identity_check(texts[SOURCE_CERTIFICATE], texts[SOURCE_KEY], problem,
                            RPC_PROBLEM_SIZE))
        return SOURCE_KEY;
    if (!tls_anchors_check(texts[SOURCE_CLIENT_CA], problem, RPC_PROBLEM_SIZE))
        return SOURCE_CLIENT_CA;
    return SOURCE_COUNT;
}

/* The mutex is held. */
static void note_expiries(struct rpc_credentials *credentials, char *texts[SOURCE_COUNT])
{
    size_t count = tls_expiries(texts[SOURCE_CERTIFICATE], credentials->expiries, EXPIRIES_MAX);

    credentials->server_expiry_count = count;
    count += tls_expiries(texts[SOURCE_CLIENT_CA], credentials->expiries + count, EXPIRIES_MAX);
    credentials->expiry_count = count;
}

/* Only after all has been read and checked is anything replaced.  The mutex is held. */
static bool load_into(struct rpc_credentials *credentials, char *texts[SOURCE_COUNT],
                      char problem[RPC_PROBLEM_SIZE])
{
    struct stamp stamp = stamp_of(credentials);

    if (find_bad(credentials->paths, texts, problem) != SOURCE_COUNT)
        return false;
    struct x509_anchors *anchors =
        x509_anchors_new(texts[SOURCE_CLIENT_CA], credentials->device_ca_pem);
    if (anchors == NULL) {
        snprintf(problem, RPC_PROBLEM_SIZE, "client CA cannot be read");
        return false;
    }
    credentials->generation++;
    if (!replace(&credentials->identity_file, credentials->generation, texts[SOURCE_KEY],
                 texts[SOURCE_CERTIFICATE]) ||
        !replace(&credentials->anchors_file, credentials->generation, texts[SOURCE_CLIENT_CA],
                 credentials->device_ca_pem)) {
        snprintf(problem, RPC_PROBLEM_SIZE, "could not keep certificates in memory: %s",
                 strerror(errno));
        x509_anchors_free(anchors);
        return false;
    }
    /* Before gRPC looks: who it lets in must be known to us. */
    peers_trust(credentials->peers, anchors);
    note_expiries(credentials, texts);
    credentials->loaded = stamp;
    return true;
}

/* Room for the texts of all sources; keys are among them. */
static char *texts_new(char *texts[SOURCE_COUNT])
{
    char *memory = calloc(SOURCE_COUNT, FILE_SIZE_MAX + 1);

    if (memory == NULL)
        bug("rpc: out of memory");
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        texts[i] = memory + i * (FILE_SIZE_MAX + 1);
    return memory;
}

static void texts_free(char *memory)
{
    secret_wipe(memory, SOURCE_COUNT * (FILE_SIZE_MAX + 1));
    free(memory);
}

static bool load(struct rpc_credentials *credentials, char problem[RPC_PROBLEM_SIZE])
{
    char *texts[SOURCE_COUNT];
    char *memory = texts_new(texts);
    bool worked = load_into(credentials, texts, problem);

    texts_free(memory);
    return worked;
}

static void list_paths(const struct settings *settings, const char *paths[SOURCE_COUNT])
{
    paths[SOURCE_KEY] = settings->tls_key;
    paths[SOURCE_CERTIFICATE] = settings->tls_certificate;
    paths[SOURCE_CLIENT_CA] = settings->tls_client_ca;
}

const char *rpc_find_bad_file(const struct settings *settings, char problem[RPC_PROBLEM_SIZE])
{
    static const char *const keys[SOURCE_COUNT + 1] = {
        [SOURCE_KEY] = "tls_key",
        [SOURCE_CERTIFICATE] = "tls_certificate",
        [SOURCE_CLIENT_CA] = "tls_client_ca",
    };
    const char *paths[SOURCE_COUNT];
    char *texts[SOURCE_COUNT];
    char *memory = texts_new(texts);

    list_paths(settings, paths);
    enum source bad = find_bad(paths, texts, problem);
    texts_free(memory);
    return keys[bad];
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The mutex is held. */
static void look(struct rpc_credentials *credentials)
{
    struct log *log = credentials->house->log;
    struct stamp stamp = stamp_of(credentials);
    char problem[RPC_PROBLEM_SIZE];

    if (same(&stamp, &credentials->loaded))
        return;
    if (load(credentials, problem)) {
        log_write(log, LOG_INFO, "certificates",
                  LOG_FIELDS(LOG_TEXT("message", "changed files are served now")));
        return;
    }
    /* Often one file was written and the other not yet: look again in a second. */
    if (!same(&stamp, &credentials->refused))
        log_write(log, LOG_WARNING, "certificates",
                  LOG_FIELDS(LOG_TEXT("message", "changed files do not fit, the old ones stay"),
                             LOG_TEXT("cause", problem)));
    credentials->refused = stamp;
}

static void *watch_files(void *argument)
{
    struct rpc_credentials *credentials = argument;

    pthread_mutex_lock(&credentials->mutex);
    while (!credentials->stopping) {
        const struct timespec until = {
            .tv_sec = clock_monotonic_us(clock_system()) / US_PER_SECOND + REFRESH_SECONDS};
        if (pthread_cond_timedwait(&credentials->stop_wanted, &credentials->mutex, &until) ==
            ETIMEDOUT)
            look(credentials);
    }
    pthread_mutex_unlock(&credentials->mutex);
    return NULL;
}

/* gRPC reads the files by these names: a process always sees its own descriptors there. */
static bool make_grpc(struct rpc_credentials *credentials, char problem[RPC_PROBLEM_SIZE])
{
    char identity[64];
    char anchors[64];

    snprintf(identity, sizeof identity, "/proc/self/fd/%d", credentials->identity_file);
    snprintf(anchors, sizeof anchors, "/proc/self/fd/%d", credentials->anchors_file);
    if (access(identity, R_OK) != 0) {
        snprintf(problem, RPC_PROBLEM_SIZE, "could not read %s: is /proc mounted?", identity);
        return false;
    }
    credentials->provider = grpc_tls_certificate_provider_file_watcher_create(
        identity, identity, anchors, REFRESH_SECONDS);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, credentials->provider);
    grpc_tls_credentials_options_watch_root_certs(options);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    credentials->door = peer_door_open(credentials->house, credentials->peers);
    grpc_tls_credentials_options_set_certificate_verifier(options,
                                                          peer_door_verifier(credentials->door));
    credentials->grpc = grpc_tls_server_credentials_create(options);
    return true;
}

static void start_thread(struct rpc_credentials *credentials)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&credentials->stop_wanted, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&credentials->thread, NULL, watch_files, credentials) != 0)
        bug("rpc: could not start a thread");
    credentials->thread_runs = true;
}

struct rpc_credentials *rpc_credentials_open(const struct house *house, const char *device_ca_pem,
                                             struct peers *peers, char problem[RPC_PROBLEM_SIZE])
{
    struct rpc_credentials *credentials = calloc(1, sizeof *credentials);

    if (credentials == NULL)
        bug("rpc: out of memory");
    credentials->house = house;
    credentials->peers = peers;
    credentials->device_ca_pem = device_ca_pem != NULL ? device_ca_pem : "";
    list_paths(house->settings, credentials->paths);
    credentials->identity_file = -1;
    credentials->anchors_file = -1;
    pthread_mutex_init(&credentials->mutex, NULL);
    if (!load(credentials, problem) || !make_grpc(credentials, problem)) {
        rpc_credentials_release(credentials);
        rpc_credentials_close(credentials);
        return NULL;
    }
    start_thread(credentials);
    return credentials;
}

void rpc_credentials_release(struct rpc_credentials *credentials)
{
    if (credentials == NULL)
        return;
    if (credentials->grpc != NULL)
        grpc_server_credentials_release(credentials->grpc);
    if (credentials->provider != NULL)
        grpc_tls_certificate_provider_release(credentials->provider);
    if (credentials->door != NULL)
        grpc_tls_certificate_verifier_release(peer_door_verifier(credentials->door));
}

void rpc_credentials_close(struct rpc_credentials *credentials)
{
    if (credentials == NULL)
        return;
    if (credentials->thread_runs) {
        pthread_mutex_lock(&credentials->mutex);
        credentials->stopping = true;
        pthread_cond_signal(&credentials->stop_wanted);
        pthread_mutex_unlock(&credentials->mutex);
        pthread_join(credentials->thread, NULL);
        pthread_cond_destroy(&credentials->stop_wanted);
    }
    peer_door_close(credentials->door);
    close_file(&credentials->identity_file);
    close_file(&credentials->anchors_file);
    pthread_mutex_destroy(&credentials->mutex);
    free(credentials);
}

grpc_server_credentials *rpc_credentials_grpc(const struct rpc_credentials *credentials)
{
    return credentials->grpc;
}

bool rpc_credentials_reload(struct rpc_credentials *credentials, char problem[RPC_PROBLEM_SIZE])
{
    pthread_mutex_lock(&credentials->mutex);
    bool worked = load(credentials, problem);
    pthread_mutex_unlock(&credentials->mutex);
    return worked;
}

static void measure_list(struct measures *out, const char *role, const struct tls_expiry *list,
                         size_t count)
{
    static const struct measure not_after = {
        "dues_certificate_not_after_seconds",
        "When a served or trusted certificate ends, unix time.", MEASURE_GAUGE, MEASURE_SECONDS};

    for (size_t i = 0; i < count; i++)
        measure_number(out, &not_after,
                       MEASURE_LABELS({"role", role}, {"certificate", list[i].fingerprint}),
                       list[i].not_after_us);
}

void rpc_credentials_measure(struct rpc_credentials *credentials, struct measures *out)
{
    struct tls_expiry list[2 * EXPIRIES_MAX];
    struct tls_expiry device[EXPIRIES_MAX];

    pthread_mutex_lock(&credentials->mutex);
    memcpy(list, credentials->expiries, sizeof list);
    size_t count = credentials->expiry_count;
    size_t served = credentials->server_expiry_count;
    pthread_mutex_unlock(&credentials->mutex);
    size_t leafs = served > 0 ? 1 : 0;
    measure_list(out, "server", list, leafs);
    measure_list(out, "server_chain", list + leafs, served - leafs);
    measure_list(out, "client_ca", list + served, count - served);
    measure_list(out, "device_ca", device,
                 tls_expiries(credentials->device_ca_pem, device, EXPIRIES_MAX));
}
