/*
 * Who carries deliveries to their endpoints: the HTTPS client, how many may be under way, and what
 * is counted.
 *
 * One slow endpoint must not keep the others waiting, and all together must not keep other
 * obligations from running: an endpoint has half of the places at most, and all have at most half
 * of jobs_max.  Who finds no place is told when to come again.
 */
#pragma once

#include "base/house.h"
#include "base/id.h"
#include "webhook/webhook.h"

struct courier;
struct measures;

#define COURIER_PROBLEM_SIZE 256

/* NULL and one line in `problem`. */
struct courier *courier_open(const struct house *house, char problem[COURIER_PROBLEM_SIZE]);

/* When no obligation runs any more.  NULL is allowed. */
void courier_close(struct courier *courier);

struct courier_letter {
    const struct webhook_endpoint *endpoint;
    const char *const *headers;
    size_t header_count;
    const char *body;
    int64_t time_limit_ms;
};

enum courier_outcome {
    COURIER_DELIVERED,   /* 2xx */
    COURIER_REDIRECTED,  /* 3xx: a failure, nothing is followed */
    COURIER_REFUSED,     /* 4xx */
    COURIER_GONE,        /* 410 */
    COURIER_THROTTLED,   /* 429 */
    COURIER_FAILED,      /* 5xx and whatever else is no answer */
    COURIER_UNREACHABLE, /* certainly nothing arrived */
    COURIER_UNANSWERED,  /* it may have arrived */
    COURIER_FORBIDDEN,   /* its address is not public */
    COURIER_OUTCOMES,
};

struct courier_receipt {
    enum courier_outcome outcome;
    int32_t status;
    int64_t latency_us;
    const char *problem; /* "": delivered */
    const char *answer;  /* the beginning of the body, printable ASCII; "" when delivered */
    int64_t retry_after_us;
};

/*
 * 0: a place was taken, to be given back by courier_carry or courier_leave.  Else how long to wait
 * before asking again, in microseconds.
 */
int64_t courier_wait_us(struct courier *courier, struct uuid endpoint);
void courier_leave(struct courier *courier, struct uuid endpoint);

/* Parks the fiber; gives the place back. */
void courier_carry(struct courier *courier, struct call *call, const struct courier_letter *letter,
                   struct courier_receipt *receipt);

/* A delivery was given up. */
void courier_count_given_up(struct courier *courier);

void courier_measure(struct courier *courier, struct measures *out);
