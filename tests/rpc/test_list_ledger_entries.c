/*
 * ListLedgerEntries: by falling position, page by page, of one account or as of a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "ledger/chain.h"
#include "support/rpc_payment.h"

typedef Dues__Payment__V1__ListLedgerEntriesResponse Entries;
typedef Dues__Payment__V1__LedgerEntry Entry;

struct wish {
    const char *customer;
    int32_t page_size;
    const char *page_token; /* NULL: the first page */
    const char *account;    /* NULL: all */
    int64_t read_time_us;   /* 0: now */
};

static const struct dues_answer *ask_entries(struct rpc_fixture *f, struct wish wish)
{
    Dues__Payment__V1__ListLedgerEntriesRequest request =
        DUES__PAYMENT__V1__LIST_LEDGER_ENTRIES_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    request.parent = member_text(f, wish.customer);
    request.page_size = wish.page_size;
    request.page_token = member_text(f, wish.page_token != NULL ? wish.page_token : "");
    request.account = member_text(f, wish.account != NULL ? wish.account : "");
    time.seconds = wish.read_time_us / 1000000;
    time.nanos = (int32_t)(wish.read_time_us % 1000000) * 1000;
    if (wish.read_time_us != 0)
        request.read_time = &time;
    return ask_payment_service(f, AS(SERVICE_BILLING), "ListLedgerEntries", &request.base);
}

static const Entries *entries_of(struct rpc_fixture *f, struct wish wish)
{
    return must_reply(ask_entries(f, wish));
}

static void lists_by_falling_position_in_pages(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);

    given_refund(f, payment, 300);
    const Entries *first = entries_of(f, (struct wish){.customer = payer.customer, .page_size = 3});
    const Entries *second = entries_of(f, (struct wish){.customer = payer.customer,
                                                        .page_size = 3,
                                                        .page_token = first->next_page_token});

    assert_int_equal(first->n_ledger_entries, 3);
    assert_int_equal(second->n_ledger_entries, 1);
    assert_string_equal(second->next_page_token, "");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(first->ledger_entries[i]->position, 4 - (int64_t)i);
    const Entry *newest = first->ledger_entries[0];
    assert_string_equal(newest->name, rpc_printf(f, "%s/ledgerEntries/4", payer.customer));
    assert_string_equal(newest->kind, "refund");
    assert_string_equal(newest->account, "gateway_clearing:sandbox");
    assert_int_equal(newest->amount->minor_units, -300);
    assert_int_equal(newest->line_number, 2);
    assert_string_equal(newest->group, first->ledger_entries[1]->group);
}

static void lists_one_account_or_what_was_there_at_a_time(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);
    int64_t between_us = clock_wall_us(&f->clock->clock);

    fake_clock_advance(f->clock, 5000000);
    given_refund(f, payment, 300);
    const Entries *account = entries_of(
        f, (struct wish){.customer = payer.customer, .account = "gateway_clearing:sandbox"});
    const Entries *then = entries_of(
        f, (struct wish){.customer = payer.customer, .read_time_us = between_us + 1000000});

    assert_int_equal(account->n_ledger_entries, 2);
    assert_int_equal(account->ledger_entries[0]->amount->minor_units, -300);
    assert_int_equal(account->ledger_entries[1]->amount->minor_units, 999);
    assert_int_equal(then->n_ledger_entries, 2);
    assert_int_equal(then->ledger_entries[0]->position, 2);
}

/* What the comments of the contract promise: anybody can make the hash anew. */
static void shows_hashes_that_a_client_can_check(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    uint8_t previous[SHA256_SIZE] = {0};
    uint8_t hash[SHA256_SIZE];

    given_payment(f, payer);
    const Entries *entries = entries_of(f, (struct wish){.customer = payer.customer});

    assert_int_equal(entries->n_ledger_entries, 2);
    for (size_t i = 2; i-- > 0;) {
        const Entry *shown = entries->ledger_entries[i];
        struct ledger_entry entry = {
            .position = shown->position,
            .kind = shown->kind,
            .line = shown->line_number,
            .account = shown->account,
            .currency = shown->amount->currency_code,
            .amount = shown->amount->minor_units,
            .create_time_us = time_in(shown->create_time),
        };
        assert_true(name_parse("customers/{}", payer.customer, &entry.customer, 1));
        assert_true(uuid_parse(shown->group, &entry.group));
        ledger_entry_hash(&entry, previous, hash);
        assert_int_equal(shown->hash.len, SHA256_SIZE);
        assert_memory_equal(shown->hash.data, hash, SHA256_SIZE);
        memcpy(previous, hash, SHA256_SIZE);
    }
}

static void refuses_a_page_token_of_another_list(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    given_payment(f, payer);
    const Entries *page = entries_of(f, (struct wish){.customer = payer.customer, .page_size = 1});
    const struct dues_answer *answer =
        ask_entries(f, (struct wish){.customer = payer.customer,
                                     .page_token = page->next_page_token,
                                     .account = "revenue"});
    const struct dues_answer *size =
        ask_entries(f, (struct wish){.customer = payer.customer, .page_size = -1});

    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
    assert_true(answer_names(size, "page_size"));
}

static void finds_no_customer_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask_entries(f, (struct wish){.customer = absent});

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_by_falling_position_in_pages),
        cmocka_unit_test(lists_one_account_or_what_was_there_at_a_time),
        cmocka_unit_test(shows_hashes_that_a_client_can_check),
        cmocka_unit_test(refuses_a_page_token_of_another_list),
        cmocka_unit_test(finds_no_customer_that_does_not_exist),
    };
    return cmocka_run_group_tests_name("ListLedgerEntries", tests, members_setup, rpc_teardown);
}
