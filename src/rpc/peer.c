/*
 * The memory of judgements: places in sets of a few, found by a cheap hash over the signature's end
 * of the PEM and then compared byte by byte.  Everything is copied out under the mutex, so an entry
 * may be replaced at any time.  Judging, which is the dear part, is done outside of it.
 */

#include "rpc/peer.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "rpc/internal.h"

/* Together more than there may be connections; an entry is 2 to 4 KiB and made when needed. */
#define SETS_COUNT 4096
#define SET_SIZE   8

#define LEAF_SIZE_MAX  16384
#define CHAIN_SIZE_MAX 16384

/* The end of the signature, which no two certificates share: "-----END CERTIFICATE-----\n" is 26.
 */
#define HASHED_SIZE 64
#define END_SIZE    26

/* What is out of its time is judged again this often: there may be a newer authority. */
#define JUDGED_AGAIN_US US_PER_SECOND

struct trust {
    atomic_int references;
    uint64_t generation;
    struct x509_anchors *anchors;
};

struct entry {
    uint64_t used;             /* tick of the last look */
    uint64_t trust_generation; /* by which it was judged */
    int64_t judged_us;
    unsigned deny_generation;
    enum peer_verdict verdict; /* without regard to time and revocation */
    bool revoked;
    enum caller_kind kind;
    size_t name_offset; /* in the URI */
    struct x509_judgement judgement;
    size_t leaf_size;
    size_t chain_size;
    char text[]; /* leaf, NUL, chain, NUL */
};

struct place {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

struct peers {
    const struct house *house;
    struct deny_list *denied;
    pthread_mutex_t mutex; /* of everything below */
    struct trust *trust;
    uint64_t tick;
    uint64_t judged_count;
    size_t entry_count;
    uint64_t looks[PEER_VERDICTS]; /* that ended so */
    struct place places[SETS_COUNT][SET_SIZE];
};

struct peers *peers_open(const struct house *house, struct deny_list *denied)
{
    struct peers *peers = calloc(1, sizeof *peers);

    if (peers == NULL)
        bug("rpc: out of memory");
    peers->house = house;
    peers->denied = denied;
    pthread_mutex_init(&peers->mutex, NULL);
    return peers;
}

static void trust_unref(struct trust *trust)
{
    if (trust == NULL ||
        atomic_fetch_sub_explicit(&trust->references, 1, memory_order_acq_rel) != 1)
        return;
    x509_anchors_free(trust->anchors);
    free(trust);
}

void peers_close(struct peers *peers)
{
    if (peers == NULL)
        return;
    for (size_t i = 0; i < SETS_COUNT; i++) {
        for (size_t j = 0; j < SET_SIZE; j++)
            free(peers->places[i][j].entry);
    }
    trust_unref(peers->trust);
    pthread_mutex_destroy(&peers->mutex);
    free(peers);
}

void peers_trust(struct peers *peers, struct x509_anchors *anchors)
{
    struct trust *fresh = calloc(1, sizeof *fresh);

    if (fresh == NULL)
        bug("rpc: out of memory");
    atomic_init(&fresh->references, 1);
    fresh->anchors = anchors;
    pthread_mutex_lock(&peers->mutex);
    struct trust *old = peers->trust;
    fresh->generation = old == NULL ? 1 : old->generation + 1;
    peers->trust = fresh;
    pthread_mutex_unlock(&peers->mutex);
    trust_unref(old);
}

static uint64_t hash_of(const struct peer_evidence *evidence)
{
    const char *at = evidence->leaf + evidence->leaf_size - END_SIZE - HASHED_SIZE;
    uint64_t hash = evidence->leaf_size;

    for (size_t i = 0; i < HASHED_SIZE; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at + i, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
    }
    return hash;
}

/* A chain that is not given is the one that was: sessions are resumed without it. */
static bool is_of(const struct entry *entry, const struct peer_evidence *evidence)
{
    return entry->leaf_size == evidence->leaf_size &&
           memcmp(entry->text, evidence->leaf, evidence->leaf_size) == 0 &&
           (evidence->chain_size == 0 || (entry->chain_size == evidence->chain_size &&
                                          memcmp(entry->text + entry->leaf_size + 1,
                                                 evidence->chain, evidence->chain_size) == 0));
}

/* The mutex is held. */
static struct place *find_place(struct peers *peers, uint64_t hash,
                                const struct peer_evidence *evidence)
{
    struct place *set = peers->places[hash % SETS_COUNT];

    for (size_t i = 0; i < SET_SIZE; i++) {
        if (set[i].entry != NULL && set[i].hash == hash && is_of(set[i].entry, evidence))
            return &set[i];
    }
    return NULL;
}

/* A free one, or that which was not asked for the longest.  The mutex is held. */
static struct place *oldest_place(struct peers *peers, uint64_t hash)
{
    struct place *set = peers->places[hash % SETS_COUNT];
    struct place *oldest = &set[0];

    for (size_t i = 0; i < SET_SIZE; i++) {
        if (set[i].entry == NULL)
            return &set[i];
        if (set[i].entry->used < oldest->entry->used)
            oldest = &set[i];
    }
    return oldest;
}

static bool is_in_time(const struct entry *entry, int64_t now_us)
{
    return entry->judgement.fault != X509_UNTIMELY && now_us >= entry->judgement.not_before_us &&
           now_us <= entry->judgement.not_after_us;
}

/* Is what it says still what would be said?  The mutex is held. */
static bool is_fresh(const struct peers *peers, const struct entry *entry, int64_t now_us)
{
    if (entry->trust_generation != peers->trust->generation)
        return false;
    bool has_times = entry->verdict == PEER_GOOD || entry->verdict == PEER_NAMELESS;
    return (has_times && is_in_time(entry, now_us)) ||
           (now_us >= entry->judged_us && now_us < entry->judged_us + JUDGED_AGAIN_US);
}

static void read_name(const struct peers *peers, struct entry *entry)
{
    const char *found = NULL;

    if (spiffe_parse(entry->judgement.uri, peers->house->settings->trust_domain, &entry->kind,
                     &found))
        entry->name_offset = (size_t)(found - entry->judgement.uri);
    else if (entry->verdict == PEER_GOOD)
        entry->verdict = PEER_NAMELESS;
}

static enum peer_verdict verdict_of(enum x509_fault fault)
{
    switch (fault) {
    case X509_FIT:
        return PEER_GOOD;
    case X509_UNFIT:
    case X509_UNTRUSTED:
        return PEER_REFUSED;
    case X509_UNTIMELY:
        return PEER_UNTIMELY;
    case X509_NAMELESS:
        return PEER_NAMELESS;
    }
    return PEER_REFUSED;
}

static struct entry *entry_new(const struct peer_evidence *evidence)
{
    struct entry *entry = calloc(1, sizeof *entry + evidence->leaf_size + evidence->chain_size + 2);

    if (entry == NULL)
        bug("rpc: out of memory");
    entry->leaf_size = evidence->leaf_size;
    entry->chain_size = evidence->chain_size;
    memcpy(entry->text, evidence->leaf, evidence->leaf_size);
    if (evidence->chain_size > 0)
        memcpy(entry->text + evidence->leaf_size + 1, evidence->chain, evidence->chain_size);
    return entry;
}

static void judge(const struct peers *peers, const struct trust *trust, struct entry *entry,
                  int64_t now_us)
{
    struct x509_judgement *judgement = &entry->judgement;

    entry->trust_generation = trust->generation;
    entry->judged_us = now_us;
    x509_judge(trust->anchors, entry->text, entry->text + entry->leaf_size + 1, now_us, judgement);
    entry->verdict = verdict_of(judgement->fault);
    read_name(peers, entry);
    /* Its key is at hand wherever the server runs, so it names devices and nobody else. */
    if (entry->verdict == PEER_GOOD && judgement->from_device_ca && entry->kind != CALLER_DEVICE) {
        entry->verdict = PEER_REFUSED;
        judgement->rule = "device authority names devices only";
    }
    entry->deny_generation = deny_list_generation(peers->denied) - 1; /* not asked yet */
}

/* Without the mutex: signatures are verified. */
static void judge_unlocked(struct peers *peers, struct entry *entry, int64_t now_us)
{
    struct trust *trust = peers->trust;

    atomic_fetch_add_explicit(&trust->references, 1, memory_order_relaxed);
    peers->judged_count++;
    pthread_mutex_unlock(&peers->mutex);
    judge(peers, trust, entry, now_us);
    trust_unref(trust);
    pthread_mutex_lock(&peers->mutex);
}

/* The mutex is held before and after, but not while a certificate is judged. */
static struct entry *find_or_judge(struct peers *peers, const struct peer_evidence *evidence,
                                   int64_t now_us)
{
    uint64_t hash = hash_of(evidence);
    struct place *place = find_place(peers, hash, evidence);
    struct peer_evidence whole = *evidence;

    if (place != NULL && is_fresh(peers, place->entry, now_us))
        return place->entry;
    if (place != NULL && evidence->chain_size == 0) {
        whole.chain = place->entry->text + place->entry->leaf_size + 1;
        whole.chain_size = place->entry->chain_size;
    }
    struct entry *entry = entry_new(&whole);
    judge_unlocked(peers, entry, now_us);

    place = find_place(peers, hash, evidence); /* another thread may have been as fast */
    if (place == NULL)
        place = oldest_place(peers, hash);
    peers->entry_count += place->entry == NULL;
    free(place->entry);
    *place = (struct place){.hash = hash, .entry = entry};
    return entry;
}

static enum peer_verdict conclude(struct peers *peers, struct entry *entry, int64_t now_us,
                                  const char **rule)
{
    unsigned generation = deny_list_generation(peers->denied);

    if (entry->deny_generation != generation) {
        entry->deny_generation = generation;
        entry->revoked =
            deny_list_has(peers->denied, (const uint8_t(*)[SHA256_SIZE])entry->judgement.keys,
                          entry->judgement.key_count);
    }
    *rule = entry->judgement.rule;
    if (entry->revoked) {
        *rule = "its key, or that of an authority above it, is revoked";
        return PEER_REVOKED;
    }
    if (entry->verdict == PEER_REFUSED)
        return PEER_REFUSED;
    if (!is_in_time(entry, now_us)) {
        *rule = "certificate, or one of an authority above it, has expired or is not valid yet";
        return PEER_UNTIMELY;
    }
    return entry->verdict;
}

static void tell(const struct entry *entry, struct arena *arena, struct caller *caller)
{
    const struct x509_judgement *judgement = &entry->judgement;

    caller->spiffe_id = arena_strdup(arena, judgement->uri);
    caller->name = caller->spiffe_id + entry->name_offset;
    memcpy(caller->certificate_hash, judgement->hash, CERTIFICATE_HASH_SIZE);
}

enum peer_verdict peers_look(struct peers *peers, const struct peer_evidence *evidence,
                             int64_t now_us, struct arena *arena, struct caller *caller,
                             const char **rule)
{
    *rule = "certificate is too small or too large";
    if (evidence->leaf_size < END_SIZE + HASHED_SIZE || evidence->leaf_size > LEAF_SIZE_MAX ||
        evidence->chain_size > CHAIN_SIZE_MAX)
        return PEER_REFUSED;
    pthread_mutex_lock(&peers->mutex);
    struct entry *entry = find_or_judge(peers, evidence, now_us);
    entry->used = ++peers->tick;
    enum peer_verdict verdict = conclude(peers, entry, now_us, rule);
    peers->looks[verdict]++;
    if (arena != NULL) {
        tell(entry, arena, caller);
        if (verdict == PEER_GOOD)
            caller->kind = entry->kind;
    }
    pthread_mutex_unlock(&peers->mutex);
    return verdict;
}

void peers_measure(struct peers *peers, struct measures *out)
{
    static const struct measure known = {"dues_peer_certificates",
                                         "Client certificates whose judgement is remembered.",
                                         MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure judged = {"dues_peer_judgements_total",
                                          "Client certificates judged, with their signatures.",
                                          MEASURE_COUNTER, MEASURE_PLAIN};
    static const struct measure looks = {
        "dues_peer_looks_total", "Looks at a client's certificate, of handshakes and calls.",
        MEASURE_COUNTER, MEASURE_PLAIN};
    static const char *const names[PEER_VERDICTS] = {
        [PEER_GOOD] = "good",         [PEER_NAMELESS] = "nameless", [PEER_REFUSED] = "refused",
        [PEER_UNTIMELY] = "untimely", [PEER_REVOKED] = "revoked",
    };
    uint64_t counts[PEER_VERDICTS];

    pthread_mutex_lock(&peers->mutex);
    memcpy(counts, peers->looks, sizeof counts);
    int64_t entry_count = (int64_t)peers->entry_count;
    int64_t judged_count = (int64_t)peers->judged_count;
    pthread_mutex_unlock(&peers->mutex);
    measure_number(out, &known, MEASURE_NO_LABELS, entry_count);
    measure_number(out, &judged, MEASURE_NO_LABELS, judged_count);
    for (size_t i = 0; i < PEER_VERDICTS; i++)
        measure_number(out, &looks, MEASURE_LABELS({"verdict", names[i]}), (int64_t)counts[i]);
}
