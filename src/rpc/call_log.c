/*
 * One line a call, and gRPC's own complaints among ours.
 *
 * The public message of an error is not logged: it may quote what the client sent.
 */

#include <grpc/support/log.h>
#include <inttypes.h>

#include "base/log.h"
#include "base/text.h"
#include "rpc/internal.h"

/* gRPC logs every failed handshake; whoever causes them must not fill the disk. */
#define GRPC_LINES_PER_SECOND 20
/* The same of calls that are refused at the door; and a line costs more than the refusal. */
#define REFUSAL_LINES_PER_SECOND 20

static enum log_level level_of(const struct rpc_call *call, const struct error *error)
{
    if (error == NULL) {
        bool probe = text_starts_with(call->call.method, "/grpc.");
        return probe ? LOG_DEBUG : LOG_INFO;
    }
    if (error->status == STATUS_INTERNAL || error->status == STATUS_UNKNOWN ||
        error->status == STATUS_DATA_LOSS)
        return LOG_ERROR;
    return error->status == STATUS_UNAVAILABLE ? LOG_WARNING : LOG_INFO;
}

/* Who is logged in; "" for services and strangers. */
static const char *user_of(const struct call *call)
{
    if (((unsigned)call->caller.kind & CALLER_USERS) == 0)
        return "";
    return uuid_text(call->arena, call->caller.user);
}

/* How many messages a stream of a row has sent; "" for all other calls. */
static const char *sent_of(const struct rpc_call *rpc)
{
    if (!rpc_call_is_stream(rpc) || rpc->route->converse != NULL)
        return "";
    return arena_printf(rpc->call.arena, "%" PRId64, rpc->sent);
}

void rpc_call_log(struct rpc_call *rpc, const struct error *error)
{
    const struct call *call = &rpc->call;
    const struct clock *clock = call->house->clock;
    const char *fields = "";

    for (size_t i = 0; error != NULL && i < error->field_count; i++)
        fields =
            arena_printf(call->arena, "%s%s%s", fields, i == 0 ? "" : " ", error->fields[i].field);
    log_write(call->house->log, level_of(rpc, error), "call",
              LOG_FIELDS(LOG_TEXT("method", call->method), LOG_TEXT("trace", call->trace),
                         LOG_TEXT("span", call->span), LOG_SOME("parent_span", call->parent_span),
                         LOG_TEXT("caller", call->caller.spiffe_id),
                         LOG_SOME("user", user_of(call)), LOG_SOME("customer", call->customer),
                         LOG_SOME("object", call->object), LOG_SOME("request_id", call->request_id),
                         LOG_TEXT("code", status_name(error == NULL ? STATUS_OK : error->status)),
                         LOG_SOME("reason", error == NULL ? "" : error->reason),
                         LOG_SOME("fields", fields),
                         LOG_SOME("cause", error == NULL ? "" : error->cause),
                         LOG_NUMBER("us", clock_monotonic_us(clock) - rpc->accept_us),
                         LOG_SOME("sent", sent_of(rpc)),
                         LOG_SOME("replayed", call->replayed ? "true" : ""),
                         LOG_TEXT("peer", rpc_peer_address(rpc))));
}

void rpc_refusal_log(struct rpc_call *call, const struct error *error)
{
    struct rpc_server *server = call->server;

    if (atomic_fetch_add(&server->refusals, 1) < REFUSAL_LINES_PER_SECOND)
        rpc_call_log(call, error);
}

void rpc_refusals_log(struct rpc_server *server, int64_t now_us)
{
    if (now_us / US_PER_SECOND == server->refusals_second)
        return;
    server->refusals_second = now_us / US_PER_SECOND;
    int64_t count = atomic_exchange(&server->refusals, 0);
    if (count > REFUSAL_LINES_PER_SECOND)
        log_write(server->house->log, LOG_WARNING, "calls.refused",
                  LOG_FIELDS(LOG_NUMBER("more", count - REFUSAL_LINES_PER_SECOND)));
}

/*
 * gRPC's hook has no argument of ours, so this is the one global variable of the room.  It is set
 * before the first thread of gRPC and cleared after the last.
 */
static _Atomic(struct log *) grpc_log;
static atomic_llong grpc_log_second;
static atomic_int grpc_log_lines;

static bool may_log(void)
{
    long long second = gpr_now(GPR_CLOCK_MONOTONIC).tv_sec;

    if (atomic_exchange(&grpc_log_second, second) != second)
        atomic_store(&grpc_log_lines, 0);
    return atomic_fetch_add(&grpc_log_lines, 1) < GRPC_LINES_PER_SECOND;
}

static void on_grpc_line(gpr_log_func_args *args)
{
    struct log *log = atomic_load(&grpc_log);
    enum log_level level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LOG_WARNING
                           : args->severity == GPR_LOG_SEVERITY_INFO ? LOG_INFO
                                                                     : LOG_DEBUG;

    if (log != NULL && may_log())
        log_write(log, level, "grpc",
                  LOG_FIELDS(LOG_TEXT("message", args->message), LOG_TEXT("file", args->file),
                             LOG_NUMBER("line", args->line)));
}

void rpc_grpc_log_to(struct log *log)
{
    atomic_store(&grpc_log, log);
    gpr_set_log_function(on_grpc_line);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
}
