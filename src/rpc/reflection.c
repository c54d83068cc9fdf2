/*
 * Server reflection, v1 and v1alpha, whose messages are the same bytes: one answer for each request
 * of the stream, in order.  What is not found is an error_response; the stream goes on.
 *
 * A file comes with all it depends on, so that a client needs no second question.
 */

#include "base/settings.h"
#include "descriptor_set.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/internal.h"

#define ANSWER_ARENA_SIZE_MAX (8 * 1024 * 1024)
#define EXTENSIONS_MAX        1024
/* Of opening a stream, and of each question: an answer may be all files of the contract. */
#define QUESTION_COST 5

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;
typedef Grpc__Reflection__V1__FileDescriptorResponse FileDescriptorResponse;
typedef Grpc__Reflection__V1__ExtensionNumberResponse ExtensionNumberResponse;
typedef Grpc__Reflection__V1__ListServiceResponse ListServiceResponse;
typedef Grpc__Reflection__V1__ServiceResponse ServiceResponse;
typedef Grpc__Reflection__V1__ErrorResponse ErrorResponse;

#define REQUEST(kind)  GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define RESPONSE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

static void answer_error(struct arena *arena, Response *response, enum status status,
                         const char *message)
{
    ErrorResponse *error = arena_alloc(arena, sizeof *error);

    grpc__reflection__v1__error_response__init(error);
    error->error_code = (int32_t)status;
    error->error_message = arena_strdup(arena, message);
    response->message_response_case = RESPONSE(ERROR_RESPONSE);
    response->error_response = error;
}

static void add_with_dependencies(struct arena *arena, FileDescriptorResponse *files, bool *added,
                                  const struct descriptor_file *file)
{
    if (added[file->number])
        return;
    added[file->number] = true;
    ProtobufCBinaryData *entry = &files->file_descriptor_proto[files->n_file_descriptor_proto++];
    entry->data = arena_copy(arena, file->bytes, file->size);
    entry->len = file->size;
    for (size_t i = 0; i < file->dependency_count; i++)
        add_with_dependencies(arena, files, added, file->dependencies[i]);
}

static void answer_file(struct arena *arena, const struct descriptor_index *index,
                        Response *response, const struct descriptor_file *file, const char *missing)
{
    size_t count = descriptor_index_file_count(index);
    FileDescriptorResponse *files = arena_alloc(arena, sizeof *files);

    if (file == NULL) {
        answer_error(arena, response, STATUS_NOT_FOUND, missing);
        return;
    }
    grpc__reflection__v1__file_descriptor_response__init(files);
    files->file_descriptor_proto = arena_array(arena, count, sizeof *files->file_descriptor_proto);
    add_with_dependencies(arena, files, arena_array(arena, count, sizeof(bool)), file);
    response->message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
    response->file_descriptor_response = files;
}

static void answer_extensions(struct arena *arena, const struct descriptor_index *index,
                              Response *response, const char *type)
{
    ExtensionNumberResponse *extensions = arena_alloc(arena, sizeof *extensions);
    int32_t *numbers = arena_array(arena, EXTENSIONS_MAX, sizeof *numbers);
    int count = descriptor_index_extensions_of(index, type, numbers, EXTENSIONS_MAX);

    if (count < 0) {
        answer_error(arena, response, STATUS_NOT_FOUND, "no such message type");
        return;
    }
    grpc__reflection__v1__extension_number_response__init(extensions);
    extensions->base_type_name = arena_strdup(arena, type);
    extensions->extension_number = numbers;
    extensions->n_extension_number = count < EXTENSIONS_MAX ? (size_t)count : EXTENSIONS_MAX;
    response->message_response_case = RESPONSE(ALL_EXTENSION_NUMBERS_RESPONSE);
    response->all_extension_numbers_response = extensions;
}

static void answer_services(struct arena *arena, const struct rpc_server *server,
                            Response *response)
{
    ListServiceResponse *list = arena_alloc(arena, sizeof *list);

    grpc__reflection__v1__list_service_response__init(list);
    list->service = arena_array(arena, server->service_count, sizeof *list->service);
    for (size_t i = 0; i < server->service_count; i++) {
        ServiceResponse *service = arena_alloc(arena, sizeof *service);
        grpc__reflection__v1__service_response__init(service);
        service->name = arena_strdup(arena, server->services[i]);
        list->service[list->n_service++] = service;
    }
    response->message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
    response->list_services_response = list;
}

/* Some clients write ".google.rpc.Status". */
static const char *plain(const char *name)
{
    return name[0] == '.' ? name + 1 : name;
}

static void answer(struct arena *arena, const struct rpc_server *server, const Request *request,
                   Response *response)
{
    const struct descriptor_index *index = server->descriptors;

    switch ((int)request->message_request_case) {
    case REQUEST(FILE_BY_FILENAME):
        answer_file(arena, index, response, descriptor_index_file(index, request->file_by_filename),
                    "no such file");
        return;
    case REQUEST(FILE_CONTAINING_SYMBOL):
        answer_file(arena, index, response,
                    descriptor_index_symbol(index, plain(request->file_containing_symbol)),
                    "no such symbol");
        return;
    case REQUEST(FILE_CONTAINING_EXTENSION):
        answer_file(arena, index, response,
                    descriptor_index_extension(
                        index, plain(request->file_containing_extension->containing_type),
                        request->file_containing_extension->extension_number),
                    "no such extension");
        return;
    case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
        answer_extensions(arena, index, response, plain(request->all_extension_numbers_of_type));
        return;
    case REQUEST(LIST_SERVICES):
        answer_services(arena, server, response);
        return;
    default: /* the enum is protobuf-c's, and it adds a value to it */
        answer_error(arena, response, STATUS_INVALID_ARGUMENT, "request asks for nothing known");
        return;
    }
}

/* One question and its answer, in an arena of its own: a stream may have many. */
static const struct error *answer_one(struct rpc_call *rpc, bool *more)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(ANSWER_ARENA_SIZE_MAX);
    struct call call = rpc->call;
    ProtobufCMessage *message;
    Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

    call.arena = arena;
    *more = false;
    const struct error *error = rpc_stream_receive(rpc, &call, &message);
    if (error != NULL) /* outlives its arena */
        return refuse(&rpc->call, error->status, error->reason, "%s", error->message);
    if (message == NULL)
        return NULL;
    TRY(rpc_take_rate(rpc, QUESTION_COST));
    response.original_request = (Request *)(void *)message;
    response.valid_host = response.original_request->host;
    answer(arena, rpc->server, response.original_request, &response);
    *more = rpc_stream_send(rpc, &response.base);
    return NULL;
}

static const struct error *converse(struct rpc_call *call)
{
    bool more = true;

    while (more)
        TRY(answer_one(call, &more));
    return NULL;
}

bool rpc_reflection_add(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE])
{
    static const struct rpc_method row = {"ServerReflectionInfo", .scope = RPC_PUBLIC,
                                          .cost = QUESTION_COST, .no_database = true};

    if (!server->house->settings->reflection)
        return true;
    server->descriptors = descriptor_index_open(dues_descriptor_set, dues_descriptor_set_size);
    if (server->descriptors == NULL) {
        snprintf(problem, RPC_PROBLEM_SIZE, "descriptor set cannot be read");
        return false;
    }
    return rpc_routes_add(server, &grpc__reflection__v1__server_reflection__descriptor, &row,
                          converse, problem) &&
           rpc_routes_add(server, &grpc__reflection__v1alpha__server_reflection__descriptor, &row,
                          converse, problem);
}
