/* Decides whether an authority is well formed: uri-host [":" port] (RFC 9110 4.2, 7.2; RFC 3986 3.2).
 *
 * Stricter than the grammar, since nothing that can be looked up needs more: names of letters, digits, '-', '_' and '.', or an IPv6
 * address in brackets; no userinfo, no percent-encoding, no empty label; ports 1-65535 without leading zeros. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME_MAX_BYTES 255u

static bool port_fits(const uint8_t *p, size_t n)
{
    if (n == 0 || n > 5 || p[0] == '0')
        return false;
    uint32_t port = 0;
    for (size_t i = 0; i < n; i++) {
        if (!http1_is_digit(p[i]))
            return false;
        port = port * 10 + (uint32_t)(p[i] - '0');
    }
    return port <= 65535;
}

/* A dot may end the name (the DNS root), but not begin it or follow another. */
static bool name_fits(const uint8_t *p, size_t n)
{
    if (n == 0 || n > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.') {
            if (i == 0 || p[i - 1] == '.')
                return false;
        } else if (!http1_is_digit(p[i]) && !http1_is_alpha(p[i]) && p[i] != '-' && p[i] != '_') {
            return false;
        }
    }
    return true;
}

/* Without the brackets. Zone identifiers have no meaning to a server and do not pass. */
static bool ipv6_fits(const uint8_t *p, size_t n)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (n == 0 || n >= sizeof text || memchr(p, '\0', n) != NULL)
        return false;
    memcpy(text, p, n);
    text[n] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

bool http1_authority_valid(const uint8_t *p, size_t n)
{
    if (n > 0 && p[0] == '[') {
        const uint8_t *close = memchr(p, ']', n);
        if (close == NULL || !ipv6_fits(p + 1, (size_t)(close - p) - 1))
            return false;
        const size_t rest = (size_t)(close - p) + 1;
        return rest == n || (p[rest] == ':' && port_fits(p + rest + 1, n - rest - 1));
    }
    const uint8_t *colon = n > 0 ? memchr(p, ':', n) : NULL;
    if (colon == NULL)
        return name_fits(p, n);
    const size_t name_n = (size_t)(colon - p);
    return name_fits(p, name_n) && port_fits(colon + 1, n - name_n - 1);
}
