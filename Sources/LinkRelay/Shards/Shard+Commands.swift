// A command's way to the extension, and the relay's promise that it ends.
//
// Loop thread of the room's home. Payloads pass byte for byte; one frame a dialect is shared by all receivers.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    @inline(__always)
    func command(_ session: Session, _ inbound: Inbound) {
        guard let seat = session.seat else {
            return refuse(session, .notInRoom, "Join a room before sending a command.", ack: inbound.ack)
        }
        // Uncounted: rooms are forgotten between messages, never within one.
        seat._withUnsafeGuaranteedRef { command(session, inbound, in: $0) }
    }

    @inline(__always)
    private func command(_ session: Session, _ inbound: Inbound, in room: Room) {
        guard session.role == .client else {
            return refuse(session, .wrongRole, "An extension answers commands; it does not send them.", ack: inbound.ack)
        }
        guard inbound.isObject else {
            return refuse(session, .malformed, "A command is a JSON object.", ack: inbound.ack)
        }
        if inbound.payload.count > limits.clientMessageBytes {
            return oversize(
                session, size: UInt64(inbound.payload.count), id: inbound.id, type: inbound.type, ack: inbound.ack)
        }
        if CommandPolicy.isJudged(inbound.type, hasEscapedName: inbound.hasEscapedName), isRefused(session, inbound, room) { return }
        counters.commandCount &+= 1
        let ack = inbound.ack
        var row = -1
        let deadlineMs = nowMs &+ limits.commandTimeoutMs
        switch room.ledger.admit(
            id: inbound.id, type: inbound.type, requester: session.serial, deadlineMs: deadlineMs, limit: limits.commandsInFlight)
        {
        case .admitted(let admitted):
            row = admitted
            if deadlineMs < room.ledger.timerMs { armCommandTimer(room) }
        case .duplicate(let running):
            return answerDuplicate(session, room, running, inbound)
        case .full:
            return turnAway(session, inbound, ack, row: -1, in: room, .tooManyInFlight)
        case .related, .untracked:
            break
        }
        if room.sds.isEmpty {
            if let why = hold(inbound, row, room) { return turnAway(session, inbound, ack, row: row, in: room, why) }
        } else if row >= 0, isUnsupported(inbound.type, in: room) {
            return turnAway(session, inbound, ack, row: row, in: room, .unsupported)
        } else {
            relayCommand(inbound.payload, room)
            if row >= 0 { room.ledger.setSequence(row: row, room.commandSequence) }
        }
        acknowledge(session, ack, Self.successPayload)
        checkRoomMemory(room, sender: session)
    }

    @inline(__always)
    private func relayCommand(_ payload: UnsafeRawBufferPointer, _ room: Room) {
        room.commandSequence &+= 1
        var native: Message?
        var socketio: Message?
        // Backwards, since a member that is dropped as slow leaves the list.
        var i = room.sds.count - 1
        while i >= 0 {
            // Uncounted: whatever ends the member keeps it until it has done so (Shard.dropSlow).
            Unmanaged.passUnretained(room.sds[i])._withUnsafeGuaranteedRef { sd in
                let made = sd.dialect == .native ? native : socketio
                guard let message = made ?? loop.frame(.command, sd.dialect, payload: payload) else {
                    return counters.drop(.noMemory)
                }
                if sd.dialect == .native { native = message } else { socketio = message }
                sendCommand(FramedPayload(message: message, dialect: sd.dialect, event: .command), room.commandSequence, to: sd)
            }
            i -= 1
        }
        native?.release()
        socketio?.release()
    }

    /// Sends one command to one extension and keeps it until there is proof of its arrival.
    @inline(__always)
    private func sendCommand(_ command: FramedPayload, _ sequence: UInt64, to sd: Session) {
        command.message.retain()
        sd.noteSent(command, sequence: sequence, countCeiling: limits.memberQueueCount, byteCeiling: limits.heldCommandBytes)
        if transmit(sd, command.message) { sendBarrier(sd, force: false) }
    }

    /// A command from an earlier connection of this install that may not have arrived. Takes over the entry's reference.
    func redeliver(_ entry: DeliveryLog.Entry, to sd: Session, in room: Room) {
        counters.redeliveredCount &+= 1
        passOn(entry.command, entry.sequence, to: sd)
        entry.command.message.release()
    }

    private func passOn(_ command: FramedPayload, _ sequence: UInt64, to sd: Session) {
        if command.dialect == sd.dialect { return sendCommand(command, sequence, to: sd) }
        guard let message = loop.frame(.command, sd.dialect, payload: command.payload) else { return counters.drop(.noMemory) }
        sendCommand(FramedPayload(message: message, dialect: sd.dialect, event: .command), sequence, to: sd)
        message.release()
    }

    // MARK: Held

    /// The extension is away: within its grace period commands wait for it, in order and bounded; after it they end at once. Returns why this
    /// one does not wait.
    private func hold(_ inbound: Inbound, _ row: Int, _ room: Room) -> TurnedAway? {
        guard !room.ghosts.isEmpty else { return .offline }
        guard room.held.count < limits.heldCommandCount, room.heldBytes + inbound.payload.count <= limits.heldCommandBytes,
            keptBytes + inbound.payload.count <= limits.keptMemoryBytes,
            let message = loop.frame(.command, .socketio, payload: inbound.payload)
        else {
            counters.heldRefusedCount &+= 1
            return .tooManyHeld
        }
        counters.heldCount &+= 1
        room.commandSequence &+= 1
        room.held.append(
            HeldCommand(
                command: FramedPayload(message: message, dialect: .socketio, event: .command), sequence: room.commandSequence,
                row: row))
        setHeldBytes(room, room.heldBytes + message.count)
        if row >= 0 {
            room.ledger.setHeld(row: row, true)
            room.ledger.setSequence(row: row, room.commandSequence)
        }
        return nil
    }

    func setHeldBytes(_ room: Room, _ bytes: Int) {
        keptBytes += bytes - room.heldBytes
        room.heldBytes = bytes
    }

    func dropHeld(in room: Room) {
        guard !room.held.isEmpty else { return }
        for held in room.held { held.command.message.release() }
        room.held.removeAll()
        setHeldBytes(room, 0)
    }

    func deliverHeld(in room: Room) {
        guard !room.held.isEmpty else { return }
        let waiting = room.held
        room.held.removeAll()
        setHeldBytes(room, 0)
        for (i, held) in waiting.enumerated() {
            guard !room.sds.isEmpty else {
                // The extension was dropped meanwhile: the rest goes on waiting.
                room.held = Array(waiting[i...])
                return setHeldBytes(room, room.held.reduce(0) { $0 + $1.command.byteCount })
            }
            defer { held.command.message.release() }
            if held.row >= 0 {
                room.ledger.setHeld(row: held.row, false)
                let type = room.ledger.idAndType(row: held.row).type
                if !type.isEmpty, type.withUnsafeBytes({ isUnsupported($0, in: room) }) {
                    counters.refuse(.unsupported)
                    endRow(held.row, in: room, .unsupported, TurnedAway.unsupported.sentence, to: room.clients.all)
                    continue
                }
            }
            for sd in room.sds { passOn(held.command, held.sequence, to: sd) }
        }
    }

    // MARK: Endings by the relay

    /// The relay does not pass a command on. Whoever asked for an ack is told so by it, and whoever gave an id by the command's end; with
    /// neither there is an `error`.
    func turnAway(_ session: Session, _ inbound: Inbound, _ ack: AckReference?, row: Int, in room: Room, _ why: TurnedAway) {
        guard !inbound.id.isEmpty else { return refuse(session, why.code, why.sentence, ack: ack) }
        counters.refuse(why.code)
        acknowledge(session, ack, Self.failurePayload(why.sentence, code: why.code.code))
        if row >= 0 {
            endRow(row, in: room, why.reason, why.sentence, to: [session])
        } else {
            sendEnd(session, id: inbound.id, type: inbound.type, why.reason, why.sentence)
        }
    }

    func endRow(_ row: Int, in room: Room, _ reason: TerminalReason, _ sentence: String, to receivers: ContiguousArray<Session>) {
        let (id, type) = room.ledger.idAndType(row: row)
        let payload = terminal(id: id, type: type, reason, sentence)
        fanOut(.commandStatus, payload, to: receivers)
        let message = loop.frame(.commandStatus, .socketio, bytes: payload)
        closeRow(row, message.map { FramedPayload(message: $0, dialect: .socketio, event: .commandStatus) }, in: room)
        message?.release()
    }

    /// The relay's end of a command that is in no ledger, to its sender.
    func sendEnd(
        _ session: Session, id: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer, _ reason: TerminalReason, _ sentence: String
    ) {
        sendEvent(session, .commandStatus, terminal(id: Array(id), type: Array(type), reason, sentence))
    }

    /// The payload of the relay's own end of a command; counts it.
    private func terminal(id: [UInt8], type: [UInt8], _ reason: TerminalReason, _ sentence: String) -> [UInt8] {
        counters.terminalCount[Int(reason.rawValue)] &+= 1
        return RelayStatus.terminal(
            id: id, type: type, reason: reason, error: sentence, updatedAt: Timestamp.iso8601(milliseconds: shared.wallClock()))
    }

    /// The extension is gone for good, or the link is: whatever is unfinished ends.
    func endAllCommands(in room: Room, _ reason: TerminalReason) {
        dropHeld(in: room)
        let sentence = reason == .instanceOffline ? "The instance went offline before it answered." : "The link was removed."
        for row in room.ledger.openRows { endRow(row, in: room, reason, sentence, to: room.clients.all) }
    }

    func armCommandTimer(_ room: Room) {
        guard let next = room.ledger.nextDeadlineMs else { return }
        room.ledger.timerMs = next
        schedule(inMs: next > nowMs ? next - nowMs : 0, .commands(room))
    }

    func commandsExpired(_ room: Room) {
        // An earlier deadline came, and this timer was set before it did.
        guard nowMs >= room.ledger.timerMs else { return }
        room.ledger.timerMs = .max
        for row in room.ledger.expired(nowMs: nowMs) {
            if room.ledger.rows[row].isHeld {
                if let i = room.held.firstIndex(where: { $0.row == row }) {
                    let held = room.held.remove(at: i)
                    setHeldBytes(room, room.heldBytes - held.command.byteCount)
                    held.command.message.release()
                }
            }
            endRow(row, in: room, .timeout, "The instance did not answer in time.", to: room.clients.all)
        }
        armCommandTimer(room)
        if room.isEmpty { markDirty(room) }
    }

    private func answerDuplicate(_ session: Session, _ room: Room, _ row: Int, _ inbound: Inbound) {
        counters.refuse(.duplicateCommand)
        acknowledge(session, inbound.ack, Self.successPayload)
        if let status = room.ledger.rows[row].lastStatus { sendStatus(status, to: session) }
    }

    private func isUnsupported(_ type: UnsafeRawBufferPointer, in room: Room) -> Bool {
        room.sds.allSatisfy { sd in
            guard let capabilities = sd.identity?.capabilities, !capabilities.isEmpty else { return false }
            return !capabilities.contains { $0.utf8.elementsEqual(type) }
        }
    }

    // MARK: Proof of arrival

    /// Sends a ping whose answer proves that everything before it arrived; at most one is out at a time unless `force`, and they are
    /// some way apart. Returns the ping's number.
    @inline(__always)
    @discardableResult
    func sendBarrier(_ sd: Session, force: Bool) -> UInt64 {
        guard let connection = sd.connection else { return 0 }
        let advice = sd.beginBarrier(nowMs: nowMs)
        if advice == .later { schedule(inMs: DeliveryLog.barrierGapMs, .barrier(sd.serial)) }
        guard advice == .now || force else { return 0 }
        return sendBarrierPing(sd, connection, carriesBarrier: advice == .now)
    }

    private func sendBarrierPing(_ sd: Session, _ connection: Connection, carriesBarrier: Bool) -> UInt64 {
        if let engine = sd.engine {
            if let ping = frames?.enginePing, connection.send(ping) { engine.pingsSent &+= 1 }
            if carriesBarrier { engine.barrierPing = engine.pingsSent }
            return engine.pingsSent
        }
        guard let number = sd.unconfirmed?.barrierNumber, let ping = loop.makePing(number: number) else { return 0 }
        _ = connection.send(ping)
        ping.release()
        return number
    }

    func barrierDue(_ sd: Session) {
        sd.unconfirmed?.isBarrierDue = false
        sendBarrier(sd, force: false)
    }

    func barrierAnswered(_ sd: Session) {
        sd.unconfirmed?.confirmBarrier()
        sendBarrier(sd, force: false)
    }
}

/// Why the relay does not pass a command on: the code of its ack, the reason of its end, and the sentence for people.
struct TurnedAway {
    let code: RefusalReason
    let reason: TerminalReason
    let sentence: String

    static let offline = TurnedAway(code: .instanceOffline, reason: .instanceOffline, sentence: "The instance is offline.")
    static let tooManyInFlight = TurnedAway(
        code: .commandsInFlight, reason: .refused, sentence: "Too many commands are in flight in this room; wait for some to end.")
    static let tooManyHeld = TurnedAway(
        code: .commandsInFlight, reason: .refused, sentence: "The instance is reconnecting and too much is waiting for it already.")
    static let unsupported = TurnedAway(
        code: .unsupported, reason: .unsupported, sentence: "The extension does not know this kind of command.")
    static func policy(_ sentence: String) -> TurnedAway { TurnedAway(code: .policy, reason: .refused, sentence: sentence) }
}
