/*
 * The two walks, one after the other, and how they tell what they find.  Kinds of findings:
 *
 *   entry_changed       an entry does not fit its hash and its place: its content, its position or
 *                       its hash was edited, or it was swapped with another
 *   entries_missing     positions that a chain must have and has not
 *   entries_beyond      entries behind what the customer's row says was posted
 *   entries_stray       entries of a customer who has no row
 *   head_changed        the customer's head is not the hash of its last entry
 *   head_rewritten      a chain that is whole, but is not the one that a checkpoint sealed
 *   group_unbalanced    lines posted together that do not sum to zero
 *   checkpoint_missing  a number is left out, or sealed heads name one that is gone
 *   checkpoint_changed  it does not fit its hash, its list of heads, or the one before
 *   signature_wrong     it is not signed by a key of ours, or not at all and old
 *   checkpoint_lost     the one that was written down elsewhere is not there
 */
#include "ledger/verify_internal.h"

#include <stdarg.h>
#include <string.h>

#define MESSAGE_SIZE 512

void verify_found(struct verify *verify, struct ledger_finding finding, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    finding.message = message;
    verify->summary->findings++;
    verify->options->found(verify->options->owner, &finding);
}

bool verify_take_hash(const struct pg_rows *rows, size_t row, const char *column,
                      uint8_t hash[SHA256_SIZE])
{
    size_t size;
    const uint8_t *bytes = pg_get_bytes(rows, row, column, &size);

    memset(hash, 0, SHA256_SIZE);
    if (size != SHA256_SIZE)
        return false;
    memcpy(hash, bytes, SHA256_SIZE);
    return true;
}

bool ledger_verify(struct pg_scan *scan, const struct ledger_verify_options *options,
                   struct ledger_summary *summary, char problem[PG_SCAN_PROBLEM_SIZE])
{
    struct verify verify = {
        .scan = scan, .options = options, .summary = summary, .problem = problem};

    *summary = (struct ledger_summary){0};
    return verify_checkpoints(&verify) && verify_chains(&verify);
}

pg_statement_list ledger_verify_statements = {
    &verify_checkpoints_statement,
    &verify_heads_of_statement,
    &verify_customers_statement,
    &verify_entries_statement,
    &verify_heads_statement,
    &verify_newest_statement,
    NULL,
};
