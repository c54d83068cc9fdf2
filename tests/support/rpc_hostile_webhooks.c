/*
 * Hostile values of what only webhooks have: URLs, types of events, names of deliveries.
 */
#include "support/rpc_hostile_make.h"

void hostile_make_url(struct hostile_list *list, const struct place *place)
{
    /* An update without it leaves it as it is. */
    if (strcmp(place->method->name, "CreateWebhookEndpoint") == 0)
        add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("no scheme", "example.com/hook", VERDICT_FIELD));
    add(list, TEXT("a file", "file:///etc/passwd", VERDICT_FIELD));
    add(list, TEXT("without TLS", "http://example.com/", VERDICT_FIELD));
    add(list, TEXT("private", "https://10.1.2.3/", VERDICT_FIELD));
    add(list, TEXT("metadata", "https://169.254.169.254/latest", VERDICT_FIELD));
    add(list, TEXT("a number", "https://2130706433/", VERDICT_FIELD));
    add(list, TEXT("a user", "https://example.com@10.0.0.1/", VERDICT_FIELD));
    add(list, TEXT("a fragment", "https://example.com/#x", VERDICT_FIELD));
    add(list, TEXT("SSH", "https://example.com:22/", VERDICT_FIELD));
    add(list, TEXT("not ASCII",
                   "https://b\xc3\xbc"
                   "cher.example/",
                   VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD));
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD));
    add_length(list, "2049 letters", 2049, VERDICT_FIELD);
}

void hostile_make_event_type(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("star", "*", VERDICT_FIELD));
    add(list, TEXT("star inside", "payment.*.x", VERDICT_FIELD));
    add(list, TEXT("dots", "payment..succeeded", VERDICT_FIELD));
    add(list, TEXT("dot behind", "payment.", VERDICT_FIELD));
    add(list, TEXT("blank", "payment.succeeded refund.*", VERDICT_FIELD));
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD));
    add(list, TEXT("right to left", RTL_TEXT, VERDICT_FIELD));
    add_length(list, "65 letters", 65, VERDICT_FIELD);
    add(list, TEXT("unknown", "planet.discovered", VERDICT_FIELD));
    add(list, TEXT("all of what is unknown", "planet.*", VERDICT_FIELD));
}

void hostile_make_path(struct hostile_list *list, const struct place *place)
{
    (void)place;
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("star", "*", VERDICT_FIELD));
    add(list, TEXT("output only", "name", VERDICT_FIELD));
    add(list, TEXT("unknown", "secret_sealed", VERDICT_FIELD));
    add(list, TEXT("SQL", SQL_TEXT, VERDICT_FIELD));
}

void hostile_make_delivery(struct hostile_list *list, const struct place *place)
{
    add(list, TEXT("empty", "", VERDICT_FIELD));
    add(list, TEXT("no name", "x", VERDICT_FIELD));
    add(list, TEXT("dashes", "---", VERDICT_FIELD));
    add(list, TEXT("SQL", "webhookEndpoints/' OR '1'='1", VERDICT_FIELD));
    add_length(list, "500 letters", 500, VERDICT_FIELD);
    if (place->sample == NULL)
        return;
    add(list, made("slash behind", "@/", place->sample, VERDICT_FIELD));
    add(list, made("no number", "@-", place->sample, VERDICT_FIELD));
    add(list, made("a long number", "@0000000000000000000", place->sample, VERDICT_FIELD));
    add(list, made("a zero in front", "@-01", place->sample, VERDICT_FIELD));
    add_status(list, made("unknown", "@99999", place->sample, VERDICT_FIELD), STATUS_NOT_FOUND,
               "WEBHOOK_DELIVERY_NOT_FOUND");
}
