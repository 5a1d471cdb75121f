// Which commands are looked into, and what in them: `resources:add` and `resources:remove`, their addresses and file names.
//
// Pure, any thread. `isJudged` is on the hot path: one comparison for every command of another type. The rest is cold.
// A receiver takes the last of a repeated member and reads names written with escapes; so does this. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension CommandPolicy {
    /// Longer commands of a judged type are refused: judging takes time, and no client lists thousands of files in one.
    static let judgedBytes = 256 * 1024
    private static let depth = 128

    private static let add: StaticString = "resources:add"
    private static let remove: StaticString = "resources:remove"
    /// What deployed clients and extensions call a download address: the file itself, and its picture.
    private static let addressNames: Set<String> = ["url", "downloadUrl", "previewImage", "previewImageUrl"]
    private static let fileNames: Set<String> = ["name", "filename", "fileName"]

    /// Whether a command has to be judged. `type` is the contents of its JSON string, escapes unresolved.
    @inline(__always)
    static func isJudged(_ type: UnsafeRawBufferPointer, hasEscapedName: Bool) -> Bool {
        hasEscapedName || (type.count >= add.utf8CodeUnitCount && isNamed(type))
    }

    /// A type with an escape in it is read before it is compared.
    @inline(never)
    private static func isNamed(_ type: UnsafeRawBufferPointer) -> Bool {
        guard let first = type.first, first == 0x72 || first == 0x5C || type.contains(0x5C) else { return false }
        return type.contains(0x5C) || add.withUTF8Buffer { $0.elementsEqual(type) }
            || remove.withUTF8Buffer { $0.elementsEqual(type) }
    }

    /// The rule that the command breaks; nil if it may be relayed, also when its type turns out to be another one.
    func judge(_ payload: [UInt8]) -> PolicyRule? {
        guard payload.count <= Self.judgedBytes else { return .tooLong }
        guard let command = try? JSONValue(parsing: payload, maxDepth: Self.depth), case .object(let members) = command else {
            return .malformed
        }
        let isAdd: Bool
        switch command["type"]?.stringValue {
        case "resources:add": isAdd = true
        case "resources:remove": isAdd = false
        default: return nil
        }
        let judged: Set<String> = ["type", "resource", "resources"]
        if Self.repeats(members, judged) { return .repeatedMember }
        return judge(command, isAdd: isAdd)
    }

    private func judge(_ command: JSONValue, isAdd: Bool) -> PolicyRule? {
        var resources: [JSONValue] = []
        switch command["resource"] {
        case nil, .null: break
        case let one?: resources.append(one)
        }
        switch command["resources"] {
        case nil, .null: break
        case .array(let several): resources += several
        default: return .malformed
        }
        if resources.isEmpty, isAdd { return .malformed }
        for resource in resources {
            guard case .object(let members) = resource else { return .malformed }
            if let rule = judge(members, isAdd: isAdd) { return rule }
        }
        return nil
    }

    private func judge(_ members: [(key: String, value: JSONValue)], isAdd: Bool) -> PolicyRule? {
        if Self.repeats(members, Self.addressNames.union(Self.fileNames)) { return .repeatedMember }
        var isNamed = false
        for (key, value) in members {
            if Self.fileNames.contains(key) {
                guard let name = Self.text(value) else {
                    if case .null = value { continue }
                    return .malformed
                }
                if let rule = rule(forName: name, isNew: isAdd) { return rule }
                isNamed = true
            } else if isAdd, Self.addressNames.contains(key) {
                guard let address = Self.text(value) else {
                    if case .null = value { continue }
                    return .malformed
                }
                if Self.isAddress(address, key), let rule = rule(forAddress: address) { return rule }
            }
        }
        return isAdd && !isNamed ? .nameMissing : nil
    }

    /// The site names pictures of its own by a bare identifier, which nothing can be downloaded from.
    private static func isAddress(_ text: String, _ key: String) -> Bool {
        guard key == "previewImage" else { return true }
        return !text.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x5F
        }
    }

    private static func text(_ value: JSONValue) -> String? { value.stringValue }

    private static func repeats(_ members: [(key: String, value: JSONValue)], _ names: Set<String>) -> Bool {
        var seen: Set<String> = []
        return members.contains { names.contains($0.key) && !seen.insert($0.key).inserted }
    }
}
