/*
 * Configuration file, certificates, house_open: as main does it, with a clock and randomness of the
 * test.
 */
#include "support/rpc_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "config.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "rpc/server.h"
#include "support/rpc_log_check.h"

#define ARENA_SIZE (64 * 1024 * 1024)

static const char *const paths[RPC_IDENTITIES] = {
    [SERVICE_BILLING] = "service/service-billing",
    [SERVICE_POOR] = "service/service-poor",
    [OPERATOR_DEMO] = "operator/operator-demo",
    [APP_DEMO] = "app/app-demo",
    [APP_OTHER] = "app/app-other",
};

char *rpc_strdup(struct rpc_fixture *f, const char *text)
{
    pthread_mutex_lock(&f->mutex);
    char *copy = arena_strdup(f->arena, text);
    pthread_mutex_unlock(&f->mutex);
    return copy;
}

const char *rpc_printf(struct rpc_fixture *f, const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return rpc_strdup(f, text);
}

static void write_files(struct rpc_fixture *f)
{
    struct test_pair server = test_issue_server(f->authority);

    test_write_file(f->directory, "ca.pem", test_authority_pem(f->authority));
    test_write_file(f->directory, "server.pem", server.certificate_pem);
    test_write_file(f->directory, "server.key", server.key_pem);
    test_write_file(f->directory, "master.key",
                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
}

/* What would disturb tests that speak of something else; a test about it sets the key itself. */
static const char *quiet_settings(struct rpc_fixture *f)
{
    static const char *const lines[] = {
        "rate_service = 0\n",   "rate_operator = 0\n",         "rate_app = 0\n",
        "rate_device = 0\n",    "admission_target_ms = 0\n",   "metrics_listen = off\n",
        "reconcile_days = 0\n", "reconcile_confirm_max = 0\n", "ledger_checkpoint_seconds = 3600\n",
    };
    const char *text = "";

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        const char *key = rpc_printf(f, "%.*s", (int)strcspn(lines[i], "="), lines[i]);
        if (strstr(f->more_settings, key) == NULL)
            text = rpc_printf(f, "%s%s", text, lines[i]);
    }
    return text;
}

static void read_config(struct rpc_fixture *f)
{
    char problem[CONFIG_PROBLEM_SIZE];
    const char *text = rpc_printf(f,
                                  "listen = %s\n"
                                  "tls_certificate = %s/server.pem\n"
                                  "tls_key = %s/server.key\n"
                                  "tls_client_ca = %s/ca.pem\n"
                                  "database = %s\n"
                                  "master_key_file = %s/master.key\n"
                                  "sandbox_journal = %s/journal\n"
                                  "shutdown_grace_ms = 12000\n"
                                  "gateway_timeout_ms = 500\n"
                                  "job_poll_ms = 100\n"
                                  "scopes.service/service-billing = *\n"
                                  "scopes.operator/operator-demo = *\n"
                                  "%s%s",
                                  f->listen, f->directory, f->directory, f->directory,
                                  f->database != NULL ? f->database : f->db->service, f->directory,
                                  f->directory, quiet_settings(f), f->more_settings);

    f->config = config_parse("test.conf", text, problem);
    if (f->config == NULL)
        bug("%s", problem);
}

struct dues_client *rpc_client(struct rpc_fixture *f, struct test_pair pair)
{
    return test_client(f->target, f->authority, pair);
}

static void open_house(struct rpc_fixture *f)
{
    char problem[HOUSE_PROBLEM_SIZE] = "";

    f->opened = house_open(config_settings(f->config), &f->clock->clock, &f->db->random.random,
                           f->log, problem);
    if (f->opened == NULL)
        bug("test server: %s", problem);
    f->house = house_of(f->opened);
    snprintf(f->target, sizeof f->target, "127.0.0.1:%d", house_port(f->opened));
}

static void close_house(struct rpc_fixture *f)
{
    if (!house_close(f->opened))
        bug("test server did not stop in time");
}

static void start_server(struct rpc_fixture *f)
{
    open_house(f);
    for (size_t i = 0; i < RPC_IDENTITIES; i++)
        f->clients[i] = rpc_client(f, f->pairs[i]);
}

static void stop_server(struct rpc_fixture *f)
{
    for (size_t i = 0; i < RPC_IDENTITIES; i++)
        dues_client_close(f->clients[i]);
    close_house(f);
}

void rpc_restart(struct rpc_fixture *f)
{
    stop_server(f);
    start_server(f);
}

void rpc_restart_on(struct rpc_fixture *f, const char *database)
{
    stop_server(f);
    f->database = database;
    config_free(f->config);
    read_config(f);
    start_server(f);
}

void rpc_restart_in_place(struct rpc_fixture *f)
{
    close_house(f);
    config_free(f->config);
    f->listen = rpc_printf(f, "%s", f->target);
    read_config(f);
    open_house(f);
}

struct rpc_fixture *rpc_fixture_new(const char *more_settings)
{
    return rpc_fixture_new_prepared(more_settings, NULL);
}

struct rpc_fixture *rpc_fixture_new_prepared(const char *more_settings,
                                             void (*prepare)(const struct settings *settings))
{
    struct rpc_fixture *f = calloc(1, sizeof *f);

    if (f == NULL || (f->answers = calloc(RPC_ANSWERS_MAX, sizeof(struct dues_answer *))) == NULL)
        bug("no memory for the fixture");
    rpc_environment_clear();
    pthread_mutex_init(&f->mutex, NULL);
    f->more_settings = more_settings;
    f->listen = "127.0.0.1:0";
    f->arena = arena_new(ARENA_SIZE);
    /* The database first: it forks, which gRPC does not survive. */
    f->db = db_fixture_new(&(struct db_options){.without_house = true});
    f->clock = &f->db->clock;
    fake_clock_set(f->clock, clock_wall_us(clock_system()));
    snprintf(f->directory, sizeof f->directory, "/tmp/dues-rpc-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        bug("no directory for the fixture");
    f->papers = arena_new(ARENA_SIZE);
    f->authority = test_authority_new(f->papers, "test clients");
    for (size_t i = 0; i < RPC_IDENTITIES; i++)
        f->pairs[i] = test_issue_client(f->authority, paths[i]);
    f->log_file = memfd_create("log", MFD_CLOEXEC);
    f->log = log_open(f->log_file, LOG_DEBUG, clock_system());
    write_files(f);
    read_config(f);
    if (prepare != NULL)
        prepare(config_settings(f->config));
    start_server(f);
    return f;
}

static void remove_directory(const char *directory)
{
    DIR *entries = opendir(directory);
    char path[512];

    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    if (entries != NULL)
        closedir(entries);
    rmdir(directory);
}

void rpc_fixture_free(struct rpc_fixture *f)
{
    stop_server(f);
    for (size_t i = 0; i < f->answer_count; i++)
        dues_answer_free(f->answers[i]);
    free(f->answers);
    config_free(f->config);
    log_close(f->log);
    rpc_log_check(f->log_file);
    close(f->log_file);
    remove_directory(f->directory);
    test_authority_free(f->authority);
    arena_free(f->papers);
    arena_free(f->arena);
    db_fixture_free(f->db);
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

int rpc_setup(void **state)
{
    *state = rpc_fixture_new("sandbox = on\n");
    return 0;
}

int rpc_teardown(void **state)
{
    rpc_fixture_free(*state);
    return 0;
}

static const struct dues_answer *keep(struct rpc_fixture *f, struct dues_answer *answer)
{
    pthread_mutex_lock(&f->mutex);
    if (f->answer_count == RPC_ANSWERS_MAX)
        bug("more than %d answers in a test program", RPC_ANSWERS_MAX);
    f->answers[f->answer_count++] = answer;
    pthread_mutex_unlock(&f->mutex);
    return answer;
}

static struct dues_client *client_of(struct rpc_fixture *f, const struct rpc_as *as)
{
    return as->client != NULL ? as->client : f->clients[as->identity];
}

static struct dues_call_options options_of(const struct rpc_as *as)
{
    return (struct dues_call_options){
        .deadline_ms = as->deadline_ms,
        .token = as->token,
        .metadata = as->metadata,
        .metadata_count = as->metadata_count,
        .attempts_max = 1,
        .wait_for_ready = true,
    };
}

const struct dues_answer *rpc_ask(struct rpc_fixture *f, struct rpc_as as,
                                  const ProtobufCServiceDescriptor *service, const char *method,
                                  const ProtobufCMessage *request)
{
    struct dues_answer *answer;
    const struct dues_call_options options = options_of(&as);

    dues_call(client_of(f, &as), service, method, request, &options, &answer);
    return keep(f, answer);
}

const struct dues_answer *rpc_ask_bytes(struct rpc_fixture *f, struct rpc_as as, const char *path,
                                        const void *bytes, size_t size)
{
    struct dues_answer *answer;
    const struct dues_call_options options = options_of(&as);

    dues_call_bytes(client_of(f, &as), path, bytes, size, &options, &answer);
    return keep(f, answer);
}

bool answer_names(const struct dues_answer *answer, const char *field)
{
    for (size_t i = 0; i < answer->field_count; i++) {
        if (strcmp(answer->fields[i].field, field) == 0)
            return true;
    }
    return false;
}

/* protobuf-c's fields are not const, though packing only reads them. */
static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

struct rpc_user rpc_given_user_on(struct rpc_fixture *f, const char *test_clock)
{
    static atomic_int made;
    Dues__Auth__V1__SignUpRequest request = DUES__AUTH__V1__SIGN_UP_REQUEST__INIT;
    struct rpc_user user = {
        .email = rpc_printf(f, "user-%d@example.com", atomic_fetch_add(&made, 1)),
        .password = "a long and quiet afternoon",
    };

    request.email = writable(user.email);
    request.password = writable(user.password);
    request.display_name = writable("Ada");
    request.test_clock = writable(test_clock);
    const struct rpc_as as = {.identity = APP_DEMO, .deadline_ms = RPC_HASHING_MS};
    const struct dues_answer *answer =
        rpc_ask(f, as, &dues__auth__v1__auth_service__descriptor, "SignUp", &request.base);
    if (answer->status != DUES_OK)
        bug("SignUp of a test user: %s %s", answer->reason, answer->message);
    const Dues__Auth__V1__SignUpResponse *reply = (const void *)answer->reply;
    user.user = reply->user->name;
    user.customer = reply->customer;
    user.token = reply->session->access_token;
    user.refresh_token = reply->session->refresh_token;
    return user;
}

struct rpc_user rpc_given_user(struct rpc_fixture *f)
{
    return rpc_given_user_on(f, "");
}

bool rpc_log_has(struct rpc_fixture *f, const char *text)
{
    return rpc_log_file_has(f->log, f->log_file, text);
}

void rpc_race(void *(*run)(void *racer), void *racers, size_t count, size_t size)
{
    pthread_t threads[RPC_RACERS_MAX];

    if (count > RPC_RACERS_MAX)
        bug("more than %d racers", RPC_RACERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run, (char *)racers + i * size) != 0)
            bug("no thread for a racer");
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}
