/*
 * The pages that a test's own server shows over HTTP.  The fixture must have been made with
 * "metrics_listen = 127.0.0.1:0\n".
 */
#pragma once

#include "support/rpc_fixture.h"

/* The whole answer, status line and headers included. */
const char *page_ask(struct rpc_fixture *f, const char *path);

/* What stands behind a series on /metrics now: page_value(f, "dues_refunds_total{outcome=…}");
 * NULL: it is not there. */
const char *page_value(struct rpc_fixture *f, const char *series);
