/*
 * A house with lanes, fibers and a vault, for as long as the work on its keys takes.
 */
#include "keys_command.h"

#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "house_open.h"
#include "keys_gateway.h"
#include "pg/lanes.h"
#include "pg/migrate.h"
#include "vault/gateway_keys.h"
#include "vault/rotate.h"

#define PROBLEM_SIZE KEYS_PROBLEM_SIZE
#define FIBERS       16
#define QUEUE_MAX    16

struct workshop {
    struct house house;
    struct secrets *secrets;
};

static bool open_workshop(struct workshop *workshop, const struct settings *settings,
                          char problem[PROBLEM_SIZE])
{
    struct house *house = &workshop->house;

    house->settings = settings;
    house->clock = clock_system();
    house->random = random_system();
    house->log = log_open(STDERR_FILENO, LOG_ERROR, clock_system());
    workshop->secrets = secrets_open_from(house_key_source(settings), problem);
    if (workshop->secrets == NULL || pg_check_version(settings->database, problem) != 0)
        return false;
    house->secrets = workshop->secrets;
    house->fibers = fiber_pool_open(FIBERS);
    house->pg = pg_open(&(struct pg_options){.connection = settings->database,
                                             .write_lanes = 1,
                                             .read_lanes = 1,
                                             .queue_max = QUEUE_MAX,
                                             .clock = house->clock,
                                             .random = house->random,
                                             .log = house->log});
    house->vault = vault_open(house, house_key_source(settings), problem);
    if (house->vault != NULL)
        vault_lend_root(house->vault, workshop->secrets);
    return house->vault != NULL;
}

static void close_workshop(struct workshop *workshop)
{
    struct house *house = &workshop->house;

    vault_close(house->vault);
    if (house->pg != NULL)
        pg_close(house->pg);
    if (house->fibers != NULL)
        fiber_pool_close(house->fibers);
    secrets_close(workshop->secrets);
    log_close(house->log);
}

static bool count(const struct workshop *workshop, bool as_json, FILE *out,
                  char problem[PROBLEM_SIZE])
{
    int64_t old_rows = 0;

    if (!vault_count(workshop->house.vault, as_json, out, &old_rows, problem))
        return false;
    if (old_rows > 0)
        snprintf(problem, PROBLEM_SIZE, "%lld rows hang on an old key: `dues keys rotate`",
                 (long long)old_rows);
    return old_rows == 0;
}

static bool forget_old(const struct workshop *workshop, FILE *out, char problem[PROBLEM_SIZE])
{
    if (!vault_source_is_current(workshop->house.vault)) {
        snprintf(problem, PROBLEM_SIZE,
                 "the first key of the source is not the one in use: `dues keys rotate`");
        return false;
    }
    if (!key_source_keep_first(house_key_source(workshop->house.settings), problem))
        return false;
    fputs("the old keys are gone from the file; backups from before need them\n", out);
    return true;
}

static bool rotate(const struct workshop *workshop, FILE *out, char problem[PROBLEM_SIZE])
{
    if (!vault_rotate(workshop->house.vault, VAULT_BRIDGE_US, out, problem))
        return false;
    fputs("0 rows hang on an old key; see to it that each server's master_key_file has the new one "
          "before its next start\n",
          out);
    return true;
}

const char *keys_options_misfit(const struct keys_options *options)
{
    bool is_named = options->action == KEYS_SET || options->action == KEYS_END;

    if (options->forget_old && options->action != KEYS_COUNT)
        return "--forget-old is for count-keys";
    if (options->as_json &&
        (options->forget_old || (options->action != KEYS_COUNT && options->action != KEYS_LIST)))
        return "-o json is for count-keys and list-keys";
    if (is_named != (options->name != NULL))
        return is_named ? "set-key and end-keys need --name" : "--name is for set-key and end-keys";
    if (is_named && !gateway_key_is_known(options->name, NULL))
        return GATEWAY_KEY_ABSENT;
    return NULL;
}

static bool act(const struct workshop *workshop, const struct keys_options *options, FILE *in,
                FILE *out, char problem[PROBLEM_SIZE])
{
    switch (options->action) {
    case KEYS_ROTATE:
        return rotate(workshop, out, problem);
    case KEYS_COUNT:
        return count(workshop, options->as_json, out, problem) &&
               (!options->forget_old || forget_old(workshop, out, problem));
    case KEYS_SET:
    case KEYS_LIST:
    case KEYS_END:
        return keys_gateway_run(&workshop->house, options, in, out, problem);
    }
    return false;
}

int keys_run(const struct settings *settings, const struct keys_options *options, FILE *in,
             FILE *out, FILE *problems)
{
    struct workshop workshop = {.secrets = NULL};
    char problem[PROBLEM_SIZE] = "";
    bool worked =
        open_workshop(&workshop, settings, problem) && act(&workshop, options, in, out, problem);

    close_workshop(&workshop);
    if (!worked)
        fprintf(problems, "%s\n", problem);
    return worked ? 0 : PG_MIGRATE_FAILED;
}
