// What stands between the slashes of a download address: a host name or a numeric address in its one plain form.
//
// Pure, any thread. Nothing is looked up and nothing is guessed: what two readers could read differently is refused, so that the
// judgement here is about the same host that the install will connect to. SPDX-License-Identifier: Apache-2.0

struct DownloadHost: Hashable, Sendable {
    /// In lower case, without brackets or the root's dot.
    let text: String
    /// 4 or 16 bytes of a numeric address; nil for a name.
    let address: [UInt8]?

    /// Names that never leave a local network, or mean something else in each (RFC 6761, RFC 6762, RFC 8375, and habit).
    private static let localSuffixes = [
        "localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "home.arpa", "test",
        "invalid", "example", "onion", "in-addr.arpa", "ip6.arpa",
    ]

    private init(text: String, address: [UInt8]?) {
        self.text = text
        self.address = address
    }

    /// Throws the rule that the text breaks.
    init(_ bytes: ArraySlice<UInt8>) throws(PolicyViolation) {
        if bytes.first == 0x5B {
            guard bytes.last == 0x5D, let address = IPAddress(parsing: Self.text(bytes.dropFirst().dropLast())), address.isV6
            else { throw PolicyViolation(.oddHost) }
            self.init(text: address.description, address: address.bytes)
            return
        }
        var name = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if name.last == 0x2E { name.removeLast() }
        let labels = name.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard (1...253).contains(name.count), labels.allSatisfy(Self.isLabel), let last = labels.last else {
            throw PolicyViolation(.oddHost)
        }
        let text = Self.text(name[...])
        guard Self.isNumber(last) else {
            self.init(text: text, address: nil)
            return
        }
        // Anything that ends in a number is an address to browsers and resolvers: hex, octal, one to four parts. One form is plain.
        guard bytes.last != 0x2E, let address = IPAddress(parsing: text), !address.isV6, address.description == text else {
            throw PolicyViolation(.oddHost)
        }
        self.init(text: text, address: address.bytes)
    }

    /// The rule that a public host may not break; nil if it breaks none.
    var rule: PolicyRule? {
        if let address { return NetworkRanges.isPublic(address) ? nil : .privateTarget }
        guard text.utf8.contains(0x2E) else { return .localName }
        return Self.localSuffixes.contains { text == $0 || text.hasSuffix("." + $0) } ? .localName : nil
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        (1...63).contains(label.count)
            && label.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F }
    }

    /// Decimal digits, or `0x` and any number of hex digits (WHATWG URL, "ends in a number").
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy({ (0x30...0x39).contains($0) }) { return true }
        return label.starts(with: [0x30, 0x78])
            && label.dropFirst(2).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// A rule that was broken.
struct PolicyViolation: Error, Hashable {
    let rule: PolicyRule
    init(_ rule: PolicyRule) { self.rule = rule }
}
