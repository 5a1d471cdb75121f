// What an event means, whatever dialect it came in: identify, join, leave, command, status; and how refusals are told.
//
// Loop thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    @inline(__always)
    func dispatch(_ session: Session, _ inbound: Inbound) {
        switch inbound.event {
        case .command: command(session, inbound)
        case .commandStatus: status(session, inbound)
        case .iam: identify(session, inbound)
        case .join: join(session, inbound)
        case .leave: leave(session, inbound)
        case .roomPresence, .upgradeKey, .kicked, .error:
            refuse(session, .unknownEvent, "Only the relay sends that event.", ack: inbound.ack)
        }
    }

    private func identify(_ session: Session, _ inbound: Inbound) {
        let identity: Identity
        do throws(IdentifyError) {
            identity = try Identity(parsing: Array(inbound.payload))
        } catch {
            return refuse(session, .unknownRole, error.sentence, ack: inbound.ack)
        }
        // Seated members keep their role: the site says `iam` again after every reconnect, always the same.
        if session.room != nil, session.role != identity.role {
            return refuse(session, .wrongRole, "Leave the room before changing your type.", ack: inbound.ack)
        }
        let isChanged = session.role != identity.role
        session.role = identity.role
        session.identity = identity
        applyMessageCeiling(session)
        if isChanged, let engine = session.engine, engine.transport == .websocket {
            startHeartbeat(session) // who sends the pings depends on the role
            if identity.role == .sd { armEnginePing(session, engine) }
        }
        acknowledge(session, inbound.ack, Self.successPayload)
    }

    /// The largest payload that is taken from the session: without a seat, what it takes to get one. Otherwise anybody who says
    /// `iam` could make the relay keep a message of the largest size half-read, on every connection.
    func messageCeiling(of session: Session) -> Int {
        guard session.room != nil, let role = session.role else { return limits.greetingMessageBytes }
        return role == .sd ? limits.sdMessageBytes : limits.clientMessageBytes
    }

    /// After every change of role or seat: what may be sent over the session's connection, and posted for it, from here on. A message that
    /// is half-read and too large now is read past.
    func applyMessageCeiling(_ session: Session) {
        session.connection?.setMessageCeiling(messageCeiling(of: session) + Self.framingAllowance)
        guard let engine = session.engine, !session.isGone else { return }
        shared.directory.set(engine.sid, .init(loop: index, role: session.role, isSeated: session.room != nil))
    }

    /// Reload: those who are here already take them as well.
    func take(_ limits: ShardLimits) {
        self.limits = limits
        for session in sessions.values {
            if session.role != nil { applyMessageCeiling(session) }
            session.connection?.setQueueCeiling(limits)
        }
    }

    /// Room for the event name and wrapper around a payload at its ceiling.
    static let framingAllowance = 256
    static let successPayload: [UInt8] = Array("{\"success\":true}".utf8)

    private func leave(_ session: Session, _ inbound: Inbound) {
        // Leaving while outside is silent: deployed clients do it, and an `error` would show them as disconnected.
        if session.room != nil { unseat(session, how: .left) }
        acknowledge(session, inbound.ack, Self.successPayload)
    }

    // MARK: Answers

    /// Answers a request that asked for it.
    @inline(__always)
    func acknowledge(_ session: Session, _ ack: AckReference?, _ payload: @autoclosure () -> [UInt8]) {
        if let ack { sendAcknowledgement(session, ack, payload()) }
    }

    @inline(never)
    private func sendAcknowledgement(_ session: Session, _ ack: AckReference, _ payload: [UInt8]) {
        let bytes =
            session.dialect == .native
            ? NativeDialect.ack(ack.bytes, payload: payload) : SocketIO.ack(id: ack.bytes, payload: payload)
        sendOnce(session, bytes)
    }

    /// `{"success":false,"msg":…,"code":…}`
    static func failurePayload(_ sentence: String, code: String) -> [UInt8] {
        Array("{\"success\":false,\"msg\":".utf8) + JSONText.quoted(sentence) + Array(",\"code\":\"\(code)\"}".utf8)
    }

    /// Tells the peer that something it sent was refused. With an `ack` the refusal answers it; without, it is an `error` event.
    func refuse(_ session: Session, _ reason: RefusalReason, _ sentence: String, ack: AckReference?) {
        counters.refuse(reason)
        if session.refusedCount < .max { session.refusedCount += 1 }
        if session.refusedCount > limits.refusalsPerSession { return close(session, .tooManyErrors) }
        if let ack {
            acknowledge(session, ack, Self.failurePayload(sentence, code: reason.code))
        } else {
            let payload = Array("{\"msg\":".utf8) + JSONText.quoted(sentence) + Array(",\"code\":\"\(reason.code)\"}".utf8)
            sendEvent(session, .error, payload)
        }
    }

    /// One event to one session.
    func sendEvent(_ session: Session, _ event: Event, _ payload: [UInt8]?) {
        guard let message = loop.frame(event, session.dialect, bytes: payload) else { return counters.drop(.noMemory) }
        transmit(session, message)
        message.release()
    }

    /// Ready-made packet bytes to one session.
    func sendOnce(_ session: Session, _ bytes: [UInt8]) {
        guard let message = loop.makeText(bytes) else { return counters.drop(.noMemory) }
        transmit(session, message)
        message.release()
    }

    /// Queues `message` for the session by whatever transport it has. A member whose queue is at its ceiling loses its transport, so that it
    /// comes back and is told again what is unfinished; nobody else waits for it.
    @inline(__always)
    @discardableResult
    func transmit(_ session: Session, _ message: Message) -> Bool {
        let count = message.count
        if let connection = session.connection {
            if hasRoom(session, queued: connection.queuedBytes, count, ceiling: limits.memberQueueBytes), connection.send(message) {
                counters.deliveryCount &+= 1
                session.giveOut(count)
                return true
            }
        } else if let engine = session.engine, engine.transport == .polling, !session.isGone {
            if !session.isLeaving, hasRoom(session, queued: engine.queueBytes, count, ceiling: limits.pollBytes),
                engine.queueCount < limits.memberQueueCount
            {
                counters.deliveryCount &+= 1
                session.giveOut(count)
                engine.enqueue(message)
                markPollDirty(session, engine)
                return true
            }
        } else {
            return false
        }
        if session.isLeaving { return false }
        dropSlow(session)
        return false
    }

    /// Whether a message fits the member's queue. Large ones (lists, pictures) have an allowance of their own: they are rare, shared by all
    /// receivers, and must not make what follows them look like a flood.
    @inline(__always)
    private func hasRoom(_ session: Session, queued: Int, _ count: Int, ceiling: Int) -> Bool {
        if count < ShardLimits.largeMessageBytes, session.largeBytes == 0 { return queued < ceiling }
        let large = min(Int(session.largeBytes), queued)
        session.largeBytes = UInt32(clamping: large)
        guard count >= ShardLimits.largeMessageBytes else { return queued - large < ceiling }
        guard large + count <= limits.largeAllowanceBytes else { return false }
        session.largeBytes = UInt32(clamping: large + count)
        return true
    }

    /// The session may be gone when this returns, for callers that hold no reference of their own.
    @inline(never)
    private func dropSlow(_ session: Session) {
        let kept = Unmanaged.passRetained(session)
        defer { kept.release() }
        counters.drop(.slowMember)
        counters.close(.slowMember)
        session.endReason = CloseReason.slowMember.label
        if let connection = session.connection {
            // No close handshake: it would queue behind what the member does not read.
            connection.abortAsSlow()
        } else {
            endEngine(session, reason: CloseReason.slowMember.label, isClean: false)
        }
    }

    // MARK: Endings

    /// Ends the session's transport, telling a native peer why. Socket.IO peers are never sent a namespace DISCONNECT: deployed clients
    /// stop reconnecting on one.
    func close(_ session: Session, _ reason: CloseReason) {
        guard !session.isGone else { return }
        counters.close(reason)
        session.endReason = reason.label
        if session.engine == nil {
            session.connection?.close(reason)
        } else if let connection = session.connection {
            connection.close(reason)
        } else {
            endEngine(session, reason: reason.label, isClean: false)
        }
    }

    /// The last act for a session, whatever ended it.
    func end(_ session: Session, reason: String, isClean: Bool, hasHeardAll: Bool) {
        guard !session.isGone else { return }
        session.isGone = true
        let why = session.endReason ?? reason
        session.endReason = why
        if session.room != nil { unseat(session, how: isClean ? .left : hasHeardAll ? .sentAway : .vanished) }
        for entry in session.takeUnconfirmed() { entry.command.message.release() }
        for message in session.takeProgress() { message.release() }
        forgetApproval(session)
        lookUps[session.serial] = nil
        unregister(session)
        shared.addresses.leave(session.address)
        shared.log.write(
            .info, "session_ended",
            [
                "session": .int(Int64(session.serial)), "dialect": .string(session.dialect.name), "reason": .string(why),
                "role": .string(session.role?.name ?? "none"), "address": .string(session.address.description),
            ])
    }

    func greetingExpired(_ session: Session) {
        guard !session.isGone, session.room == nil, session.role == nil else { return }
        close(session, .greetingTimeout)
    }
}
