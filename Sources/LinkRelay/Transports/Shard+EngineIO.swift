// Engine.IO v4 at /api/socketio/: handshakes, the session's life on two transports, heartbeats, endings.
//
// Loop thread. Polls are in Shard+Polling, the change to WebSocket in Shard+Upgrade, Socket.IO packets in Shard+SocketIO.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// The protocol's own error codes.
enum EngineError: Int {
    case transportUnknown = 0, sessionUnknown, badHandshakeMethod, badRequest, forbidden, unsupportedVersion
}

extension Shard {
    func engineRequest(_ connection: Connection) {
        let source = source(of: connection)
        let cors = shared.origins.corsHeaders(
            origin: connection.origin, host: connection.header("host"), isSecure: source.isSecure)
        if connection.method == "OPTIONS" { return preflight(connection, source, cors) }
        guard let query = EngineIO.Query(parsing: connection.query ?? "") else {
            return refuseEngine(connection, .badRequest, cors)
        }
        guard query.isSupportedVersion else {
            counters.refuse(.badEngineVersion)
            return refuseEngine(connection, .unsupportedVersion, cors)
        }
        guard let transport = query.transport else {
            counters.refuse(.badTransport)
            return refuseEngine(connection, .transportUnknown, cors)
        }
        guard !query.wantsScript else {
            counters.refuse(.badTransport)
            return refuseEngine(connection, .badRequest, cors)
        }
        if let sid = query.sid {
            continueEngine(connection, sid, source, isPolling: transport == .polling, cors)
        } else {
            openEngine(connection, source, isPolling: transport == .polling, cors)
        }
    }

    /// To a preflight what may be asked, to anybody else the methods.
    private func preflight(_ connection: Connection, _ source: RequestSource, _ cors: [(name: String, value: String)]) {
        let methods = "GET, POST, OPTIONS"
        var headers = cors + [("Allow", methods)]
        switch shared.origins.judge(origin: connection.origin, host: connection.header("host"), isSecure: source.isSecure) {
        case .refused:
            counters.refuse(.originRefused)
            return refuse(connection, status: 403, .originRefused, "This origin is not allowed; add it to the setting `origins`.")
        case .none, .sameOrigin: break
        case .allowed:
            headers += [
                ("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", "content-type, authorization"),
                ("Access-Control-Max-Age", "600"),
            ]
            headers += CrossOrigin.privateNetwork(asked: connection.header(CrossOrigin.privateNetworkQuestion))
        }
        connection.respond(status: 204, headers: headers, body: [])
    }

    func refuseEngine(_ connection: Connection, _ error: EngineError, _ cors: [(name: String, value: String)]) {
        let headers: [(name: String, value: String)] = [("Content-Type", "application/json")]
        connection.respond(
            status: error == .forbidden ? 403 : 400, headers: headers + cors, body: EngineIO.errorJSON(code: error.rawValue))
    }

    private func continueEngine(
        _ connection: Connection, _ text: String, _ source: RequestSource, isPolling: Bool, _ cors: [(name: String, value: String)]
    ) {
        guard let sid = EngineSID(parsing: text), let place = shared.directory.place(of: sid) else {
            counters.refuse(.unknownSession)
            return refuseEngine(connection, .sessionUnknown, cors)
        }
        if place.loop != index, shared.shards.indices.contains(place.loop) {
            // The request goes to the session, not the session to the request.
            return connection.move(to: shared.shards[place.loop].loop)
        }
        guard let session = engineSessions[sid], let engine = session.engine, !session.isGone else {
            // It is on its way here: the directory knew before this loop did.
            return askAgain(connection)
        }
        if isForbidden(connection, source) { return refuseEngine(connection, .forbidden, []) }
        guard isPolling else { return beginUpgrade(connection, session, engine, cors) }
        switch connection.method {
        case "GET": poll(connection, session, engine, cors)
        case "POST": receive(connection, session, engine, cors)
        default: refuseEngine(connection, .badHandshakeMethod, cors)
        }
    }

    /// Looks at the request again after what other loops have posted here: the session it is for, or the news that it ended on the way.
    private func askAgain(_ connection: Connection) {
        let id = connection.id
        loop.post { shard in
            if let connection = shard.loop.connection(id: id) { shard.engineRequest(connection) }
        }
    }

    /// Counts it if so.
    private func isForbidden(_ connection: Connection, _ source: RequestSource) -> Bool {
        let verdict = shared.origins.judge(
            origin: connection.origin, host: connection.header("host"), isSecure: source.isSecure)
        guard case .refused = verdict else { return false }
        counters.refuse(.originRefused)
        return true
    }

    // MARK: Opening

    private func openEngine(
        _ connection: Connection, _ source: RequestSource, isPolling: Bool, _ cors: [(name: String, value: String)]
    ) {
        guard connection.method == "GET" else { return refuseEngine(connection, .badHandshakeMethod, cors) }
        if isForbidden(connection, source) { return refuseEngine(connection, .forbidden, []) }
        guard admits(connection, source) != nil else { return }
        if !isPolling, !connection.wantsWebSocket {
            counters.refuse(.badTransport)
            return refuseEngine(connection, .badRequest, cors)
        }
        let address = source.address
        guard shared.addresses.enter(address) else {
            counters.refuse(.connectionsPerAddress)
            recordRefusal(.connectionsPerAddress, address: address)
            return refuse(connection, status: 429, .connectionsPerAddress, "Too many connections from this address.")
        }
        let engine = EngineState(
            sid: .random(), transport: isPolling ? .polling : .websocket, nowMs: nowMs,
            heartbeatIntervalMs: limits.heartbeatIntervalMs, heartbeatTimeoutMs: limits.heartbeatTimeoutMs)
        let session = Session(serial: takeSerial(), address: address, openedMs: nowMs, engine: engine)
        let open = EngineIO.openPacket(
            sid: engine.sid.text, upgrades: isPolling, pingIntervalMs: Int(limits.heartbeatIntervalMs),
            pingTimeoutMs: Int(limits.heartbeatTimeoutMs), maxPayload: limits.clientMessageBytes)
        if isPolling {
            connection.respond(status: 200, headers: Self.pollHeaders + cors, body: open)
        } else {
            guard upgradeEngine(connection) else { return shared.addresses.leave(address) }
            connection.setSession(session)
            session.connection = connection
        }
        register(session)
        shared.directory.set(engine.sid, .init(loop: index, role: nil))
        counters.sessionsOpened &+= 1
        schedule(inMs: limits.greetingMs, .greeting(session.serial))
        if isPolling {
            armEnginePing(session, engine)
        } else {
            sendOnce(session, open)
            startHeartbeat(session)
        }
    }

    func upgradeEngine(_ connection: Connection) -> Bool {
        connection.upgrade(subprotocol: nil, messageCeiling: limits.greetingMessageBytes, limits: limits)
    }

    static let pollHeaders: [(name: String, value: String)] = [
        ("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store"),
    ]

    // MARK: Heartbeat

    /// Starts the relay's own pings: for every polling session, and for extensions on a WebSocket (DeliveryLog counts on them).
    func armEnginePing(_ session: Session, _ engine: EngineState) {
        guard !engine.isPingArmed else { return }
        engine.isPingArmed = true
        schedule(inMs: UInt64(engine.heartbeatIntervalMs), .enginePing(session.serial))
    }

    func enginePingDue(_ session: Session) {
        guard let engine = session.engine, !session.isGone else { return }
        engine.isPingArmed = false
        if engine.transport == .polling {
            let silence = nowMs &- min(nowMs, engine.lastHeardMs)
            if silence > engine.silenceMs {
                return endEngine(session, reason: "heartbeat_timeout", isClean: false)
            }
        } else if session.role != .sd {
            return
        }
        armEnginePing(session, engine)
        if let ping = frames?.enginePing, transmit(session, ping) { engine.pingsSent &+= 1 }
    }

    func pongHeard(_ session: Session, _ engine: EngineState) {
        engine.pongsHeard = min(engine.pongsHeard &+ 1, engine.pingsSent)
        if session.unconfirmed?.isBarrierOut == true, engine.pongsHeard >= engine.barrierPing { barrierAnswered(session) }
    }

    // MARK: Endings

    /// Ends the session: a waiting poll is answered (the next one learns that the session is unknown, and the client reconnects), a WebSocket
    /// is dropped. Never a Socket.IO DISCONNECT, never an Engine.IO close: deployed clients stay away after those.
    func endEngine(_ session: Session, reason: String, isClean: Bool) {
        guard let engine = session.engine, !session.isGone else { return }
        releasePoll(engine)
        session.connection?.abortLocally()
        session.connection = nil
        engine.probe?.abortLocally()
        engine.probe = nil
        let hasHeardAll = engine.isLastPollRefused
        forgetEngine(session, engine)
        end(session, reason: reason, isClean: isClean, hasHeardAll: hasHeardAll)
    }

    private func forgetEngine(_ session: Session, _ engine: EngineState) {
        shared.directory.remove(engine.sid)
        engine.releaseQueue()
    }

    func engineConnectionClosed(_ session: Session, _ engine: EngineState, _ connection: Connection, _ ending: Ending) {
        if engine.pendingPoll == connection {
            engine.pendingPoll = nil
            endEngine(session, reason: "poll_closed", isClean: false)
        } else if engine.probe == connection {
            engine.probe = nil
            engine.isProbed = false
        } else if session.connection == connection || (session.connection == nil && engine.transport == .websocket) {
            // Nil: it died before the loop it was to move to had it.
            session.connection = nil
            forgetEngine(session, engine)
            // The deployed python client means to say DISCONNECT when it leaves, but drops it: its close frame is all that arrives.
            end(session, reason: ending.name, isClean: ending.isClean, hasHeardAll: ending.hasHeardAll)
        }
    }

    // MARK: Moving to a room's loop

    func moveEngine(_ session: Session, to home: Int, _ target: EventLoop) {
        guard let engine = session.engine else { return }
        unregister(session)
        shared.directory.set(engine.sid, .init(loop: home, role: session.role))
        engine.isPingArmed = false
        if engine.transport == .websocket {
            guard let connection = session.connection else { return forgetEngine(session, engine) }
            session.connection = nil
            connection.setHeartbeat(intervalMs: 0, timeoutMs: 0, ping: nil)
            return connection.move(to: target)
        }
        // Messages never leave their loop: what waits is copied and framed again over there.
        var waiting: [[UInt8]] = []
        while let message = engine.dequeue() {
            waiting.append(Array(message.bytes))
            message.release()
        }
        let poll = engine.pendingPoll
        let probe = engine.probe
        engine.pendingPoll = nil
        engine.probe = nil
        poll?.setSession(nil)
        // The session first, then its connections: they find it there.
        let cargo = HandedOver(value: (session: session, waiting: waiting))
        target.post { shard in shard.adoptPolling(cargo.value.session, cargo.value.waiting) }
        poll?.move(to: target)
        probe?.move(to: target)
    }

    /// A polling session arrives at its room's loop.
    private func adoptPolling(_ session: Session, _ waiting: [[UInt8]]) {
        guard let engine = session.engine else { return }
        register(session)
        for bytes in waiting { sendOnce(session, bytes) }
        armEnginePing(session, engine)
        takePendingSeat(session)
    }

    /// A WebSocket of an Engine.IO session arrives: the session itself, or a probe that follows it.
    func engineAdopted(_ session: Session, _ connection: Connection) {
        guard let engine = session.engine else { return }
        if engine.transport == .polling {
            guard !session.isGone, engine.probe == nil else { return connection.abortLocally() }
            engine.probe = connection
            return
        }
        session.connection = connection
        register(session)
        startHeartbeat(session)
        if session.role == .sd { armEnginePing(session, engine) }
        takePendingSeat(session)
    }
}
