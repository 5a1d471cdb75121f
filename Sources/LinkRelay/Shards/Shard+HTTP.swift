// Where a request goes: a WebSocket at /link, Engine.IO at /api/socketio/, everything else to the REST surface.
//
// Loop thread; REST answers are made off the loop and come back by the connection's id. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// The largest body each path may carry, and whether a larger one is read past instead of refused.
    func bodyCeiling(_ connection: Connection) -> (bytes: UInt64, skips: Bool) {
        guard isEnginePath(connection), connection.listenerTag != Self.adminTag else { return (64 * 1024, false) }
        let sid = EngineIO.Query(parsing: connection.query ?? "")?.sid.flatMap { EngineSID(parsing: $0) }
        guard let sid, let place = shared.directory.place(of: sid), let role = place.role else { return (64 * 1024, false) }
        // Several packets may share one body; each is held to its own ceiling afterwards. What follows a `join` in one body counts here.
        let bytes = role == .sd && place.isSeated ? limits.sdMessageBytes : limits.clientMessageBytes * 2
        return (UInt64(bytes + Self.framingAllowance), true)
    }

    func onRequest(_ connection: Connection) {
        // First of all: what comes by the admin's listener reaches nothing else, and nothing else reaches the admin's surface.
        if connection.listenerTag == Self.adminTag { return adminRequest(connection) }
        if isEnginePath(connection) { return engineRequest(connection) }
        if connection.pathEquals("/link") {
            if connection.wantsWebSocket { return upgradeNative(connection) }
            return respondJSON(
                connection, status: 426, error: "This is a WebSocket endpoint; connect with a WebSocket client.", code: "upgrade_required",
                headers: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")])
        }
        rest(connection)
    }

    private func isEnginePath(_ connection: Connection) -> Bool {
        connection.pathEquals("/api/socketio/") || connection.pathEquals("/api/socketio")
    }

    private func rest(_ connection: Connection) {
        let source = source(of: connection)
        if refusesBlocked(connection, source) { return }
        guard let api = shared.api, shared.shards.indices.contains(index) else {
            return respondJSON(connection, status: 503, error: "The relay is starting.", code: "starting", headers: [("Retry-After", "1")])
        }
        if connection.origin == "null" {
            counters.refuse(.originRefused)
            return refuse(connection, status: 403, .originRefused, "This origin is not allowed; add it to the setting `origins`.")
        }
        var request = connection.request(remote: source.address, isSecure: source.isSecure)
        request.isFromTrustedProxy = shared.trusts(connection.peer)
        let id = connection.id
        let home = shared.shards[index]
        Task {
            let response = await api.respond(to: request)
            await home.run { shard in
                guard let connection = shard.loop.connection(id: id) else { return }
                var headers = response.headers
                if source.isSecure, let value = shard.shared.strictTransport { headers.append(("Strict-Transport-Security", value)) }
                connection.respond(
                    status: response.status, headers: headers, body: response.body,
                    mayCompress: response.mayCompress && shard.limits.compressesHTTP)
            }
        }
    }

    /// Whose request this is and whether it came over TLS, here or at a trusted proxy.
    func source(of connection: Connection) -> RequestSource {
        let peer = connection.peer
        let trusted = shared.trustedProxies
        guard !trusted.isEmpty else { return RequestSource(address: peer, isSecure: connection.isTLS) }
        return ForwardedAddress.source(
            peer: peer, isTLS: connection.isTLS, trusted: trusted, forwardedFor: connection.headerValues("x-forwarded-for"),
            forwardedProto: connection.headerValues("x-forwarded-proto"))
    }

    func respondJSON(
        _ connection: Connection, status: UInt16, error: String, code: String, headers: [(name: String, value: String)] = []
    ) {
        let body = Array("{\"error\":".utf8) + JSONText.quoted(error) + Array(",\"code\":\"\(code)\"}".utf8)
        let cors = shared.origins.corsHeaders(
            origin: connection.origin, host: connection.header("host"), isSecure: source(of: connection).isSecure)
        connection.respond(status: status, headers: [("Content-Type", "application/json")] + headers + cors, body: body)
    }

    func refuse(_ connection: Connection, status: UInt16, _ reason: RefusalReason, _ sentence: String) {
        respondJSON(connection, status: status, error: sentence, code: reason.code, headers: status == 503 ? [("Retry-After", "2")] : [])
    }

    /// Checks that every way in shares: not draining, a known Host, an allowed Origin. Nil when it has answered with a refusal.
    func admits(_ connection: Connection, _ source: RequestSource) -> OriginPolicy.Verdict? {
        guard !shared.isDraining else {
            counters.refuse(.draining)
            refuse(connection, status: 503, .draining, "The relay is restarting; come back in a moment.")
            return nil
        }
        if refusesBlocked(connection, source) { return nil }
        let host = connection.header("host")
        guard shared.origins.isHostAllowed(host ?? "") else {
            counters.refuse(.originRefused)
            respondJSON(
                connection, status: 421, error: "This host name is not one of the relay's; add it to the setting `hosts`.",
                code: "unknown_host")
            return nil
        }
        let verdict = shared.origins.judge(origin: connection.origin, host: host, isSecure: source.isSecure)
        if case .refused = verdict {
            counters.refuse(.originRefused)
            recordRefusal(.originRefused, address: source.address)
            refuse(connection, status: 403, .originRefused, "This origin is not allowed; add it to the setting `origins`.")
            return nil
        }
        return verdict
    }
}
