// Where a request goes: a WebSocket at /link, Engine.IO at /api/socketio/, everything else to the REST surface.
//
// Loop thread; REST answers are made off the loop and come back by the connection's id. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// The largest body each path may carry, and whether a larger one is read past instead of refused.
    func bodyCeiling(_ connection: Connection) -> (bytes: UInt64, skips: Bool) {
        guard isEnginePath(connection) else { return (64 * 1024, false) }
        let sid = EngineIO.Query(parsing: connection.query ?? "")?.sid.flatMap { EngineSID(parsing: $0) }
        guard let sid, let place = shared.directory.place(of: sid) else { return (64 * 1024, false) }
        // Several packets may share one body; each is held to its own ceiling afterwards.
        let bytes = place.role == .sd ? limits.sdMessageBytes : limits.clientMessageBytes * 2
        return (UInt64(bytes + Self.framingAllowance), true)
    }

    func onRequest(_ connection: Connection) {
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
        guard let api = shared.api, shared.shards.indices.contains(index) else {
            return respondJSON(connection, status: 503, error: "The relay is starting.", code: "starting", headers: [("Retry-After", "1")])
        }
        var request = connection.request(remote: connection.peer, isSecure: connection.isTLS)
        let peer = connection.peer
        request.isFromTrustedProxy = shared.settings.trustedProxies.contains { $0.contains(peer) }
        let id = connection.id
        let home = shared.shards[index]
        Task {
            let response = await api.respond(to: request)
            await home.run { shard in
                guard let connection = shard.loop.connection(id: id) else { return }
                connection.respond(status: response.status, headers: response.headers, body: response.body)
            }
        }
    }

    func respondJSON(
        _ connection: Connection, status: UInt16, error: String, code: String, headers: [(name: String, value: String)] = []
    ) {
        let body = Array("{\"error\":".utf8) + JSONText.quoted(error) + Array(",\"code\":\"\(code)\"}".utf8)
        connection.respond(status: status, headers: [("Content-Type", "application/json")] + headers, body: body)
    }

    func refuse(_ connection: Connection, status: UInt16, _ reason: RefusalReason, _ sentence: String) {
        respondJSON(connection, status: status, error: sentence, code: reason.code, headers: status == 503 ? [("Retry-After", "2")] : [])
    }

    /// Checks that every way in shares: not draining, a known Host, an allowed Origin. Nil when it has answered with a refusal.
    func admits(_ connection: Connection, corsHeaders: [(name: String, value: String)]) -> OriginPolicy.Verdict? {
        guard !shared.isDraining else {
            counters.refuse(.draining)
            refuse(connection, status: 503, .draining, "The relay is restarting; come back in a moment.")
            return nil
        }
        let host = connection.header("host")
        guard shared.origins.isHostAllowed(host ?? "") else {
            counters.refuse(.originRefused)
            respondJSON(
                connection, status: 421, error: "This host name is not one of the relay's; add it to the setting `hosts`.",
                code: "unknown_host")
            return nil
        }
        let verdict = shared.origins.judge(origin: connection.header("origin"), host: host, isSecure: connection.isTLS)
        if case .refused = verdict {
            counters.refuse(.originRefused)
            refuse(connection, status: 403, .originRefused, "This origin is not allowed; add it to the setting `origins`.")
            return nil
        }
        return verdict
    }
}
