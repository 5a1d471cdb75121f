// Text to JSONValue: validated first by the strict scanner, then built with an explicit stack.
//
// Cold path, any thread. Bounded by the size of the text, which the caller bounds, and by `maxDepth`.
// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Parses exactly one value, blanks around it allowed.
    ///
    /// Lone surrogate escapes become U+FFFD. Of repeated member names all are kept and lookup finds the last.
    public init(parsing bytes: [UInt8], maxDepth: Int = 32) throws(JSONError) {
        let span = bytes.span.bytes
        _ = try JSON.validate(span, maxDepth: maxDepth)
        var builder = Builder()
        var position = 0
        while builder.result == nil, position < bytes.count {
            try builder.step(span, &position)
        }
        guard let value = builder.result else { throw .truncated }
        self = value
    }

    /// An open container and the member name that waits for its value.
    private struct Frame {
        var isObject: Bool
        var items: [JSONValue] = []
        var members: [(key: String, value: JSONValue)] = []
        var name: String?
    }

    private struct Builder {
        var frames: [Frame] = []
        var result: JSONValue?

        /// Consumes one token. The text is known to be valid, so blanks and punctuation need no check.
        mutating func step(_ bytes: RawSpan, _ position: inout Int) throws(JSONError) {
            let start = position
            switch JSONLexer.peek(bytes, start) {
            case 0x7B, 0x5B:
                frames.append(Frame(isObject: JSONLexer.peek(bytes, start) == 0x7B))
                position += 1
            case 0x7D, 0x5D:
                position += 1
                if let frame = frames.popLast() { add(frame.isObject ? .object(frame.members) : .array(frame.items)) }
            case 0x22:
                let scan = try JSONLexer.string(bytes, start + 1)
                position = scan.end + 1
                addString(JSONString.text(bytes, start + 1, scan.end))
            case 0x74:
                position += 4
                add(.bool(true))
            case 0x66:
                position += 5
                add(.bool(false))
            case 0x6E:
                position += 4
                add(.null)
            case 0x2D, 0x30...0x39:
                position = try JSONLexer.number(bytes, start)
                add(.number(JSONString.text(bytes, start, position)))
            default:
                position += 1
            }
        }

        private mutating func addString(_ text: String) {
            if let last = frames.indices.last, frames[last].isObject, frames[last].name == nil {
                frames[last].name = text
            } else {
                add(.string(text))
            }
        }

        private mutating func add(_ value: JSONValue) {
            guard let last = frames.indices.last else {
                result = value
                return
            }
            if let name = frames[last].name {
                frames[last].members.append((key: name, value: value))
                frames[last].name = nil
            } else {
                frames[last].items.append(value)
            }
        }
    }
}

/// Resolving the escapes of a scanned string.
enum JSONString {
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
            if letter == 0x75 {
                position = appendUnicode(bytes, position, end, to: &out)
            } else {
                out.append(plain(letter))
                position += 2
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func plain(_ letter: UInt8) -> UInt8 {
        switch letter {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: letter
        }
    }

    /// Appends the character of the `\u` escape at `position`, joined with a following one if they form a pair.
    /// - Returns: the offset after what was used.
    private static func appendUnicode(_ bytes: RawSpan, _ position: Int, _ end: Int, to out: inout [UInt8]) -> Int {
        let first = codeUnit(bytes, position + 2)
        var scalar = Unicode.Scalar(first)
        var next = position + 6
        if first & 0xFC00 == 0xD800, next + 6 <= end, JSONLexer.peek(bytes, next) == 0x5C,
            JSONLexer.peek(bytes, next + 1) == 0x75
        {
            let second = codeUnit(bytes, next + 2)
            if second & 0xFC00 == 0xDC00 {
                scalar = Unicode.Scalar(0x10000 + ((first & 0x3FF) << 10) + (second & 0x3FF))
                next += 6
            }
        }
        out.append(contentsOf: String(Character(scalar ?? "\u{FFFD}")).utf8)
        return next
    }

    private static func codeUnit(_ bytes: RawSpan, _ position: Int) -> UInt32 {
        var unit: UInt32 = 0
        for index in position..<position + 4 {
            unit = unit << 4 | UInt32(Hex.nibble(JSONLexer.peek(bytes, index)) ?? 0)
        }
        return unit
    }
}
