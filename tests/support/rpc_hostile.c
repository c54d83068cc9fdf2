/*
 * The hostile values.  Each list begins with what is wrong for every string, and goes on with what
 * is wrong for this kind of field.  Values that are legitimate although they look bad are listed
 * too, as HARMLESS: whoever reads this sees what we accept.
 */
#include "support/rpc_hostile_make.h"

/* What no string of any request may hold, whatever its field means. */
static void add_every_string(struct hostile_list *list, bool has_lines)
{
    add(list, TEXT("not UTF-8", "a\xff\xfe", VERDICT_FIELD));
    add(list, TEXT("overlong UTF-8", "\xc0\xaf\xe0\x80\xaf", VERDICT_FIELD));
    add(list, TEXT("a surrogate", "\xed\xa0\x80", VERDICT_FIELD));
    add(list, TEXT("above U+10FFFF", "\xf4\x90\x80\x80", VERDICT_FIELD));
    add(list, TEXT("cut UTF-8", "abc\xe2\x82", VERDICT_FIELD));
    add(list, TEXT("NUL inside", "a\0b", VERDICT_FIELD));
    add(list, TEXT("NUL alone", "\0", VERDICT_FIELD));
    add(list, TEXT("escape", "\x1b[2J", VERDICT_FIELD));
    add(list, TEXT("delete", "a\x7f", VERDICT_FIELD));
    add(list, TEXT("C1 control", "a\xc2\x85", VERDICT_FIELD));
    if (!has_lines)
        add(list, TEXT("line feed", "a\nb", VERDICT_FIELD));
    add_length(list, "9000 bytes", TOO_LONG_SIZE, VERDICT_FIELD);
    add_status(list, TEXT("card number", "4242424242424242", VERDICT_FIELD),
               STATUS_INVALID_ARGUMENT, "CARD_NUMBER_REFUSED");
    add_status(list, TEXT("card number with blanks", "pay 4000 0566 5566 5556!", VERDICT_FIELD),
               STATUS_INVALID_ARGUMENT, "CARD_NUMBER_REFUSED");
}

/* "customers/0191…/payments/…" of the sample with its last id replaced; static, one at a time. */
static const char *with_last_id(const char *sample, const char *id)
{
    static char name[LONG_MAX_SIZE];
    const char *end = strstr(sample, "/balance"); /* has no id of its own */
    end = end != NULL ? end : sample + strlen(sample);
    const char *start = end;
    while (start > sample && start[-1] != '/')
        start--;
    snprintf(name, sizeof(name), "%.*s%s%s", (int)(start - sample), sample, id, end);
    return name;
}

static void make_name(struct hostile_list *list, const struct place *place)
{
    const char *sample = place->sample;

    if (place->rule->kind == FIELD_NAME)
        add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("no name", "x", VERDICT_FIELD));
    add(list, TEXT("slashes", "///", VERDICT_FIELD));
    add(list, TEXT("wrong collection", "planets/" UNKNOWN_UUID, VERDICT_FIELD));
    add(list, TEXT("a path", "customers/../../etc/passwd", VERDICT_FIELD));
    add(list, TEXT("an encoded path", "customers/%2e%2e", VERDICT_FIELD));
    add(list, TEXT("SQL", "customers/' OR '1'='1", VERDICT_FIELD));
    add(list, TEXT("right to left", "customers/\xe2\x80\xae" UNKNOWN_UUID, VERDICT_FIELD));
    add(list, TEXT("nil", "customers/00000000-0000-0000-0000-00000000000", VERDICT_FIELD));
    add_length(list, "500 letters", 500, VERDICT_FIELD);
    if (sample == NULL)
        return;
    add(list, made("slash behind", "@/", sample, VERDICT_FIELD));
    add(list, made("slash before", "/@", sample, VERDICT_FIELD));
    add(list, made("blank behind", "@ ", sample, VERDICT_FIELD));
    add(list, made("one level more", "@/payments/" UNKNOWN_UUID "/x/y", sample, VERDICT_FIELD));
    add(list, made("upper case", "@", with_last_id(sample, "018F0000-0000-7000-8000-ABCDEFABCDEF"),
                   VERDICT_FIELD));
    add(list, made("no id", "@", with_last_id(sample, ""), VERDICT_FIELD));
    add_status(list, made("unknown", "@", with_last_id(sample, UNKNOWN_UUID), VERDICT_FIELD),
               STATUS_NOT_FOUND, NULL);
}

static void make_catalogue_name(struct hostile_list *list, const struct place *place)
{
    const char *sample = place->sample;

    add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("wrong collection", "customers/premium", VERDICT_FIELD));
    add(list, TEXT("a path", "plans/../tiers/premium", VERDICT_FIELD));
    add(list, TEXT("SQL", "plans/' OR '1'='1", VERDICT_FIELD));
    add(list, TEXT("right to left", "plans/\xe2\x80\xae", VERDICT_FIELD));
    add_length(list, "500 letters", 500, VERDICT_FIELD);
    if (sample == NULL)
        return;
    add(list, made("slash behind", "@/", sample, VERDICT_FIELD));
    add(list, made("upper case", "@", with_last_id(sample, "PREMIUM"), VERDICT_FIELD));
    add(list, made("no id", "@", with_last_id(sample, ""), VERDICT_FIELD));
    add_status(list, made("unknown", "@", with_last_id(sample, "unknown-thing"), VERDICT_FIELD),
               STATUS_NOT_FOUND, NULL);
}

static void make_request_id(struct hostile_list *list, const struct place *place)
{
    if (place->method->request_id == REQUEST_ID_REQUIRED)
        add_status(list, TEXT("empty", "", VERDICT_FIELD), STATUS_INVALID_ARGUMENT,
                   "REQUEST_ID_REQUIRED");
    add_length(list, "65 letters", 65, VERDICT_FIELD);
    add(list, TEXT("blank", "a b", VERDICT_FIELD));
    add(list, TEXT("slash", "../a", VERDICT_FIELD));
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD));
    add(list, TEXT("letters of others", "\xc3\xa4\xc3\xb6", VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD));
}

static void make_free_text(struct hostile_list *list, const struct place *place)
{
    add_length(list, "one letter too long", place->rule->length_max + 1, VERDICT_FIELD);
    /* Free text is shown as text and bound as a parameter: none of these can do harm in it. */
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_HARMLESS));
    add(list, TEXT("HTML", "<script>alert(1)</script>", VERDICT_HARMLESS));
    add(list, TEXT("format", "%n%s%1000000d", VERDICT_HARMLESS));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_HARMLESS));
    add(list, TEXT("a flag", "\xf0\x9f\x87\xaa\xf0\x9f\x87\xba", VERDICT_HARMLESS));
    add(list, TEXT("empty", "", VERDICT_HARMLESS));
}

static void make_email(struct hostile_list *list, const struct place *place)
{
    if (place->rule->kind != FIELD_EMAIL_OPTIONAL)
        add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("no at", "ada.example.com", VERDICT_FIELD));
    add(list, TEXT("nobody", "@example.com", VERDICT_FIELD));
    add(list, TEXT("nowhere", "ada@", VERDICT_FIELD));
    add(list, TEXT("two ats", "a@b@example.com", VERDICT_FIELD));
    add(list, TEXT("blank", "a da@example.com", VERDICT_FIELD));
    add(list, TEXT("SQL", "x';--@example.com", VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT "@example.com", VERDICT_FIELD));
    add_length(list, "300 letters", 300, VERDICT_FIELD);
}

/* Who should exist and does not, or not with this password: at the door nothing more is said. */
static void make_email_known(struct hostile_list *list, const struct place *place)
{
    make_email(list, place);
    add_status(list, TEXT("unknown", "nobody@example.com", VERDICT_FIELD), STATUS_UNAUTHENTICATED,
               "CREDENTIALS_INVALID");
}

static void make_password_known(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_status(list, TEXT("SQL", "x' OR '1'='1", VERDICT_FIELD), STATUS_UNAUTHENTICATED,
               "CREDENTIALS_INVALID");
    add_status(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD), STATUS_UNAUTHENTICATED,
               "CREDENTIALS_INVALID");
    add_length(list, "300 letters", 300, VERDICT_FIELD);
}

static void make_page_token(struct hostile_list *list, const struct place *place)
{
    static const char *const tokens[] = {
        "garbage", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SQL_TEXT, "100", RTL_TEXT,
    };
    const char *reason =
        place->rule->kind == FIELD_CURSOR ? "CURSOR_INVALID" : "PAGE_TOKEN_INVALID";
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        add_status(list,
                   (struct hostile_value){
                       .label = tokens[i], .bytes = tokens[i], .size = strlen(tokens[i])},
                   STATUS_INVALID_ARGUMENT, reason);
    add_length(list, "513 letters", 513, VERDICT_STATUS);
    list->values[list->count - 1].status = STATUS_INVALID_ARGUMENT;
}

static void make_filter(struct hostile_list *list, const struct place *place)
{
    (void)place;
    static const char *const filters[] = {
        "state",
        "state =",
        "state = NOT_A_STATE",
        "state = succeeded",
        "state > SUCCEEDED",
        "state = SUCCEEDED OR state = FAILED",
        "state = SUCCEEDED AND",
        "AND state = SUCCEEDED",
        "(state = SUCCEEDED)",
        "amount = 1",
        "create_time > yesterday",
        "create_time > \"2026-13-01T00:00:00Z\"",
        "create_time > 2026-01-01T00:00:00Z",
        "create_time > \"2026-01-01T00:00:00Z",
        "state = SUCCEEDED; DROP TABLE dues.payment",
        "state = 'SUCCEEDED'",
        "1 = 1",
        ("state = SUCCEEDED AND state = SUCCEEDED AND state = SUCCEEDED AND state = SUCCEEDED AND "
         "state = SUCCEEDED AND state = SUCCEEDED AND state = SUCCEEDED AND state = SUCCEEDED AND "
         "state = SUCCEEDED"),
        RTL_TEXT,
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        add_status(list,
                   (struct hostile_value){
                       .label = filters[i], .bytes = filters[i], .size = strlen(filters[i])},
                   STATUS_INVALID_ARGUMENT, "FILTER_INVALID");
}

static void make_nothing(struct hostile_list *list, const struct place *place)
{
    (void)list;
    (void)place;
}

static void make_new_password(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_length(list, "14 letters", 14, VERDICT_FIELD);
    add_length(list, "257 letters", 257, VERDICT_FIELD);
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_HARMLESS));
    add(list, TEXT("right to left", RTL_TEXT " and some more", VERDICT_HARMLESS));
}

static void make_refresh_token(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_status(list, TEXT("garbage", "garbage", VERDICT_FIELD), STATUS_UNAUTHENTICATED,
               "REFRESH_TOKEN_INVALID");
    add_status(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD), STATUS_UNAUTHENTICATED,
               "REFRESH_TOKEN_INVALID");
}

static void make_gateway_token(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_length(list, "256 letters", 256, VERDICT_FIELD);
    add(list, TEXT("not ASCII", "tok_\xc3\xa4", VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD));
}

static void make_csr(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_status(list, TEXT("no PEM", "certificate please", VERDICT_FIELD), STATUS_INVALID_ARGUMENT,
               "CSR_INVALID");
    add_status(list,
               TEXT("empty PEM",
                    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                    "-----END CERTIFICATE REQUEST-----\n",
                    VERDICT_FIELD),
               STATUS_INVALID_ARGUMENT, "CSR_INVALID");
}

static void make_entitlement(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add_length(list, "64 letters", 64, VERDICT_FIELD);
    add(list, TEXT("upper case", "Video.HD", VERDICT_FIELD));
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD));
    add(list, TEXT("unknown", "unknown.thing", VERDICT_HARMLESS));
}

static void make_currency(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("lower case", "usd", VERDICT_FIELD));
    add(list, TEXT("short", "US", VERDICT_FIELD));
    add(list, TEXT("long", "USDX", VERDICT_FIELD));
    add(list, TEXT("unknown", "ZZZ", VERDICT_FIELD));
    add(list, TEXT("a sign", "\xe2\x82\xac", VERDICT_FIELD));
    add(list, TEXT("SQL", "';-", VERDICT_FIELD));
}

static void make_page_size(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, NUMBER("-1", -1, VERDICT_FIELD));
    add(list, NUMBER("the least", INT32_LEAST, VERDICT_FIELD));
    add(list, NUMBER("the most", INT32_MOST, VERDICT_HARMLESS));
    add(list, NUMBER("zero", 0, VERDICT_HARMLESS));
}

static void make_minor_units(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, NUMBER("zero", 0, VERDICT_FIELD));
    add(list, NUMBER("-1", -1, VERDICT_FIELD));
    add(list, NUMBER("the least", INT64_MIN, VERDICT_FIELD));
    add(list, NUMBER("the most", INT64_MAX, VERDICT_FIELD));
    add(list, NUMBER("one too many", 1000000000001, VERDICT_FIELD));
}

static void make_seconds(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, NUMBER("the least", INT64_MIN, VERDICT_FIELD));
    add(list, NUMBER("the most", INT64_MAX, VERDICT_FIELD));
    add(list, NUMBER("before the year 1", -62135596801, VERDICT_FIELD));
    add(list, NUMBER("after the year 9999", 253402300800, VERDICT_FIELD));
    add(list, NUMBER("milliseconds", 1767225600000, VERDICT_FIELD));
}

static void make_nanos(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, NUMBER("-1", -1, VERDICT_FIELD));
    add(list, NUMBER("a whole second", 1000000000, VERDICT_FIELD));
    add(list, NUMBER("the least", INT32_LEAST, VERDICT_FIELD));
    add(list, NUMBER("the most", INT32_MOST, VERDICT_FIELD));
}

static void make_message(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, (struct hostile_value){.label = "absent", .absent = true, .verdict = VERDICT_FIELD});
}

static maker *const makers[] = {
    [FIELD_OUTPUT_ONLY] = make_nothing,
    [FIELD_REQUEST_ID] = make_request_id,
    [FIELD_NAME] = make_name,
    [FIELD_NAME_OPTIONAL] = make_name,
    [FIELD_CATALOGUE_NAME] = make_catalogue_name,
    [FIELD_TEXT] = make_free_text,
    [FIELD_EMAIL] = make_email,
    [FIELD_EMAIL_OPTIONAL] = make_email,
    [FIELD_EMAIL_KNOWN] = make_email_known,
    [FIELD_PASSWORD_NEW] = make_new_password,
    [FIELD_PASSWORD_KNOWN] = make_password_known,
    [FIELD_REFRESH_TOKEN] = make_refresh_token,
    [FIELD_GATEWAY_TOKEN] = make_gateway_token,
    [FIELD_CSR] = make_csr,
    [FIELD_ENTITLEMENT] = make_entitlement,
    [FIELD_URL] = hostile_make_url,
    [FIELD_EVENT_TYPE] = hostile_make_event_type,
    [FIELD_PATH] = hostile_make_path,
    [FIELD_DELIVERY] = hostile_make_delivery,
    [FIELD_PAGE_SIZE] = make_page_size,
    [FIELD_PAGE_TOKEN] = make_page_token,
    [FIELD_CURSOR] = make_page_token,
    [FIELD_FILTER] = make_filter,
    [FIELD_CURRENCY] = make_currency,
    [FIELD_MINOR_UNITS] = make_minor_units,
    [FIELD_SECONDS] = make_seconds,
    [FIELD_NANOS] = make_nanos,
    [FIELD_CHOICE] = make_nothing,
    [FIELD_FLAG] = make_nothing,
    [FIELD_MESSAGE] = make_message,
    [FIELD_MESSAGE_OPTIONAL] = make_nothing,
};

/* Rules of single methods that the kind of the field does not tell. */
static void add_rules_of_method(const struct rpc_method *method, const char *path,
                                struct hostile_list *list)
{
    static const struct {
        const char *method;
        const char *path;
        const char *label;
        const char *text;
        int64_t number;
        enum status status;
        const char *reason;
    } special[] = {
        {"CapturePayment", "amount.currency_code", "another", "EUR", 0, STATUS_INVALID_ARGUMENT,
         "CURRENCY_MISMATCH"},
        {"CapturePayment", "amount.minor_units", "more than is held", NULL, 1000000000000,
         STATUS_FAILED_PRECONDITION, "CAPTURE_EXCEEDS_AUTHORIZATION"},
        {"CreatePaymentMethod", "payment_method.gateway_token", "unknown", "tok_unknown", 0,
         STATUS_INVALID_ARGUMENT, NULL},
        {"CreateRefund", "refund.amount.currency_code", "another", "EUR", 0,
         STATUS_INVALID_ARGUMENT, "CURRENCY_MISMATCH"},
        {"CreateRefund", "refund.amount.minor_units", "more than was taken", NULL, 1000000000000,
         STATUS_FAILED_PRECONDITION, "REFUND_EXCEEDS_CAPTURE"},
        {"CreateTestClock", "test_clock.clock_time.seconds", "1999", NULL, 946684799,
         STATUS_INVALID_ARGUMENT, NULL},
        {"CreateTestClock", "test_clock.clock_time.seconds", "2101", NULL, 4133980800,
         STATUS_INVALID_ARGUMENT, NULL},
        {"AdvanceTestClock", "target_time.seconds", "backwards", NULL, 1767225599,
         STATUS_FAILED_PRECONDITION, "TEST_CLOCK_BACKWARDS"},
        {"AdvanceTestClock", "target_time.seconds", "too far", NULL, 1767225600 + 800LL * 86400,
         STATUS_OUT_OF_RANGE, "TEST_CLOCK_TOO_FAR"},
    };
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (strcmp(special[i].method, method->name) != 0 || strcmp(special[i].path, path) != 0)
            continue;
        struct hostile_value value = {.label = special[i].label, .number = special[i].number};
        if (special[i].text != NULL) {
            value.bytes = special[i].text;
            value.size = strlen(special[i].text);
        }
        add_status(list, value, special[i].status, special[i].reason);
    }
}

/* Requests for certificates, and texts for a bank. */
static bool has_lines(const struct field_rule *rule)
{
    return rule->kind == FIELD_CSR ||
           (rule->kind == FIELD_TEXT && strcmp(rule->field, "customer_purchase_ip") != 0 &&
            strcmp(rule->message, "dues.payment.v1.DisputeEvidence") == 0);
}

/* What is wrong for the type, wherever the field stands: in what is not read, too. */
static void add_for_type(struct hostile_list *list, const ProtobufCFieldDescriptor *field,
                         const struct field_rule *rule)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        add_every_string(list, has_lines(rule));
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        add(list, NUMBER("99", 99, VERDICT_FIELD));
        add(list, NUMBER("-1", -1, VERDICT_FIELD));
        add(list, NUMBER("the most", INT32_MOST, VERDICT_FIELD));
    }
}

/* Not read: any number that its type can hold is as good as none. */
static void add_unread(struct hostile_list *list, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_INT64) {
        add(list, NUMBER("the least", INT64_MIN, VERDICT_HARMLESS));
        add(list, NUMBER("the most", INT64_MAX, VERDICT_HARMLESS));
    }
    if (field->type == PROTOBUF_C_TYPE_INT32) {
        add(list, NUMBER("the least", INT32_LEAST, VERDICT_HARMLESS));
        add(list, NUMBER("the most", INT32_MOST, VERDICT_HARMLESS));
    }
    if (field->type == PROTOBUF_C_TYPE_STRING)
        add(list, TEXT("SQL", SQL_TEXT, VERDICT_HARMLESS));
}

void hostile_values(const struct field_rule *rule, const ProtobufCFieldDescriptor *field,
                    const struct rpc_method *method, const char *path, bool unread,
                    const char *sample, struct hostile_list *list)
{
    struct place place = {rule, method, sample};
    list->count = 0;
    add_for_type(list, field, rule);
    if (unread) {
        add_unread(list, field);
        return;
    }
    if (!hostile_card_values(rule->kind, list))
        makers[rule->kind](list, &place);
    add_rules_of_method(method, path, list);
}
