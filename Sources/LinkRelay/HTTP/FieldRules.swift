// What the fields of REST bodies may contain: ids, names, install ids.
//
// Pure, any thread. Numbers are read from their text, digit by digit; nothing is rounded, trapped on or guessed.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum FieldRules {
    static let nameCount = 100
    static let installIDCount = 200

    /// A positive 64-bit integer in its one canonical spelling: no sign, padding, point or exponent.
    static func instanceID(_ digits: some Collection<UInt8>) -> InstanceID? {
        guard (1...19).contains(digits.count), digits.first != 0x30, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int64(String(decoding: digits, as: UTF8.self)).map { InstanceID($0) }
    }

    /// The body's `id`, a JSON number; nil when absent or null.
    static func optionalID(_ body: JSONValue) throws(RestFailure) -> InstanceID? {
        switch body["id"] {
        case nil, .null: return nil
        case .number(let text):
            guard let id = instanceID(text.utf8) else { throw RestFailure(.invalidID) }
            return id
        default: throw RestFailure(.invalidID)
        }
    }

    /// The query's one `id`, digits as they are: a percent sign in it is no digit.
    static func id(inQuery query: String?) throws(RestFailure) -> InstanceID {
        let mark = Array("id=".utf8)
        let values = (query ?? "").utf8.split(separator: 0x26).filter { $0.starts(with: mark) }
        guard values.count == 1, let value = values.first, let id = instanceID(value.dropFirst(mark.count)) else {
            throw RestFailure(.invalidID)
        }
        return id
    }

    /// The body's `name`, trimmed; nil when absent, null or blank.
    static func optionalName(_ body: JSONValue) throws(RestFailure) -> String? {
        switch body["name"] {
        case nil, .null: return nil
        case .string(let text):
            let name = trimmed(text)
            if name.isEmpty { return nil }
            guard isPlain(name, count: nameCount), name.utf8.count <= KeyService.nameBytes else {
                throw RestFailure(.invalidName)
            }
            return name
        default: throw RestFailure(.invalidName)
        }
    }

    /// The body's `installId`.
    static func installID(_ body: JSONValue) throws(RestFailure) -> String {
        guard let text = body["installId"]?.stringValue.map(trimmed), !text.isEmpty, isPlain(text, count: installIDCount) else {
            throw RestFailure(.invalidInstallID)
        }
        return text
    }

    /// The body's `legacyKey`; nil when absent, null or blank (an install that never had one may send either).
    static func legacyKey(_ body: JSONValue) throws(RestFailure) -> String? {
        switch body["legacyKey"] {
        case nil, .null: return nil
        case .string(let text):
            if trimmed(text).isEmpty { return nil }
            guard JoinCredential(parsing: text.utf8) != nil else { throw RestFailure(.invalidLegacyKey) }
            return text
        default: throw RestFailure(.invalidLegacyKey)
        }
    }

    static func trimmed(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }

    /// At most `count` characters of at most four bytes each on average (a character may hold any number of combining
    /// marks), without controls, line separators or marks that turn the direction of what follows.
    private static func isPlain(_ text: String, count: Int) -> Bool {
        guard text.utf8.count <= 4 * count, text.count <= count else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: false
            default: !scalar.properties.isBidiControl
            }
        }
    }
}
