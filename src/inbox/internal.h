/*
 * What the files of the inbox share.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/bucket.h"
#include "base/histogram.h"
#include "gateway/gateway.h"
#include "http/service.h"
#include "inbox/inbox.h"
#include "payment/news.h"

/* Why a letter was not taken; the first ones are what read_news says. */
enum inbox_refusal {
    INBOX_PATH = GATEWAY_LETTER_VERDICT_COUNT, /* no gateway listens there */
    INBOX_METHOD,
    INBOX_RATE,
    INBOX_DATABASE, /* it could not be stored */
    INBOX_REFUSAL_COUNT
};

/* Of one gateway. */
struct inbox_counts {
    atomic_uint_least64_t taken[GATEWAY_NEWS_KIND_COUNT][NEWS_STATE_COUNT];
    atomic_uint_least64_t refused[INBOX_REFUSAL_COUNT];
    struct histogram durations; /* of what was taken */
};

/* Tells changed files from unchanged ones. */
struct inbox_stamp {
    struct timespec modified[2];
    ino_t inode[2];
    off_t size[2];
};

struct inbox {
    const struct house *house;
    struct http_service *service;
    const char *certificate_file;
    const char *key_file;
    struct inbox_counts counts[GATEWAYS_MAX];
    struct inbox_counts unknown; /* of no gateway */

    struct bucket_rate rate;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stop_wanted;
    struct bucket genuine;                         /* of all together */
    struct bucket of_source[HTTP_SERVICE_SOURCES]; /* of whatever comes, genuine or not */
    int64_t told_us; /* monotonic: when a refusal was last in the log */
    bool stopping;

    pthread_mutex_t files_lock; /* is held while files are read, and guards these */
    struct inbox_stamp loaded;
    struct inbox_stamp refused;

    bool watches;
    pthread_t watcher;
};

/* letter.c: one request, on a thread of its connection. */
http_service_handler inbox_answer;

/* certificate.c: takes up changed files. */
bool inbox_watch_certificate(struct inbox *inbox);
void inbox_forget_certificate(struct inbox *inbox);
