/*
 * Memory, descriptors and processor time, from /proc and getrusage.  What cannot be read is left
 * out: a missing series says more than a wrong one.
 */

#include "telemetry/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/time.h"

static const struct measure resident = {"process_resident_memory_bytes",
                                        "Resident memory size in bytes.", MEASURE_GAUGE,
                                        MEASURE_PLAIN};
static const struct measure virtual = {
    "process_virtual_memory_bytes", "Virtual memory size in bytes.", MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure open_descriptors = {
    "process_open_fds", "Number of open file descriptors.", MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure most_descriptors = {
    "process_max_fds", "Maximum number of open file descriptors.", MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure processor = {"process_cpu_seconds_total",
                                         "Total user and system CPU time spent in seconds.",
                                         MEASURE_COUNTER, MEASURE_SECONDS};
static const struct measure start_time = {"process_start_time_seconds",
                                          "Start time of the process since unix epoch in seconds.",
                                          MEASURE_GAUGE, MEASURE_SECONDS};

static void measure_memory(struct measures *out)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";
    int64_t page_size = sysconf(_SC_PAGESIZE);

    if (file == NULL)
        return;
    bool read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    char *rest = line;
    int64_t size = strtoll(rest, &rest, 10);
    int64_t resident_size = strtoll(rest, &rest, 10);
    if (!read || size <= 0 || resident_size <= 0)
        return;
    measure_number(out, &virtual, MEASURE_NO_LABELS, size * page_size);
    measure_number(out, &resident, MEASURE_NO_LABELS, resident_size * page_size);
}

static void measure_descriptors(struct measures *out)
{
    DIR *entries = opendir("/proc/self/fd");
    struct rlimit limit;
    int64_t count = -1; /* the directory's own */

    if (entries != NULL) {
        for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
            count += entry->d_name[0] != '.';
        closedir(entries);
        measure_number(out, &open_descriptors, MEASURE_NO_LABELS, count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        measure_number(out, &most_descriptors, MEASURE_NO_LABELS,
                       limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur);
}

static int64_t microseconds(struct timeval time)
{
    return time.tv_sec * US_PER_SECOND + time.tv_usec;
}

void process_measure(int64_t start_time_us, struct measures *out)
{
    struct rusage usage;

    measure_memory(out);
    measure_descriptors(out);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        measure_number(out, &processor, MEASURE_NO_LABELS,
                       microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
    measure_number(out, &start_time, MEASURE_NO_LABELS, start_time_us);
}
