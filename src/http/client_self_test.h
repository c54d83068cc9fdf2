/*
 * Does this machine's libcurl do what the client relies on?  Within http/ only.
 */
#pragma once

#include <stdbool.h>

#include "http/client.h"

/* False and one line in `problem`.  Takes milliseconds, on the loopback. */
bool http_client_self_test(char problem[HTTP_CLIENT_PROBLEM_SIZE]);
