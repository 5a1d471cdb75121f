// A JSON document as a value, for the cold paths: REST bodies, `iam`, answers the relay composes.
//
// Pure, any thread. Numbers keep their text, so that 64-bit ids survive. Depth is bounded when parsing, and nothing recurses
// on it except the release of a value. Never use it on a relayed payload: those are scanned and passed on untouched.
// SPDX-License-Identifier: Apache-2.0

public indirect enum JSONValue: Sendable {
    case null
    case bool(Bool)
    /// The number as it was written.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// Members in the order they were written, repeated names included.
    case object([(key: String, value: JSONValue)])

    /// The member of that name, the last one if it is repeated; nil if this is no object or has none.
    ///
    /// Names are compared byte for byte, not by Unicode equivalence.
    public subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    public var stringValue: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The number if it is written as an integer (no point, no exponent) that fits.
    public var intValue: Int64? {
        if case .number(let text) = self { Int64(text) } else { nil }
    }

    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public var arrayValue: [JSONValue]? {
        if case .array(let items) = self { items } else { nil }
    }

    public static func int(_ value: Int64) -> JSONValue { .number(String(value)) }

    /// The value as compact JSON text.
    public func encoded() -> [UInt8] {
        var out: [UInt8] = []
        var pending: [Step] = [.value(self)]
        while let step = pending.popLast() {
            switch step {
            case .text(let text): out.append(text)
            case .name(let name):
                JSONText.appendQuoted(name, to: &out)
                out.append(0x3A)
            case .value(let value): value.encode(into: &out, then: &pending)
            }
        }
        return out
    }

    private enum Step {
        case text(StaticString)
        case name(String)
        case value(JSONValue)
    }

    /// Writes a scalar at once; leaves a container's parts on `pending`, last part first.
    private func encode(into out: inout [UInt8], then pending: inout [Step]) {
        switch self {
        case .null: out.append("null")
        case .bool(let value): out.append(value ? "true" : "false")
        case .number(let text): out.append(contentsOf: text.utf8)
        case .string(let text): JSONText.appendQuoted(text, to: &out)
        case .array(let items):
            out.append(0x5B)
            pending.append(.text("]"))
            for (index, item) in items.enumerated().reversed() {
                pending.append(.value(item))
                if index > 0 { pending.append(.text(",")) }
            }
        case .object(let members):
            out.append(0x7B)
            pending.append(.text("}"))
            for (index, member) in members.enumerated().reversed() {
                pending.append(.value(member.value))
                pending.append(.name(member.key))
                if index > 0 { pending.append(.text(",")) }
            }
        }
    }
}

extension JSONValue: Equatable {
    /// Equal if they encode alike: the order of members and the spelling of numbers matter.
    public static func == (a: JSONValue, b: JSONValue) -> Bool { a.encoded() == b.encoded() }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { (key: $0.0, value: $0.1) })
    }
}
