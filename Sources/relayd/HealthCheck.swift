// `relayd health`: one `GET /readyz`, for container engines and scripts without curl; over the operator's socket, which needs no certificate,
// PROXY header or port, or at the address given.
//
// Main task; blocks for a few seconds at most. Sends nothing secret. SPDX-License-Identifier: Apache-2.0

import LinkRelay

struct HealthCheck {
    /// A container engine gives up after six.
    private static let seconds = 5
    private var client: AdminClient

    /// `url` nil: whatever the relay listens on for others, its operator's socket says how it is.
    init(_ settings: Settings, environment: [String: String], url: String?) throws(Failure) {
        if let url {
            guard url.hasPrefix("http://"), let place = Self.place(url.dropFirst("http://".count)) else {
                throw Failure(.usage, "\(LogText.quoted(url)) is no address like http://127.0.0.1:8787.")
            }
            client = AdminClient(place)
        } else if case .off = settings.adminListen {
            throw Failure(.usage, "admin-listen is off; say with --url http://… what to ask.")
        } else {
            client = try AdminClient(settings, environment: environment)
        }
        client.patienceSeconds = Self.seconds
    }

    func run() throws(Failure) {
        let answer = try client.readiness()
        guard answer.status == 200 else {
            throw Failure(.unavailable, "not ready: \(LogText.printable(String(decoding: answer.body, as: UTF8.self))).")
        }
        Terminal.say("ready")
    }

    /// Host and port of `host:port`, `[::1]:port` or a host alone, with or without a path.
    private static func place(_ text: Substring) -> AdminClient.Place? {
        let authority = text.prefix { $0 != "/" }
        var host = authority.prefix { $0 != ":" }
        var rest = authority[host.endIndex...]
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[..<end].dropFirst()
            rest = authority[authority.index(after: end)...]
        }
        guard !host.isEmpty, rest.isEmpty || rest.first == ":" else { return nil }
        let port = rest.isEmpty ? 80 : UInt16(rest.dropFirst())
        return port.map { .tcp(host: String(host), port: $0) }
    }
}
