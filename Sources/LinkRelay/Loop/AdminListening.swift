// The operator's own listener: where it opens, and where what comes by it goes. Never the same tag as the public ones.
//
// `AdminListening.open` on any thread, the extension of Shard on its loop. SPDX-License-Identifier: Apache-2.0

import CWebSocket
import Glibc

enum AdminListening {
    /// sockaddr_un's room for a path, less its terminator.
    private static let pathBytes = 107
    /// Only the daemon's own user.
    private static let mode: UInt32 = 0o600

    /// The socket and the address to tell; nil when the surface is off.
    static func open(_ place: AdminListen, dataDir: String) throws(ListenFailure) -> (socket: SharedSocket, address: String)? {
        switch place {
        case .off: return nil
        case .at(.tcp(let host, let port)):
            let opened = try Listening.open(host: host, port: port)
            let text = host.contains(":") ? "http://[\(host)]:\(opened.port)" : "http://\(host):\(opened.port)"
            return (SharedSocket(descriptor: opened.descriptor, path: nil), text)
        case .standard, .at(.unix):
            guard let path = place.socketPath(dataDir: dataDir) else { return nil }
            return (SharedSocket(descriptor: try openSocket(path), path: path), "unix:\(path)")
        }
    }

    private static func openSocket(_ path: String) throws(ListenFailure) -> Int32 {
        if path.utf8.count <= pathBytes { return try Listening.open(path: path, mode: mode) }
        // A deep data directory: the same file by a shorter name.
        guard let slash = path.lastIndex(of: "/") else { throw ListenFailure(reason: "no directory in \(path)", isInUse: false) }
        let directory = Glibc.open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw ListenFailure(reason: String(cString: strerror(errno)), isInUse: false) }
        defer { close(directory) }
        return try Listening.open(path: "/proc/self/fd/\(directory)\(path[slash...])", mode: mode)
    }
}

extension Shard {
    static let adminTag: UInt16 = 2

    func listenForAdmin(_ descriptor: Int32) {
        var options = cws_listener_options()
        options.tag = Self.adminTag
        options.is_shared = true
        if cws_loop_listen_take(loop.raw, descriptor, &options) != CWS_OK {
            shared.log.write(.error, "listen_failed", ["loop": .int(Int64(index)), "detail": .string(String(cString: cws_last_error()))])
        }
    }

    func adminRequest(_ connection: Connection) {
        guard let admin = shared.admin, shared.shards.indices.contains(index) else {
            return respondJSON(connection, status: 503, error: "The relay is starting.", code: "starting", headers: [("Retry-After", "1")])
        }
        let request = connection.request(remote: connection.peer, isSecure: false)
        let id = connection.id
        let home = shared.shards[index]
        Task {
            let response = await admin.respond(to: request)
            await home.run { shard in
                guard let connection = shard.loop.connection(id: id) else { return }
                connection.respond(status: response.status, headers: response.headers, body: response.body)
            }
        }
    }
}
