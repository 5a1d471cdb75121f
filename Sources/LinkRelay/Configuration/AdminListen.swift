// Where the operator's surface listens: a socket in the data directory by default, elsewhere on request, never beyond this machine.
//
// A pure value, any thread. SPDX-License-Identifier: Apache-2.0

package enum AdminListen: Hashable, Sendable, CustomStringConvertible {
    /// `admin.sock` in the data directory.
    case standard
    case off
    case at(ListenAddress)

    private static let standardName = "data-dir"
    private static let socketName = "admin.sock"

    /// `data-dir`, `off`, `unix:/PATH`, or a loopback address with a port. Nil for any other address: the surface speaks no TLS.
    package init?(parsing text: String) {
        switch text {
        case Self.standardName: self = .standard
        case "off": self = .off
        default:
            guard let address = ListenAddress(parsing: text) else { return nil }
            if case .tcp(let host, _) = address, !Self.isLoopback(host) { return nil }
            self = .at(address)
        }
    }

    private static func isLoopback(_ host: String) -> Bool {
        guard let address = IPAddress(parsing: host) else { return false }
        return PeerAddress(family: address.isV6 ? .v6 : .v4, bytes: address.bytes, port: 0).isLocal
    }

    /// The socket's path, if it is one; `dataDir` without a slash at its end.
    package func socketPath(dataDir: String) -> String? {
        switch self {
        case .standard: "\(dataDir)/\(Self.socketName)"
        case .at(.unix(let path)): path
        case .off, .at(.tcp): nil
        }
    }

    package var description: String {
        switch self {
        case .standard: Self.standardName
        case .off: "off"
        case .at(let address): address.description
        }
    }
}
