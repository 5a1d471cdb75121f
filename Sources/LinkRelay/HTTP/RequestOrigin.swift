// What a host with a port, and an origin, look like when nothing about them is lenient.
//
// Pure values, any thread. The grammar is a subset of RFC 3986's: what a browser serialises and nothing else, so that no
// userinfo, path, blank, escape, trailing dot or padded port can make two texts mean one place. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// A lower-case host name or numeric address, with its port if one was given.
struct RequestAuthority: Hashable, Sendable {
    /// A name, a dotted quad, or an IPv6 address in its brackets.
    let name: String
    let port: UInt16?
    let isNumeric: Bool

    /// As it was written: `name` or `name:port`.
    var text: String { port.map { "\(name):\($0)" } ?? name }

    /// Nil unless the whole text is a host with an optional port, in lower case unless `foldingCase`.
    ///
    /// Only ASCII is folded: Unicode would turn the Kelvin sign into a `k`.
    init?(_ text: String, foldingCase: Bool = false) {
        var bytes = Array(text.utf8)
        guard bytes.count <= 300 else { return nil }
        if foldingCase { bytes = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } }
        let end: Int
        if bytes.first == 0x5B {
            guard let close = bytes.firstIndex(of: 0x5D) else { return nil }
            guard Self.isIPv6(bytes[1..<close]) else { return nil }
            end = close + 1
            isNumeric = true
        } else {
            end = bytes.firstIndex(of: 0x3A) ?? bytes.count
            isNumeric = Self.isIPv4(bytes[..<end])
            guard isNumeric || Self.isName(bytes[..<end]) else { return nil }
        }
        if end < bytes.count {
            guard bytes[end] == 0x3A, let number = Self.port(bytes[(end + 1)...]) else { return nil }
            port = number
        } else {
            port = nil
        }
        name = String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// 1 to 65535 without padding.
    private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard (1...5).contains(digits.count), digits.first != 0x30, digits.allSatisfy(isDigit) else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Labels of letters, digits, `-` and `_`; the last one no number, since browsers would read the whole as an address.
    private static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard (1...253).contains(bytes.count) else { return false }
        let labels = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count), label.first != 0x2D, label.last != 0x2D else { return false }
            guard label.allSatisfy({ isDigit($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x5F }) else {
                return false
            }
        }
        guard let last = labels.last else { return false }
        let isHexNumber = last.starts(with: [0x30, 0x78]) && last.dropFirst(2).allSatisfy { Hex.nibble($0) != nil }
        return !isHexNumber && !last.allSatisfy(isDigit)
    }

    /// Exactly four decimal octets: the one form that browsers serialise.
    private static func isIPv4(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.count <= 15 else { return false }
        let parts = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                guard (1...3).contains(part.count), part.allSatisfy(isDigit), part.count == 1 || part.first != 0x30 else {
                    return false
                }
                return UInt8(String(decoding: part, as: UTF8.self)) != nil
            }
    }

    /// Groups of up to four hex digits with at most one `::`; no zone and no embedded IPv4, which browsers do not serialise.
    private static func isIPv6(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard (2...39).contains(bytes.count) else { return false }
        let groups = bytes.split(separator: 0x3A, omittingEmptySubsequences: false)
        let written = groups.filter { !$0.isEmpty }
        let isHex = written.allSatisfy { group in
            group.count <= 4 && group.allSatisfy { isDigit($0) || (0x61...0x66).contains($0) }
        }
        guard isHex else { return false }
        // Every blank group belongs to the one "::": one inside, two when it stands at an end, three when it stands alone.
        let blanks = groups.count - written.count
        if blanks == 0 { return written.count == 8 }
        guard written.count <= 7 else { return false }
        let isAtStart = groups.first?.isEmpty == true
        let isAtEnd = groups.last?.isEmpty == true
        if isAtStart && isAtEnd { return blanks == 3 && written.isEmpty }
        if isAtStart { return blanks == 2 && groups[1].isEmpty }
        if isAtEnd { return blanks == 2 && groups[groups.count - 2].isEmpty }
        return blanks == 1
    }
}

/// A tuple origin of the web (RFC 6454 section 4) with its default port left out.
struct RequestOrigin: Hashable, Sendable {
    enum Scheme: String, Sendable, CaseIterable {
        case http, https
        var defaultPort: UInt16 { self == .http ? 80 : 443 }
    }

    let scheme: Scheme
    let host: String
    /// Nil for the scheme's default.
    let port: UInt16?

    init(scheme: Scheme, authority: RequestAuthority) {
        self.scheme = scheme
        host = authority.name
        port = authority.port == scheme.defaultPort ? nil : authority.port
    }

    /// From an `Origin` header: exactly the serialised form, so upper case or a spelt-out default port is refused, as is `null`.
    init?(header: String) {
        guard let origin = Self.parse(header), origin.serialized.utf8.elementsEqual(header.utf8) else { return nil }
        self = origin
    }

    /// From the settings, where a person writes: any case, default port spelt out, one slash at the end.
    init?(configured: String) {
        var text = Substring(configured)
        if text.hasSuffix("/") { text.removeLast() }
        guard let origin = Self.parse(String(text), foldingCase: true) else { return nil }
        self = origin
    }

    /// `scheme://host[:port]` (RFC 6454 section 6.2).
    var serialized: String { "\(scheme.rawValue)://\(host)" + (port.map { ":\($0)" } ?? "") }

    private static func parse(_ text: String, foldingCase: Bool = false) -> RequestOrigin? {
        let bytes = Array(text.utf8)
        for scheme in Scheme.allCases {
            let start = Array((scheme.rawValue + "://").utf8)
            let given = foldingCase ? bytes.prefix(start.count).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } : bytes
            guard given.starts(with: start) else { continue }
            let rest = String(decoding: bytes.dropFirst(start.count), as: UTF8.self)
            return RequestAuthority(rest, foldingCase: foldingCase).map { RequestOrigin(scheme: scheme, authority: $0) }
        }
        return nil
    }
}
