/*
 * What is told about the process: the test's own.
 */
#include "telemetry/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/attributes.h"

static int64_t value_of(const char *name)
{
    struct measures *page = measures_new();
    char line[128];
    size_t size;

    process_measure(1795404413497919, page);
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *text = measures_text(page, &size);
    const char *found = strstr(text, line);
    int64_t value = found == NULL ? -1 : strtoll(found + strlen(line), NULL, 10);
    measures_free(page);
    return value;
}

static void tells_memory_in_bytes(void **state)
{
    (void)state;
    int64_t resident = value_of("process_resident_memory_bytes");

    assert_true(resident > 100 * 1024);
    assert_true(value_of("process_virtual_memory_bytes") >= resident);
}

static void counts_open_descriptors(void **state)
{
    (void)state;
    int64_t before = value_of("process_open_fds");
    int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);

    int64_t after = value_of("process_open_fds");
    close(descriptor);

    assert_true(before >= 3);
    assert_int_equal(after, before + 1);
    assert_true(value_of("process_max_fds") > after);
}

static void tells_when_the_process_started_and_what_it_used(void **state)
{
    (void)state;
    assert_int_equal(value_of("process_start_time_seconds"), 1795404413);
    assert_true(value_of("process_cpu_seconds_total") >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_memory_in_bytes),
        cmocka_unit_test(counts_open_descriptors),
        cmocka_unit_test(tells_when_the_process_started_and_what_it_used),
    };
    return cmocka_run_group_tests_name("process measures", tests, NULL, NULL);
}
