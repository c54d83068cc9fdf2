/*
 * The rules of ARCHITECTURE.md for tables, checked over the catalogue of the migrated database, so
 * that they hold for whatever a later migration adds.  Each rule is proven twice: the schema keeps
 * it, and a planted violation is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/db_fixture.h"

/* Grow with nobody; customers refer to them, they refer to each other. */
#define CATALOGUE "('test_clock', 'tier', 'tier_entitlement', 'plan', 'webhook_endpoint')"

/* What is looked up without a customer, keyed by what is looked up. */
#define LOOKUP                                                                                     \
    "('email_reservation', 'stranger_request', 'signing_key', 'entitlement_change', "              \
    "'revoked_key', 'key_encryption_key', 'house_data_key', 'house_secret', 'gateway_key', "       \
    "'ledger_checkpoint', 'ledger_verification', 'news', 'reconciliation', "                       \
    "'reconciliation_foreign', 'reconciliation_line', 'reconciliation_watch')"

#define OURS " relnamespace = 'dues'::regnamespace "

#define CUSTOMER_TABLE                                                                             \
    " (c.relkind IN ('r', 'p') AND c.relnamespace = 'dues'::regnamespace"                          \
    " AND c.relname NOT IN " CATALOGUE " AND c.relname NOT IN " LOOKUP ") "

#define FIRST_COLUMN_IS_CUSTOMER(relation, number)                                                 \
    " EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = " relation " AND a.attnum = " number \
    " AND a.attname = 'customer_id') "

struct rule {
    const char *name;
    const char *violations; /* one row each */
    const char *plant;      /* breaks the rule */
};

static const struct rule rules[] = {
    {"every_table_of_customers_has_a_primary_key",
     "SELECT c.relname FROM pg_class c WHERE" CUSTOMER_TABLE
     "AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)",
     "CREATE TABLE dues.planted (customer_id uuid)"},
    {"customer_id_is_first_in_every_unique_key_of_customers",
     "SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
     "WHERE" CUSTOMER_TABLE
     "AND i.indisunique AND NOT" FIRST_COLUMN_IS_CUSTOMER("i.indrelid", "i.indkey[0]"),
     "ALTER TABLE dues.payment ADD CONSTRAINT planted UNIQUE (payment_id, customer_id)"},
    {"customer_id_is_a_uuid_that_is_never_null",
     "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
     "WHERE" CUSTOMER_TABLE
     "AND a.attname = 'customer_id' AND (a.atttypid <> 'uuid'::regtype OR NOT a.attnotnull)",
     "CREATE TABLE dues.planted (customer_id text PRIMARY KEY)"},
    {"foreign_keys_between_customers_begin_with_customer_id_on_both_sides",
     "SELECT k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
     " JOIN pg_class r ON r.oid = k.confrelid WHERE" CUSTOMER_TABLE
     "AND k.contype = 'f' AND r.relname NOT IN " CATALOGUE " AND NOT (" FIRST_COLUMN_IS_CUSTOMER(
         "k.conrelid", "k.conkey[1]") "AND" FIRST_COLUMN_IS_CUSTOMER("k.confrelid",
                                                                     "k.confkey[1]") ")",
     "CREATE TABLE dues.planted (customer_id uuid PRIMARY KEY, other_id uuid"
     " REFERENCES dues.customer)"},
    {"foreign_keys_of_the_catalogue_stay_in_the_catalogue",
     "SELECT k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
     " JOIN pg_class r ON r.oid = k.confrelid WHERE k.contype = 'f' AND c.relname IN " CATALOGUE
     " AND r.relname NOT IN " CATALOGUE,
     "ALTER TABLE dues.plan ADD COLUMN customer_id uuid REFERENCES dues.customer"},
    {"tables_of_lookup_have_no_foreign_key_in_either_direction",
     "SELECT k.conname FROM pg_constraint k JOIN pg_class c ON c.oid IN (k.conrelid, k.confrelid)"
     " WHERE k.contype = 'f' AND c.relname IN " LOOKUP,
     "ALTER TABLE dues.email_reservation ADD FOREIGN KEY (customer_id) REFERENCES dues.customer"},
    {"foreign_keys_have_no_cycle",
     "WITH RECURSIVE reach AS ("
     " SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f'"
     "  AND connamespace = 'dues'::regnamespace"
     " UNION SELECT reach.conrelid, k.confrelid FROM reach"
     "  JOIN pg_constraint k ON k.conrelid = reach.confrelid AND k.contype = 'f')"
     " SELECT conrelid::regclass FROM reach WHERE conrelid = confrelid",
     "ALTER TABLE dues.customer ADD FOREIGN KEY (customer_id, default_payment_method_id)"
     " REFERENCES dues.payment_method (customer_id, payment_method_id)"},
    {"there_is_no_trigger", "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
     "CREATE FUNCTION dues.planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
     "CREATE TRIGGER planted BEFORE INSERT ON dues.event FOR EACH ROW"
     " EXECUTE FUNCTION dues.planted()"},
    {"there_is_no_sequence", "SELECT relname FROM pg_class WHERE relkind = 'S' AND" OURS,
     "CREATE TABLE dues.planted (customer_id uuid PRIMARY KEY, number bigserial)"},
    {"there_is_no_identity_column",
     "SELECT attrelid::regclass FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
     " WHERE attidentity <> '' AND" OURS,
     "ALTER TABLE dues.event ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY"},
    {"every_table_is_logged", "SELECT relname FROM pg_class WHERE relpersistence <> 'p' AND" OURS,
     "ALTER TABLE dues.recorded_request SET UNLOGGED"},
    {"no_constraint_is_deferrable",
     "SELECT conname FROM pg_constraint WHERE condeferrable"
     " AND connamespace = 'dues'::regnamespace",
     "ALTER TABLE dues.event ADD CONSTRAINT planted UNIQUE (customer_id, subject_id, sequence)"
     " DEFERRABLE"},
    {"no_column_is_floating",
     "SELECT attrelid::regclass || '.' || attname FROM pg_attribute"
     " JOIN pg_class ON pg_class.oid = attrelid"
     " WHERE atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype) AND" OURS,
     "ALTER TABLE dues.payment ADD COLUMN fee double precision"},
    {"no_function_takes_or_gives_floating_numbers",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     " AND coalesce(proallargtypes, proargtypes::oid[]) || prorettype"
     " && ARRAY['float4'::regtype, 'float8'::regtype, 'money'::regtype]::oid[]",
     "CREATE FUNCTION dues.planted(p_fee real) RETURNS void LANGUAGE sql AS ''"},
    {"every_time_has_its_zone",
     "SELECT attrelid::regclass || '.' || attname FROM pg_attribute"
     " JOIN pg_class ON pg_class.oid = attrelid WHERE atttypid = 'timestamp'::regtype AND" OURS,
     "ALTER TABLE dues.event ADD COLUMN planted timestamp"},
    {"the_service_writes_no_table",
     "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
     " AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%'"
     "                          OR nspname = 'information_schema')"
     " AND (has_table_privilege('dues_service', oid,"
     "        'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
     "   OR has_any_column_privilege('dues_service', oid, 'INSERT, UPDATE, REFERENCES'))",
     "GRANT UPDATE (state) ON dues.payment TO dues_service"},
    {"the_service_makes_nothing",
     "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('dues_service', oid, 'CREATE')"
     " UNION ALL SELECT datname FROM pg_database WHERE datname = current_database()"
     "   AND has_database_privilege('dues_service', oid, 'CREATE, TEMP')",
     "GRANT CREATE ON SCHEMA dues TO dues_service"},
    {"the_service_is_nobody_special",
     "SELECT rolname FROM pg_roles WHERE rolname = 'dues_service' AND (rolsuper OR rolcreaterole"
     " OR rolcreatedb OR rolreplication OR rolbypassrls)"
     " UNION ALL SELECT roleid::regrole::text FROM pg_auth_members"
     "  WHERE member = 'dues_service'::regrole",
     "GRANT dues_owner TO dues_service"},
    {"everything_belongs_to_the_owner",
     "SELECT relname FROM pg_class WHERE relowner <> 'dues_owner'::regrole AND" OURS
     " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     "  AND proowner <> 'dues_owner'::regrole",
     "CREATE TABLE dues.planted (customer_id uuid PRIMARY KEY)"},
    {"what_the_service_may_execute_and_writes_runs_as_the_owner",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     " AND has_function_privilege('dues_service', oid, 'EXECUTE')"
     " AND provolatile = 'v' AND NOT prosecdef",
     "GRANT EXECUTE ON FUNCTION dues.event_append(uuid, text, uuid, jsonb, timestamptz, "
     "dues.ledger_group)"
     " TO dues_service"},
    {"nothing_is_open_to_the_public",
     "SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) "
     "a"
     " WHERE p.pronamespace = 'dues'::regnamespace AND a.grantee = 0"
     " UNION ALL SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a"
     " WHERE c.relnamespace = 'dues'::regnamespace AND a.grantee = 0",
     "GRANT EXECUTE ON FUNCTION dues.event_append(uuid, text, uuid, jsonb, timestamptz, "
     "dues.ledger_group) TO PUBLIC"},
    {"what_runs_as_the_owner_has_a_fixed_search_path",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace AND prosecdef"
     " AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=dues, pg_temp']",
     "ALTER FUNCTION dues.obligation_finish(uuid, text, text, bigint) SET search_path = dues"},
    /*
     * An immutable expression reads no tables, and the names of an SQL body that was parsed when it
     * was created are bound.  What only other functions call runs in their search_path.
     */
    {"what_the_service_may_execute_has_a_fixed_search_path",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     " AND has_function_privilege('dues_service', oid, 'EXECUTE')"
     " AND provolatile <> 'i' AND prosqlbody IS NULL"
     " AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=dues, pg_temp']",
     "GRANT EXECUTE ON FUNCTION dues.event_append(uuid, text, uuid, jsonb, timestamptz, "
     "dues.ledger_group)"
     " TO dues_service"},
    {"no_function_has_two_forms",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     " GROUP BY proname HAVING count(*) > 1",
     "CREATE FUNCTION dues.event_append() RETURNS void LANGUAGE sql AS ''"},
    /* Times, ids and random values are arguments; leases alone use clock_timestamp(). */
    {"functions_make_no_time_no_id_and_no_chance",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace AND prosrc ~*"
     " '\\m(now\\(\\)|current_timestamp|transaction_timestamp|random\\(\\)|gen_random_uuid|nextval)"
     "'",
     "CREATE FUNCTION dues.planted() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'"},
    {"functions_lock_notify_and_set_nothing",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace AND prosrc ~*"
     " '(advisory|\\mnotify\\M|set_config|\\mset\\s+(local|session)\\M|lock\\s+table)'",
     "CREATE FUNCTION dues.planted() RETURNS void LANGUAGE plpgsql"
     " AS 'BEGIN PERFORM pg_advisory_xact_lock(1); END'"},
    {"functions_merge_nothing",
     "SELECT proname FROM pg_proc WHERE pronamespace = 'dues'::regnamespace"
     " AND prosrc ~* '\\mmerge\\s+into\\M'",
     "CREATE FUNCTION dues.planted() RETURNS void LANGUAGE plpgsql AS"
     " 'BEGIN MERGE INTO event USING customer c ON true WHEN MATCHED THEN DELETE; END'"},
};

static struct db_fixture *fixture;

/* Names of what breaks the rule, for the message. */
static const char *violations(const struct rule *rule)
{
    return db_text(fixture, db_printf(fixture,
                                      "SELECT coalesce(string_agg(v::text, ', '), '')"
                                      " FROM (%s) AS r (v)",
                                      rule->violations));
}

static void holds(void **state)
{
    const struct rule *rule = *state;

    assert_string_equal(violations(rule), "");
}

static void finds_a_violation(void **state)
{
    const struct rule *rule = *state;

    db_execute(fixture, "BEGIN");
    db_execute(fixture, rule->plant);
    const char *found = violations(rule);
    db_execute(fixture, "ROLLBACK");

    assert_string_not_equal(found, "");
}

/* The lists above would hide a table that was renamed away. */
static void knows_every_table_of_its_lists(void **state)
{
    (void)state;
    assert_int_equal(db_count(fixture, "pg_class WHERE relkind = 'r' AND" OURS
                                       "AND (relname IN " CATALOGUE " OR relname IN " LOOKUP ")"),
                     21);
}

/* A service that tries, rather than a catalogue that says so. */
static const struct pg_statement write_directly = {
    .name = "write_directly",
    .sql = "UPDATE customer SET display_name = 'Eve'",
};

static const struct error *write_anyway(struct call *call, void *arg)
{
    struct pg_rows rows;

    (void)arg;
    return pg_write(call, UUID_NIL, &write_directly, (struct pg_params){0}, &rows);
}

static void refuses_a_direct_write_of_the_service(void **state)
{
    (void)state;
    const struct error *error = db_run(fixture, write_anyway, NULL);

    assert_int_equal(error->status, STATUS_INTERNAL);
    assert_non_null(strstr(error->cause, "SQLSTATE 42501"));
}

static int setup(void **state)
{
    db_setup(state);
    fixture = *state;
    *state = NULL; /* each test's own state is its rule */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    db_fixture_free(fixture);
    return 0;
}

#define RULES ARRAY_LENGTH(rules)

int main(void)
{
    static char names[RULES][160];
    struct CMUnitTest tests[2 * RULES + 2] = {
        {.name = "knows_every_table_of_its_lists", .test_func = knows_every_table_of_its_lists},
        {.name = "refuses_a_direct_write_of_the_service",
         .test_func = refuses_a_direct_write_of_the_service},
    };

    for (size_t i = 0; i < RULES; i++) {
        /* cmocka hands the state on without writing to it. */
        void *rule = (void *)(uintptr_t)&rules[i];

        snprintf(names[i], sizeof(names[i]), "finds_a_violation_of_%s", rules[i].name);
        tests[2 * i + 2] =
            (struct CMUnitTest){.name = rules[i].name, .test_func = holds, .initial_state = rule};
        tests[2 * i + 3] = (struct CMUnitTest){
            .name = names[i], .test_func = finds_a_violation, .initial_state = rule};
    }
    return cmocka_run_group_tests_name("schema rules", tests, setup, teardown);
}
