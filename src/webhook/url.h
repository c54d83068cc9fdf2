/*
 * Where deliveries may go, as far as the text tells.  The addresses that its host has are looked at
 * with each delivery, when they are connected to (http/client.h, public_only).
 */
#pragma once

#include <stdbool.h>

/* NULL, or what is wrong with it.  `sandbox`: this machine itself is allowed, without TLS too. */
const char *webhook_url_problem(const char *text, bool sandbox);

/* The host is this machine itself, by name or by address. */
bool webhook_url_is_loopback(const char *url);
