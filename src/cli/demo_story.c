/*
 * The teller: numbers steps, makes calls, keeps answers, and stops at the first surprise.
 */
#include "cli/demo.h"

#include <ctype.h>
#include <stdarg.h>

#include "base/money.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/json.h"
#include "cli/methods.h"

#define CALL_LENGTH_MAX 120
#define UUID_LENGTH     36

void story_chapter(struct story *story, const char *title)
{
    if (story->failure == NULL)
        printf("\n== %s ==\n", title);
}

static bool is_uuid_at(const char *text)
{
    for (size_t i = 0; i < UUID_LENGTH; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* "customers/0198…" is no fun to read: …3f2a tells them apart as well. */
static char *shortened(struct story *story, const char *text)
{
    char *result = arena_alloc(story->arena, strlen(text) + 1);
    size_t size = 0;
    while (*text != '\0') {
        if (is_uuid_at(text)) {
            memcpy(result + size, "\xe2\x80\xa6", 3);
            memcpy(result + size + 3, text + UUID_LENGTH - 4, 4);
            size += 7;
            text += UUID_LENGTH;
        } else {
            result[size++] = *text++;
        }
    }
    result[size] = '\0';
    return result;
}

PRINTF_LIKE(3, 0)
static void say(struct story *story, const char *mark, const char *format, va_list arguments)
{
    char line[1024];
    if (story->failure != NULL)
        return;
    vsnprintf(line, sizeof(line), format, arguments);
    printf("%s%s\n", mark, shortened(story, line));
    (void)fflush(stdout);
}

void story_say(struct story *story, const char *format, ...)
{
    char mark[16];
    va_list arguments;
    if (story->failure != NULL)
        return;
    snprintf(mark, sizeof(mark), "%2d. ", ++story->step);
    va_start(arguments, format);
    say(story, mark, format, arguments);
    va_end(arguments);
}

void story_tell(struct story *story, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(story, "      -> ", format, arguments);
    va_end(arguments);
}

void story_change(struct story *story, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(story, "      =  ", format, arguments);
    va_end(arguments);
}

static void end_story(struct story *story, const char *failure)
{
    if (story->failure == NULL)
        story->failure = failure;
}

bool story_expect(struct story *story, bool holds, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (!holds)
        end_story(story, arena_printf(story->arena, "expected %s", line));
    return story->failure == NULL;
}

/* The request as the listener sees it: secrets covered, names short, cut to one line. */
static void print_call(struct story *story, enum speaker speaker, const char *method, json_t *json)
{
    static const char *const speakers[SPEAKER_COUNT] = {
        [SPEAKER_SERVICE] = "billing service", [SPEAKER_APP] = "app", [SPEAKER_PHONE] = "phone"};
    static const char *const secrets[] = {"password", "refresh_token", "csr_pem", "request_id"};
    json_t *shown = json_deep_copy(json);
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        if (json_object_get(shown, secrets[i]) != NULL)
            json_object_set_new(shown, secrets[i], json_string("..."));
    char *text = json_dumps(shown, 0);
    const char *line = shortened(story, text);
    printf("    %s: %s %.*s%s\n", speakers[speaker], method, CALL_LENGTH_MAX, line,
           strlen(line) > CALL_LENGTH_MAX ? " ..." : "");
    free(text);
    json_decref(shown);
}

static json_t *parse_request(struct story *story, char *text)
{
    json_error_t error;
    for (char *quote = strchr(text, '\''); quote != NULL; quote = strchr(quote, '\''))
        *quote = '"';
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        end_story(story, arena_printf(story->arena, "%s is not JSON: %s", text, error.text));
    return json;
}

PRINTF_LIKE(4, 0)
static struct dues_answer *send(struct story *story, enum speaker speaker, const char *name,
                                const char *format, va_list arguments)
{
    char text[16384];
    struct method method;
    if (story->failure != NULL)
        return NULL;
    if (!method_find(name, &method) || story->answer_count == STORY_ANSWERS_MAX) {
        end_story(story, arena_printf(story->arena, "there is no method %s", name));
        return NULL;
    }
    vsnprintf(text, sizeof(text), format, arguments);
    json_t *json = parse_request(story, text);
    if (json == NULL)
        return NULL;
    if (!story->quiet)
        print_call(story, speaker, name, json);
    const char *problem = NULL;
    const ProtobufCMessage *request =
        json_to_message(story->arena, json, method.method->input, &problem);
    json_decref(json);
    if (request == NULL) {
        end_story(story, problem);
        return NULL;
    }
    struct dues_call_options options = {.deadline_ms = 120000,
                                        .token = speaker == SPEAKER_SERVICE ? NULL : story->token};
    struct dues_answer *answer = NULL;
    dues_call(story->clients[speaker], method.service, method.method->name, request, &options,
              &answer);
    story->answers[story->answer_count++] = answer;
    return answer;
}

/* All that the server said about a failed call, in one line. */
static const char *describe(struct story *story, const char *method,
                            const struct dues_answer *answer)
{
    const char *line =
        arena_printf(story->arena, "%s: %s %s: %s", method, dues_status_name(answer->status),
                     answer->reason, answer->message);
    for (size_t i = 0; i < answer->field_count; i++)
        line = arena_printf(story->arena, "%s (%s: %s)", line, answer->fields[i].field,
                            answer->fields[i].description);
    return line;
}

const void *story_call(struct story *story, enum speaker speaker, const char *method,
                       const char *json, ...)
{
    va_list arguments;
    va_start(arguments, json);
    const struct dues_answer *answer = send(story, speaker, method, json, arguments);
    va_end(arguments);
    if (answer == NULL)
        return NULL;
    if (answer->status != DUES_OK)
        end_story(story, describe(story, method, answer));
    return answer->reply;
}

bool story_refused(struct story *story, enum speaker speaker, const char *method,
                   const char *reason, const char *json, ...)
{
    va_list arguments;
    va_start(arguments, json);
    const struct dues_answer *answer = send(story, speaker, method, json, arguments);
    va_end(arguments);
    if (answer == NULL)
        return false;
    if (!story_expect(story, answer->status != DUES_OK && text_equal(answer->reason, reason),
                      "%s to be refused with %s, not %s", method, reason,
                      describe(story, method, answer)))
        return false;
    story_tell(story, "%s %s: %s", dues_status_name(answer->status), answer->reason,
               answer->message);
    return true;
}

const struct dues_answer *story_answer(const struct story *story)
{
    return story->answers[story->answer_count - 1];
}

const char *story_time(struct story *story, const Google__Protobuf__Timestamp *timestamp)
{
    char text[TIME_TEXT_SIZE];
    if (timestamp == NULL)
        return "never";
    time_format(timestamp->seconds * US_PER_SECOND, text);
    text[10] = ' ';
    text[16] = '\0';
    return arena_strdup(story->arena, text);
}

const char *story_money(struct story *story, const Dues__Type__V1__Money *money)
{
    char text[MONEY_TEXT_SIZE];
    if (money == NULL || !currency_known(money->currency_code, NULL))
        return "no money";
    money_format(money_make(money->currency_code, money->minor_units), text);
    return arena_strdup(story->arena, text);
}

const char *story_enum(const ProtobufCEnumDescriptor *descriptor, int value, const char *prefix)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);
    if (known == NULL)
        return "unknown";
    return text_starts_with(known->name, prefix) ? known->name + strlen(prefix) : known->name;
}

bool story_advance(struct story *story, const char *clock, const char *target_time)
{
    return story_call(story, SPEAKER_SERVICE, "Sandbox/AdvanceTestClock",
                      "{'name': '%s', 'target_time': '%s'}", clock, target_time) != NULL;
}

void story_access(struct story *story, const char *customer, const char *entitlement, bool allowed)
{
    const Dues__Membership__V1__CheckEntitlementResponse *reply =
        story_call(story, SPEAKER_SERVICE, "Membership/CheckEntitlement",
                   "{'customer': '%s', 'entitlement': '%s'}", customer, entitlement);
    if (reply == NULL)
        return;
    const char *cause =
        story_enum(&dues__membership__v1__check_entitlement_response__cause__descriptor,
                   (int)reply->cause, "CAUSE_");
    if (reply->allowed)
        story_tell(story, "allowed: %s, until %s", cause, story_time(story, reply->until_time));
    else
        story_tell(story, "denied: %s", cause);
    story_expect(story, (reply->allowed != 0) == allowed, "access to be %s",
                 allowed ? "allowed" : "denied");
}
