/*
 * Recorded answers: same request_id and same request → the first answer again, byte for byte.
 *
 * The row of table recorded_request is written by the step function in the same commit as the
 * effect (SQL function request_record).  Scope: customer, requester (the user, else the
 * certificate's identity), method, request_id.
 */
#pragma once

#include "pg/pg.h"

/* ROW($n,$n+1,$n+2,$n+3)::request_key in SQL; NULL request_id when the request has none. */
#define REPLAY_PARAMS(call)                                                                        \
    pg_text(call_requester(call)), pg_text((call)->method),                                        \
        pg_text((call)->request_id[0] ? (call)->request_id : NULL),                                \
        pg_bytes((call)->request_hash, REQUEST_HASH_SIZE)

/*
 * Looks before the rules, because a repeated request must be answered as the first time, also when
 * the rules would refuse it now.  On a hit call->recorded holds the answer and `*found` is true:
 * the handler returns NULL at once.  Another request under the same id: INVALID_ARGUMENT
 * REQUEST_ID_REUSED.  A row without an answer yet (money in flight) is not a hit: `*object` (may be
 * NULL) tells what the first request made, UUID_NIL when there is no row.
 */
const struct error *replay_find(struct call *call, struct uuid customer, bool *found,
                                struct uuid *object) MUST_CHECK;

/*
 * The same from a statement that looks for other things too: it selects the columns of
 * REPLAY_COLUMNS, of recorded_request as `r`, all NULL when there is no row.
 */
#define REPLAY_COLUMNS(hash) "r.request_hash = " hash " AS same, r.answer, r.object_id"
const struct error *replay_from_row(struct call *call, const struct pg_rows *rows, bool *found,
                                    struct uuid *object) MUST_CHECK;

/*
 * Reads the outcome of a step function's request_record from the columns `outcome`
 * ('new' | 'replay' | 'running' | 'reused'), `answer` and `object_id`.  As replay_find for 'replay'
 * and 'reused'; 'running' is ABORTED REQUEST_IN_PROGRESS with RetryInfo; 'new' leaves `*found`
 * false.
 */
const struct error *replay_outcome(struct call *call, const struct pg_rows *rows, bool *found)
    MUST_CHECK;

extern pg_statement_list replay_statements;
