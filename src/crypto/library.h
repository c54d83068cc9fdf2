/*
 * The OpenSSL that this process runs with.
 */
#pragma once

/* "OpenSSL 3.0.15 3 Sep 2024" */
const char *crypto_library_version(void);
