/*
 * `dues dev`: a whole server for trying out, in one directory and in the foreground.
 *
 * - DIR/version: what made this directory; another version is refused
 * - DIR/incomplete: only while the database is being made; found at start: made anew
 * - DIR/lock: held by this process and all it starts, so a crashed run is over when it is free
 * - DIR/postgres/, DIR/postgres.log: the data directory, and what PostgreSQL says
 * - DIR/socket/: its unix socket, or a short directory under /tmp named by DIR/socket-directory
 * - DIR/certs/: ca, server, service-billing, app-demo, operator-demo, operator-second: .pem, .key
 * - DIR/master.key: seals what the server keeps secret
 * - DIR/duesd.conf: written at every start
 * - DIR/gateway.journal: what the sandbox gateway did
 * - DIR/simulator.journal, .log, stripe.key, stripe.webhook-secret: the simulated Stripe's
 * - DIR/ready: the address, while the server answers
 *
 * This process speaks neither gRPC nor SQL: it forks, and everything else is a child's work.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"

struct addrinfo;

#define DEV_LISTEN_DEFAULT    "127.0.0.1:8443"
#define DEV_GATEWAY_SANDBOX   "sandbox"
#define DEV_GATEWAY_SIMULATOR "stripe-simulator"
#define DEV_SIMULATOR_KEY     "stripe.key" /* whoever gives the simulator orders presents it */

/* A child; pid 0: none was started. */
struct process {
    pid_t pid;
    bool ended;
    int status; /* as of waitpid, once it ended */
};

struct dev {
    struct arena *arena;
    const char *directory; /* absolute */
    const char *listen;    /* as given */
    const char *host;      /* of listen */
    const char *address;   /* host:port with the real port */
    const char *self;      /* this program's file, and the server's beside it */
    const char *duesd;
    const char *gateway;        /* DEV_GATEWAY_… */
    const char *simulator_file; /* with the simulator: the program beside ours */
    int simulator_port;
    int news_port; /* where the simulator tells the server its news */
    bool is_new;   /* the directory holds no database yet */
    bool is_ours;  /* its lock is held: what is in it may be changed */

    const char *postgres_bin;     /* directory of initdb, postgres, psql, pg_isready */
    const char *socket_directory; /* short enough for a socket */
    uid_t postgres_user;          /* an unprivileged one when we are root, else ours */
    gid_t postgres_group;
    const char *postgres_user_name;

    struct process postgres;
    struct process server;
    struct process simulator;
    struct process helper; /* the one whose end is being waited for */
    bool stopping;         /* SIGINT, SIGTERM or SIGHUP came */
    bool hurried;          /* and then another SIGINT or SIGTERM */
    int64_t stopping_us;   /* when it came, monotonic */
};

/* Steps answer NULL, or one line that says what is wrong. */

/* dev_state.c */
const char *dev_state_open(struct dev *dev);
const char *dev_state_complete(struct dev *dev); /* the database is made: no longer new */
const char *dev_path(const struct dev *dev, const char *name);
/* Replaces DIR/name at once, or leaves it as it was. */
const char *dev_write(const struct dev *dev, const char *name, const char *text, mode_t mode);
/* The whole file; NULL when it cannot be read. */
const char *dev_read(const struct dev *dev, const char *name);

/* dev_postgres.c */
const char *dev_postgres_find(struct dev *dev);
const char *dev_postgres_make(struct dev *dev);  /* initdb */
const char *dev_postgres_start(struct dev *dev); /* until it accepts connections */
const char *dev_postgres_roles(struct dev *dev);

/* dev_certificates.c */
const char *dev_certificates_make(struct dev *dev);

/* dev_simulator.c */
bool dev_has_simulator(const struct dev *dev);
const char *dev_simulator_find(struct dev *dev);     /* before anything is made */
const char *dev_simulator_start(struct dev *dev);    /* until it listens; nothing without it */
const char *dev_simulator_settings(struct dev *dev); /* lines of duesd.conf */
const char *dev_simulator_key(struct dev *dev);      /* and secret, into the migrated database */

/* dev_server.c */
const char *dev_address_parse(struct dev *dev); /* what is wrong with --listen */
const char *dev_address_check(struct dev *dev); /* nobody listens there yet */
/*
 * Keeps the port of `where`, or one of the kernel's choice for port 0, until the process ends: what
 * is bound and does not listen gives way to a server that does, and to nobody else's connection.
 */
const char *dev_take_port(struct dev *dev, const struct addrinfo *where, int *port);
const char *dev_metrics_path(struct dev *dev); /* the socket where /metrics is served */
const char *dev_server_configure(struct dev *dev);
const char *dev_server_start(struct dev *dev); /* until it answers RPCs */

/* dev_process.c */
struct child {
    const char *const *argv; /* argv[0] is the file */
    bool unprivileged;       /* as postgres_user */
    int input;               /* -1: /dev/null */
    int output;              /* for both streams; -1: ours */
    int death_signal;        /* what it gets when we die, however we die */
};

void dev_signals_block(void);
const char *dev_spawn(struct dev *dev, const struct child *child, struct process *process);
/* Runs to its end.  NULL when it ended with 0; otherwise a line that begins with `what`. */
const char *dev_run(struct dev *dev, const struct child *child, const char *what);
/* Sleeps until something happens, at most `timeout_ms` (-1: for ever); notes ends and signals. */
void dev_pump(struct dev *dev, int timeout_ms);
/*
 * Ends a child: the signal, and when it is still there after `patience_ms`, or we are hurried, the
 * last signal.  True when that was needed.
 */
bool dev_stop(struct dev *dev, struct process *process, int signal_number, int last_signal,
              int patience_ms);
bool dev_is_running(const struct process *process);
/* "status 3", "signal 9". */
const char *dev_end(const struct dev *dev, const struct process *process);
