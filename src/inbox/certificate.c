/*
 * The certificate's files are looked at every second, as those of the other listener are: what
 * changed and fits is served from the next handshake on.
 */

#include <errno.h>

#include "base/log.h"
#include "base/time.h"
#include "inbox/internal.h"

#define LOOK_SECONDS 1

static struct inbox_stamp stamp_of(const struct inbox *inbox)
{
    const char *const paths[] = {inbox->certificate_file, inbox->key_file};
    struct inbox_stamp stamp;
    struct stat status;

    memset(&stamp, 0, sizeof stamp);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        if (stat(paths[i], &status) != 0)
            continue;
        stamp.modified[i] = status.st_mtim;
        stamp.inode[i] = status.st_ino;
        stamp.size[i] = status.st_size;
    }
    return stamp;
}

static bool same(const struct inbox_stamp *a, const struct inbox_stamp *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* With the files' lock held. */
static bool load(struct inbox *inbox, char problem[HTTP_PROBLEM_SIZE])
{
    struct inbox_stamp stamp = stamp_of(inbox);

    if (!http_service_reload(inbox->service, problem))
        return false;
    inbox->loaded = stamp;
    return true;
}

/* With the files' lock held. */
static void look(struct inbox *inbox)
{
    struct inbox_stamp stamp = stamp_of(inbox);
    char problem[HTTP_PROBLEM_SIZE];

    if (same(&stamp, &inbox->loaded))
        return;
    if (load(inbox, problem)) {
        log_write(inbox->house->log, LOG_INFO, "news.certificate",
                  LOG_FIELDS(LOG_TEXT("message", "changed files are served now")));
        return;
    }
    /* Often one file was written and the other not yet: look again in a second. */
    if (!same(&stamp, &inbox->refused))
        log_write(inbox->house->log, LOG_WARNING, "news.certificate",
                  LOG_FIELDS(LOG_TEXT("message", "changed files do not fit, the old ones stay"),
                             LOG_TEXT("cause", problem)));
    inbox->refused = stamp;
}

static void *watch(void *arg)
{
    struct inbox *inbox = arg;

    pthread_mutex_lock(&inbox->lock);
    while (!inbox->stopping) {
        const struct timespec until = {
            .tv_sec = clock_monotonic_us(clock_system()) / US_PER_SECOND + LOOK_SECONDS};
        if (pthread_cond_timedwait(&inbox->stop_wanted, &inbox->lock, &until) != ETIMEDOUT)
            continue;
        /* No letter waits for a disk. */
        pthread_mutex_unlock(&inbox->lock);
        pthread_mutex_lock(&inbox->files_lock);
        look(inbox);
        pthread_mutex_unlock(&inbox->files_lock);
        pthread_mutex_lock(&inbox->lock);
    }
    pthread_mutex_unlock(&inbox->lock);
    return NULL;
}

bool inbox_watch_certificate(struct inbox *inbox)
{
    inbox->loaded = stamp_of(inbox);
    inbox->watches = pthread_create(&inbox->watcher, NULL, watch, inbox) == 0;
    return inbox->watches;
}

void inbox_forget_certificate(struct inbox *inbox)
{
    if (!inbox->watches)
        return;
    pthread_mutex_lock(&inbox->lock);
    inbox->stopping = true;
    pthread_cond_signal(&inbox->stop_wanted);
    pthread_mutex_unlock(&inbox->lock);
    pthread_join(inbox->watcher, NULL);
    inbox->watches = false;
}

bool inbox_reload(struct inbox *inbox, char problem[INBOX_PROBLEM_SIZE])
{
    char reason[HTTP_PROBLEM_SIZE];

    if (inbox == NULL)
        return true;
    pthread_mutex_lock(&inbox->files_lock);
    bool worked = load(inbox, reason);
    pthread_mutex_unlock(&inbox->files_lock);
    if (!worked)
        snprintf(problem, INBOX_PROBLEM_SIZE, "gateway_news_certificate: %s", reason);
    return worked;
}
