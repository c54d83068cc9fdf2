/*
 * Reads URLs by hand and takes less than RFC 3986 allows: what one reader takes for a host and
 * another for a user, or for a number in another notation, is refused.
 */

#include "webhook/url.h"

#include <stdlib.h>
#include <strings.h>

#include "base/attributes.h"
#include "base/text.h"
#include "http/public_address.h"
#include "webhook/webhook.h"

#define HOST_LENGTH_MAX 253
#define PORT_LENGTH_MAX 5

#define LETTERS       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS        "0123456789"
#define HEX           DIGITS "abcdefABCDEF"
#define HOST_ALPHABET LETTERS DIGITS "-."
/* Of path and query: RFC 3986, without '#'. */
#define REST_ALPHABET LETTERS DIGITS "-._~:/?[]@!$&'()*+,;=%"

struct url {
    bool is_plain; /* http:// */
    char host[HOST_LENGTH_MAX + 1];
    bool is_ipv6; /* host without its brackets */
    long port;
    const char *rest;
};

/* `host` of `length` characters, "[…]" for IPv6. */
static bool take_host(struct url *url, const char *host, size_t length)
{
    if (length > 0 && host[0] == '[') {
        if (length < 4 || host[length - 1] != ']')
            return false;
        url->is_ipv6 = true;
        host++;
        length -= 2;
    }
    if (length == 0 || length > HOST_LENGTH_MAX)
        return false;
    memcpy(url->host, host, length);
    url->host[length] = '\0';
    return strspn(url->host, url->is_ipv6 ? HEX ":." : HOST_ALPHABET) == length;
}

static bool take_port(struct url *url, const char *port, size_t length)
{
    if (length == 0 || length > PORT_LENGTH_MAX || strspn(port, DIGITS) < length)
        return false;
    url->port = strtol(port, NULL, 10);
    return url->port >= 1 && url->port <= 65535;
}

static bool read_url(const char *text, struct url *url)
{
    *url = (struct url){.is_plain = text_starts_with(text, "http://")};
    if (!url->is_plain && !text_starts_with(text, "https://"))
        return false;
    url->port = url->is_plain ? 80 : 443;
    const char *host = strstr(text, "://") + 3;
    size_t authority = strcspn(host, "/?");
    const char *close = host[0] == '[' ? memchr(host, ']', authority) : host;
    if (close == NULL)
        return false;
    const char *colon = memchr(close, ':', authority - (size_t)(close - host));
    size_t host_length = colon == NULL ? authority : (size_t)(colon - host);
    url->rest = host + authority;
    return take_host(url, host, host_length) &&
           (colon == NULL || take_port(url, colon + 1, authority - host_length - 1)) &&
           strspn(url->rest, REST_ALPHABET) == strlen(url->rest);
}

/*
 * The last label is a number, in any notation: such a host is read as an IPv4 address
 * (127.0.0.1, 2130706433, 0x7f.1).
 */
static bool is_numeric(const char *host)
{
    size_t length = strlen(host);

    while (length > 0 && host[length - 1] == '.')
        length--;
    size_t start = length;
    while (start > 0 && host[start - 1] != '.')
        start--;
    size_t label = length - start;
    return label > 0 && (strspn(host + start, DIGITS) >= label ||
                         strncasecmp(host + start, "0x", label < 2 ? label : 2) == 0);
}

static bool is_localhost(const struct url *url)
{
    return strcasecmp(url->host, "localhost") == 0 || text_equal(url->host, "127.0.0.1") ||
           (url->is_ipv6 && text_equal(url->host, "::1"));
}

static const char *host_problem(const struct url *url)
{
    size_t length = strlen(url->host);

    if (url->is_ipv6 || is_numeric(url->host))
        return public_address_text(url->host) ? NULL
                                              : "must not lead to an address that is not public";
    if (strcasecmp(url->host, "localhost") == 0 ||
        (length > 10 && strcasecmp(url->host + length - 10, ".localhost") == 0))
        return "must not lead to an address that is not public";
    if (strchr(url->host, '.') == NULL || url->host[0] == '.' || strstr(url->host, "..") != NULL)
        return "must have a host with a full domain name";
    return NULL;
}

const char *webhook_url_problem(const char *text, bool sandbox)
{
    struct url url;

    if (text == NULL || text[0] == '\0')
        return "must not be empty";
    if (strlen(text) > WEBHOOK_URL_LENGTH_MAX)
        return "must be at most 2048 characters";
    if (!read_url(text, &url))
        return "must be https://host[:port]/path, in ASCII, without user, password and fragment";
    if (sandbox && is_localhost(&url))
        return NULL;
    if (url.is_plain)
        return sandbox ? "must begin with https:// unless its host is this machine"
                       : "must begin with https://";
    const char *problem = host_problem(&url);
    if (problem != NULL)
        return problem;
    return url.port == 443 || url.port >= 1024 ? NULL : "must have port 443, or one from 1024 on";
}

bool webhook_url_is_loopback(const char *text)
{
    struct url url;

    return read_url(text, &url) && is_localhost(&url);
}
