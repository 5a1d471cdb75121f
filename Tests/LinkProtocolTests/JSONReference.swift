// A second JSON validator, recursive and slow, written from RFC 8259 alone, to hold the scanner against.
//
// Shares no code with the scanner. It may recurse: only tests feed it. SPDX-License-Identifier: Apache-2.0

struct JSONReference {
    struct Refusal: Error {}

    private let text: [UInt8]
    private let maxDepth: Int
    private var at = 0
    /// Name and raw value of each member of the outermost object.
    private(set) var members: [(name: [UInt8], value: [UInt8])] = []

    /// The outermost members, or nil if the text is not exactly one value.
    static func members(of text: [UInt8], maxDepth: Int) -> [(name: [UInt8], value: [UInt8])]? {
        guard String(validating: text, as: UTF8.self) != nil else { return nil }
        var reference = JSONReference(text: text, maxDepth: maxDepth)
        do {
            reference.blanks()
            try reference.value(depth: 0)
            reference.blanks()
            return reference.at == text.count ? reference.members : nil
        } catch {
            return nil
        }
    }

    private init(text: [UInt8], maxDepth: Int) {
        self.text = text
        self.maxDepth = maxDepth
    }

    private var byte: Character? { at < text.count ? Character(Unicode.Scalar(text[at])) : nil }

    private mutating func blanks() {
        while at < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[at]) { at += 1 }
    }

    private mutating func expect(_ character: Character) throws {
        guard byte == character else { throw Refusal() }
        at += 1
    }

    private mutating func value(depth: Int) throws {
        switch byte {
        case "{": try object(depth: depth + 1)
        case "[": try array(depth: depth + 1)
        case "\"": try string()
        case "t": for character in "true" { try expect(character) }
        case "f": for character in "false" { try expect(character) }
        case "n": for character in "null" { try expect(character) }
        default: try number()
        }
    }

    private mutating func object(depth: Int) throws {
        guard depth <= maxDepth else { throw Refusal() }
        try expect("{")
        blanks()
        if byte == "}" {
            at += 1
            return
        }
        repeat {
            blanks()
            let name = at
            try string()
            let nameEnd = at
            blanks()
            try expect(":")
            blanks()
            let start = at
            try value(depth: depth)
            if depth == 1 { members.append((Array(text[name + 1..<nameEnd - 1]), Array(text[start..<at]))) }
            blanks()
        } while comma()
        try expect("}")
    }

    private mutating func array(depth: Int) throws {
        guard depth <= maxDepth else { throw Refusal() }
        // An array around it makes an object not the outermost one.
        let outer = members
        try expect("[")
        blanks()
        if byte == "]" {
            at += 1
            return
        }
        repeat {
            blanks()
            try value(depth: depth)
            blanks()
        } while comma()
        try expect("]")
        members = outer
    }

    private mutating func comma() -> Bool {
        guard byte == "," else { return false }
        at += 1
        return true
    }

    private mutating func string() throws {
        try expect("\"")
        while byte != "\"" {
            guard let character = byte, text[at] >= 0x20 else { throw Refusal() }
            at += 1
            guard character == "\\" else { continue }
            guard let escape = byte, "\"\\/bfnrtu".contains(escape) else { throw Refusal() }
            at += 1
            guard escape == "u" else { continue }
            for _ in 0..<4 {
                guard let digit = byte, "0123456789abcdefABCDEF".contains(digit) else { throw Refusal() }
                at += 1
            }
        }
        at += 1
    }

    private mutating func number() throws {
        if byte == "-" { at += 1 }
        if byte == "0" { at += 1 } else { try digits() }
        if byte == "." {
            at += 1
            try digits()
        }
        guard byte == "e" || byte == "E" else { return }
        at += 1
        if byte == "+" || byte == "-" { at += 1 }
        try digits()
    }

    private mutating func digits() throws {
        let start = at
        while let digit = byte, "0123456789".contains(digit) { at += 1 }
        guard at > start else { throw Refusal() }
    }
}
