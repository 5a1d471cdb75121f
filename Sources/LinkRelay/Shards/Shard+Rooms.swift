// Sitting down, getting up, vanishing and coming back: who is in a room, and what the others are told.
//
// Loop thread of the room's home. Presence is told once a turn, after everything else of that turn. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// How a member leaves its seat.
enum Departure {
    /// By its own word: counts at once.
    case left
    /// Without a word: an extension counts as present for the grace period, and what a client was sent lately may not have arrived.
    case vanished
    /// As vanished, but it has heard everything: it answered the relay's close frame, or asked once more after its last answer.
    case sentAway
    /// Its own newer connection took its place: nobody notices.
    case displaced
    /// By order of the owner.
    case kicked
}

extension Shard {
    func seat(_ session: Session, in room: Room) {
        session.room = room
        applyMessageCeiling(session)
        session.joinedAtSequence = room.commandSequence
        counters.joinCount &+= 1
        log(.info, "joined", session, room.id)
        shared.keys.touch(room.id)
        noteSeat(session, in: room)
        if session.role == .sd {
            let returned = takeGhost(session, in: room)
            let displaced = displaceOlder(session, in: room)
            room.sds.append(session)
            for entry in returned + displaced { redeliver(entry, to: session, in: room) }
            deliverHeld(in: room)
            suspectOlder(than: session, in: room)
        } else {
            room.clients.append(session)
            replay(to: session, in: room)
        }
        session.isNewcomer = true
        markDirty(room)
    }

    private func noteSeat(_ session: Session, in room: Room) {
        if !session.wasSeated { note(.connect, session, in: room, at: wallTime(ofMs: session.openedMs)) }
        session.wasSeated = true
        session.seatedMs = nowMs
        session.resetTraffic()
        note(.join, session, in: room)
    }

    private func noteDeparture(_ session: Session, from room: Room, _ how: Departure) {
        room.pastTraffic.add(session.traffic)
        session.resetTraffic()
        let why = session.endReason ?? ""
        switch how {
        case .left: note(.leave, session, in: room, reason: why)
        case .vanished, .sentAway: note(session.role == .sd ? .vanish : .leave, session, in: room, reason: why)
        case .displaced: note(.displace, session, in: room, reason: CloseReason.displaced.label)
        case .kicked: break
        }
    }

    func unseat(_ session: Session, how: Departure) {
        guard let room = session.room else { return }
        session.room = nil
        applyMessageCeiling(session)
        session.isNewcomer = false
        // The session may move to another loop next: nothing here may remember it.
        if !room.heldBack.isEmpty { room.heldBack.removeAll { $0 === session } }
        noteDeparture(session, from: room, how)
        if session.role == .sd {
            room.sds.remove(session)
            let log = session.takeUnconfirmed()
            switch how {
            case .vanished, .sentAway:
                counters.vanishCount &+= 1
                becomeGhost(session, log, in: room)
            case .left, .kicked:
                counters.leaveCount &+= 1
                for entry in log { entry.command.message.release() }
                if room.sds.isEmpty, room.ghosts.isEmpty { endAllCommands(in: room, .instanceOffline) }
            case .displaced:
                counters.displacedCount &+= 1
                for entry in log { entry.command.message.release() }
            }
        } else {
            room.clients.remove(session)
            counters.leaveCount &+= 1
            if how == .vanished { reviveEnds(of: session, in: room) }
        }
        shared.keys.touch(room.id)
        markDirty(room)
        if room.memberCount == 0 { shelveIfDrained(room) }
    }

    // MARK: Grace

    private func becomeGhost(_ session: Session, _ log: [DeliveryLog.Entry], in room: Room) {
        room.ghosts.append(
            Ghost(
                serial: session.serial, dialect: session.dialect, installID: session.identity?.installID, expiresMs: nowMs &+ limits.graceMs,
                unconfirmed: log))
        schedule(inMs: limits.graceMs, .grace(room))
        self.log(.info, "vanished", session, room.id)
    }

    /// The ghost this extension is the return of: of the same install, or, where either does not name its install, the oldest.
    private func takeGhost(_ session: Session, in room: Room) -> [DeliveryLog.Entry] {
        let install = session.identity?.installID
        let i =
            room.ghosts.firstIndex { $0.installID != nil && $0.installID == install }
            ?? room.ghosts.firstIndex { $0.installID == nil || install == nil }
        guard let i else { return [] }
        counters.graceReturnCount &+= 1
        note(.return, session, in: room)
        return room.ghosts.remove(at: i).unconfirmed
    }

    func graceExpired(_ room: Room) {
        // What is left of a draining room belongs to the next process.
        guard !shared.isDraining else { return }
        let now = nowMs
        var gone = 0
        room.ghosts.removeAll { ghost in
            guard ghost.expiresMs <= now else { return false }
            for entry in ghost.unconfirmed { entry.command.message.release() }
            gone += 1
            room.timeline.note(
                TimelineEntry(
                    at: shared.wallClock(), kind: .expire, session: ghost.serial, role: .sd, dialect: ghost.dialect, isPolling: false,
                    reason: "grace_expired"))
            return true
        }
        guard gone > 0 else { return }
        counters.graceExpiredCount &+= UInt64(gone)
        if room.sds.isEmpty, room.ghosts.isEmpty { endAllCommands(in: room, .instanceOffline) }
        markDirty(room)
    }

    // MARK: Newest wins

    /// Older connections that are surely this install's give way at once: of the same named install, or, where neither is named, a polling
    /// one that does not poll. Returns what they had not proved to have received.
    private func displaceOlder(_ session: Session, in room: Room) -> [DeliveryLog.Entry] {
        let install = session.identity?.installID
        var inherited: [DeliveryLog.Entry] = []
        for older in room.sds where older !== session && older.identity?.installID == install && (install != nil || hasStoppedPolling(older)) {
            inherited += older.unconfirmed?.takeAll() ?? []
            displace(older)
        }
        return inherited
    }

    /// A living polling client has a poll waiting here but for moments; one cut off after an answer never polls again.
    private func hasStoppedPolling(_ session: Session) -> Bool {
        guard let engine = session.engine, engine.transport == .polling else { return false }
        return engine.pendingPoll == nil
    }

    /// An extension that does not name its install may be the same one as an older, silent connection of this key: ask the older one
    /// for a sign of life.
    private func suspectOlder(than session: Session, in room: Room) {
        guard session.identity?.installID == nil else { return }
        for older in room.sds where older !== session && older.identity?.installID == nil {
            _ = older.deliveryLog()  // numbers the ping
            let ping = sendBarrier(older, force: true)
            if let engine = older.engine, engine.transport == .polling, let packet = frames?.enginePing, transmit(older, packet) {
                engine.pingsSent &+= 1
            }
            schedule(inMs: limits.suspectMs, .suspect(room, older.serial, ping: ping, since: nowMs))
        }
    }

    func suspectExpired(_ room: Room, _ older: Session, ping: UInt64, since: UInt64) {
        guard older.room === room, !older.isGone, room.sds.count > 1, !hasShownLife(older, ping: ping, since: since) else { return }
        // Silent while the newer one speaks: its commands go to the newest, those from before it came only.
        guard let newest = room.sds.last, newest !== older else { return }
        let log = older.unconfirmed?.takeAll() ?? []
        for entry in log {
            if entry.sequence <= newest.joinedAtSequence {
                redeliver(entry, to: newest, in: room)
            } else {
                entry.command.message.release()
            }
        }
        displace(older)
    }

    private func hasShownLife(_ session: Session, ping: UInt64, since: UInt64) -> Bool {
        guard let engine = session.engine else {
            guard let log = session.unconfirmed else { return true }
            return (log.isBarrierOut ? log.barrierNumber &- 1 : log.barrierNumber) >= ping
        }
        return engine.transport == .polling ? engine.lastHeardMs > since : engine.pongsHeard >= ping
    }

    private func displace(_ older: Session) {
        unseat(older, how: .displaced)
        close(older, .displaced)
    }

    // MARK: Presence

    func markDirty(_ room: Room) {
        guard !room.isPresenceDirty else { return }
        room.isPresenceDirty = true
        dirtyRooms.append(room)
    }

    func flushPresence() {
        // Sending may close a slow member and dirty another room: go on until it is quiet.
        var i = 0
        while i < dirtyRooms.count {
            let room = dirtyRooms[i]
            i += 1
            room.isPresenceDirty = false
            let presence = room.presence
            let isChanged = presence != room.lastPresence
            room.lastPresence = presence
            let members = room.members
            let told = isChanged ? members : members.filter { $0.isNewcomer }
            for member in members { member.isNewcomer = false }
            tellPresence(presence, told)
            if room.isEmpty { retire(room) }
        }
        dirtyRooms.removeAll(keepingCapacity: true)
    }

    private func tellPresence(_ presence: Presence, _ members: ContiguousArray<Session>) {
        let payload = Array("{\"client\":\(presence.clientCount),\"sd\":\(presence.sdCount)}".utf8)
        fanOut(.roomPresence, payload, to: members)
    }

    /// One frame a dialect, shared by all receivers.
    func fanOut(_ event: Event, _ payload: [UInt8]?, to sessions: ContiguousArray<Session>) {
        for dialect in Dialect.allCases where sessions.contains(where: { $0.dialect == dialect }) {
            guard let message = loop.frame(event, dialect, bytes: payload) else {
                counters.drop(.noMemory)
                continue
            }
            for session in sessions where session.dialect == dialect { transmit(session, message) }
            message.release()
        }
    }

    func retire(_ room: Room) {
        if room.aside != nil {
            dropHeld(in: room)
            dropEnds(of: room)
        }
        if rooms[room.id] === room {
            pastTimelines.put(room.timeline, for: room.id)
            rooms.remove(room.id)
        }
    }

    // MARK: By order

    /// Sends `kicked` to every member and empties the room. The connections stay open: the next key is joined on them.
    func kick(_ id: RoomID, reason: KickReason) {
        guard let room = rooms[id] else { return }
        endAllCommands(in: room, .refused)
        let members = room.members
        fanOut(.kicked, nil, to: members)
        for member in members {
            counters.kickedCount &+= 1
            note(.kick, member, in: room, reason: reason.rawValue)
            unseat(member, how: .kicked)
        }
        for ghost in room.ghosts { for entry in ghost.unconfirmed { entry.command.message.release() } }
        room.ghosts.removeAll()
        room.lastPresence = room.presence
        shared.log.write(
            .notice, "room_emptied",
            ["room": .string(id.description), "reason": .string(reason.rawValue), "members": .int(Int64(members.count))])
        retire(room)
    }

    func announceUpgrade(_ id: RoomID, key: LinkKey) {
        guard let room = rooms[id] else { return }
        announce(key, to: room.clients.all)
    }

    func snapshot(_ id: RoomID) -> RoomSnapshot {
        guard let room = rooms[id] else { return RoomSnapshot(presence: Presence(), commandsInFlight: 0) }
        let identity = room.sds.last?.identity
        return RoomSnapshot(
            presence: room.presence, commandsInFlight: room.ledger.openCount, sdName: identity?.name, sdVersion: identity?.version)
    }
}
