/*
 * Server, authority and clients get new certificates again and again while calls go on: none fails.
 *
 * DUES_ROTATIONS says how many (60): a third of them are the server's, the authority's and the
 * clients' each.  In a round the server gets a certificate of the authority that the clients are
 * with already, the next authority is trusted and the one before no more, and then the clients
 * move.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "support/rpc_bare.h"

#define ROTATIONS    60
#define LONG_CLIENTS 2 /* keep their connection while they can */
#define CLIENTS      3 /* the last one makes a connection for each call */
#define TAKEN_UP_MS  30000
#define PAUSE_US     2000

/* What a client is given: a certificate, and whom to trust. */
struct papers {
    struct test_pair pair;
    const char *ca_pem;
    int generation;
};

struct client {
    struct world *world;
    pthread_t thread;
    bool stays_connected;
    atomic_int generation; /* of the papers that it uses, and no older ones */
    int calls;
    int failures;
    char first_failure[160];
};

struct world {
    struct rpc_bare *bare;
    struct arena *arena;
    pthread_mutex_t mutex;
    struct papers papers;
    atomic_bool stop;
    struct client clients[CLIENTS];
    struct test_authority *before; /* NULL in the first round */
    struct test_authority *now;
};

static struct dues_client *open_client(const struct rpc_bare *bare, const struct papers *papers)
{
    char problem[DUES_PROBLEM_SIZE];
    const struct dues_client_options options = {
        .target = bare->target,
        .ca_pem = papers->ca_pem,
        .certificate_pem = papers->pair.certificate_pem,
        .key_pem = papers->pair.key_pem,
    };
    struct dues_client *client = dues_client_open(&options, problem);

    assert_non_null(client);
    return client;
}

static struct dues_answer *ask(struct dues_client *client)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    const struct dues_call_options once = {.attempts_max = 1, .deadline_ms = 10000};
    struct dues_answer *answer;

    dues_call(client, &dues__payment__v1__payment_service__descriptor, "ListPayments",
              &request.base, &once, &answer);
    return answer;
}

static int ask_with(const struct rpc_bare *bare, const struct papers *papers)
{
    struct dues_client *client = open_client(bare, papers);
    struct dues_answer *answer = ask(client);
    int status = answer->status;

    dues_answer_free(answer);
    dues_client_close(client);
    return status;
}

static struct papers current_papers(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    struct papers papers = world->papers;
    pthread_mutex_unlock(&world->mutex);
    return papers;
}

static void call_once(struct client *self, struct dues_client *connection)
{
    struct dues_answer *answer = ask(connection);

    self->calls++;
    if (answer->status != DUES_OK && self->failures++ == 0)
        snprintf(self->first_failure, sizeof self->first_failure, "%d %s %s", answer->status,
                 answer->reason, answer->message);
    dues_answer_free(answer);
}

static void *keep_calling(void *argument)
{
    struct client *self = argument;
    struct papers papers = current_papers(self->world);
    struct dues_client *connection = open_client(self->world->bare, &papers);

    while (!atomic_load(&self->world->stop)) {
        struct papers newest = current_papers(self->world);
        if (newest.generation != papers.generation || !self->stays_connected) {
            dues_client_close(connection);
            papers = newest;
            connection = open_client(self->world->bare, &papers);
        }
        atomic_store(&self->generation, papers.generation);
        call_once(self, connection);
        usleep(PAUSE_US);
    }
    dues_client_close(connection);
    return NULL;
}

/* Until all use the newest papers: only then may the old ones become worthless. */
static void move_clients(struct world *world, const struct papers *papers)
{
    pthread_mutex_lock(&world->mutex);
    world->papers = *papers;
    pthread_mutex_unlock(&world->mutex);
    for (size_t i = 0; i < CLIENTS; i++) {
        while (atomic_load(&world->clients[i].generation) != papers->generation)
            usleep(PAUSE_US);
    }
}

static const char *together(struct world *world, const struct test_authority *one,
                            const struct test_authority *other)
{
    return arena_printf(world->arena, "%s%s", test_authority_pem(one), test_authority_pem(other));
}

/* True as soon as papers of the next authority get in, at a server with a certificate of this one.
 */
static bool is_taken_up(struct world *world, struct test_authority *next)
{
    const struct papers newcomer = {.pair = test_issue_client(next, "service/newcomer"),
                                    .ca_pem = test_authority_pem(world->now)};

    for (int waited_ms = 0; waited_ms < TAKEN_UP_MS; waited_ms += 50) {
        if (ask_with(world->bare, &newcomer) == DUES_OK)
            return true;
        usleep(50 * 1000);
    }
    return false;
}

static bool rotate_all(struct world *world, int generation)
{
    /* A name of its own: what it issues does not say which key of a name has signed. */
    struct test_authority *next =
        test_authority_new(world->arena, arena_printf(world->arena, "authority %d", generation));
    struct test_pair server = test_issue_server(world->now);
    const char *directory = world->bare->directory;

    /* One after the other: between them key and certificate do not belong together. */
    test_write_file(directory, "server.key", server.key_pem);
    test_write_file(directory, "server.pem", server.certificate_pem);
    test_write_file(directory, "ca.pem", together(world, world->now, next));
    bool taken_up = is_taken_up(world, next);
    const struct papers papers = {
        .pair = test_issue_client(next, "service/service-billing"),
        .ca_pem = together(world, world->now, next),
        .generation = generation,
    };
    if (taken_up)
        move_clients(world, &papers);
    if (world->before != NULL && world->before != world->bare->authority)
        test_authority_free(world->before);
    world->before = world->now;
    world->now = next;
    return taken_up;
}

static void open_world(struct world *world)
{
    *world = (struct world){.bare = rpc_bare_new(NULL), .arena = arena_new(1024 * 1024 * 1024)};
    world->now = world->bare->authority;
    world->papers = (struct papers){
        .pair = world->bare->service,
        .ca_pem = test_authority_pem(world->now),
    };
    pthread_mutex_init(&world->mutex, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        world->clients[i].world = world;
        world->clients[i].stays_connected = i < LONG_CLIENTS;
        pthread_create(&world->clients[i].thread, NULL, keep_calling, &world->clients[i]);
    }
}

static void close_world(struct world *world, int *calls, int *failures)
{
    atomic_store(&world->stop, true);
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(world->clients[i].thread, NULL);
        *calls += world->clients[i].calls;
        *failures += world->clients[i].failures;
        if (world->clients[i].failures > 0)
            print_error("client %zu: %s\n", i, world->clients[i].first_failure);
    }
    test_authority_free(world->now);
    if (world->before != world->bare->authority)
        test_authority_free(world->before);
    pthread_mutex_destroy(&world->mutex);
    rpc_bare_free(world->bare);
    arena_free(world->arena);
}

static void rotates_everything_under_load_without_a_failed_call(void **state)
{
    static struct world world;
    const char *wish = getenv("DUES_ROTATIONS");
    long rotations = wish == NULL ? ROTATIONS : strtol(wish, NULL, 10);
    long rounds = (rotations + 2) / 3;
    int calls = 0;
    int failures = 0;
    bool taken_up = true;

    (void)state;
    open_world(&world);
    const struct papers first = current_papers(&world);
    for (int i = 1; i <= rounds && taken_up; i++)
        taken_up = rotate_all(&world, i);
    int old = ask_with(world.bare, &first);
    close_world(&world, &calls, &failures);

    print_message("%ld rotations, %d calls, %d failed\n", 3 * rounds, calls, failures);
    assert_true(taken_up);
    assert_int_equal(failures, 0);
    assert_true(calls > rounds);
    assert_int_not_equal(old, DUES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotates_everything_under_load_without_a_failed_call),
    };

    return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
