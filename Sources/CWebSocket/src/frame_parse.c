/* Decides what a frame's header says and whether a client may send it (RFC 6455 5.2, 5.5, 7.4).
 *
 * Judges byte by byte as they come, so that a bad frame is refused before its payload is waited for. Any thread. Must never add to
 * or allocate by the length: whoever does compares it with a ceiling first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <string.h>

#define CONTROL_PAYLOAD_MAX 125u
#define WHOLE_TEXT 0x81u /* nearly every frame there is; nothing in it needs judging */

static bool is_control(uint8_t opcode) { return (opcode & 0x8) != 0; }

static bool is_known(uint8_t opcode) { return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xA); }

static bool first_byte_fits(const ws_frame *f, uint8_t byte, bool allow_rsv1)
{
    if ((byte & 0x30) != 0 || !is_known(f->opcode))
        return false;
    if (is_control(f->opcode) && !f->is_final)
        return false;
    /* RSV1 marks a compressed message on its first data frame alone (RFC 7692 6). */
    return !f->rsv1 || (allow_rsv1 && f->opcode != 0 && !is_control(f->opcode));
}

/* The extended length; false when a shorter form would have done or the top bit is set. */
static bool read_length(ws_frame *f, const uint8_t *p, size_t width)
{
    if (width == 2) {
        f->payload_n = (uint64_t)(p[0] << 8 | p[1]);
        return f->payload_n > CONTROL_PAYLOAD_MAX;
    }
    uint64_t length = 0;
    for (size_t i = 0; i < 8; i++)
        length = (length << 8) | p[i];
    f->payload_n = length;
    return length > UINT16_MAX && (length >> 63) == 0;
}

cws_parse ws_parse_frame(ws_frame *f, const uint8_t *p, size_t n, bool allow_rsv1)
{
    *f = (ws_frame){.reason = CWS_R_NONE};
    if (n == 0)
        return CWS_PARSE_MORE;
    const uint8_t first = p[0];
    f->is_final = (first & 0x80) != 0;
    f->rsv1 = (first & 0x40) != 0;
    f->opcode = first & 0x0F;
    if (first != WHOLE_TEXT && !first_byte_fits(f, first, allow_rsv1))
        goto refuse;
    if (n < 2)
        return CWS_PARSE_MORE;

    const uint8_t second = p[1], length = second & 0x7F;
    if ((second & 0x80) == 0 || (length > CONTROL_PAYLOAD_MAX && is_control(first & 0x0F)))
        goto refuse;
    const size_t width = length < 126 ? 0 : length == 126 ? 2 : 8;
    f->payload_n = length;
    if (width > 0) {
        if (n < 2 + width)
            return CWS_PARSE_MORE;
        if (!read_length(f, p + 2, width))
            goto refuse;
    }
    if (n < 2 + width + 4)
        return CWS_PARSE_MORE;
    memcpy(f->mask, p + 2 + width, 4);
    f->header_n = (uint8_t)(2 + width + 4);
    return CWS_PARSE_DONE;

refuse:
    f->reason = CWS_R_FRAME_PROTOCOL;
    return CWS_PARSE_ERROR;
}

bool ws_close_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
