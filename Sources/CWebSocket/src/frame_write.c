/* Decides how a server frame's header looks: unmasked, shortest length form (RFC 6455 5.1, 5.2).
 *
 * Any thread. Must never mask: a server does not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

size_t ws_write_header(uint8_t out[10], uint8_t opcode, bool is_final, bool rsv1, uint64_t payload_n)
{
    out[0] = (uint8_t)((is_final ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | (opcode & 0x0F));
    if (payload_n < 126) {
        out[1] = (uint8_t)payload_n;
        return 2;
    }
    if (payload_n <= UINT16_MAX) {
        out[1] = 126;
        out[2] = (uint8_t)(payload_n >> 8);
        out[3] = (uint8_t)payload_n;
        return 4;
    }
    out[1] = 127;
    for (size_t i = 0; i < 8; i++)
        out[2 + i] = (uint8_t)(payload_n >> (8 * (7 - i)));
    return 10;
}
