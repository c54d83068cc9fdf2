/*
 * One connection a page, as curl would.
 */
#include "support/rpc_pages.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/text.h"

#define PAGE_SIZE_MAX ((size_t)1024 * 1024)

static int connect_to(int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons((uint16_t)port),
    };
    const struct timeval patience = {.tv_sec = 30};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(client, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0)
        bug("no connection to the metrics of the test's server");
    return client;
}

const char *page_ask(struct rpc_fixture *f, const char *path)
{
    static _Thread_local char answer[PAGE_SIZE_MAX];
    int client = connect_to(house_metrics_port(f->opened));
    char request[256];
    size_t size = 0;
    ssize_t got = 1;

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (send(client, request, strlen(request), MSG_NOSIGNAL) < 0)
        bug("the test's server does not listen to %s", path);
    while (got > 0 && size < sizeof(answer) - 1) {
        got = recv(client, answer + size, sizeof(answer) - 1 - size, 0);
        size += got > 0 ? (size_t)got : 0;
    }
    close(client);
    answer[size] = '\0';
    return answer;
}

const char *page_value(struct rpc_fixture *f, const char *series)
{
    const char *line = strstr(page_ask(f, "/metrics"), rpc_printf(f, "\n%s ", series));

    if (line == NULL)
        return NULL;
    line += strlen(series) + 2;
    return rpc_printf(f, "%.*s", (int)strcspn(line, "\n"), line);
}
