// A restart that nobody notices: a drained room's debts go to the shelf, and the next process takes them when the first member returns.
//
// Loop thread; the store is asked in tasks. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// While draining, a room that lost its last member is put on the shelf; one that is there already once more, also if it owes nothing now.
    func shelveIfDrained(_ room: Room) {
        guard shared.isDraining, room.memberCount == 0, rooms[room.id] === room, shared.shards.indices.contains(index) else { return }
        // What the shelf is giving out just now has to come with it: its answer leads here again.
        guard !shelfAsked.contains(room.id) else { return }
        // One at a time: the last to be written is the last to be known.
        guard shelving[room.id] == nil else { return shelving[room.id] = true }
        let debts = debts(of: room)
        if !debts.isEmpty || shelved.contains(room.id) { shelve(room.id, debts) }
    }

    private func shelve(_ id: RoomID, _ debts: RoomDebts) {
        let ceilings = limits.debtCeilings
        let shared = shared
        let home = shared.shards[index]
        shelving[id] = false
        shelved.insert(id)
        shared.handoversUnderWay.withLock { $0 += 1 }
        Task {
            let droppedCount = await shared.keys.shelve(id, debts, ceilings)
            if let droppedCount, droppedCount > 0 {
                shared.log.write(.warning, "shelf_full", ["room": .string(id.description), "dropped": .int(Int64(droppedCount))])
            }
            if droppedCount == nil { shared.log.write(.error, "room_not_shelved", ["room": .string(id.description)]) }
            await home.run { $0.hasShelved(id) }
            shared.handoversUnderWay.withLock { $0 -= 1 }
        }
    }

    private func hasShelved(_ id: RoomID) {
        guard shelving.removeValue(forKey: id) == true else { return }
        // A room that is gone owes nothing any more.
        if let room = rooms[id] { shelveIfDrained(room) } else { shelve(id, RoomDebts()) }
    }

    private func debts(of room: Room) -> RoomDebts {
        var debts = RoomDebts()
        let now = nowMs
        for row in room.ledger.openRows {
            let (id, type) = room.ledger.idAndType(row: row)
            let entry = room.ledger.rows[row]
            debts.commands.append(
                .init(
                    id: id, type: type, remainingMs: entry.deadlineMs > now ? entry.deadlineMs - now : 0,
                    lastStatus: entry.lastStatus.map { Array($0.payload) }))
        }
        var waiting: [(sequence: UInt64, payload: [UInt8])] = room.held.map { ($0.sequence, Array($0.command.payload)) }
        for ghost in room.ghosts {
            for entry in ghost.unconfirmed where !waiting.contains(where: { $0.sequence == entry.sequence }) {
                waiting.append((entry.sequence, Array(entry.command.payload)))
            }
            debts.absent.append(.init(installID: ghost.installID))
        }
        debts.undelivered = waiting.sorted { $0.sequence < $1.sequence }.map { $0.payload }
        debts.unheard = room.unheard.map { Array($0.status.payload) }
        return debts
    }

    // MARK: Taking over

    /// True while an earlier process may have left something for a room that is not here yet; then those who come wait for the answer.
    /// Who comes during a drain is owed it by the next process.
    func mayHaveDebts(_ id: RoomID) -> Bool {
        if takeOvers[id] != nil { return true }
        return rooms[id] == nil && nowMs &- startedMs < Self.takeOverMs && !shared.isDraining && shared.keys.isShelved(id)
    }

    /// Clients of all kinds are back within this time after a restart.
    static let takeOverMs: UInt64 = 120_000

    /// Seats the session when the shelf has answered: it is asked once a room, and nobody sits down before the room has its debts, unless
    /// the store fails or lets everybody wait.
    func takeOver(_ session: Session, _ seat: PendingSeat) {
        beginLookUp(session)
        let room = seat.ticket.room
        takeOvers[room, default: []].append((session.serial, seat))
        guard takeOvers[room]?.count == 1 else { return }
        askShelf(seat.ticket)
        schedule(inMs: UInt64(StoreRules.queueMilliseconds), .shelfOverdue(room))
    }

    private func askShelf(_ ticket: RoomTicket) {
        guard shared.shards.indices.contains(index), shelfAsked.insert(ticket.room).inserted else { return }
        let home = shared.shards[index]
        let shared = shared
        shared.handoversUnderWay.withLock { $0 += 1 }
        Task {
            let answer = await shared.keys.unshelve(ticket.room)
            await home.run { $0.shelfAnswered(ticket, answer) }
            shared.handoversUnderWay.withLock { $0 -= 1 }
        }
    }

    /// How long after a failure of the store it is asked again for a room that has opened without its debts.
    static let shelfRetryMs: UInt64 = 5000

    func shelfRetryDue(_ ticket: RoomTicket) {
        guard !shared.isDraining, rooms[ticket.room] != nil, shared.keys.isShelved(ticket.room) else { return }
        if nowMs &- startedMs < Self.takeOverMs { askShelf(ticket) }
    }

    private func shelfAnswered(_ ticket: RoomTicket, _ answer: ShelfAnswer) {
        shelfAsked.remove(ticket.room)
        switch answer {
        case .debts(let bytes): if let debts = RoomDebts(decoding: bytes) { restore(debts, in: room(for: ticket)) }
        case .nothing: break
        case .unavailable:
            noteNotTakenOver(ticket.room)
            schedule(inMs: Self.shelfRetryMs, .shelf(ticket))
        }
        seatWaiting(in: ticket.room)
        // Those who waited may all have gone.
        guard let room = rooms[ticket.room], room.memberCount == 0 else { return }
        markDirty(room)
        shelveIfDrained(room)
    }

    /// The disk hangs: the room opens, and what it is owed is delivered when the answer comes.
    func shelfOverdue(_ room: RoomID) {
        noteNotTakenOver(room)
        seatWaiting(in: room)
    }

    private func noteNotTakenOver(_ room: RoomID) {
        if takeOvers[room] != nil { shared.log.write(.error, "room_not_taken_over", ["room": .string(room.description)]) }
    }

    private func seatWaiting(in room: RoomID) {
        for (serial, seat) in takeOvers.removeValue(forKey: room) ?? [] {
            lookUps[serial] = nil
            guard let session = sessions[serial], session.isJoining else { continue }
            session.isJoining = false
            take(session, seat)
        }
    }

    private func restore(_ debts: RoomDebts, in room: Room) {
        for command in debts.commands {
            command.id.withUnsafeBytes { id in
                command.type.withUnsafeBytes { type in
                    let admission = room.ledger.admit(
                        id: id, type: type, requester: 0, deadlineMs: nowMs &+ command.remainingMs, limit: .max)
                    guard case .admitted(let row) = admission, let status = command.lastStatus else { return }
                    room.ledger.progress(
                        row: row, status: framed(.commandStatus, status), deadlineMs: nowMs &+ command.remainingMs)?.message.release()
                }
            }
        }
        holdFirst(debts.undelivered, in: room)
        for payload in debts.unheard {
            if let status = framed(.commandStatus, payload) { keepUnheard(status, room) }
        }
        let away = room.ghosts.map(\.installID)
        for absent in debts.absent where room.sds.isEmpty && !away.contains(absent.installID) {
            room.ghosts.append(Ghost(serial: 0, dialect: nil, installID: absent.installID, expiresMs: nowMs &+ limits.graceMs, unconfirmed: []))
        }
        schedule(inMs: limits.graceMs, .grace(room))
        if let next = room.ledger.nextDeadlineMs, next < room.ledger.timerMs { armCommandTimer(room) }
        // Who sits here already came while the store failed.
        if !room.sds.isEmpty { deliverHeld(in: room) }
        for client in room.clients.all { replay(to: client, in: room) }
        shared.log.write(
            .info, "room_taken_over",
            [
                "room": .string(room.id.description), "commands": .int(Int64(debts.commands.count)),
                "undelivered": .int(Int64(debts.undelivered.count)),
            ])
    }

    /// Before those that wait here already, which came while the store failed.
    private func holdFirst(_ payloads: [[UInt8]], in room: Room) {
        let later = room.held
        room.held = []
        for payload in payloads {
            guard let command = framed(.command, payload) else { continue }
            room.commandSequence &+= 1
            let row = unsentRow(of: command, in: room)
            if row >= 0 {
                room.ledger.setHeld(row: row, true)
                room.ledger.setSequence(row: row, room.commandSequence)
            }
            room.held.append(HeldCommand(command: command, sequence: room.commandSequence, row: row))
            setHeldBytes(room, room.heldBytes + command.byteCount)
        }
        for var held in later {
            room.commandSequence &+= 1
            held.sequence = room.commandSequence
            if held.row >= 0 { room.ledger.setSequence(row: held.row, held.sequence) }
            room.held.append(held)
        }
    }

    /// Its row in the ledger, so that its end takes it out of those that wait and an answer proves that it arrived; -1 if it has none.
    private func unsentRow(of command: FramedPayload, in room: Room) -> Int {
        let id = TruncatedEnvelope.routingFields(command.message.bytes).id
        guard let row = id.withUnsafeBytes({ room.ledger.find(id: $0) }), room.ledger.sequence(row: row) == 0 else { return -1 }
        return row
    }

    private func framed(_ event: Event, _ payload: [UInt8]) -> FramedPayload? {
        payload.withUnsafeBytes { loop.frame(event, .socketio, payload: $0) }
            .map { FramedPayload(message: $0, dialect: .socketio, event: event) }
    }
}
