/*
 * Over libcurl: no redirects, no proxies of the environment, TLS 1.2 and better, a connection each
 * time, so that nothing is ever sent twice.
 */

#include "http/post.h"

#include <curl/curl.h>
#include <stdio.h>

#define LINE_SIZE 1024

static void release_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void release_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static size_t throw_away(char *bytes, size_t one, size_t size, void *argument)
{
    (void)bytes;
    (void)argument;
    return one * size;
}

/* NULL: no memory. */
static struct curl_slist *header_list(const struct http_post *post)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; i < post->header_count && list != NULL; i++) {
        char line[LINE_SIZE];
        snprintf(line, sizeof line, "%s: %s", post->headers[i].name, post->headers[i].value);
        struct curl_slist *longer = curl_slist_append(list, line);
        if (longer == NULL)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static CURLcode set_options(CURL *curl, const struct http_post *post, struct curl_slist *headers)
{
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_POST, 1},
        {CURLOPT_POSTFIELDSIZE, (long)post->body_size},
        {CURLOPT_TIMEOUT_MS, (long)post->time_limit_ms},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_FRESH_CONNECT, 1},
        {CURLOPT_FORBID_REUSE, 1},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    };
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, post->url);

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && code == CURLE_OK; i++)
        code = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post->body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, throw_away);
    if (code == CURLE_OK && post->ca_file != NULL)
        code = curl_easy_setopt(curl, CURLOPT_CAINFO, post->ca_file);
    return code;
}

int32_t http_post(const struct http_post *post, char problem[HTTP_PROBLEM_SIZE])
{
    AUTO(release_curl) CURL *curl = curl_easy_init();
    AUTO(release_list) struct curl_slist *headers = header_list(post);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;

    if (curl != NULL && headers != NULL)
        code = set_options(curl, post, headers);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        snprintf(problem, HTTP_PROBLEM_SIZE, "%s", curl_easy_strerror(code));
    return code == CURLE_OK ? (int32_t)status : 0;
}
