// `relayd health`: one `GET /readyz`, for container engines and scripts without curl; over the operator's socket, which needs no certificate,
// PROXY header or port, or at the address given.
//
// Main task; blocks for a few seconds at most. Sends nothing secret. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

struct HealthCheck {
    private static let seconds = 5
    private static let answerBytes = 4096
    private let settings: Settings
    private let environment: [String: String]
    /// Nil: whatever the relay listens on for others, its operator's socket says how it is.
    private let url: String?

    init(_ settings: Settings, environment: [String: String], url: String?) {
        self.settings = settings
        self.environment = environment
        self.url = url
    }

    func run() throws(Failure) {
        let answer = if let url { try Self.ask(url) } else { try askOperatorSocket() }
        guard answer.status == 200 else {
            throw Failure(.unavailable, "not ready: \(LogText.printable(String(decoding: answer.body, as: UTF8.self))).")
        }
        Terminal.say("ready")
    }

    private func askOperatorSocket() throws(Failure) -> (status: Int, body: [UInt8]) {
        if case .off = settings.adminListen { throw Failure(.usage, "admin-listen is off; say with --url http://… what to ask.") }
        return try AdminClient(settings, environment: environment).readiness()
    }

    private static func ask(_ url: String) throws(Failure) -> (status: Int, body: [UInt8]) {
        guard url.hasPrefix("http://"), let (host, port) = place(url.dropFirst("http://".count)) else {
            throw Failure(.usage, "\(LogText.quoted(url)) is no address like http://127.0.0.1:8787.")
        }
        guard let connection = connect(host, port) else {
            throw Failure(.unavailable, "\(url) does not answer: \(String(cString: strerror(errno))).")
        }
        defer { close(connection) }
        let request = Array("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        guard send(connection, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw Failure(.unavailable, "\(url) does not answer.")
        }
        guard let answer = HTTPAnswer.parse(answer(connection)) else {
            throw Failure(.unavailable, "\(url) gave no answer in \(seconds) s.")
        }
        return answer
    }

    /// Host and port of `host:port`, `[::1]:port` or a host alone, with or without a path.
    private static func place(_ text: Substring) -> (host: String, port: String)? {
        let authority = text.prefix { $0 != "/" }
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            let rest = authority[authority.index(after: end)...]
            return (String(authority.dropFirst().prefix { $0 != "]" }), rest.first == ":" ? String(rest.dropFirst()) : "80")
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty else { return nil }
        return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "80")
    }

    private static func connect(_ host: String, _ port: String) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, port, &hints, &found) == 0 else { return nil }
        defer { freeaddrinfo(found) }
        var next = found
        while let place = next?.pointee {
            let descriptor = socket(place.ai_family, place.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), place.ai_protocol)
            if descriptor >= 0 {
                // Linux applies the sending limit to connect() as well.
                var limit = timeval(tv_sec: seconds, tv_usec: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                if Glibc.connect(descriptor, place.ai_addr, place.ai_addrlen) == 0 { return descriptor }
                close(descriptor)
            }
            next = place.ai_next
        }
        return nil
    }

    private static func answer(_ connection: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: answerBytes)
        while bytes.count < answerBytes {
            let count = recv(connection, &block, block.count, 0)
            if count > 0 { bytes += block.prefix(count) } else if count == 0 || errno != EINTR { break }
        }
        return bytes
    }
}
