/*
 * The configuration of the process: one const struct, made by config.c from `duesd.conf` and passed
 * down.  Keys, units, bounds and defaults are listed once, in config.c's table, and explained in
 * duesd.conf.example.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DUNNING_RETRIES_MAX 15
#define SERVICE_SCOPES_MAX  64

/* What a service or operator certificate may do: `scopes.service/<name> = payments.read …`. */
struct scope_grant {
    const char *identity; /* "service/service-billing"; "service" alone is every service */
    const char *scopes;   /* blank-separated; "*" is all */
};

struct settings {
    /* rpc */
    const char *listen;          /* "127.0.0.1:8443" */
    const char *trust_domain;    /* "dues.local" */
    const char *tls_certificate; /* PEM file: leaf and chain */
    const char *tls_key;         /* PEM file */
    const char *tls_client_ca;   /* PEM file: every certificate in it is an anchor */
    int64_t deadline_default_ms;
    int64_t deadline_max_ms;
    int64_t shutdown_grace_ms;
    int32_t calls_max;              /* living calls; more are RESOURCE_EXHAUSTED */
    int32_t streams_max;            /* open at the same time; not of calls_max */
    int32_t streams_per_caller_max; /* of one service or operator */
    bool reflection;
    bool sandbox;
    int64_t stream_stall_ms; /* a client that takes no message for so long is slow */
    struct scope_grant scopes[SERVICE_SCOPES_MAX];
    int32_t scope_count;

    /* the edge: what one source, one connection, one identity and all together may do */
    int32_t connections_max;
    int32_t connections_per_source_max;
    int32_t connections_per_second;   /* new ones, of all sources together */
    int32_t guard_header_block_max;   /* bytes of HEADERS and its CONTINUATIONs */
    int32_t guard_headers_per_second; /* of one connection, as the four below */
    int32_t guard_resets_per_second;  /* RST_STREAM */
    int32_t guard_control_per_second; /* SETTINGS, PING, PRIORITY and the rest, each */
    int32_t guard_window_updates_per_second;
    int32_t guard_small_data_per_second; /* DATA below 64 bytes */
    int32_t rate_service;                /* calls a second of one identity; 0: no limit */
    int32_t rate_operator;
    int32_t rate_app;
    int32_t rate_device;
    int64_t admission_target_ms; /* a call's wait for the database, each time; 0: no limit */

    /* pg */
    const char *database;       /* libpq connection string of the service role */
    const char *database_owner; /* of the owner role, for `duesd migrate` only */
    int32_t write_lanes;
    int32_t read_lanes;
    int32_t lane_queue_max; /* waiting ops of one lane; more are RESOURCE_EXHAUSTED */

    /* secrets */
    const char *master_key_file;       /* source of the keys that wrap: crypto/key_ring.h */
    const char *credentials_directory; /* no key: $CREDENTIALS_DIRECTORY of systemd, or NULL */

    /* auth */
    const char *token_issuer;
    const char *token_audience;
    int64_t access_token_seconds;
    int64_t refresh_token_seconds; /* absolute life of a session */
    int64_t refresh_grace_seconds; /* a repeated refresh answers the same successor */
    int64_t device_certificate_seconds;
    int32_t hash_threads; /* 0: half of the processors */
    int32_t hash_queue_max;

    /* payment */
    const char *gateway;           /* "sandbox" or "stripe": where new payment methods go */
    const char *sandbox_journal;   /* file of the sandbox gateway */
    int64_t sandbox_latency_ms;    /* how long the sandbox gateway takes to answer */
    const char *stripe_url;        /* "https://api.stripe.com" */
    const char *stripe_ca_file;    /* PEM; "": the system's authorities */
    const char *stripe_return_url; /* after 3-D Secure; "": by the app's SDK */
    int32_t stripe_connections;    /* requests to Stripe at the same time */
    int64_t gateway_timeout_ms;
    const char *gateway_news_listen;      /* "0.0.0.0:8444" or "off" */
    const char *gateway_news_certificate; /* PEM: leaf and chain; "": tls_certificate */
    const char *gateway_news_key;         /* PEM; "": tls_key */
    int32_t gateway_news_connections;     /* at the same time */
    int32_t gateway_news_rate;            /* letters, and new connections, a second */
    int64_t unknown_budget_seconds;       /* after that an attempt is MANUAL */
    int64_t dispute_poll_seconds;  /* between looks for new disputes at a gateway; 0: never */
    int64_t reconcile_days;        /* compared with the gateways' books every day; 0: never */
    int64_t reconcile_confirm_max; /* successes asked about again at a time; 0: none */
    bool reconcile_shared_account; /* others have business in the gateway's account as well */

    /* ledger */
    int64_t ledger_checkpoint_seconds; /* between two rounds of sealing */
    /* webhooks */
    int64_t webhook_timeout_ms;  /* of one attempt */
    const char *webhook_ca_file; /* PEM; "": the system's authorities */
    int32_t webhooks_max;        /* attempts at the same time */

    /* membership */
    int64_t grace_days;                              /* access kept after a failed renewal */
    int32_t dunning_retry_days[DUNNING_RETRIES_MAX]; /* after the period's end */
    int32_t dunning_retry_count;
    int64_t dunning_cancel_days;
    int64_t incomplete_seconds; /* first payment must succeed within */

    int32_t
        entitlement_cache_max; /* answers kept for CheckEntitlement with max_staleness; 0: none */

    /* jobs */
    int64_t job_poll_ms;
    int64_t job_lease_ms;
    int32_t jobs_max; /* obligations running at the same time */

    /* log and telemetry */
    const char *log_level;
    const char *log_format;     /* "json" or "text" */
    const char *metrics_listen; /* "127.0.0.1:9464", "unix:/run/dues/metrics" or "off" */
};
