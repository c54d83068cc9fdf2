/*
 * Puts the house together and takes it apart, in reverse.  Used by main and, unchanged, by the
 * tests that run the whole server in their process with a clock and randomness of their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/house.h"
#include "base/log.h"
#include "base/random.h"
#include "base/settings.h"
#include "crypto/secrets.h"

#define HOUSE_PROBLEM_SIZE 512

struct opened_house;

/*
 * Opens everything and starts to serve.  NULL and one line in `problem` when something is missing:
 * the database not at this version, a busy port, an unreadable key.  What is passed in outlives the
 * house, also one that was not opened: a client may have got in before the start failed, and what
 * its call still uses was not closed (house_close).  So the process must then end by _exit(2).
 */
struct opened_house *house_open(const struct settings *settings, const struct clock *clock,
                                const struct random *random, struct log *log,
                                char problem[HOUSE_PROBLEM_SIZE]);

/* Does a method ask for this scope? */
bool house_knows_scope(const char *scope);

const struct house *house_of(const struct opened_house *opened);

/* The listener's port: settings.listen may say 0. */
int house_port(const struct opened_house *opened);

/* The port of settings.gateway_news_listen; 0: a unix socket, or off. */
int house_news_port(const struct opened_house *opened);

/* The port of settings.metrics_listen; 0: a unix socket, or off. */
int house_metrics_port(const struct opened_house *opened);

/* New certificates from the configured files, without a failed call. */
void house_reload_certificates(struct opened_house *opened);

/* The key-encryption keys of master_key_file are read again. */
void house_reload_keys(struct opened_house *opened);

/* Where they are kept. */
struct key_source house_key_source(const struct settings *settings);

/*
 * Readiness off, no new calls and obligations, running ones finish (all within shutdown_grace_ms
 * and a second), then everything is closed.  False: one of them still runs and uses all of this, so
 * nothing was closed and the process must end by _exit(2); what was not recorded is found again as
 * after a crash.
 */
bool house_close(struct opened_house *opened);
