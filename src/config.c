/*
 * Reads duesd.conf into struct settings.  The table below is the only place that knows keys, bounds
 * and defaults; duesd.conf.example repeats them for people, and a test compares the two.
 */

#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"
#include "config_check.h"

enum kind { KIND_TEXT, KIND_INT64, KIND_INT32, KIND_BOOL, KIND_DAYS };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *fallback; /* NULL: required */
    int64_t least;
    int64_t most;
    config_value_check *check; /* NULL: length or range say it all */
};

#define CHECKED(name, kind, fallback, least, most, check)                                          \
    {                                                                                              \
#name, kind, offsetof(struct settings, name), fallback, least, most, check                 \
    }
#define KEY(name, kind, fallback, least, most) CHECKED(name, kind, fallback, least, most, NULL)

/* For KIND_TEXT the bounds are those of the length. */
static const struct key keys[] = {
    CHECKED(listen, KIND_TEXT, "127.0.0.1:8443", 3, 255, config_check_listen),
    CHECKED(trust_domain, KIND_TEXT, "dues.local", 1, 255, config_check_trust_domain),
    KEY(tls_certificate, KIND_TEXT, NULL, 1, 4095),
    KEY(tls_key, KIND_TEXT, NULL, 1, 4095),
    KEY(tls_client_ca, KIND_TEXT, NULL, 1, 4095),
    KEY(deadline_default_ms, KIND_INT64, "10000", 50, 600000),
    KEY(deadline_max_ms, KIND_INT64, "30000", 50, 600000),
    KEY(shutdown_grace_ms, KIND_INT64, "20000", 0, 600000),
    KEY(calls_max, KIND_INT32, "1024", 16, 16384),
    KEY(streams_max, KIND_INT32, "2048", 16, 16384),
    KEY(streams_per_caller_max, KIND_INT32, "1024", 1, 16384),
    KEY(stream_stall_ms, KIND_INT64, "10000", 100, 600000),
    KEY(reflection, KIND_BOOL, "on", 0, 0),
    KEY(sandbox, KIND_BOOL, "off", 0, 0),
    KEY(connections_max, KIND_INT32, "12000", 16, 100000),
    KEY(connections_per_second, KIND_INT32, "500", 1, 100000),
    KEY(connections_per_source_max, KIND_INT32, "200", 1, 100000),
    KEY(guard_header_block_max, KIND_INT32, "16384", 4096, 65536),
    KEY(guard_headers_per_second, KIND_INT32, "50000", 10, 1000000),
    KEY(guard_resets_per_second, KIND_INT32, "200", 1, 100000),
    KEY(guard_control_per_second, KIND_INT32, "200", 1, 100000),
    KEY(guard_window_updates_per_second, KIND_INT32, "2500", 10, 1000000),
    KEY(guard_small_data_per_second, KIND_INT32, "2000", 10, 1000000),
    KEY(rate_service, KIND_INT32, "20000", 0, 1000000),
    KEY(rate_operator, KIND_INT32, "100", 0, 1000000),
    KEY(rate_app, KIND_INT32, "2000", 0, 1000000),
    KEY(rate_device, KIND_INT32, "20", 0, 1000000),
    KEY(admission_target_ms, KIND_INT64, "50", 0, 60000),
    CHECKED(database, KIND_TEXT, NULL, 1, 1023, config_check_database),
    CHECKED(database_owner, KIND_TEXT, "", 0, 1023, config_check_database),
    KEY(write_lanes, KIND_INT32, "4", 1, 64),
    KEY(read_lanes, KIND_INT32, "2", 1, 64),
    KEY(lane_queue_max, KIND_INT32, "2048", 16, 65536),
    KEY(master_key_file, KIND_TEXT, NULL, 1, 4095),
    KEY(token_issuer, KIND_TEXT, "https://dues.local", 1, 255),
    KEY(token_audience, KIND_TEXT, "dues", 1, 255),
    KEY(access_token_seconds, KIND_INT64, "600", 60, 900),
    KEY(refresh_token_seconds, KIND_INT64, "2592000", 3600, 2592000),
    KEY(refresh_grace_seconds, KIND_INT64, "30", 0, 300),
    KEY(device_certificate_seconds, KIND_INT64, "86400", 300, 86400),
    KEY(hash_threads, KIND_INT32, "0", 0, 16),
    KEY(hash_queue_max, KIND_INT32, "64", 1, 1024),
    CHECKED(gateway, KIND_TEXT, "sandbox", 6, 7, config_check_gateway),
    KEY(sandbox_journal, KIND_TEXT, "", 0, 4095),
    KEY(sandbox_latency_ms, KIND_INT64, "0", 0, 60000),
    CHECKED(stripe_url, KIND_TEXT, "", 0, 255, config_check_stripe_url),
    KEY(stripe_ca_file, KIND_TEXT, "", 0, 4095),
    CHECKED(stripe_return_url, KIND_TEXT, "", 0, 255, config_check_return_url),
    KEY(stripe_connections, KIND_INT32, "64", 1, 1024),
    KEY(gateway_timeout_ms, KIND_INT64, "20000", 100, 60000),
    CHECKED(gateway_news_listen, KIND_TEXT, "off", 3, 255, config_check_metrics_listen),
    KEY(gateway_news_certificate, KIND_TEXT, "", 0, 4095),
    KEY(gateway_news_key, KIND_TEXT, "", 0, 4095),
    KEY(gateway_news_connections, KIND_INT32, "64", 1, 1024),
    KEY(gateway_news_rate, KIND_INT32, "500", 1, 100000),
    KEY(unknown_budget_seconds, KIND_INT64, "259200", 60, 2592000),
    KEY(dispute_poll_seconds, KIND_INT64, "60", 0, 86400),
    KEY(reconcile_days, KIND_INT64, "3", 0, 31),
    KEY(reconcile_confirm_max, KIND_INT64, "200", 0, 1000),
    KEY(reconcile_shared_account, KIND_BOOL, "off", 0, 0),
    KEY(ledger_checkpoint_seconds, KIND_INT64, "120", 1, 3600),
    KEY(webhook_timeout_ms, KIND_INT64, "15000", 1000, 30000),
    KEY(webhook_ca_file, KIND_TEXT, "", 0, 4095),
    KEY(webhooks_max, KIND_INT32, "64", 1, 1024),
    KEY(grace_days, KIND_INT64, "7", 0, 60),
    KEY(dunning_retry_days, KIND_DAYS, "1 3 5 8 11 14", 0, 60),
    KEY(dunning_cancel_days, KIND_INT64, "21", 1, 90),
    KEY(incomplete_seconds, KIND_INT64, "82800", 60, 604800),
    KEY(entitlement_cache_max, KIND_INT32, "100000", 0, 10000000),
    KEY(job_poll_ms, KIND_INT64, "500", 10, 60000),
    KEY(job_lease_ms, KIND_INT64, "60000", 5000, 600000),
    KEY(jobs_max, KIND_INT32, "256", 1, 4096),
    CHECKED(log_level, KIND_TEXT, "info", 4, 7, config_check_log_level),
    CHECKED(log_format, KIND_TEXT, "json", 4, 4, config_check_log_format),
    CHECKED(metrics_listen, KIND_TEXT, "127.0.0.1:9464", 3, 255, config_check_metrics_listen),
};

#define SCOPES_PREFIX "scopes."

struct config {
    struct arena *arena;
    struct settings settings;
    char *name;
    int lines[ARRAY_LENGTH(keys)]; /* where each stands; 0: it has its default */
};

struct line {
    const char *file;
    int number; /* 0: none */
    char *problem;
};

PRINTF_LIKE(2, 3) static bool wrong(const struct line *line, const char *format, ...)
{
    int used = line->number == 0 ? snprintf(line->problem, CONFIG_PROBLEM_SIZE, "%s: ", line->file)
                                 : snprintf(line->problem, CONFIG_PROBLEM_SIZE,
                                            "%s:%d: ", line->file, line->number);
    va_list arguments;

    if (used < 0 || used >= CONFIG_PROBLEM_SIZE)
        return false;
    va_start(arguments, format);
    vsnprintf(line->problem + used, (size_t)(CONFIG_PROBLEM_SIZE - used), format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_number(const char *text, const struct key *key, int64_t *number)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < key->least || value > key->most)
        return false;
    *number = value;
    return true;
}

/* "1 3 5 8 11 14": rising, each within the bounds. */
static bool parse_days(struct config *config, const char *text, const struct key *key)
{
    struct settings *settings = &config->settings;
    const char *rest = text + strspn(text, " ");
    int64_t before = key->least;

    settings->dunning_retry_count = 0;
    while (*rest != '\0') {
        size_t length = strcspn(rest, " ");
        int64_t day;
        if (settings->dunning_retry_count == DUNNING_RETRIES_MAX ||
            !parse_number(arena_strndup(config->arena, rest, length), key, &day) || day <= before)
            return false;
        settings->dunning_retry_days[settings->dunning_retry_count++] = (int32_t)day;
        before = day;
        rest += length;
        rest += strspn(rest, " ");
    }
    return true;
}

static bool set_text(struct config *config, const struct key *key, const char *value,
                     const struct line *line)
{
    char *field = (char *)&config->settings + key->offset;
    char problem[CONFIG_VALUE_PROBLEM_SIZE];

    /* The check first: it knows better than "4 to 4 characters" what is wanted. */
    if (key->check != NULL && !key->check(value, problem))
        return wrong(line, "%s %s", key->name, problem);
    if ((int64_t)strlen(value) < key->least || (int64_t)strlen(value) > key->most)
        return wrong(line, "%s needs %" PRId64 " to %" PRId64 " characters", key->name, key->least,
                     key->most);
    *(const char **)(void *)field = arena_strdup(config->arena, value);
    return true;
}

static bool set_value(struct config *config, const struct key *key, const char *value,
                      const struct line *line)
{
    char *field = (char *)&config->settings + key->offset;
    int64_t number;

    switch (key->kind) {
    case KIND_TEXT:
        return set_text(config, key, value, line);
    case KIND_INT64:
    case KIND_INT32:
        if (!parse_number(value, key, &number))
            return wrong(line, "%s needs a whole number from %" PRId64 " to %" PRId64, key->name,
                         key->least, key->most);
        if (key->kind == KIND_INT64)
            *(int64_t *)(void *)field = number;
        else
            *(int32_t *)(void *)field = (int32_t)number;
        return true;
    case KIND_BOOL:
        if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
            return wrong(line, "%s needs on or off", key->name);
        *(bool *)(void *)field = strcmp(value, "on") == 0;
        return true;
    case KIND_DAYS:
        if (!parse_days(config, value, key))
            return wrong(line, "%s needs at most %d rising days from %" PRId64 " to %" PRId64,
                         key->name, DUNNING_RETRIES_MAX, key->least + 1, key->most);
        return true;
    }
    return false;
}

/* "service" or "service/NAME". */
static bool is_identity(const char *identity, const char *kind)
{
    size_t length = strlen(kind);

    if (!text_starts_with(identity, kind))
        return false;
    return identity[length] == '\0' || (identity[length] == '/' && identity[length + 1] != '\0');
}

/* `scopes.service/NAME = payments.read …` grants to one certificate, `scopes.service` to all. */
static bool add_grant(struct config *config, const char *identity, const char *scopes,
                      const struct line *line)
{
    struct settings *settings = &config->settings;
    char problem[CONFIG_VALUE_PROBLEM_SIZE];

    if (!is_identity(identity, "service") && !is_identity(identity, "operator"))
        return wrong(line, "scopes are granted to service[/NAME] or operator[/NAME], not \"%s\"",
                     identity);
    for (int32_t i = 0; i < settings->scope_count; i++) {
        if (text_equal(settings->scopes[i].identity, identity))
            return wrong(line, "%s%s is given twice", SCOPES_PREFIX, identity);
    }
    if (!config_check_scopes(scopes, problem))
        return wrong(line, "%s%s %s", SCOPES_PREFIX, identity, problem);
    if (settings->scope_count == SERVICE_SCOPES_MAX)
        return wrong(line, "more than %d scope grants", SERVICE_SCOPES_MAX);
    settings->scopes[settings->scope_count++] = (struct scope_grant){
        arena_strdup(config->arena, identity), arena_strdup(config->arena, scopes)};
    return true;
}

static bool apply(struct config *config, const char *name, const char *value,
                  const struct line *line)
{
    if (text_starts_with(name, SCOPES_PREFIX))
        return add_grant(config, name + strlen(SCOPES_PREFIX), value, line);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (!text_equal(keys[i].name, name))
            continue;
        if (config->lines[i] != 0)
            return wrong(line, "%s is given twice", name);
        config->lines[i] = line->number;
        return set_value(config, &keys[i], value, line);
    }
    return wrong(line, "unknown key \"%s\"", name);
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static bool read_line(struct config *config, char *text, const struct line *line)
{
    text = trimmed(text);
    if (*text == '\0' || *text == '#')
        return true;
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return wrong(line, "expected `key = value`");
    *equals = '\0';
    return apply(config, trimmed(text), trimmed(equals + 1), line);
}

static int line_of(const struct config *config, const char *key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (text_equal(keys[i].name, key))
            return config->lines[i];
    }
    return 0;
}

/* Two keys do not fit: told where the later of them stands. */
PRINTF_LIKE(5, 6)
static bool clash(const struct config *config, char *problem, const char *key, const char *other,
                  const char *format, ...)
{
    struct line line = {config->name, line_of(config, key), problem};
    char text[CONFIG_VALUE_PROBLEM_SIZE];
    va_list arguments;

    if (line_of(config, other) > line.number)
        line.number = line_of(config, other);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return wrong(&line, "%s", text);
}

/* What one key alone cannot show. */
static bool check_together(const struct config *config, char *problem)
{
    const struct settings *settings = &config->settings;

    if (settings->deadline_default_ms > settings->deadline_max_ms)
        return clash(config, problem, "deadline_default_ms", "deadline_max_ms",
                     "deadline_default_ms is above deadline_max_ms");
    if (settings->job_lease_ms <= settings->gateway_timeout_ms)
        return clash(config, problem, "job_lease_ms", "gateway_timeout_ms",
                     "job_lease_ms must be longer than gateway_timeout_ms");
    if (settings->sandbox && settings->sandbox_journal[0] == '\0')
        return clash(config, problem, "sandbox", "sandbox_journal",
                     "sandbox = on needs sandbox_journal");
    if (text_equal(settings->gateway, "stripe") && settings->stripe_url[0] == '\0')
        return clash(config, problem, "gateway", "stripe_url", "gateway = stripe needs stripe_url");
    if ((settings->gateway_news_certificate[0] == '\0') != (settings->gateway_news_key[0] == '\0'))
        return clash(config, problem, "gateway_news_certificate", "gateway_news_key",
                     "gateway_news_certificate and gateway_news_key need one another");
    if (settings->dunning_retry_count > 0 &&
        settings->dunning_retry_days[settings->dunning_retry_count - 1] >=
            settings->dunning_cancel_days)
        return clash(config, problem, "dunning_retry_days", "dunning_cancel_days",
                     "dunning_cancel_days must come after the last of dunning_retry_days");
    return true;
}

static bool fill_defaults(struct config *config, char *problem)
{
    const struct line line = {.file = config->name, .problem = problem};

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (config->lines[i] != 0)
            continue;
        if (keys[i].fallback == NULL)
            return wrong(&line, "%s is missing", keys[i].name);
        if (!set_value(config, &keys[i], keys[i].fallback, &line))
            return false;
    }
    return true;
}

bool config_check_files(const struct config *config, char problem[CONFIG_PROBLEM_SIZE])
{
    struct line line = {.file = config->name, .problem = problem};
    char what[CONFIG_VALUE_PROBLEM_SIZE];
    const char *key = config_find_bad_file(&config->settings, what);

    if (key == NULL)
        return true;
    line.number = line_of(config, key);
    return wrong(&line, "%s: %s", key, what);
}

struct config *config_parse(const char *name, const char *text, char problem[CONFIG_PROBLEM_SIZE])
{
    struct config *config = calloc(1, sizeof(*config));
    struct line line = {.file = name, .problem = problem};

    if (config == NULL)
        abort();
    config->arena = arena_new(4 * CONFIG_FILE_SIZE_MAX);
    config->name = arena_strdup(config->arena, name);
    char *rest = arena_strdup(config->arena, text);
    bool right = true;
    while (right && rest != NULL) {
        char *current = strsep(&rest, "\n");
        line.number++;
        right = read_line(config, current, &line);
    }
    if (right && fill_defaults(config, problem) && check_together(config, problem))
        return config;
    config_free(config);
    return NULL;
}

struct config *config_load(const char *path, char problem[CONFIG_PROBLEM_SIZE])
{
    static char text[CONFIG_FILE_SIZE_MAX + 1];
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        snprintf(problem, CONFIG_PROBLEM_SIZE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t size = fread(text, 1, sizeof(text), file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || size > CONFIG_FILE_SIZE_MAX || memchr(text, '\0', size) != NULL) {
        snprintf(problem, CONFIG_PROBLEM_SIZE, "%s: not a text file of at most %d bytes", path,
                 CONFIG_FILE_SIZE_MAX);
        return NULL;
    }
    text[size] = '\0';
    struct config *config = config_parse(path, text, problem);
    if (config != NULL)
        config->settings.credentials_directory = getenv("CREDENTIALS_DIRECTORY");
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    arena_free(config->arena);
    free(config);
}

const struct settings *config_settings(const struct config *config)
{
    return &config->settings;
}

static void print_key(const struct settings *settings, const struct key *key, FILE *out)
{
    const char *field = (const char *)settings + key->offset;

    fprintf(out, "%s =", key->name);
    switch (key->kind) {
    case KIND_TEXT:
        fprintf(out, " %s", *(const char *const *)(const void *)field);
        break;
    case KIND_INT64:
        fprintf(out, " %" PRId64, *(const int64_t *)(const void *)field);
        break;
    case KIND_INT32:
        fprintf(out, " %" PRId32, *(const int32_t *)(const void *)field);
        break;
    case KIND_BOOL:
        fprintf(out, " %s", *(const bool *)(const void *)field ? "on" : "off");
        break;
    case KIND_DAYS:
        for (int32_t i = 0; i < settings->dunning_retry_count; i++)
            fprintf(out, " %" PRId32, settings->dunning_retry_days[i]);
        break;
    }
    fputc('\n', out);
}

void config_print(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        print_key(&config->settings, &keys[i], out);
    for (int32_t i = 0; i < config->settings.scope_count; i++)
        fprintf(out, SCOPES_PREFIX "%s = %s\n", config->settings.scopes[i].identity,
                config->settings.scopes[i].scopes);
}
