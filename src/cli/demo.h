/*
 * The story that `dues demo` tells: steps that call the server and look at what it answers.
 *
 * A chapter reads top to bottom: say what is about to happen, call, tell what came of it, expect.
 * The first thing that is not as expected ends the story; everything after it is skipped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "cli/connection.h"

#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"

#define STORY_ANSWERS_MAX 256

enum speaker {
    SPEAKER_SERVICE, /* the billing service, certificate service-billing */
    SPEAKER_APP,     /* the app before anybody is logged in, certificate app-demo */
    SPEAKER_PHONE,   /* the enrolled phone, its own certificate */
    SPEAKER_COUNT,
};

struct story {
    struct arena *arena;
    struct connection connection;
    const char *run; /* makes request ids and addresses of this run its own */
    struct dues_client *clients[SPEAKER_COUNT];
    const char *token; /* of the logged-in user; goes along from app and phone */
    struct dues_answer *answers[STORY_ANSWERS_MAX]; /* replies stay readable to the end */
    size_t answer_count;
    int step;
    bool quiet;          /* calls are not shown */
    const char *failure; /* NULL: all as expected so far */

    /* What the chapters leave for the last one. */
    const char *customers[4];
    size_t customer_count;
    int64_t expected_minor; /* what the gateway should hold in the end, USD */
};

/* The chapters.  Each opens and closes its own part of the world. */
void chapter_member(struct story *story);
void chapter_decline(struct story *story);
void chapter_truth(struct story *story);

void story_chapter(struct story *story, const char *title);
/* A numbered step: what is about to happen. */
void story_say(struct story *story, const char *format, ...) PRINTF_LIKE(2, 3);
/* "→": what was answered.  UUIDs are shortened to their last four digits. */
void story_tell(struct story *story, const char *format, ...) PRINTF_LIKE(2, 3);
/* "=": what is different now. */
void story_change(struct story *story, const char *format, ...) PRINTF_LIKE(2, 3);
/* Ends the story when it does not hold. */
bool story_expect(struct story *story, bool holds, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * Calls a method with the request of the JSON text, written with ' for ".  The reply, or NULL when
 * the story has ended or ends here because the call failed.
 */
const void *story_call(struct story *story, enum speaker speaker, const char *method,
                       const char *json, ...) PRINTF_LIKE(4, 5);

/* The same for a call that must be refused, with this reason. */
bool story_refused(struct story *story, enum speaker speaker, const char *method,
                   const char *reason, const char *json, ...) PRINTF_LIKE(5, 6);

/* Within a payment_method: what its owner agreed to, so that memberships can be renewed. */
#define STORY_MANDATE "'mandate': {'type': 'TYPE_RECURRING', 'text_version': 'demo-terms-1'}"

/* What the last call brought. */
const struct dues_answer *story_answer(const struct story *story);

/* "2026-02-28 12:00" */
const char *story_time(struct story *story, const Google__Protobuf__Timestamp *timestamp);
/* "9.99 USD" */
const char *story_money(struct story *story, const Dues__Type__V1__Money *money);
/* "ACTIVE" for STATE_ACTIVE. */
const char *story_enum(const ProtobufCEnumDescriptor *descriptor, int value, const char *prefix);

/* Asks as the service that plays the video would; expects the answer. */
void story_access(struct story *story, const char *customer, const char *entitlement, bool allowed);

/* Moves a clock forward; says so. */
bool story_advance(struct story *story, const char *clock, const char *target_time);
