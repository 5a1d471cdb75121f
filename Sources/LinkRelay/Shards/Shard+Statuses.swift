// A status's way back to the room's clients, slow ones included.
//
// Loop thread of the room's home. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    @inline(__always)
    func status(_ session: Session, _ inbound: Inbound) {
        guard let seat = session.seat else {
            return refuse(session, .notInRoom, "Join a room before sending a status.", ack: inbound.ack)
        }
        // Uncounted, as for a command.
        seat._withUnsafeGuaranteedRef { status(session, inbound, in: $0) }
    }

    @inline(__always)
    private func status(_ session: Session, _ inbound: Inbound, in room: Room) {
        guard session.role == .sd else {
            return refuse(session, .wrongRole, "Only an extension sends statuses.", ack: inbound.ack)
        }
        guard !inbound.payload.isEmpty else {
            return refuse(session, .malformed, "A status says what it is about.", ack: inbound.ack)
        }
        if inbound.payload.count > limits.sdMessageBytes {
            return oversize(
                session, size: UInt64(inbound.payload.count), id: inbound.id, type: inbound.type, ack: inbound.ack)
        }
        counters.statusCount &+= 1
        let ack = inbound.ack
        let row = room.ledger.find(id: inbound.id) ?? -1
        // An answer proves that its command arrived, and with it everything before.
        if row >= 0 { session.unconfirmed?.confirm(through: room.ledger.sequence(row: row)) }
        let isProgress = inbound.status.map { !$0.isTerminal } ?? false
        var native: Message?
        var socketio: Message?
        var i = room.clients.count - 1
        while i >= 0 {
            Unmanaged.passUnretained(room.clients[i])._withUnsafeGuaranteedRef { client in
                let made = client.dialect == .native ? native : socketio
                guard let message = made ?? loop.frame(.commandStatus, client.dialect, payload: inbound.payload) else {
                    return counters.drop(.noMemory)
                }
                if client.dialect == .native { native = message } else { socketio = message }
                sendStatus(message, to: client, id: inbound.id, isProgress: isProgress)
            }
            i -= 1
        }
        if room.clients.isEmpty {
            if row >= 0 { socketio = loop.frame(.commandStatus, .socketio, payload: inbound.payload) } else { counters.drop(.noListener) }
        }
        if row >= 0 {
            book(row, inbound, room, isProgress: isProgress, native, socketio)
        }
        native?.release()
        socketio?.release()
        acknowledge(session, ack, Self.successPayload)
        checkRoomMemory(room, sender: session)
    }

    @inline(__always)
    private func sendStatus(_ message: Message, to client: Session, id: UnsafeRawBufferPointer, isProgress: Bool) {
        if let connection = client.connection, !id.isEmpty, isProgress || client.isCoalescing {
            let isSlow = connection.queuedBytes > limits.lowMarkBytes
            if isProgress, isSlow {
                if client.keepProgress(id: id, message) { return counters.drop(.coalesced) }
            } else {
                client.discardProgress(id: id)
            }
        }
        transmit(client, message)
    }

    /// Notes a status in the ledger. A progress is kept for clients that come back; a terminal one ends the row.
    private func book(_ row: Int, _ inbound: Inbound, _ room: Room, isProgress: Bool, _ native: Message?, _ socketio: Message?) {
        let framed =
            socketio.map { FramedPayload(message: $0, dialect: .socketio, event: .commandStatus) }
            ?? native.map { FramedPayload(message: $0, dialect: .native, event: .commandStatus) }
        if isProgress {
            let kept = framed.flatMap { $0.byteCount <= Self.keptStatusBytes ? $0 : nil }
            kept?.message.retain()
            let deadlineMs = nowMs &+ limits.commandTimeoutMs
            room.ledger.progress(row: row, status: kept, deadlineMs: deadlineMs)?.message.release()
            if deadlineMs < room.ledger.timerMs { armCommandTimer(room) }
        } else if inbound.status != nil {
            closeRow(row, framed, in: room)
        }
    }

    /// A progress larger than this is not kept for replay: its next one or the result follows anyway.
    static let keptStatusBytes = 64 * 1024

    // MARK: Too large

    /// A message over its ceiling was discarded: the sender is told the sizes, the command ends, the connection lives.
    func oversize(_ session: Session, size: UInt64, prefix: UnsafeRawBufferPointer) {
        let found = TruncatedEnvelope.routingFields(prefix)
        let ack = session.engine == nil ? TruncatedEnvelope.nativeAck(prefix) : TruncatedEnvelope.socketIOAck(prefix)
        found.id.withUnsafeBytes { id in
            found.type.withUnsafeBytes { type in oversize(session, size: size, id: id, type: type, ack: AckReference(ack)) }
        }
    }

    func oversize(
        _ session: Session, size: UInt64, id: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer, ack: AckReference?
    ) {
        counters.drop(.oversize)
        if session.role == .sd { counters.oversizeSDCount &+= 1 } else { counters.oversizeClientCount &+= 1 }
        let ceiling = messageCeiling(of: session)
        refuse(session, .tooLarge, "The message has \(size) bytes; at most \(ceiling) are allowed.", ack: ack)
        guard let room = session.room else { return }
        if session.role == .sd {
            if let row = room.ledger.find(id: id) {
                endRow(row, in: room, .tooLarge, "The answer has \(size) bytes; at most \(ceiling) are allowed.", to: room.clients.all)
            }
        } else if !id.isEmpty {
            sendEnd(session, id: id, type: type, .tooLarge, "The command has \(size) bytes; at most \(ceiling) are allowed.")
        }
    }
}
