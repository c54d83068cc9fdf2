/*
 * The commands of `dues`.  Each takes the arguments from its own name on and answers the exit
 * status.
 */
#pragma once

#include <stdio.h>

#include "base/attributes.h"

/* Exit statuses beside 0 and 1.  A failed RPC is EXIT_RPC + its gRPC code, as with grpcurl. */
enum { EXIT_USAGE = 2, EXIT_RPC = 64 };

int command_call(int argc, char **argv);
int command_customers(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_dev(int argc, char **argv);
int command_disputes(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_incidents(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_events(int argc, char **argv);
int command_ledger(int argc, char **argv);
int command_payments(int argc, char **argv);
int command_top(int argc, char **argv);
int command_wait(int argc, char **argv);
int command_webhooks(int argc, char **argv);

/* What --help prints; each command has it as an option of this value. */
enum { OPTION_HELP = 'h' };
void help_overview(FILE *out);
int help_command(const char *name); /* EXIT_SUCCESS, or EXIT_USAGE: there is no such command */

/* The command got an option that it does not know, which getopt has said: points to its --help. */
int complain_option(const char *command);

/* What the server said about a call that failed, on standard error; EXIT_RPC + its code. */
struct dues_answer;
int complain_answer(const struct dues_answer *answer);

/* "dues: …" on standard error; returns EXIT_FAILURE, or EXIT_USAGE with a pointer to --help. */
int complain(const char *format, ...) PRINTF_LIKE(1, 2);
int complain_usage(const char *format, ...) PRINTF_LIKE(1, 2);
