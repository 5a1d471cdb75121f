// A small HTTP/1.1 client for a running relay: its operator surface over its Unix socket, or over TCP with a token; and its health at any address.
//
// Blocks; in the task of a command. One request a connection; answers up to 16 MiB. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import LinkRelay

struct AdminClient: Sendable {
    enum Place: Sendable {
        case socket(path: String)
        case tcp(host: String, port: UInt16)
    }

    private static let answerBytes = 16 << 20

    let place: Place
    /// For each step: the connection, and every read and write.
    var patienceSeconds = 10
    /// From the variable RELAYD_ADMIN_TOKEN, which no other process's list of arguments shows.
    let token: String?

    /// Whatever listens there; it is told no token.
    init(_ place: Place) {
        self.place = place
        token = nil
    }

    init(_ settings: Settings, environment: [String: String]) throws(Failure) {
        token = environment[SettingsLoader.adminTokenVariable]
        if let path = settings.adminListen.socketPath(dataDir: settings.dataDir) {
            place = .socket(path: path)
        } else if case .at(.tcp(let host, let port)) = settings.adminListen, port != 0 {
            place = .tcp(host: host, port: port)
        } else {
            throw Failure(.usage, "admin-listen is \(settings.adminListen), so there is nothing to ask; give the one the relay was started with.")
        }
    }

    /// The answer's JSON; throws what the relay says instead of one.
    func call(_ method: String, _ path: String, body: JSONValue? = nil) throws(Failure) -> JSONValue {
        let (status, bytes) = try exchange(request(method, "/admin/v1" + path, body))
        let value = try? JSONValue(parsing: bytes)
        guard (200..<300).contains(status), let value else {
            let sentence = value?["error"]?.stringValue ?? "it answered \(status)"
            throw Failure(status == 404 ? .usage : .unavailable, "the relay refuses: \(sentence)")
        }
        return value
    }

    /// The answer to `GET /readyz`.
    func readiness() throws(Failure) -> (status: Int, body: [UInt8]) {
        try exchange(request("GET", "/readyz", nil))
    }

    private func request(_ method: String, _ path: String, _ body: JSONValue?) -> [UInt8] {
        let content = body?.encoded() ?? []
        var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(content.count)\r\n"
        if body != nil { head += "Content-Type: application/json\r\n" }
        if let token { head += "Authorization: Bearer \(token.filter { $0.isASCII && !$0.isWhitespace })\r\n" }
        return Array((head + "\r\n").utf8) + content
    }

    // MARK: The connection

    private func exchange(_ request: [UInt8]) throws(Failure) -> (status: Int, body: [UInt8]) {
        let socket = try open()
        defer { close(socket) }
        var rest = request[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { throw lost() }
        }
        var answer: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while answer.count <= Self.answerBytes {
            let count = recv(socket, &block, block.count, 0)
            if count == 0 { break }
            if count > 0 { answer += block.prefix(count) } else if errno != EINTR { throw lost() }
        }
        guard let parsed = HTTPAnswer.parse(answer) else { throw Failure(.unavailable, "what listens there does not answer as a relay does.") }
        return parsed
    }

    private func lost() -> Failure { Failure(.unavailable, "the relay did not answer: \(String(cString: strerror(errno))).") }

    private func open() throws(Failure) -> Int32 {
        switch place {
        case .socket(let path): try openSocket(path)
        case .tcp(let host, let port): try openTCP(host, port)
        }
    }

    private func openSocket(_ path: String) throws(Failure) -> Int32 {
        // Through the directory's descriptor: a socket's name has room for 107 bytes, a data directory may be deeper.
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let directory = Glibc.open(String(path[..<slash]) + "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw absent(path) }
        defer { close(directory) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("/proc/self/fd/\(directory)\(path[slash...])".utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard name.count < room else { throw Failure(.usage, "the socket's name is too long: \(path).") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let socket = try limitedSocket(AF_UNIX)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeBytes(of: &address) { bytes in
            bytes.baseAddress.map { connect(socket, $0.assumingMemoryBound(to: sockaddr.self), size) } ?? -1
        }
        guard status == 0 else {
            let failure = absent(path)
            close(socket)
            throw failure
        }
        return socket
    }

    private func openTCP(_ host: String, _ port: UInt16) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let answer = getaddrinfo(host, String(port), &hints, &found)
        guard answer == 0 else { throw Failure(.unavailable, "\(host) has no address: \(String(cString: gai_strerror(answer))).") }
        defer { freeaddrinfo(found) }
        var next = found
        var code: Int32 = 0
        while let place = next?.pointee {
            let socket = try limitedSocket(place.ai_family)
            if connect(socket, place.ai_addr, place.ai_addrlen) == 0 { return socket }
            code = errno
            close(socket)
            next = place.ai_next
        }
        throw Failure(.unavailable, "no relay answers at \(host):\(port) (\(String(cString: strerror(code)))); is it running?")
    }

    /// Linux applies the sending limit to connect() as well.
    private func limitedSocket(_ family: Int32) throws(Failure) -> Int32 {
        let socket = Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Failure(.system, "no socket: \(String(cString: strerror(errno))).") }
        var limit = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    private func absent(_ path: String) -> Failure {
        if errno == EACCES {
            return Failure(.unavailable, "\(path) is for the user that runs the relay; use sudo -u with that user.")
        }
        return Failure(.unavailable, "no relay listens at \(path); start one, or give the --data-dir or --admin-listen it runs with.")
    }
}

/// An answer that ends with its connection or says its length. Pure.
enum HTTPAnswer {
    /// Nil for what is none, or is cut short.
    static func parse(_ bytes: [UInt8]) -> (status: Int, body: [UInt8])? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else { return nil }
        let body = bytes[(end + mark.count)...]
        for line in lines.dropFirst() where line.lowercased().hasPrefix("content-length:") {
            let digits = line.dropFirst("content-length:".count).filter { $0 != " " }
            guard let count = Int(digits), count >= 0, body.count >= count else { return nil }
            return (status, Array(body.prefix(count)))
        }
        return (status, Array(body))
    }
}
