// Who a request really comes from when a reverse proxy stands in between: X-Forwarded-For and X-Forwarded-Proto.
//
// Pure, any thread. Only a proxy that the operator declared is believed, and of its list only what declared proxies wrote: the
// right-most entry that is not one of them. What stands left of it a client can have written. SPDX-License-Identifier: Apache-2.0

struct RequestSource: Hashable, Sendable {
    /// The peer, or what a declared proxy says it is.
    var address: PeerAddress
    /// TLS here, or as a declared proxy says.
    var isSecure: Bool
}

enum ForwardedAddress {
    /// Longer chains of proxies do not occur; longer lists do.
    private static let entryCount = 32
    /// `[` IPv6 `]:` port.
    private static let entryBytes = 53

    /// - Parameters:
    ///   - forwardedFor, forwardedProto: the values of every header of that name, in order of arrival.
    static func source(
        peer: PeerAddress, isTLS: Bool, trusted: [NetworkPrefix], forwardedFor: [String], forwardedProto: [String]
    ) -> RequestSource {
        guard contains(trusted, peer) else { return RequestSource(address: peer, isSecure: isTLS) }
        return RequestSource(address: client(behind: peer, trusted, forwardedFor), isSecure: isSecure(forwardedProto) ?? isTLS)
    }

    /// From right to left as long as the one who wrote the entry is trusted. An entry that is no address ends the walk: who wrote it
    /// did not know, or did not want to say.
    private static func client(behind peer: PeerAddress, _ trusted: [NetworkPrefix], _ values: [String]) -> PeerAddress {
        var address = peer
        for entry in entries(values).reversed().prefix(entryCount) {
            guard contains(trusted, address), let next = self.address(entry) else { break }
            address = next
        }
        return address
    }

    /// What the nearest proxy said last; nil when it said nothing.
    private static func isSecure(_ values: [String]) -> Bool? {
        entries(values).last.map { $0.lowercased() == "https" || $0.lowercased() == "wss" }
    }

    /// Several headers of one name are one list (RFC 9110 section 5.3).
    private static func entries(_ values: [String]) -> [String] {
        values.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }.map(\.withoutOuterBlanks)
    }

    private static func contains(_ networks: [NetworkPrefix], _ address: PeerAddress) -> Bool {
        networks.contains { $0.contains(address) }
    }

    /// `192.0.2.1`, `192.0.2.1:5555`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:5555`.
    static func address(_ text: String) -> PeerAddress? {
        guard text.utf8.count <= entryBytes else { return nil }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]"), let port = port(text[text.index(after: end)...]) else { return nil }
            return peer(String(text[text.index(after: text.startIndex)..<end]), port: port, isV6: true)
        }
        let colons = text.utf8.count { $0 == 0x3A }
        guard colons == 1, let colon = text.firstIndex(of: ":") else { return peer(text, port: 0, isV6: colons > 1) }
        guard let port = port(text[colon...]) else { return nil }
        return peer(String(text[..<colon]), port: port, isV6: false)
    }

    /// Nothing, or a colon and a number.
    private static func port(_ text: Substring) -> UInt16? {
        if text.isEmpty { return 0 }
        let digits = text.utf8.dropFirst()
        guard text.first == ":", (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt16(text.dropFirst())
    }

    /// IPv4-mapped addresses are IPv4, as the engine has them.
    private static func peer(_ text: String, port: UInt16, isV6: Bool) -> PeerAddress? {
        guard let ip = IPAddress(parsing: text), ip.isV6 == isV6 else { return nil }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        if ip.bytes.starts(with: mapped) { return PeerAddress(family: .v4, bytes: Array(ip.bytes.dropFirst(12)), port: port) }
        return PeerAddress(family: isV6 ? .v6 : .v4, bytes: ip.bytes, port: port)
    }
}
