/*
 * Opens the keys that may have signed checkpoints, lets ledger/ walk, says each finding on one line
 * and records that the walk came to its end, so that /metrics can tell when the last one was.
 */
#include "ledger_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/time.h"
#include "key_bunch.h"
#include "ledger/verify.h"

#define KEYS_MAX  64
#define LINE_SIZE (16 * 1024)
/* Findings beyond these are counted and not said: one cause can spoil very many rows. */
#define SAID_MAX 1000

static const struct pg_statement record_statement = {
    .name = "ledger_verification_add",
    .sql = "SELECT ledger_verification_add($1, $2, $3, $4, $5, $6)",
};

struct check {
    const struct ledger_check_options *options;
    FILE *out;
    int64_t said;
    struct ledger_key keys[KEYS_MAX];
    char key_ids[KEYS_MAX][ES256_THUMBPRINT_SIZE];
    struct ec_key *opened[KEYS_MAX];
    size_t key_count;
};

static void say_finding(void *owner, const struct ledger_finding *finding)
{
    struct check *check = owner;

    if (check->said++ >= SAID_MAX)
        return;
    if (!check->options->json) {
        fprintf(check->out, "damaged  %-18s %s\n", finding->kind, finding->message);
        return;
    }
    AUTO(arena_auto_free) struct arena *arena = arena_new(LINE_SIZE);
    fprintf(check->out, "{\"finding\":\"%s\",", finding->kind);
    if (finding->in_chain)
        fprintf(check->out, "\"customer\":\"customers/%s\",\"position\":%" PRId64 ",",
                uuid_text(arena, finding->customer), finding->position);
    if (finding->checkpoint != 0)
        fprintf(check->out, "\"checkpoint\":%" PRId64 ",", finding->checkpoint);
    fprintf(check->out, "\"message\":%s}\n", json_quote(arena, finding->message));
}

static void say_summary(const struct check *check, const struct ledger_summary *summary)
{
    char hash[2 * SHA256_SIZE + 1];

    hex_encode(summary->newest_hash, SHA256_SIZE, hash);
    if (check->options->json) {
        fprintf(check->out,
                "{\"finding\":\"summary\",\"customers\":%" PRId64 ",\"entries\":%" PRId64
                ",\"unsealed\":%" PRId64 ",\"checkpoint\":%" PRId64
                ",\"hash\":\"%s\",\"findings\":%" PRId64 "}\n",
                summary->customers, summary->entries, summary->unsealed, summary->checkpoints, hash,
                summary->findings);
        return;
    }
    if (check->said > SAID_MAX)
        fprintf(check->out, "damaged  and %" PRId64 " more\n", check->said - SAID_MAX);
    fprintf(check->out,
            "%" PRId64 " entries of %" PRId64 " customers, %" PRId64 " of them not sealed yet\n",
            summary->entries, summary->customers, summary->unsealed);
    if (summary->checkpoints > 0)
        fprintf(check->out, "checkpoint %" PRId64 ":%s\n", summary->checkpoints, hash);
    if (summary->findings == 0)
        fprintf(check->out, "intact\n");
    else
        fprintf(check->out, "%" PRId64 " finding%s\n", summary->findings,
                summary->findings == 1 ? "" : "s");
}

static void release_keys(struct check *check)
{
    for (size_t i = 0; i < check->key_count; i++)
        ec_key_free(check->opened[i]);
}

static enum ledger_check gather(struct key_bunch *bunch, const struct settings *settings,
                                FILE *problems)
{
    char problem[KEY_BUNCH_PROBLEM_SIZE] = "";
    bool has_source = key_bunch_read_source(bunch, settings, problem);

    if (has_source && key_bunch_read_database(bunch, settings, problem))
        return LEDGER_INTACT;
    fprintf(problems, "%s\n", problem);
    return has_source ? LEDGER_AWAY : LEDGER_NOT_ASKED;
}

/* False: the master key is not the one of the database. */
static bool take_key(struct check *check, struct key_bunch *bunch,
                     const struct pg_sealed_key *sealed)
{
    struct bytes pem;

    if (!text_equal(sealed->kind, "token"))
        return true;
    if (!key_bunch_open_signing(bunch, sealed, &pem))
        return false;
    struct ec_key *key = ec_key_from_pem(arena_strndup(bunch->arena, pem.data, pem.size));
    if (key == NULL)
        return false;
    size_t at = check->key_count++;
    check->opened[at] = key;
    ec_key_thumbprint(key, check->key_ids[at]);
    check->keys[at] = (struct ledger_key){.key_id = check->key_ids[at], .key = key};
    return true;
}

/* Keys open with the master key only, so nobody has put one of his own among them. */
static enum ledger_check take_keys(struct check *check, struct key_bunch *bunch,
                                   const struct settings *settings, FILE *problems)
{
    enum ledger_check result = gather(bunch, settings, problems);

    if (result != LEDGER_INTACT || !bunch->facts.is_made)
        return result;
    bool opens = key_bunch_open_house(bunch);
    for (size_t i = 0; i < bunch->signing_count && i < KEYS_MAX && opens; i++)
        opens = take_key(check, bunch, &bunch->signing[i]);
    if (opens)
        return LEDGER_INTACT;
    fprintf(problems, "the master key does not open the signing keys of the database\n");
    return LEDGER_NOT_ASKED;
}

static enum ledger_check open_keys(struct check *check, const struct settings *settings,
                                   FILE *problems)
{
    struct key_bunch bunch = key_bunch_new();
    enum ledger_check result = take_keys(check, &bunch, settings, problems);

    key_bunch_close(&bunch);
    return result;
}

/* "17:3fa9…" */
static bool parse_kept(const char *text, struct ledger_verify_options *options, FILE *problems)
{
    char *end;

    if (text == NULL)
        return true;
    options->kept_number = strtoll(text, &end, 10);
    if (options->kept_number > 0 && *end == ':' && strlen(end + 1) == (size_t)2 * SHA256_SIZE &&
        hex_decode(end + 1, options->kept_hash, SHA256_SIZE))
        return true;
    fprintf(problems, "--kept takes NUMBER:HASH as an earlier run printed it\n");
    return false;
}

static void record(struct pg_scan *scan, int64_t start_us, const struct ledger_summary *summary,
                   FILE *problems)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(LINE_SIZE);
    char problem[PG_SCAN_PROBLEM_SIZE];
    struct pg_rows rows;

    if (!pg_scan_write(scan, arena, &record_statement,
                       PG_PARAMS(pg_time(start_us), pg_time(clock_wall_us(clock_system())),
                                 pg_int64(summary->customers), pg_int64(summary->entries),
                                 pg_int64(summary->findings), pg_int64(summary->checkpoints)),
                       &rows, problem))
        fprintf(problems, "the result could not be recorded: %s\n", problem);
}

static enum ledger_check walk(struct check *check, const struct settings *settings,
                              const struct ledger_verify_options *options, FILE *problems)
{
    char problem[PG_SCAN_PROBLEM_SIZE];
    struct ledger_summary summary;
    AUTO(pg_scan_auto_close) struct pg_scan *scan = pg_scan_open(settings->database, problem);

    if (scan == NULL || !ledger_verify(scan, options, &summary, problem)) {
        fprintf(problems, "%s\n", problem);
        return LEDGER_AWAY;
    }
    say_summary(check, &summary);
    if (!check->options->read_only)
        record(scan, options->now_us, &summary, problems);
    return summary.findings == 0 ? LEDGER_INTACT : LEDGER_DAMAGED;
}

enum ledger_check ledger_check(const struct settings *settings,
                               const struct ledger_check_options *options, FILE *out,
                               FILE *problems)
{
    struct check check = {.options = options, .out = out};
    struct ledger_verify_options verify = {
        .keys = check.keys,
        .now_us = clock_wall_us(clock_system()),
        .found = say_finding,
        .owner = &check,
    };

    if (!parse_kept(options->kept, &verify, problems))
        return LEDGER_NOT_ASKED;
    enum ledger_check result = open_keys(&check, settings, problems);
    verify.key_count = check.key_count;
    if (result == LEDGER_INTACT)
        result = walk(&check, settings, &verify, problems);
    release_keys(&check);
    return result;
}
