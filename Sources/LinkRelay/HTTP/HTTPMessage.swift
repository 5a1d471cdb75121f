// A request and a response as values, so that the REST surface can be written and tested without a socket.
//
// Sendable values, any thread. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

/// A peer's network address, as limits and logs see it.
package struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Family: UInt8, Sendable {
        case unix = 0, v4 = 4, v6 = 6

        var byteCount: Int {
            switch self {
            case .unix: 0
            case .v4: 4
            case .v6: 16
            }
        }
    }

    /// The address in network order, zeros behind it: a value without a heap block, since every session keeps one.
    private let head: UInt64
    private let tail: UInt64
    package let port: UInt16
    package let family: Family

    /// `bytes`: 4, 16 or 0, by family; more are ignored.
    package init(family: Family, bytes: [UInt8], port: UInt16) {
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes.prefix(family.byteCount)) }
        (head, tail) = words
        self.family = family
        self.port = port
    }

    /// 4, 16 or 0 bytes.
    package var bytes: [UInt8] { withUnsafeBytes(of: (head, tail)) { Array($0.prefix(family.byteCount)) } }

    /// What limits count by: the IPv4 address, the IPv6 /64, or the Unix socket as one.
    package var limitPrefix: [UInt8] {
        switch family {
        case .unix: [0]
        case .v4: [4] + bytes
        case .v6: [6] + bytes.prefix(8)
        }
    }

    /// Blurred for logs: IPv4 /24, IPv6 /48.
    package var description: String {
        switch family {
        case .unix: return "unix"
        case .v4:
            return bytes.prefix(3).map { String($0) }.joined(separator: ".") + ".0/24"
        case .v6:
            var groups: [String] = []
            for i in stride(from: 0, to: min(6, bytes.count - 1), by: 2) {
                groups.append(String(UInt16(bytes[i]) << 8 | UInt16(bytes[i + 1]), radix: 16))
            }
            return groups.joined(separator: ":") + "::/48"
        }
    }
}

extension PeerAddress {
    /// The whole address, for the operator who asked for it.
    var fullText: String {
        switch family {
        case .unix: "unix"
        case .v4: IPAddress(bytes: bytes).description + ":\(port)"
        case .v6: "[\(IPAddress(bytes: bytes))]:\(port)"
        }
    }
}

package struct HTTPRequest: Sendable {
    package var method: String
    /// Without query; already refused if it needed normalising.
    package var path: String
    package var query: String?
    /// In order of arrival; names lower-cased.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// The peer, or what a declared proxy says it is.
    package var remote: PeerAddress
    /// TLS here or at a declared proxy.
    package var isSecure: Bool
    /// The connection itself comes from a proxy that the operator declared, whatever `remote` says.
    package var isFromTrustedProxy = false
    package init(
        method: String, path: String, query: String? = nil, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        remote: PeerAddress = PeerAddress(family: .v4, bytes: [127, 0, 0, 1], port: 0), isSecure: Bool = false
    ) {
        self.method = method; self.path = path; self.query = query; self.headers = headers; self.body = body
        self.remote = remote; self.isSecure = isSecure
    }

    /// The first header of that (lower-case) name.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

package struct HTTPResponse: Sendable {
    package var status: UInt16
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// Whoever writes the answer may compress it and says so in `Vary`. Never where a secret stands beside text that somebody else can choose:
    /// the size would tell the one from the other (BREACH).
    package var mayCompress: Bool
    package init(status: UInt16, headers: [(name: String, value: String)] = [], body: [UInt8] = [], mayCompress: Bool = false) {
        self.status = status; self.headers = headers; self.body = body; self.mayCompress = mayCompress
    }
}

/// What the REST surface may ask of the running rooms. Implemented by the relay; calls hop to the rooms' loops.
package protocol RoomControl: Sendable {
    /// Sends `kicked` to every member and empties the room; connections stay open.
    func kick(_ room: RoomID, reason: KickReason) async
    /// Sends `upgradeKey` to the room's clients only: the install is about to store the key by itself.
    func announceUpgrade(_ room: RoomID, key: LinkKey) async
    /// The owner decided anew about downloads; in force for the next command.
    func setPolicy(_ policy: InstancePolicy, of room: RoomID) async
    func presence(of rooms: [RoomID]) async -> [RoomID: RoomSnapshot]
    /// Prometheus text.
    func metricsText() async -> String
    /// False while draining.
    var isAccepting: Bool { get }
    /// An install was paired by its owner's account; for the operator's list.
    func notePairing(_ room: RoomID, from address: PeerAddress)
}

extension RoomControl {
    package func notePairing(_ room: RoomID, from address: PeerAddress) {}
}

package enum KickReason: String, Sendable, CaseIterable { case deleted, expired, userRemoved = "user_removed", revoked, byOperator = "by_operator" }

package struct RoomSnapshot: Sendable, Hashable {
    package var presence: Presence
    package var commandsInFlight: Int
    /// From the sd's `iam`: name and version it gave, if any.
    package var sdName: String?
    package var sdVersion: String?
    package init(presence: Presence, commandsInFlight: Int, sdName: String? = nil, sdVersion: String? = nil) {
        self.presence = presence; self.commandsInFlight = commandsInFlight; self.sdName = sdName; self.sdVersion = sdVersion
    }
}
