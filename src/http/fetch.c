/*
 * Over libcurl, with what such a page needs and nothing else: plain HTTP, no redirects, no proxies
 * of the environment, a limit of size and time.
 */

#include "http/fetch.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/address.h"
#include "base/text.h"

struct page {
    struct arena *arena;
    char *bytes;
    size_t size;
    size_t capacity;
};

static void release_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

/* Fewer bytes taken than given: libcurl gives up. */
static size_t take(char *bytes, size_t one, size_t size, void *argument)
{
    struct page *page = argument;
    size_t needed = page->size + one * size + 1;

    if (needed > HTTP_PAGE_SIZE_MAX)
        return 0;
    if (needed > page->capacity) {
        size_t capacity = 2 * needed;
        char *larger = arena_alloc(page->arena, capacity);
        if (page->size > 0)
            memcpy(larger, page->bytes, page->size);
        page->bytes = larger;
        page->capacity = capacity;
    }
    memcpy(page->bytes + page->size, bytes, one * size);
    page->size += one * size;
    page->bytes[page->size] = '\0';
    return one * size;
}

static CURLcode set_options(CURL *curl, const char *url, const char *listen, int64_t time_limit_ms,
                            struct page *page)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);

    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)time_limit_ms);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, page);
    if (code == CURLE_OK && text_starts_with(listen, ADDRESS_UNIX_PREFIX))
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
                                listen + sizeof ADDRESS_UNIX_PREFIX - 1);
    return code;
}

char *http_fetch(struct arena *arena, const char *listen, const char *path, int64_t time_limit_ms,
                 char problem[HTTP_PROBLEM_SIZE])
{
    AUTO(release_curl) CURL *curl = curl_easy_init();
    struct page page = {.arena = arena, .bytes = arena_strdup(arena, "")};
    bool on_socket = text_starts_with(listen, ADDRESS_UNIX_PREFIX);
    const char *url = arena_printf(arena, "http://%s%s", on_socket ? "localhost" : listen, path);
    long status = 0;

    if (curl == NULL) {
        snprintf(problem, HTTP_PROBLEM_SIZE, "libcurl does not start");
        return NULL;
    }
    CURLcode code = set_options(curl, url, listen, time_limit_ms, &page);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200)
        return page.bytes;
    if (code == CURLE_OK)
        snprintf(problem, HTTP_PROBLEM_SIZE, "%s%s answers %ld", listen, path, status);
    else
        snprintf(problem, HTTP_PROBLEM_SIZE, "%s%s: %s", listen, path, curl_easy_strerror(code));
    return NULL;
}
