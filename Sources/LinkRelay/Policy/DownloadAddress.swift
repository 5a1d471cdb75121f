// A download address, read strictly: scheme, host and port, or the rule that it breaks.
//
// Pure, any thread. Browsers and libraries forgive much and not alike (blanks, backslashes, missing slashes, percent signs in a
// host); here nothing is forgiven. What follows the host is never looked into. SPDX-License-Identifier: Apache-2.0

struct DownloadAddress: Hashable, Sendable {
    let isSecure: Bool
    let host: DownloadHost
    /// Nil for the scheme's default.
    let port: UInt16?

    /// Longer ones are refused; presigned addresses have some 2,000 bytes.
    static let byteCount = 8192

    init(_ text: String) throws(PolicyViolation) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.byteCount else { throw PolicyViolation(.malformedAddress) }
        guard let (isSecure, start) = Self.scheme(bytes) else { throw PolicyViolation(.scheme) }
        // Controls and blanks are stripped by some readers, a backslash is a slash to some.
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != 0x5C }) else { throw PolicyViolation(.malformedAddress) }
        let authority = bytes[start...].prefix { $0 != 0x2F && $0 != 0x3F && $0 != 0x23 }
        guard !authority.isEmpty else { throw PolicyViolation(.malformedAddress) }
        if authority.contains(0x40) { throw PolicyViolation(.userinfo) }
        let (hostBytes, port) = try Self.split(authority)
        host = try DownloadHost(hostBytes)
        self.isSecure = isSecure
        self.port = port == (isSecure ? 443 : 80) ? nil : port
    }

    /// `http://` or `https://` in any case, with both slashes.
    private static func scheme(_ bytes: [UInt8]) -> (isSecure: Bool, start: Int)? {
        for (text, isSecure) in [("https://", true), ("http://", false)] {
            let wanted = Array(text.utf8)
            guard bytes.count >= wanted.count else { continue }
            let given = bytes.prefix(wanted.count).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            if given == wanted { return (isSecure, wanted.count) }
        }
        return nil
    }

    private static func split(
        _ authority: ArraySlice<UInt8>
    ) throws(PolicyViolation) -> (host: ArraySlice<UInt8>, port: UInt16?) {
        var end = authority.endIndex
        if authority.first == 0x5B {
            guard let close = authority.firstIndex(of: 0x5D) else { throw PolicyViolation(.oddHost) }
            end = close + 1
        } else if let colon = authority.firstIndex(of: 0x3A) {
            end = colon
        }
        guard end < authority.endIndex else { return (authority, nil) }
        let digits = authority[(end + 1)...]
        guard authority[end] == 0x3A, (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.first != 0x30, let port = UInt16(String(decoding: digits, as: UTF8.self))
        else { throw PolicyViolation(.malformedAddress) }
        return (authority[..<end], port)
    }
}
