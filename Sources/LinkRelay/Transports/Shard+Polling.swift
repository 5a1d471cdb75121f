// Long polling: a GET waits for packets, a POST brings some.
//
// Loop thread. Answers are collected for a turn and carry at most 16 packets, since deployed python clients hang up on more.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    static let packetsPerPoll = 16
    /// Packets of one body; more end the session.
    static let packetsPerPost = 4096

    func poll(_ connection: Connection, _ session: Session, _ engine: EngineState, _ cors: [(name: String, value: String)]) {
        guard engine.transport == .polling else { return refuseEngine(connection, .badRequest, cors) }
        guard engine.pendingPoll == nil else {
            counters.refuse(.pollOverlap)
            refuseEngine(connection, .badRequest, cors)
            return endEngine(session, reason: RefusalReason.pollOverlap.code, isClean: false)
        }
        engine.lastHeardMs = nowMs
        session.unconfirmed?.confirm(through: engine.polledSequence)
        if session.isLeaving, engine.queueCount == 0 { return refuseLastPoll(connection, session, engine, cors) }
        engine.corsHeaders = cors
        engine.pendingPoll = connection
        connection.setSession(session)
        if engine.queueCount > 0 || engine.isProbed { markPollDirty(session, engine) }
    }

    func markPollDirty(_ session: Session, _ engine: EngineState) {
        guard !engine.isPollDirty else { return }
        engine.isPollDirty = true
        dirtyPolls.append(session)
    }

    func flushPolls() {
        // Answering calls nothing that could dirty another poll.
        let sessions = dirtyPolls
        dirtyPolls.removeAll(keepingCapacity: true)
        for session in sessions {
            guard let engine = session.engine, engine.isPollDirty else { continue }
            engine.isPollDirty = false
            answerPoll(session, engine)
        }
    }

    private func answerPoll(_ session: Session, _ engine: EngineState) {
        guard engine.pendingPoll != nil, !session.isGone else { return }
        if engine.queueCount == 0 {
            // While a WebSocket takes over, a poll is not held open: the client waits for its end.
            if engine.isProbed { releasePoll(engine) }
            return
        }
        var body: [UInt8] = []
        var packetCount = 0
        var holdsKey = false
        while packetCount < Self.packetsPerPoll, let message = engine.dequeue() {
            if packetCount > 0 { body.append(EngineIO.separator) }
            if message.bytes.starts(with: Self.keyEventPrefix) { holdsKey = true }
            body.append(contentsOf: message.bytes)
            message.release()
            packetCount += 1
        }
        if engine.queueCount == 0, let room = session.room { engine.polledSequence = room.commandSequence }
        respondPoll(engine, body: body, mayCompress: !holdsKey)
    }

    /// A key is never compressed together with packets that others wrote.
    private static let keyEventPrefix = Array("42[\"upgradeKey\"".utf8)

    /// Ends the poll that waits, if one does, with nothing in it (Engine.IO's noop).
    func releasePoll(_ engine: EngineState) {
        respondPoll(engine, body: Array("6".utf8), mayCompress: false)
    }

    private func respondPoll(_ engine: EngineState, body: [UInt8], mayCompress: Bool) {
        guard let poll = engine.pendingPoll else { return }
        engine.pendingPoll = nil
        poll.respond(
            status: 200, headers: Self.pollHeaders + engine.corsHeaders, body: body, mayCompress: mayCompress && limits.compressesHTTP)
        poll.setSession(nil)
    }

    // MARK: POST

    func receive(_ connection: Connection, _ session: Session, _ engine: EngineState, _ cors: [(name: String, value: String)]) {
        guard engine.transport == .polling else { return refuseEngine(connection, .badRequest, cors) }
        engine.lastHeardMs = nowMs
        let skipped = connection.skippedBodyBytes
        let isSound: Bool
        if skipped > 0 {
            isSound = receiveTruncated(session, engine, connection.body, size: skipped)
        } else {
            isSound = process(session, engine, connection.body)
        }
        guard isSound else {
            counters.refuse(.malformed)
            refuseEngine(connection, .badRequest, cors)
            return endEngine(session, reason: RefusalReason.malformed.code, isClean: false)
        }
        if engine.isLastPollRefused {
            // Its effect stands. But a python client that has this accepted forgets that its poll was not, and waits half a minute.
            refuseEngine(connection, .sessionUnknown, cors)
        } else {
            connection.respond(status: 200, headers: [("Content-Type", "text/html")] + cors, body: Array("ok".utf8))
        }
        if !session.isGone, let seat = session.pendingSeat {
            moveSession(session, to: seat.ticket.room.home(loopCount: shared.loopCount))
        }
    }

    /// The body was over its ceiling. The packets that came whole are worked; the one that did not is refused as too large.
    private func receiveTruncated(_ session: Session, _ engine: EngineState, _ prefix: UnsafeRawBufferPointer, size: UInt64) -> Bool {
        var whole = UnsafeRawBufferPointer(start: nil, count: 0)
        var rest = prefix
        if let last = prefix.lastIndex(of: EngineIO.separator) {
            whole = UnsafeRawBufferPointer(rebasing: prefix[0..<last])
            rest = UnsafeRawBufferPointer(rebasing: prefix[(last + 1)...])
        }
        if !whole.isEmpty, !process(session, engine, whole) { return false }
        if !session.isGone { oversize(session, size: size, prefix: UnsafeRawBufferPointer(rebasing: rest.dropFirst())) }
        return true
    }

    /// Works through the packets of a body in order; what follows a `join` that is being looked up is put aside.
    private func process(_ session: Session, _ engine: EngineState, _ body: UnsafeRawBufferPointer) -> Bool {
        guard !body.isEmpty else { return false }
        engine.isReceiving = true
        defer { engine.isReceiving = false }
        var packets = EngineIO.Payload(maxPackets: Self.packetsPerPost)
        while packets.position <= body.count {
            if session.isGone { return true }
            if session.isJoining || session.pendingSeat != nil {
                return putAside(session, UnsafeRawBufferPointer(rebasing: body[packets.position...]))
            }
            guard let packet = try? packets.next(in: body.bytes) else { return false }
            session.takeIn(packet.count)
            guard enginePacket(session, engine, body[packet]) else { return false }
        }
        return true
    }

    private func putAside(_ session: Session, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard session.deferredByteCount + bytes.count <= limits.sdMessageBytes else { return false }
        session.deferInput(bytes)
        return true
    }

    /// What was put aside while the session was joining.
    func replayDeferred(_ session: Session, _ engine: EngineState) {
        guard !engine.isReceiving else { return }
        let input = session.takeDeferredInput()
        let isSound = input.withUnsafeBytes { process(session, engine, $0) }
        guard isSound else {
            counters.refuse(.malformed)
            return endEngine(session, reason: RefusalReason.malformed.code, isClean: false)
        }
        if !session.isGone, let seat = session.pendingSeat {
            moveSession(session, to: seat.ticket.room.home(loopCount: shared.loopCount))
        }
    }

    /// One packet of a polling body. False: it cannot be a packet, and the session ends.
    private func enginePacket(_ session: Session, _ engine: EngineState, _ packet: UnsafeRawBufferPointer) -> Bool {
        if packet[0] == 0x34 {
            guard isValidUTF8(packet) else { return false }
        }
        return enginePacketBody(session, engine, packet)
    }

    private func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        String(validating: bytes, as: UTF8.self) != nil
    }
}
