/*
 * The commands of `dues`.  Each takes the arguments from its own name on and answers the exit
 * status.
 */
#pragma once

#include "base/attributes.h"

/* Exit statuses beside 0 and 1.  A failed RPC is EXIT_RPC + its gRPC code, as with grpcurl. */
enum { EXIT_USAGE = 2, EXIT_RPC = 64 };

int command_call(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_dev(int argc, char **argv);
int command_wait(int argc, char **argv);

/* "dues: …" on standard error; returns EXIT_FAILURE, or EXIT_USAGE with a pointer to --help. */
int complain(const char *format, ...) PRINTF_LIKE(1, 2);
int complain_usage(const char *format, ...) PRINTF_LIKE(1, 2);
