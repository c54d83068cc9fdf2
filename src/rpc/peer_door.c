/*
 * gRPC's external verifier, answered at once: it runs on gRPC's threads, and a look at a
 * certificate waits for nothing.
 */

#include "rpc/peer_door.h"

#include <grpc/support/string_util.h>
#include <pthread.h>

#include "base/bucket.h"
#include "base/bug.h"
#include "base/log.h"
#include "base/time.h"

/* Whoever is refused must not fill the disk. */
#define REFUSALS_LOGGED_PER_SECOND 20

struct peer_door {
    const struct house *house;
    struct peers *peers;
    grpc_tls_certificate_verifier_external functions;
    grpc_tls_certificate_verifier *verifier;
    pthread_mutex_t mutex; /* of what follows */
    struct bucket refusals_logged;
};

static bool may_log(struct peer_door *door)
{
    struct bucket_rate rate =
        bucket_rate_make(REFUSALS_LOGGED_PER_SECOND, REFUSALS_LOGGED_PER_SECOND);

    pthread_mutex_lock(&door->mutex);
    bool may = bucket_take(&door->refusals_logged, rate, 1, clock_monotonic_us(door->house->clock));
    pthread_mutex_unlock(&door->mutex);
    return may;
}

/* Without an address: gRPC tells a server's verifier the certificates and nothing of the
 * connection, and what else the thread has read last may be another's. */
static void log_refusal(struct peer_door *door, const struct caller *caller, const char *rule)
{
    if (!may_log(door))
        return;
    log_write(door->house->log, LOG_INFO, "handshake.refused",
              LOG_FIELDS(LOG_TEXT("caller", caller->spiffe_id), LOG_TEXT("cause", rule)));
}

/* Who has no name of ours is let in to be told so. */
static int verify(void *user_data, grpc_tls_custom_verification_check_request *request,
                  grpc_tls_on_custom_verification_check_done_cb callback, void *callback_argument,
                  grpc_status_code *status, char **details)
{
    struct peer_door *door = user_data;
    const char *leaf = request->peer_info.peer_cert;
    const char *chain = request->peer_info.peer_cert_full_chain;
    const struct peer_evidence evidence = {
        .leaf = leaf != NULL ? leaf : "",
        .leaf_size = leaf != NULL ? strlen(leaf) : 0,
        .chain = chain != NULL ? chain : "",
        .chain_size = chain != NULL ? strlen(chain) : 0,
    };
    AUTO(arena_auto_free) struct arena *arena = arena_new(64 * 1024);
    struct caller caller = {.spiffe_id = ""};
    const char *rule;

    (void)callback;
    (void)callback_argument;
    enum peer_verdict verdict = peers_look(
        door->peers, &evidence, clock_wall_us(door->house->clock), arena, &caller, &rule);
    *status = GRPC_STATUS_OK;
    if (verdict != PEER_GOOD && verdict != PEER_NAMELESS) {
        log_refusal(door, &caller, rule);
        *status = GRPC_STATUS_UNAUTHENTICATED;
        *details = gpr_strdup(rule);
    }
    return 1;
}

/* Nothing of it is done later. */
static void cancel(void *user_data, grpc_tls_custom_verification_check_request *request)
{
    (void)user_data;
    (void)request;
}

/* The functions lie in the door, which outlives the verifier. */
static void destruct(void *user_data)
{
    (void)user_data;
}

struct peer_door *peer_door_open(const struct house *house, struct peers *peers)
{
    struct peer_door *door = calloc(1, sizeof *door);

    if (door == NULL)
        bug("rpc: out of memory");
    door->house = house;
    door->peers = peers;
    pthread_mutex_init(&door->mutex, NULL);
    door->functions = (grpc_tls_certificate_verifier_external){
        .user_data = door,
        .verify = verify,
        .cancel = cancel,
        .destruct = destruct,
    };
    door->verifier = grpc_tls_certificate_verifier_external_create(&door->functions);
    return door;
}

void peer_door_close(struct peer_door *door)
{
    if (door == NULL)
        return;
    pthread_mutex_destroy(&door->mutex);
    free(door);
}

grpc_tls_certificate_verifier *peer_door_verifier(const struct peer_door *door)
{
    return door->verifier;
}
