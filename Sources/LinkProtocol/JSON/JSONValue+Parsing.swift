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
