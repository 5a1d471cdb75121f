// Listening sockets handed over by the service manager (sd_listen_fds(3)), without libsystemd.
//
// Once, on the main thread, before any other. Takes the descriptors only if they are meant for this very process.
// SPDX-License-Identifier: Apache-2.0

import Glibc

package struct InheritedSocket: Sendable, Hashable {
    /// Owned by whoever takes it from here.
    package var descriptor: Int32
    /// From the socket unit's FileDescriptorName; "unknown" when none was given.
    package var name: String
}

package enum SocketActivation {
    /// The first descriptor of the convention.
    private static let first: Int32 = 3
    /// More than this is a mistake, not a configuration.
    private static let mostCount: Int32 = 64

    /// What $LISTEN_FDS, $LISTEN_PID and $LISTEN_FDNAMES announce; empty when it is not for the process `pid`.
    package static func announced(in environment: [String: String], pid: Int32 = getpid()) -> [InheritedSocket] {
        guard environment["LISTEN_PID"] == String(pid), let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }),
            count > 0, count <= mostCount
        else { return [] }
        let names = environment["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        return (0..<count).map { i in
            let name = Int(i) < names.count && !names[Int(i)].isEmpty ? String(names[Int(i)]) : "unknown"
            return InheritedSocket(descriptor: first + i, name: name)
        }
    }

    /// Keeps the listening sockets, made close-on-exec and non-blocking; the others are reported.
    ///
    /// Non-blocking, because systemd hands sockets over in blocking mode: a loop that accepts one time too many would wait there.
    package static func adopt(_ sockets: [InheritedSocket]) -> (listening: [InheritedSocket], refused: [InheritedSocket]) {
        var listening: [InheritedSocket] = []
        var refused: [InheritedSocket] = []
        for socket in sockets {
            var isListening: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            let isSocket = getsockopt(socket.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &size) == 0
            if isSocket, isListening != 0, prepare(socket.descriptor) {
                listening.append(socket)
            } else {
                refused.append(socket)
            }
        }
        return (listening, refused)
    }

    /// `http://ADDRESS:PORT` of a listening TCP socket; nil for another kind.
    package static func webAddress(of socket: InheritedSocket) -> String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.descriptor, $0, &length) == 0 }
        }
        guard isKnown else { return nil }
        return withUnsafeBytes(of: &storage) { bytes in
            let port = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
            switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
            case AF_INET:
                return "http://\(ListenAddress.tcp(host: IPAddress(bytes: Array(bytes[4..<8])).description, port: port))"
            case AF_INET6:
                return "http://\(ListenAddress.tcp(host: IPAddress(bytes: Array(bytes[8..<24])).description, port: port))"
            default: return nil
            }
        }
    }

    private static func prepare(_ descriptor: Int32) -> Bool {
        let flags = fcntl(descriptor, F_GETFL)
        return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    }
}
