// Addresses as an operator writes them: where to listen, and which networks hold trusted proxies.
//
// Pure values, any thread. Numeric addresses only: a name that has to be looked up could mean something else tomorrow.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A numeric IPv4 or IPv6 address.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, in network order.
    package let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Nil unless `text` is an address in its usual notation, without brackets or zone.
    package init?(parsing text: String) {
        if let bytes = Self.read(text, family: AF_INET, byteCount: 4) ?? Self.read(text, family: AF_INET6, byteCount: 16) {
            self.bytes = bytes
        } else {
            return nil
        }
    }

    private static func read(_ text: String, family: Int32, byteCount: Int) -> [UInt8]? {
        guard !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        let isRead = bytes.withUnsafeMutableBytes { inet_pton(family, text, $0.baseAddress) == 1 }
        return isRead ? bytes : nil
    }

    package var isV6: Bool { bytes.count == 16 }

    package var description: String {
        var out = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = isV6 ? AF_INET6 : AF_INET
        let isWritten = bytes.withUnsafeBytes { from in
            inet_ntop(family, from.baseAddress, &out, socklen_t(out.count)) != nil
        }
        guard isWritten else { return "?" }
        return String(decoding: out.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// One place to accept connections at.
package enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// `host` is numeric, without brackets. Port 0 lets the system choose.
    case tcp(host: String, port: UInt16)
    /// A Unix socket at an absolute path.
    case unix(path: String)

    /// sockaddr_un's room for a path, less its terminator.
    private static let unixPathBytes = 107

    /// `127.0.0.1:8787`, `[::1]:8787`, `localhost:8787`, `*:8787` (every IPv4 address), `unix:/run/linkrelay/relayd.sock`.
    package init?(parsing text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= Self.unixPathBytes, !path.utf8.contains(0) else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...]) else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard let address = IPAddress(parsing: host), address.isV6 else { return nil }
            self = .tcp(host: address.description, port: port)
            return
        }
        if host == "localhost" { host = "127.0.0.1" }
        if host == "*" { host = "0.0.0.0" }
        guard let address = IPAddress(parsing: host), !address.isV6 else { return nil }
        self = .tcp(host: address.description, port: port)
    }

    private static func port(_ digits: Substring) -> UInt16? {
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt16(digits)
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// A network such as `10.0.0.0/8`, or one address; or `unix`, which stands for whoever connects to a Unix socket.
package struct NetworkPrefix: Hashable, Sendable, CustomStringConvertible {
    /// Empty for `unix`.
    let bytes: [UInt8]
    let bitCount: Int

    package init?(parsing text: String) {
        if text == "unix" {
            bytes = []
            bitCount = 0
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPAddress(parsing: String(parts[0])) else { return nil }
        let most = address.bytes.count * 8
        var bits = most
        if parts.count == 2 {
            guard parts[1].utf8.count <= 3, let given = UInt16(parts[1]), Int(given) <= most else { return nil }
            bits = Int(given)
        }
        bytes = address.bytes
        bitCount = bits
        // 10.1.2.3/8 is a mistake more often than it is meant.
        guard Self.masked(bytes, bits) == bytes else { return nil }
    }

    private static func masked(_ bytes: [UInt8], _ bitCount: Int) -> [UInt8] {
        bytes.indices.map { i in
            let kept = min(8, max(0, bitCount - i * 8))
            return bytes[i] & UInt8(truncatingIfNeeded: 0xFF00 >> kept)
        }
    }

    package func contains(_ peer: PeerAddress) -> Bool {
        if bytes.isEmpty { return peer.family == .unix }
        return peer.bytes.count == bytes.count && Self.masked(peer.bytes, bitCount) == bytes
    }

    package var description: String { bytes.isEmpty ? "unix" : "\(IPAddress(bytes: bytes))/\(bitCount)" }
}
