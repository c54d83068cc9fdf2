/*
 * How obligations went in this process, by kind: how long each run took and what became of it.
 */
#include "base/measure.h"

#include "base/bug.h"
#include "base/text.h"
#include "jobs/engine.h"

static const struct measure running = {"dues_obligations_running",
                                       "Obligations and advances of test clocks that run now.",
                                       MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure duration = {
    "dues_obligation_run_duration_seconds",
    "How long runs of obligations took; lost: another server had claimed it first.",
    MEASURE_HISTOGRAM, MEASURE_SECONDS};

static const char *const outcomes[JOB_RUNS] = {
    [JOB_DONE] = "done",
    [JOB_LOST] = "lost",
    [JOB_FAILED] = "failed",
};

struct job_counts *job_counts_open(size_t kind_count)
{
    struct job_counts *counts = calloc(kind_count + 1, sizeof(*counts));

    if (counts == NULL)
        bug("no memory to count obligations");
    return counts;
}

void job_counts_close(struct job_counts *counts)
{
    free(counts);
}

void job_count(const struct jobs *jobs, const struct obligation *obligation, enum job_run outcome,
               int64_t duration_us)
{
    size_t kind = 0;

    while (kind < jobs->kind_count && !text_equal(jobs->kinds[kind]->name, obligation->kind))
        kind++;
    /* The last row is for kinds that this server does not know. */
    histogram_add(&jobs->counts[kind].durations[outcome], duration_us);
}

void jobs_measure(struct jobs *jobs, struct measures *out)
{
    measure_number(out, &running, MEASURE_NO_LABELS, (int64_t)jobs_running(jobs));
    for (size_t i = 0; i <= jobs->kind_count; i++) {
        const char *kind = i < jobs->kind_count ? jobs->kinds[i]->name : "other";
        for (size_t j = 0; j < JOB_RUNS; j++) {
            const struct histogram *histogram = &jobs->counts[i].durations[j];
            bool always = j == JOB_DONE && i < jobs->kind_count;
            if (always || !histogram_is_empty(histogram))
                measure_histogram(out, &duration,
                                  MEASURE_LABELS({"kind", kind}, {"outcome", outcomes[j]}),
                                  histogram);
        }
    }
}
