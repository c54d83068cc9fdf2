/*
 * The queue and its thread.  An order that fails is put back with a longer wait; a forged one is
 * not, its sender would not care either.
 */

#include "simulator/webhook.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/bug.h"
#include "base/time.h"

#define TRIES_MAX     16
#define FIRST_WAIT_US US_PER_SECOND
#define WAIT_MAX_US   US_PER_MINUTE
#define REST_US       (60 * US_PER_MINUTE)

struct node {
    struct node *next;
    struct webhook_order order;
};

struct webhooks {
    struct simulator *simulator;
    webhook_deliver *deliver;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct node *first; /* by time */
    int32_t early_left; /* orders that somebody waits for */
    bool runs;
    bool stops;
};

static void insert(struct webhooks *webhooks, struct node *node)
{
    struct node **slot = &webhooks->first;

    while (*slot != NULL && (*slot)->order.due_us <= node->order.due_us)
        slot = &(*slot)->next;
    node->next = *slot;
    *slot = node;
    pthread_cond_broadcast(&webhooks->changed);
}

static void wait_until(struct webhooks *webhooks, int64_t until_us)
{
    const struct timespec until = {
        .tv_sec = until_us / US_PER_SECOND,
        .tv_nsec = until_us % US_PER_SECOND * 1000,
    };

    pthread_cond_timedwait(&webhooks->changed, &webhooks->lock, &until);
}

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_system());
}

/* The next that is due, out of the queue; NULL when the thread shall end. */
static struct node *take(struct webhooks *webhooks)
{
    while (!webhooks->stops) {
        struct node *node = webhooks->first;
        int64_t now = now_us();
        if (node != NULL && node->order.due_us <= now) {
            webhooks->first = node->next;
            return node;
        }
        wait_until(webhooks, node == NULL ? now + REST_US : node->order.due_us);
    }
    return NULL;
}

/* False: it is not tried again. */
static bool put_back(struct webhooks *webhooks, struct node *node, int32_t status)
{
    struct webhook_order *order = &node->order;
    int64_t wait_us = FIRST_WAIT_US << (order->tries < 6 ? order->tries : 6);

    order->tries++;
    if ((status >= 200 && status < 300) || order->is_forged || order->tries == TRIES_MAX)
        return false;
    order->skew_s = 0; /* each try is signed anew, as the real one does it */
    order->due_us = now_us() + (wait_us < WAIT_MAX_US ? wait_us : WAIT_MAX_US);
    insert(webhooks, node);
    return true;
}

static void *send_webhooks(void *arg)
{
    struct webhooks *webhooks = arg;
    struct node *node;

    pthread_mutex_lock(&webhooks->lock);
    while ((node = take(webhooks)) != NULL) {
        bool was_early = node->order.is_early;
        pthread_mutex_unlock(&webhooks->lock);
        int32_t status = webhooks->deliver(webhooks->simulator, &node->order);
        pthread_mutex_lock(&webhooks->lock);
        node->order.is_early = false;
        if (was_early)
            webhooks->early_left--;
        pthread_cond_broadcast(&webhooks->changed);
        if (!put_back(webhooks, node, status))
            free(node);
    }
    pthread_mutex_unlock(&webhooks->lock);
    return NULL;
}

struct webhooks *webhooks_open(struct simulator *simulator, webhook_deliver *deliver)
{
    struct webhooks *webhooks = calloc(1, sizeof *webhooks);
    pthread_condattr_t attributes;

    if (webhooks == NULL)
        bug("no memory for webhooks");
    webhooks->simulator = simulator;
    webhooks->deliver = deliver;
    pthread_mutex_init(&webhooks->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&webhooks->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return webhooks;
}

bool webhooks_start(struct webhooks *webhooks)
{
    webhooks->runs = pthread_create(&webhooks->thread, NULL, send_webhooks, webhooks) == 0;
    return webhooks->runs;
}

void webhooks_close(struct webhooks *webhooks)
{
    if (webhooks == NULL)
        return;
    pthread_mutex_lock(&webhooks->lock);
    webhooks->stops = true;
    pthread_cond_broadcast(&webhooks->changed);
    pthread_mutex_unlock(&webhooks->lock);
    if (webhooks->runs)
        pthread_join(webhooks->thread, NULL);
    for (struct node *node = webhooks->first, *next; node != NULL; node = next) {
        next = node->next;
        free(node);
    }
    pthread_cond_destroy(&webhooks->changed);
    pthread_mutex_destroy(&webhooks->lock);
    free(webhooks);
}

void webhooks_push(struct webhooks *webhooks, const struct webhook_order *order)
{
    struct node *node = calloc(1, sizeof *node);

    if (node == NULL)
        bug("no memory for a webhook");
    node->order = *order;
    pthread_mutex_lock(&webhooks->lock);
    if (order->is_early)
        webhooks->early_left++;
    insert(webhooks, node);
    pthread_mutex_unlock(&webhooks->lock);
}

void webhooks_wait_early(struct webhooks *webhooks, int64_t limit_ms)
{
    int64_t until_us = now_us() + limit_ms * US_PER_MS;

    pthread_mutex_lock(&webhooks->lock);
    while (webhooks->early_left > 0 && !webhooks->stops && now_us() < until_us)
        wait_until(webhooks, until_us);
    pthread_mutex_unlock(&webhooks->lock);
}
