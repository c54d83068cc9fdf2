/*
 * What a gateway tells by itself (its webhooks).  News are a hint and no more: they say which
 * object to look at, and whoever looks asks the gateway how that object stands now.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* As it came, unread. */
struct gateway_letter {
    const char *(*header)(const void *owner, const char *name); /* NULL without one */
    const void *owner;
    const void *body; /* the raw bytes: signatures are over these */
    size_t body_size;
};

enum gateway_letter_verdict {
    GATEWAY_LETTER_GENUINE,
    GATEWAY_LETTER_UNSIGNED,   /* no signature, or what is none */
    GATEWAY_LETTER_FORGED,     /* no signature fits */
    GATEWAY_LETTER_STALE,      /* signed too long ago, or ahead of time */
    GATEWAY_LETTER_UNREADABLE, /* signed, and yet not what this gateway's news look like */
    GATEWAY_LETTER_VERDICT_COUNT
};

enum gateway_news_kind {
    GATEWAY_NEWS_PAYMENT,
    GATEWAY_NEWS_REFUND,
    GATEWAY_NEWS_DISPUTE,
    GATEWAY_NEWS_PAYMENT_METHOD,
    GATEWAY_NEWS_OTHER, /* nothing that we would look at */
    GATEWAY_NEWS_KIND_COUNT
};

#define GATEWAY_NEWS_ID_MAX 255

/* Texts are plain ASCII of at most GATEWAY_NEWS_ID_MAX characters; what is not told is "" or 0. */
struct gateway_news {
    const char *event; /* the gateway's id of the news: the same however often they come */
    const char *type;  /* in the gateway's words */
    enum gateway_news_kind kind;
    const char *object; /* the gateway's id of what they are about; "" for OTHER */
    /* What that belongs to: the transaction of a refund or dispute, the gateway's own customer of a
     * payment method. */
    const char *belongs_to;
    const char *reference; /* our attempt, as we had told the gateway */
    const char *customer;  /* ours, likewise */
    int64_t created_us;    /* wall time */
};

/* Whose an object is, as the gateway says when it is asked: ids of ours, "" when there is none. */
struct gateway_owner {
    const char *reference;
    const char *customer;
    const char *failure_code; /* a refund that has come back: why; NULL: it has not */
};

/* "PAYMENT", "REFUND" …: as the row of the news has it. */
const char *gateway_news_kind_name(enum gateway_news_kind kind);
