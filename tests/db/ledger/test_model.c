/*
 * Random operations on the ledger, those of disputes and fees among them, and on a model of it that
 * fits on three pages: the same are accepted, the same balances come out, now and as of many times,
 * and the chain is whole.
 *
 * DUES_LEDGER_OPERATIONS says how many (default 4,000); DUES_LEDGER_SEED which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/ledger/ledger_fixture.h"
#include "ledger/read.h"

#define OPERATIONS_DEFAULT 4000
#define CUSTOMERS          24
#define LINES_MAX          6
#define BATCH              50
#define SQL_SIZE           ((size_t)256 * 1024)
#define DISPUTES_OPEN      48 /* that change at random; another one takes the place of one in eight */
#define LOOKS              100 /* of one customer, on the way */
#define START_US           1768471200000000LL

static const char *const accounts[] = {"gateway_clearing:sandbox",
                                       "gateway_clearing:stripe",
                                       "customer_receivable",
                                       "revenue",
                                       "refunds",
                                       "fees",
                                       "disputes",
                                       "suspense",
                                       "bad_debt",
                                       "dispute_losses"};
enum { CLEARING = 1, FEES = 5, DISPUTES = 6, DISPUTE_LOSSES = 9 }; /* places in the list */

static const char *const currencies[] = {"EUR", "JPY", "USD"};

#define ACCOUNTS   ARRAY_LENGTH(accounts)
#define CURRENCIES ARRAY_LENGTH(currencies)

struct line {
    size_t account, currency;
    int64_t amount;
};

struct operation {
    size_t customer;
    uint64_t group;
    char kind; /* 'a'…: part of the name of the kind */
    int64_t time_us;
    struct line lines[LINES_MAX];
    size_t count;
};

/* An accepted line. */
struct posted {
    uint32_t customer;
    uint8_t account, currency;
    int64_t amount, time_us;
};

/* How a dispute stands; its place says whose it is, and in which currency. */
struct standing {
    uint64_t number;
    int64_t withdrawn, fee;
    bool is_lost;
};

struct model {
    struct ledger_fixture *f;
    uint64_t seed;
    struct uuid customers[CUSTOMERS];
    char names[CUSTOMERS][UUID_TEXT_LENGTH + 1];
    struct posted *posted;
    size_t posted_count, posted_max;
    int64_t counts[CUSTOMERS];
    struct operation last; /* accepted, to be tried again */
    struct standing disputes[DISPUTES_OPEN];
    uint64_t groups;
    char *sql;
    size_t sql_used;
    char expected[BATCH + 1];
    size_t batched;
};

/* splitmix64 */
static uint64_t chance(struct model *m)
{
    uint64_t z = (m->seed += 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static size_t below(struct model *m, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(chance(m) % limit);
}

/* Two to six lines, in one currency or two, that sum to zero. */
static void make_lines(struct model *m, struct operation *op)
{
    size_t parts = below(m, 10) == 0 ? 2 : 1;

    op->count = 0;
    for (size_t part = 0; part < parts; part++) {
        size_t lines = 2 + below(m, 4) / 3;
        size_t currency = (below(m, CURRENCIES) + part) % CURRENCIES;
        int64_t rest = 0;
        for (size_t i = 0; i < lines; i++) {
            int64_t amount = (int64_t)below(m, 1000000) + 1;
            if (below(m, 2) == 0)
                amount = -amount;
            if (i + 1 == lines)
                amount = -rest;
            else if (rest + amount == 0)
                amount++;
            rest += amount;
            op->lines[op->count++] = (struct line){below(m, ACCOUNTS), currency, amount};
        }
    }
}

/* What the ledger must say of it: 'p' posted, 'k' known already, 'r' refused. */
static char judge(const struct model *m, const struct operation *op)
{
    int64_t sums[CURRENCIES] = {0};
    bool moves = true;

    for (size_t i = 0; i < op->count; i++) {
        sums[op->lines[i].currency] += op->lines[i].amount;
        moves = moves && op->lines[i].amount != 0;
    }
    for (size_t i = 0; i < CURRENCIES; i++)
        moves = moves && sums[i] == 0;
    if (!moves || op->count < 2)
        return 'r';
    return op->group == m->last.group && op->kind == m->last.kind &&
                   op->customer == m->last.customer
               ? 'k'
               : 'p';
}

static struct operation make_operation(struct model *m, size_t number)
{
    struct operation op = {
        .customer = below(m, CUSTOMERS),
        .group = ++m->groups,
        .kind = (char)('a' + below(m, 8)),
        .time_us = START_US + (int64_t)number * US_PER_SECOND +
                   ((int64_t)below(m, 20001) - 10000) * US_PER_MS,
    };

    make_lines(m, &op);
    switch (below(m, 40)) {
    case 0: /* does not sum to zero */
        op.lines[below(m, op.count)].amount += 1 + (int64_t)below(m, 5);
        break;
    case 1:
        op.count = below(m, 2);
        break;
    case 2: /* the same again, or its group with another kind */
    case 3:
        if (m->last.count > 0) {
            op = m->last;
            if (below(m, 2) == 0 && op.kind < 'z')
                op.kind++;
        }
        break;
    default:
        break;
    }
    return op;
}

static void keep(struct model *m, const struct operation *op)
{
    for (size_t i = 0; i < op->count; i++) {
        if (m->posted_count == m->posted_max) {
            m->posted_max = m->posted_max * 2 + 1024;
            m->posted = realloc(m->posted, m->posted_max * sizeof *m->posted);
            if (m->posted == NULL)
                abort();
        }
        m->posted[m->posted_count++] =
            (struct posted){(uint32_t)op->customer, (uint8_t)op->lines[i].account,
                            (uint8_t)op->lines[i].currency, op->lines[i].amount, op->time_us};
    }
    m->counts[op->customer] += (int64_t)op->count;
}

PRINTF_LIKE(2, 3) static void add_sql(struct model *m, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    m->sql_used +=
        (size_t)vsnprintf(m->sql + m->sql_used, SQL_SIZE - m->sql_used, format, arguments);
    va_end(arguments);
    if (m->sql_used >= SQL_SIZE)
        abort();
}

static void send_batch(struct model *m)
{
    if (m->batched == 0)
        return;
    m->expected[m->batched] = '\0';
    assert_string_equal(db_text(m->f->db, m->sql), m->expected);
    m->batched = 0;
    m->sql_used = 0;
}

static void try(struct model *m, const struct operation *op)
{
    char verdict = judge(m, op);

    add_sql(m,
            "%s test_try('%s', '00000000-0000-4000-8000-%012llx', 'kind_%c',"
            " TIMESTAMPTZ 'epoch' + interval '%lld us', ARRAY[",
            m->batched == 0 ? "SELECT" : " ||", m->names[op->customer],
            (unsigned long long)op->group, op->kind, (long long)op->time_us);
    for (size_t i = 0; i < op->count; i++)
        add_sql(m, "%sROW('%s','%s',%lld)", i == 0 ? "" : ",", accounts[op->lines[i].account],
                currencies[op->lines[i].currency], (long long)op->lines[i].amount);
    add_sql(m, "]::ledger_line[])");
    m->expected[m->batched++] = verdict;
    if (verdict == 'p') {
        keep(m, op);
        m->last = *op;
    }
    if (m->batched == BATCH)
        send_batch(m);
}

static void move(struct operation *op, size_t currency, size_t debit, size_t credit, int64_t amount)
{
    if (amount == 0)
        return;
    op->lines[op->count++] = (struct line){debit, currency, amount};
    op->lines[op->count++] = (struct line){credit, currency, -amount};
}

/*
 * A dispute is from now on as it happens to be: opened, withdrawn, given back, won, lost, withdrawn
 * again, with another fee.  The bank's money goes through account "disputes"; what is lost goes on.
 */
static void try_dispute(struct model *m, size_t number)
{
    size_t place = below(m, DISPUTES_OPEN);
    size_t currency = place % CURRENCIES;
    struct standing *before = &m->disputes[place];
    struct operation op = {.customer = place % CUSTOMERS,
                           .time_us = START_US + (int64_t)number * US_PER_SECOND};

    if (before->number == 0 || below(m, 8) == 0)
        *before = (struct standing){.number = ++m->groups};
    struct standing after = {
        .number = before->number,
        .withdrawn = below(m, 3) == 0 ? 0 : (int64_t)below(m, 3) * 50000 + 999,
        .fee = below(m, 4) == 0 ? (int64_t)below(m, 3) * 750 : before->fee,
        .is_lost = below(m, 3) == 0,
    };
    move(&op, currency, DISPUTES, CLEARING, after.withdrawn - before->withdrawn);
    move(&op, currency, DISPUTE_LOSSES, DISPUTES,
         (after.is_lost ? after.withdrawn : 0) - (before->is_lost ? before->withdrawn : 0));
    move(&op, currency, FEES, CLEARING, after.fee - before->fee);
    add_sql(m,
            "%s test_dispute('%s', '00000000-0000-4000-9000-%012llx', '%s', %lld, %lld, '%s',"
            " %lld, %lld, '%s', TIMESTAMPTZ 'epoch' + interval '%lld us')",
            m->batched == 0 ? "SELECT" : " ||", m->names[op.customer],
            (unsigned long long)after.number, currencies[currency], (long long)before->withdrawn,
            (long long)before->fee, before->is_lost ? "LOST" : "WON", (long long)after.withdrawn,
            (long long)after.fee, after.is_lost ? "ACCEPTED" : "UNDER_REVIEW",
            (long long)op.time_us);
    m->expected[m->batched++] = 'p';
    keep(m, &op);
    *before = after;
    if (m->batched == BATCH)
        send_batch(m);
}

/* A line of fee in the gateway's list, and the same line in the list of the next day. */
static void try_fee(struct model *m, size_t number)
{
    size_t currency = below(m, CURRENCIES);
    int64_t fee = (int64_t)below(m, 1000) - 300;
    struct operation op = {.customer = below(m, CUSTOMERS),
                           .time_us = START_US + (int64_t)number * US_PER_SECOND};
    uint64_t line = ++m->groups;

    if (fee == 0)
        fee = 1;
    for (int i = 0; i < 2; i++) {
        add_sql(m,
                "%s test_fee('%s', 'txn_%llu', '%s', %lld, TIMESTAMPTZ 'epoch'"
                " + interval '%lld us')",
                m->batched == 0 ? "SELECT" : " ||", m->names[op.customer], (unsigned long long)line,
                currencies[currency], (long long)fee, (long long)op.time_us);
        m->expected[m->batched++] = i == 0 ? 'p' : 'k';
        if (m->batched == BATCH)
            send_batch(m);
    }
    move(&op, currency, FEES, CLEARING, fee);
    keep(m, &op);
}

/* The ledger's answer about one customer. */
struct looked {
    struct uuid customer;
    const int64_t *until_us;
    struct account_balance *accounts;
    size_t count;
    int64_t position;
};

static const struct error *look(struct call *call, void *arg)
{
    struct looked *looked = arg;

    return ledger_balance(call, looked->customer, looked->until_us, &looked->accounts,
                          &looked->count, &looked->position);
}

struct sums {
    int64_t debits[ACCOUNTS][CURRENCIES];
    int64_t credits[ACCOUNTS][CURRENCIES];
};

static void add_up(const struct model *m, size_t customer, const int64_t *until_us,
                   struct sums *sums)
{
    memset(sums, 0, sizeof *sums);
    for (size_t i = 0; i < m->posted_count; i++) {
        const struct posted *line = &m->posted[i];
        if (line->customer != customer || (until_us != NULL && line->time_us > *until_us))
            continue;
        if (line->amount > 0)
            sums->debits[line->account][line->currency] += line->amount;
        else
            sums->credits[line->account][line->currency] += line->amount;
    }
}

static void compare(struct model *m, size_t customer, const int64_t *until_us)
{
    struct looked looked = {.customer = m->customers[customer], .until_us = until_us};
    struct sums sums;
    int64_t zero[CURRENCIES] = {0};
    size_t expected = 0;

    assert_null(db_run(m->f->db, look, &looked));
    add_up(m, customer, until_us, &sums);
    for (size_t a = 0; a < ACCOUNTS; a++)
        for (size_t c = 0; c < CURRENCIES; c++)
            expected += sums.debits[a][c] != 0 || sums.credits[a][c] != 0;
    assert_int_equal(looked.count, expected);
    for (size_t i = 0; i < looked.count; i++) {
        const struct account_balance *account = &looked.accounts[i];
        size_t a = 0;
        size_t c = 0;
        while (!text_equal(accounts[a], account->account))
            a++;
        while (!text_equal(currencies[c], account->balance.currency))
            c++;
        assert_int_equal(account->debits.minor_units, sums.debits[a][c]);
        assert_int_equal(account->credits.minor_units, sums.credits[a][c]);
        assert_int_equal(account->balance.minor_units, sums.debits[a][c] + sums.credits[a][c]);
        zero[c] += account->balance.minor_units;
    }
    for (size_t c = 0; c < CURRENCIES; c++)
        assert_int_equal(zero[c], 0);
    if (until_us == NULL)
        assert_int_equal(looked.position, m->counts[customer]);
}

static void compare_as_of(struct model *m, size_t customer, size_t until)
{
    int64_t until_us = START_US + (int64_t)below(m, (until + 1) * 1000) * US_PER_MS;

    compare(m, customer, &until_us);
}

static int64_t number_of(const char *variable, int64_t fallback)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoll(text, NULL, 10) : fallback;
}

static void begin(struct model *m, struct ledger_fixture *f)
{
    m->f = f;
    m->seed = (uint64_t)number_of("DUES_LEDGER_SEED", 20260115);
    m->sql = malloc(SQL_SIZE);
    if (m->sql == NULL)
        abort();
    for (size_t i = 0; i < CUSTOMERS; i++) {
        m->customers[i] = db_given_customer(f->db, UUID_NIL);
        uuid_format(m->customers[i], m->names[i]);
    }
    db_execute(f->db, "CREATE FUNCTION dues.test_try(p_customer uuid, p_group uuid, p_kind text,"
                      " p_time timestamptz, p_lines ledger_line[]) RETURNS text LANGUAGE plpgsql AS"
                      " $$ BEGIN PERFORM ledger_post(p_customer, p_group, p_kind, p_lines, p_time);"
                      " RETURN 'p'; EXCEPTION WHEN check_violation THEN RETURN 'r';"
                      " WHEN unique_violation THEN RETURN 'k'; END $$");
    db_execute(
        f->db,
        "CREATE FUNCTION dues.test_standing(p_dispute uuid, p_currency text, p_withdrawn bigint,"
        " p_fee bigint, p_state text) RETURNS dispute LANGUAGE sql AS"
        " $$ SELECT jsonb_populate_record(NULL::dispute, jsonb_build_object('dispute_id',"
        " p_dispute, 'gateway', 'stripe', 'currency', p_currency, 'amount_withdrawn',"
        " p_withdrawn, 'fee_currency', p_currency, 'fee', p_fee, 'state', p_state)) $$");
    db_execute(
        f->db,
        "CREATE FUNCTION dues.test_dispute(p_customer uuid, p_dispute uuid, p_currency text,"
        " p_withdrawn bigint, p_fee bigint, p_state text, p_withdrawn_after bigint,"
        " p_fee_after bigint, p_state_after text, p_time timestamptz) RETURNS text"
        " LANGUAGE plpgsql AS $$ BEGIN PERFORM dispute_post_change(p_customer,"
        " test_standing(p_dispute, p_currency, p_withdrawn, p_fee, p_state),"
        " test_standing(p_dispute, p_currency, p_withdrawn_after, p_fee_after, p_state_after),"
        " p_time); RETURN 'p'; END $$");
    db_execute(f->db, "CREATE FUNCTION dues.test_fee(p_customer uuid, p_line text, p_currency text,"
                      " p_fee bigint, p_time timestamptz) RETURNS text LANGUAGE sql AS"
                      " $$ SELECT CASE WHEN reconciliation_fee(p_customer, p_customer, 'stripe',"
                      " p_line, p_currency, p_fee, p_time) THEN 'p' ELSE 'k' END $$");
}

static void try_something(struct model *m, size_t number)
{
    size_t what = below(m, 10);
    struct operation op;

    if (what == 0)
        try_fee(m, number);
    if (what == 1)
        try_dispute(m, number);
    if (what < 2)
        return;
    op = make_operation(m, number);
    try(m, &op);
}

static void a_random_ledger_is_that_of_the_model(void **state)
{
    struct model model = {0};
    struct model *m = &model;
    size_t operations = (size_t)number_of("DUES_LEDGER_OPERATIONS", OPERATIONS_DEFAULT);
    size_t step = operations / LOOKS + 1;

    begin(m, *state);
    for (size_t i = 0; i < operations; i++) {
        try_something(m, i);
        if (i % step != step - 1)
            continue;
        send_batch(m);
        compare(m, below(m, CUSTOMERS), NULL);
        compare_as_of(m, below(m, CUSTOMERS), i);
        if (below(m, 10) == 0)
            seal_all(m->f);
    }
    send_batch(m);
    for (size_t customer = 0; customer < CUSTOMERS; customer++) {
        compare(m, customer, NULL);
        for (size_t i = 0; i < 5; i++)
            compare_as_of(m, customer, operations);
    }
    seal_all(m->f);
    struct found found = verify_all(m->f);

    assert_string_equal(found.messages, "");
    assert_int_equal(found.summary.entries, (int64_t)m->posted_count);
    assert_int_equal(found.summary.unsealed, 0);
    print_message("%zu operations, %zu entries, %lld checkpoints\n", operations, m->posted_count,
                  (long long)found.summary.checkpoints);
    free(m->posted);
    free(m->sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_ledger_is_that_of_the_model),
    };
    return cmocka_run_group_tests_name("ledger model", tests, ledger_setup, ledger_teardown);
}
