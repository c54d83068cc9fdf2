/*
 * Every field of every request, and everything that nobody should write into it: refused with the
 * field's name, and nothing written.  The RPCs come from the tables and the fields from the
 * descriptors, so that a new one is either covered or fails here.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <unistd.h>

#include "support/rpc_hostile.h"
#include "support/rpc_world.h"

#define REQUEST_SIZE_MAX 65536
#define PATHS_MAX        64
#define QUIET_LOOKS      2400
#define QUIET_US         25000

struct fixture {
    struct rpc_fixture *rpc;
    struct rpc_world *world;
    const char *digest_sql;
    const char *digest; /* of all tables, after the last call that was allowed to write */
    size_t tried;
    size_t wrong;
};

/* One field of one method. */
struct spot {
    const struct rpc_service *service;
    const struct rpc_method *method;
    const char *path;
    const ProtobufCFieldDescriptor *field;
    const struct field_rule *rule;
    bool unread;
};

/* A hash of every row of every table: an update is found, too. */
static const char *digest_statement(struct db_fixture *db)
{
    return db_text(db, "SELECT string_agg(format("
                       "  'SELECT %L || count(*) || '':'' || coalesce(md5(string_agg(t::text, "
                       "'','' ORDER BY t::text)), '''') FROM dues.%I t', tablename || ' ', "
                       "tablename), ' UNION ALL ' ORDER BY tablename)"
                       "  FROM pg_tables WHERE schemaname = 'dues'");
}

static const char *read_digest(struct fixture *f)
{
    return db_text(f->rpc->db, f->digest_sql);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -1;
    f->rpc = rpc_fixture_new("sandbox = on\n");
    f->world = world_new(f->rpc);
    f->digest_sql =
        db_printf(f->rpc->db, "SELECT string_agg(line, E'\\n') FROM (%s) AS all_of (line)",
                  digest_statement(f->rpc->db));
    f->digest = read_digest(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    world_free(f->world);
    rpc_fixture_free(f->rpc);
    free(f);
    return 0;
}

static void complain(struct fixture *f, const struct spot *spot, const struct hostile_value *value,
                     const char *what, const struct dues_answer *answer)
{
    f->wrong++;
    print_error("%s %s, %s: %s; answered %s %s \"%s\"%s%s\n", spot->method->name, spot->path,
                value->label, what, dues_status_name(answer->status), answer->reason,
                answer->message, answer->field_count > 0 ? ", field " : "",
                answer->field_count > 0 ? answer->fields[0].field : "");
}

/* Named itself, or the message that it is in, or something in it. */
static bool names(const struct dues_answer *answer, const char *path)
{
    for (size_t i = 0; i < answer->field_count; i++) {
        const char *field = answer->fields[i].field;
        size_t shorter = strlen(field) < strlen(path) ? strlen(field) : strlen(path);
        if (strncmp(field, path, shorter) == 0 &&
            (field[shorter] == '\0' || field[shorter] == '.' || field[shorter] == '[') &&
            (path[shorter] == '\0' || path[shorter] == '.'))
            return true;
    }
    return false;
}

/* What no answer to any input may be. */
static bool is_our_failure(int status)
{
    return status == DUES_INTERNAL || status == DUES_UNKNOWN || status == DUES_UNAVAILABLE ||
           status == DUES_DEADLINE_EXCEEDED || status == DUES_DATA_LOSS || status == DUES_CANCELLED;
}

/* A stream that stands is left at the call's deadline. */
static bool stands(const struct rpc_method *method, const struct dues_answer *answer)
{
    return answer->status == DUES_OK ||
           (method->stream != NULL && answer->status == DUES_DEADLINE_EXCEEDED);
}

/* Whoever may call it, and for a stream that should stand a second of it. */
static struct rpc_as caller_of(struct fixture *f, const struct rpc_method *method,
                               bool should_stand)
{
    struct rpc_as as = world_caller(f->world, method);

    if (method->stream != NULL && should_stand)
        as.deadline_ms = 1000;
    return as;
}

static void check_answer(struct fixture *f, const struct spot *spot,
                         const struct hostile_value *value, const struct dues_answer *answer)
{
    if (value->verdict == VERDICT_HARMLESS && stands(spot->method, answer))
        return;
    if (is_our_failure(answer->status)) {
        complain(f, spot, value, "must not fail us", answer);
        return;
    }
    if (value->verdict == VERDICT_HARMLESS)
        return;
    if (value->verdict == VERDICT_FIELD) {
        if (answer->status != DUES_INVALID_ARGUMENT)
            complain(f, spot, value, "must be INVALID_ARGUMENT", answer);
        else if (!names(answer, spot->path))
            complain(f, spot, value, "must name the field", answer);
    } else if (answer->status != (int)value->status) {
        complain(f, spot, value, "must have another status", answer);
    } else if (value->reason != NULL && strcmp(answer->reason, value->reason) != 0) {
        complain(f, spot, value, "must have another reason", answer);
    }
}

/* What a call has set going writes, too, for a moment after its answer. */
static void await_quiet(struct fixture *f)
{
    for (int i = 0; i < QUIET_LOOKS; i++) {
        if (db_count(f->rpc->db, "dues.obligation"
                                 " WHERE kind IN ('reconcile.run', 'incident.resolve')") == 0)
            return;
        usleep(QUIET_US);
    }
}

static void check_untouched(struct fixture *f, const struct spot *spot,
                            const struct hostile_value *value, const struct dues_answer *answer)
{
    bool may_write = value->verdict == VERDICT_HARMLESS && answer->status == DUES_OK;
    if (may_write)
        await_quiet(f);
    const char *now = read_digest(f);
    if (!may_write && strcmp(now, f->digest) != 0) {
        complain(f, spot, value, "must write nothing", answer);
        print_error("before:\n%s\nafter:\n%s\n", f->digest, now);
    }
    f->digest = now;
}

static const char *sample_value(const struct request *request, const char *path)
{
    static char text[8192];
    for (size_t i = 0; i < request->count; i++) {
        const struct request_value *value = &request->values[i];
        if (strcmp(value->path, path) != 0 || value->bytes == NULL || value->size >= sizeof(text))
            continue;
        memcpy(text, value->bytes, value->size);
        text[value->size] = '\0';
        return text;
    }
    return NULL;
}

/* An unknown customer has unknown things: the names below it go with it. */
static void move_children(struct fixture *f, struct request *request, const char *parent,
                          const struct hostile_value *value)
{
    size_t length = strlen(parent);
    for (size_t i = 0; i < request->count; i++) {
        struct request_value *child = &request->values[i];
        if (child->bytes == NULL || child->size <= length ||
            memcmp(child->bytes, parent, length) != 0 ||
            ((const char *)child->bytes)[length] != '/')
            continue;
        request_set_text(request, child->path,
                         rpc_printf(f->rpc, "%.*s%.*s", (int)value->size,
                                    (const char *)value->bytes, (int)(child->size - length),
                                    (const char *)child->bytes + length));
    }
}

static void try_value(struct fixture *f, const struct spot *spot, const struct hostile_value *value)
{
    static struct sample_store store;
    static uint8_t bytes[REQUEST_SIZE_MAX];
    struct request request;

    sample_make(spot->service->descriptor->name, spot->method->name, &f->world->names, &store,
                &request);
    if (strcmp(spot->path, "parent") == 0 && value->status == STATUS_NOT_FOUND)
        move_children(f, &request, sample_value(&request, "parent"), value);
    if (value->absent)
        request_remove(&request, spot->path);
    else if (value->bytes != NULL)
        request_set_bytes(&request, spot->path, value->bytes, value->size);
    else
        request_set_number(&request, spot->path, value->number);
    size_t size =
        request_encode(&request, world_input(spot->service, spot->method), bytes, sizeof(bytes));
    const struct dues_answer *answer =
        rpc_ask_bytes(f->rpc, caller_of(f, spot->method, value->verdict == VERDICT_HARMLESS),
                      world_path(f->rpc, spot->service, spot->method), bytes, size);
    f->tried++;
    check_answer(f, spot, value, answer);
    check_untouched(f, spot, value, answer);
}

static void try_field(struct fixture *f, const struct spot *spot)
{
    static struct hostile_list list;
    static struct sample_store store;
    struct request request;

    sample_make(spot->service->descriptor->name, spot->method->name, &f->world->names, &store,
                &request);
    hostile_values(spot->rule, spot->field, spot->method, spot->path, spot->unread,
                   sample_value(&request, spot->path), &list);
    for (size_t i = 0; i < list.count; i++)
        try_value(f, spot, &list.values[i]);
}

static void try_fields(struct fixture *f, const struct rpc_service *service,
                       const struct rpc_method *method, const ProtobufCMessageDescriptor *message,
                       const char *prefix, bool unread)
{
    for (unsigned i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        struct spot spot = {
            .service = service,
            .method = method,
            .path = rpc_printf(f->rpc, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", field->name),
            .field = field,
        };
        spot.rule = field_rule_of(method->name, spot.path, message->name, field->name);
        if (spot.rule == NULL) {
            f->wrong++;
            print_error("%s.%s is new: say in rpc_hostile_rules.c what kind of field it is\n",
                        message->name, field->name);
            continue;
        }
        spot.unread = unread || spot.rule->kind == FIELD_OUTPUT_ONLY;
        try_field(f, &spot);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            try_fields(f, service, method, field->descriptor, spot.path, spot.unread);
    }
}

static void try_service(struct fixture *f, const struct rpc_service *service)
{
    static struct sample_store store;
    struct request request;

    f->tried = 0;
    f->wrong = 0;
    for (size_t i = 0; i < service->method_count; i++) {
        const struct rpc_method *method = &service->methods[i];
        if (!sample_make(service->descriptor->name, method->name, &f->world->names, &store,
                         &request)) {
            f->wrong++;
            print_error("%s is new: give it a sample in rpc_samples.c\n", method->name);
            continue;
        }
        try_fields(f, service, method, world_input(service, method), "", false);
    }
    print_message("%s: %zu hostile values\n", service->descriptor->name, f->tried);
    assert_true(f->tried > 0);
    assert_int_equal(f->wrong, 0);
}

static void refuses_what_nobody_should_send_to_the_auth_service(void **state)
{
    try_service(*state, world_services[0]);
}

static void refuses_what_nobody_should_send_to_the_payment_service(void **state)
{
    try_service(*state, world_services[1]);
}

static void refuses_what_nobody_should_send_to_the_membership_service(void **state)
{
    try_service(*state, world_services[2]);
}

static void refuses_what_nobody_should_send_to_the_sandbox_service(void **state)
{
    try_service(*state, world_services[3]);
}

/* Or "nothing was written" would say nothing. */
static void would_notice_whatever_is_written(void **state)
{
    struct fixture *f = *state;
    const char *before = read_digest(f);

    db_execute(f->rpc->db, "UPDATE dues.customer SET trial_used = NOT trial_used"
                           " WHERE customer_id = (SELECT min(customer_id::text)::uuid"
                           " FROM dues.customer)");

    f->digest = read_digest(f);
    assert_string_not_equal(before, f->digest);
}

/* A page token of another list is as good as none. */
static void refuses_page_tokens_of_another_method(void **state)
{
    struct fixture *f = *state;
    static uint8_t bytes[REQUEST_SIZE_MAX];
    struct request plans = {.count = 0};
    const struct rpc_service *service = world_services[2];

    request_set_number(&plans, "page_size", 1);
    const ProtobufCMethodDescriptor *list_plans =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, "ListPlans");
    size_t size = request_encode(&plans, list_plans->input, bytes, sizeof(bytes));
    const struct dues_answer *page =
        rpc_ask_bytes(f->rpc, AS(SERVICE_BILLING),
                      "/dues.membership.v1.MembershipService/ListPlans", bytes, size);
    assert_int_equal(page->status, DUES_OK);
    ProtobufCMessage *reply =
        protobuf_c_message_unpack(list_plans->output, NULL, page->reply_size, page->reply_bytes);
    assert_non_null(reply);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(list_plans->output, "next_page_token");
    char *const *token = (char *const *)(const void *)((const char *)reply + field->offset);
    assert_true(strlen(*token) > 0);

    struct request tiers = {.count = 0};
    request_set_text(&tiers, "page_token", *token);
    const ProtobufCMethodDescriptor *list_tiers =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, "ListTiers");
    size = request_encode(&tiers, list_tiers->input, bytes, sizeof(bytes));
    const struct dues_answer *answer =
        rpc_ask_bytes(f->rpc, AS(SERVICE_BILLING),
                      "/dues.membership.v1.MembershipService/ListTiers", bytes, size);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
    protobuf_c_message_free_unpacked(reply, NULL);
}

/* Last, because some samples end things: a session, a membership, a clock. */
static void accepts_every_sample_as_it_stands(void **state)
{
    struct fixture *f = *state;
    static struct sample_store store;
    static uint8_t bytes[REQUEST_SIZE_MAX];

    f->wrong = 0;
    world_free_customer(f->rpc, f->world);
    world_incident(f->rpc, f->world, "ch_last");
    world_disputes(f->rpc, f->world);
    for (size_t i = 0; i < WORLD_SERVICES; i++) {
        const struct rpc_service *service = world_services[WORLD_SERVICES - 1 - i];
        for (size_t j = service->method_count; j-- > 0;) {
            const struct rpc_method *method = &service->methods[j];
            struct request request;
            sample_make(service->descriptor->name, method->name, &f->world->names, &store,
                        &request);
            size_t size =
                request_encode(&request, world_input(service, method), bytes, sizeof(bytes));
            const struct dues_answer *answer =
                rpc_ask_bytes(f->rpc, caller_of(f, method, true),
                              world_path(f->rpc, service, method), bytes, size);
            if (stands(method, answer))
                continue;
            f->wrong++;
            print_error("the sample of %s was answered %s %s \"%s\"\n", method->name,
                        dues_status_name(answer->status), answer->reason, answer->message);
        }
    }

    assert_int_equal(f->wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_nobody_should_send_to_the_auth_service),
        cmocka_unit_test(refuses_what_nobody_should_send_to_the_payment_service),
        cmocka_unit_test(refuses_what_nobody_should_send_to_the_membership_service),
        cmocka_unit_test(refuses_what_nobody_should_send_to_the_sandbox_service),
        cmocka_unit_test(would_notice_whatever_is_written),
        cmocka_unit_test(refuses_page_tokens_of_another_method),
        cmocka_unit_test(accepts_every_sample_as_it_stands),
    };
    return cmocka_run_group_tests_name("hostile input", tests, setup, teardown);
}
