// What the escapes in the contents of a JSON string stand for: as text, and as the bytes by which ids are compared.
//
// Pure, any thread, off the hot path: only strings that hold a backslash come here. SPDX-License-Identifier: Apache-2.0

public enum JSONString {
    /// The contents in their shortest spelling, so that equal strings have equal bytes: what needs no escape is UTF-8, and the rest, lone
    /// surrogates among it, is escaped in one way.
    ///
    /// Contents of a JSON string again, never longer, and the same for contents without a backslash. What is no escape stays as it is.
    public static func plain(_ contents: RawSpan) -> [UInt8] {
        let end = contents.byteCount
        var out: [UInt8] = []
        out.reserveCapacity(end)
        var position = 0
        while position < end {
            let byte = JSONLexer.peek(contents, position)
            let letter = byte == 0x5C ? JSONLexer.peek(contents, position + 1) : 0
            if letter == 0x2F {
                out.append(letter)
                position += 2
            } else if letter == 0x75, let escape = unicode(contents, position, end) {
                appendPlain(escape.unit, to: &out)
                position = escape.next
            } else {
                out.append(byte)
                position += 1
                if byte == 0x5C, position < end {
                    out.append(letter)
                    position += 1
                }
            }
        }
        return out
    }

    private static func appendPlain(_ unit: UInt32, to out: inout [UInt8]) {
        switch unit {
        case 0x08: out.append("\\b")
        case 0x09: out.append("\\t")
        case 0x0A: out.append("\\n")
        case 0x0C: out.append("\\f")
        case 0x0D: out.append("\\r")
        case 0x22: out.append("\\\"")
        case 0x5C: out.append("\\\\")
        default:
            if unit >= 0x20, let scalar = Unicode.Scalar(unit) { return out.append(contentsOf: String(Character(scalar)).utf8) }
            out.append("\\u")
            out.append(contentsOf: Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)]).utf8)
        }
    }

    /// The text of the contents between `start` and `end`, which the scanner has accepted.
    static func text(_ bytes: RawSpan, _ start: Int, _ end: Int) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(end - start)
        var position = start
        while position < end {
            let byte = JSONLexer.peek(bytes, position)
            if byte != 0x5C {
                out.append(byte)
                position += 1
                continue
            }
            let letter = JSONLexer.peek(bytes, position + 1)
            if letter == 0x75, let escape = unicode(bytes, position, end) {
                out.append(contentsOf: String(Character(Unicode.Scalar(escape.unit) ?? "\u{FFFD}")).utf8)
                position = escape.next
            } else {
                out.append(control(letter))
                position += 2
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func control(_ letter: UInt8) -> UInt8 {
        switch letter {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: letter
        }
    }

    /// What the `\u` escape at `position` stands for, joined with a following one if they form a pair: a scalar or a lone surrogate; and
    /// the offset after what was used. Nil without four hex digits before `end`.
    private static func unicode(_ bytes: RawSpan, _ position: Int, _ end: Int) -> (unit: UInt32, next: Int)? {
        guard let first = codeUnit(bytes, position + 2, end) else { return nil }
        let next = position + 6
        if first & 0xFC00 == 0xD800, JSONLexer.peek(bytes, next) == 0x5C, JSONLexer.peek(bytes, next + 1) == 0x75,
            let second = codeUnit(bytes, next + 2, end), second & 0xFC00 == 0xDC00
        {
            return (0x10000 + ((first & 0x3FF) << 10) + (second & 0x3FF), next + 6)
        }
        return (first, next)
    }

    private static func codeUnit(_ bytes: RawSpan, _ position: Int, _ end: Int) -> UInt32? {
        guard position + 4 <= end else { return nil }
        var unit: UInt32 = 0
        for index in position..<position + 4 {
            guard let nibble = Hex.nibble(JSONLexer.peek(bytes, index)) else { return nil }
            unit = unit << 4 | UInt32(nibble)
        }
        return unit
    }
}
