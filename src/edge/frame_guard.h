/*
 * Puts the frame parser between OpenSSL and gRPC: what SSL_read gives to a TLS server of this
 * process goes through it first, and a session that breaks the limits has ended with a TLS error,
 * which gRPC answers by closing that one connection.  What SSL_write takes is watched for streams
 * that the client has made the server reset (reset_watch.h); they count as the client's resets.
 */
#pragma once

#include <stdatomic.h>

#include "base/time.h"
#include "edge/frame_parser.h"

/* For sessions that begin from now on. */
void frame_guard_open(const struct frame_limits *limits);
void frame_guard_close(void);

/* Sessions that were cut, by verdict. */
extern atomic_uint_least64_t frame_guard_refused[FRAME_VERDICTS];

/* Pieces of answers that were watched. */
extern atomic_uint_least64_t frame_guard_answers;
