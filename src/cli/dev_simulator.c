/*
 * `dues dev --gateway stripe-simulator`: dues-simulator beside the server, with the server's own
 * certificate and a key of the day, and the lines of duesd.conf that point the server at it.
 */
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/connection.h"

#define KEY_FILE    DEV_SIMULATOR_KEY
#define SECRET_FILE "stripe.webhook-secret"
#define LOG_FILE    "simulator.log"
#define PATIENCE_MS 20000
#define PUMP_MS     20
#define KEY_BYTES   16

bool dev_has_simulator(const struct dev *dev)
{
    return text_equal(dev->gateway, DEV_GATEWAY_SIMULATOR);
}

const char *dev_simulator_find(struct dev *dev)
{
    if (!dev_has_simulator(dev))
        return NULL;
    dev->simulator_file =
        arena_printf(dev->arena, "%s/dues-simulator", dirname(arena_strdup(dev->arena, dev->self)));
    if (access(dev->simulator_file, X_OK) != 0)
        return arena_printf(dev->arena,
                            "the simulator is missing: there is no %s (scripts/build release)",
                            dev->simulator_file);
    return NULL;
}

/* One for the life of the directory: what the simulator did under it stays its own. */
static const char *make_key(struct dev *dev, const char *file, const char *prefix)
{
    uint8_t bytes[KEY_BYTES];
    char hex[2 * KEY_BYTES + 1];

    if (access(dev_path(dev, file), F_OK) == 0)
        return NULL;
    random_fill(random_system(), bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, hex);
    return dev_write(dev, file, arena_printf(dev->arena, "%s%s\n", prefix, hex), 0600);
}

/* By its file: what is in the arguments is seen by everybody on the machine. */
static const char *key_of(struct dev *dev, const char *file)
{
    return arena_printf(dev->arena, "@%s", dev_path(dev, file));
}

/* "listening on PORT", once it says so. */
static int port_said(struct dev *dev)
{
    const char *log = dev_read(dev, LOG_FILE);
    const char *line = log == NULL ? NULL : strstr(log, "listening on ");

    if (line == NULL || strchr(line, '\n') == NULL)
        return 0;
    return (int)strtol(line + strlen("listening on "), NULL, 10);
}

static const char *wait_until_listening(struct dev *dev)
{
    const struct clock *clock = clock_system();
    int64_t until_us = clock_monotonic_us(clock) + PATIENCE_MS * US_PER_MS;

    while ((dev->simulator_port = port_said(dev)) == 0) {
        if (dev->stopping)
            return "interrupted";
        if (dev->simulator.ended)
            return arena_printf(dev->arena, "dues-simulator ended with %s (see %s)",
                                dev_end(dev, &dev->simulator), dev_path(dev, LOG_FILE));
        if (clock_monotonic_us(clock) > until_us)
            return "dues-simulator does not begin to listen";
        dev_pump(dev, PUMP_MS);
    }
    return NULL;
}

static const char *spawn(struct dev *dev)
{
    const char *log_path = dev_path(dev, LOG_FILE);
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const char *const argv[] = {
        dev->simulator_file,
        "--listen",
        "127.0.0.1:0",
        "--journal",
        dev_path(dev, "simulator.journal"),
        "--secret-key",
        key_of(dev, KEY_FILE),
        "--certificate",
        dev_path(dev, STATE_CERTIFICATES "/server.pem"),
        "--key",
        dev_path(dev, STATE_CERTIFICATES "/server.key"),
        "--webhook-url",
        arena_printf(dev->arena, "https://localhost:%d/v1/gateways/stripe/news", dev->news_port),
        "--webhook-secret",
        key_of(dev, SECRET_FILE),
        "--webhook-ca",
        dev_path(dev, STATE_CERTIFICATES "/ca.pem"),
        "--die-with-parent",
        NULL,
    };
    const struct child child = {.argv = argv, .input = -1, .output = log, .death_signal = SIGTERM};

    if (log < 0)
        return arena_printf(dev->arena, "could not write %s: %s", log_path, strerror(errno));
    const char *problem = dev_spawn(dev, &child, &dev->simulator);
    close(log);
    return problem;
}

static const char *find_news_port(struct dev *dev)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct addrinfo where = {
        .ai_family = AF_INET, .ai_addr = (struct sockaddr *)(void *)&any, .ai_addrlen = sizeof any};

    return dev_take_port(dev, &where, &dev->news_port);
}

const char *dev_simulator_start(struct dev *dev)
{
    if (!dev_has_simulator(dev))
        return NULL;
    const char *problem = make_key(dev, KEY_FILE, "sk_test_");
    if (problem == NULL)
        problem = make_key(dev, SECRET_FILE, "whsec_");
    if (problem == NULL)
        problem = find_news_port(dev);
    if (problem == NULL)
        problem = spawn(dev);
    return problem == NULL ? wait_until_listening(dev) : problem;
}

const char *dev_simulator_settings(struct dev *dev)
{
    if (!dev_has_simulator(dev))
        return "";
    return arena_printf(dev->arena,
                        "gateway = stripe\n"
                        "stripe_url = https://localhost:%d\n"
                        "stripe_ca_file = %s\n"
                        "gateway_news_listen = 127.0.0.1:%d\n",
                        dev->simulator_port, dev_path(dev, STATE_CERTIFICATES "/ca.pem"),
                        dev->news_port);
}

static const char *store_key(struct dev *dev, const char *name, const char *file)
{
    const char *const argv[] = {dev->duesd, "set-key", "--config", dev_path(dev, "duesd.conf"),
                                "--name",   name,      NULL};
    struct child child = {.argv = argv, .death_signal = SIGTERM};

    child.input = open(dev_path(dev, file), O_RDONLY | O_CLOEXEC);
    child.output = open(dev_path(dev, LOG_FILE), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (child.input < 0 || child.output < 0)
        return arena_printf(dev->arena, "could not open %s: %s", dev_path(dev, file),
                            strerror(errno));
    const char *problem = dev_run(dev, &child, "duesd set-key");
    close(child.input);
    close(child.output);
    return problem == NULL || dev->stopping
               ? problem
               : arena_printf(dev->arena, "%s (see %s)", problem, dev_path(dev, LOG_FILE));
}

const char *dev_simulator_key(struct dev *dev)
{
    if (!dev_has_simulator(dev))
        return NULL;
    const char *problem = store_key(dev, "stripe", KEY_FILE);
    return problem == NULL ? store_key(dev, "stripe-webhook", SECRET_FILE) : problem;
}
