/*
 * `dues demo`: the main job, told by calls against a sandbox server.  Ends with 0 only when every
 * answer was what the story says.
 */
#include "cli/demo.h"

#include "base/random.h"
#include "base/text.h"
#include "cli/cli.h"

#define ARENA_SIZE_MAX (64u << 20)

static struct dues_client *open_as(struct story *story, const char *name)
{
    char problem[DUES_PROBLEM_SIZE];
    struct connection connection = story->connection;
    const char *certs =
        arena_printf(story->arena, "%s/%s", connection.state_dir, STATE_CERTIFICATES);
    connection.certificate = arena_printf(story->arena, "%s/%s.pem", certs, name);
    connection.key = arena_printf(story->arena, "%s/%s.key", certs, name);
    struct dues_client *client = connection_open(&connection, problem);
    if (client == NULL)
        complain("%s", problem);
    return client;
}

static void close_story(struct story *story)
{
    for (size_t i = 0; i < story->answer_count; i++)
        dues_answer_free(story->answers[i]);
    for (size_t i = 0; i < SPEAKER_COUNT; i++)
        dues_client_close(story->clients[i]);
}

/* The cards of the story are the sandbox's own; a server of another place is not looked at. */
static bool has_other_gateway(const struct story *story)
{
    static const char other[] = "gateway = stripe";
    const char *path = arena_printf(story->arena, "%s/duesd.conf", story->connection.state_dir);
    FILE *file = fopen(path, "re");
    char line[256];
    bool is_other = false;

    if (file == NULL)
        return false;
    while (!is_other && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        is_other = text_equal(line, other);
    }
    fclose(file);
    return is_other;
}

static int tell(struct story *story)
{
    if (has_other_gateway(story))
        return complain("the story needs the sandbox gateway: `dues dev` without --gateway, or with"
                        " --gateway sandbox, in a state directory of its own");

    uint8_t bytes[5];
    char run[2 * sizeof(bytes) + 1];
    random_fill(random_system(), bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), run);
    story->run = arena_strdup(story->arena, run);
    story->clients[SPEAKER_SERVICE] = open_as(story, "service-billing");
    story->clients[SPEAKER_APP] = open_as(story, "app-demo");
    if (story->clients[SPEAKER_SERVICE] == NULL || story->clients[SPEAKER_APP] == NULL)
        return EXIT_FAILURE;
    chapter_member(story);
    chapter_decline(story);
    chapter_truth(story);
    if (story->failure == NULL) {
        printf("Everything was as expected.\n");
        return EXIT_SUCCESS;
    }
    (void)fflush(stdout);
    return complain("the story ends here: %s", story->failure);
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct story story = {.arena = arena};
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (!connection_option(&story.connection, option, optarg))
            return option == OPTION_HELP ? help_command("demo") : complain_option("demo");
    if (optind != argc)
        return complain_usage("demo takes no \"%s\"", argv[optind]);
    const char *misuse = connection_check(&story.connection);
    if (misuse != NULL)
        return complain_usage("%s", misuse);
    const char *missing = connection_complete(&story.connection, arena);
    if (missing == NULL && story.connection.state_dir == NULL)
        missing = STATE_DIR_UNKNOWN; /* it speaks with several of its certificates */
    if (missing != NULL)
        return complain("%s", missing);
    int exit_status = tell(&story);
    close_story(&story);
    return exit_status;
}

int command_demo(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
