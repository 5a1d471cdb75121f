// From `join` to a seat: parse the credential, look it up, go to the room's loop, sit down.
//
// Loop thread; a look-up that needs the store leaves it and comes back through ShardActor. Until then the session's input waits, so that
// what it sends after `join` is handled after the seat. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    static let joinedPayload: [UInt8] = Array("{\"success\":true,\"msg\":\"Joined\"}".utf8)

    func join(_ session: Session, _ inbound: Inbound) {
        // Nothing could be told to it any more: it joins again where it comes back.
        if session.isLeaving { return }
        guard session.role != nil else {
            return refuseJoin(session, .notIdentified, "You must identify yourself first", inbound.ack)
        }
        let credential =
            inbound.text.flatMap { JoinCredential(parsing: $0) } ?? (inbound.payload.isEmpty ? session.presetCredential : nil)
        guard let credential else {
            return refuseJoin(session, .badKey, "Invalid key: a code has 6 and a key 128 hexadecimal digits.", inbound.ack)
        }
        forgetApproval(session)
        if case .key(let key) = credential, let ticket = shared.keys.cachedTicket(for: key) {
            return granted(session, PendingSeat(ticket: ticket, ack: inbound.ack, presentedKey: key))
        }
        present(session, credential, inbound.ack)
    }

    /// Asks the key service; input waits for its answer.
    func present(_ session: Session, _ credential: JoinCredential, _ ack: AckReference?) {
        guard let role = session.role, shared.shards.indices.contains(index) else { return }
        beginLookUp(session)
        let serial = session.serial
        let address = session.address
        let installID = session.identity?.installID
        let home = shared.shards[index]
        let keys = shared.keys
        let presenter = presenter(session, credential, ack, home: home)
        Task {
            do throws(StoreError) {
                let decision = try await keys.resolve(
                    credential, role: role, address: address, installID: installID, presenter: presenter)
                await home.run { $0.resolved(serial, decision, ack) }
            } catch {
                let failure = error
                await home.run { $0.resolutionFailed(serial, failure) }
            }
        }
    }

    /// Input waits from here on; for the store no longer than `StoreRules.answerMilliseconds`.
    func beginLookUp(_ session: Session) {
        session.isJoining = true
        session.connection?.pause()
        lookUps[session.serial] = nowMs &+ UInt64(StoreRules.answerMilliseconds)
        schedule(inMs: UInt64(StoreRules.answerMilliseconds), .joinOverdue(session.serial))
    }

    /// The look-up goes on: if it still exchanges a code, the same extension may repeat that code for a while.
    func joinOverdue(_ session: Session) {
        guard let deadline = lookUps[session.serial], nowMs >= deadline else { return }
        resolutionFailed(session.serial, StoreError(.busy, "no answer in time"))
    }

    private func resolved(_ serial: UInt64, _ decision: JoinDecision, _ ack: AckReference?) {
        if case .exchanged(let ticket, let newKey, isRepeat: false) = decision { codeExchanged(newKey, in: ticket.room, by: serial) }
        guard let session = sessions[serial], session.isJoining else { return }
        session.isJoining = false
        lookUps[serial] = nil
        if case .awaitsApproval = decision { return awaitApproval(session) }
        pendingApprovals[serial] = nil
        switch decision {
        case .awaitsApproval: break
        case .admitted(let ticket):
            granted(session, PendingSeat(ticket: ticket, ack: ack))
        case .exchanged(let ticket, let newKey, let isRepeat):
            if !isRepeat {
                log(.notice, "code_exchanged", session, ticket.room)
                shared.recent.note(
                    RecentEvent(
                        at: shared.wallClock(), kind: .pairing, name: "code_exchanged", room: ticket.room, role: session.role,
                        address: session.address))
            }
            granted(session, PendingSeat(ticket: ticket, ack: ack, newKey: newKey))
        case .refused(let refusal):
            log(.info, "join_refused", session, nil, reason: refusal.rawValue)
            refuseJoin(session, refusal, ack)
            resumeInput(session)
        }
    }

    /// The store could not answer: never a word about the key. The transport is closed, so that the peer tries again.
    private func resolutionFailed(_ serial: UInt64, _ error: StoreError) {
        guard let session = sessions[serial], session.isJoining, lookUps.removeValue(forKey: serial) != nil else { return }
        counters.refuse(.storeUnavailable)
        shared.log.write(.error, "store_failed", ["during": "join", "kind": .string(error.kind.rawValue)])
        schedule(inMs: Self.storeFailurePauseMs, .storeFailure(serial))
    }

    /// Not at once: peers that come back without a pause of their own would ask a failing store as fast as they can, and a python client
    /// that is closed within milliseconds of its connect may miss it and never come back.
    static let storeFailurePauseMs: UInt64 = 750

    func closeForStoreFailure(_ session: Session) {
        guard session.isJoining else { return }
        session.isJoining = false
        close(session, .storeUnavailable)
    }

    func refuseJoin(_ session: Session, _ refusal: JoinRefusal, _ ack: AckReference?) {
        refuseJoin(session, RefusalReason(refusal), refusal.sentence, ack)
        // Two of the deployed extensions notice nothing else; they forget the key or the code on it.
        if refusal == .deletedKey || refusal == .notApproved, session.role == .sd { sendEvent(session, .kicked, nil) }
    }

    func refuseJoin(_ session: Session, _ reason: RefusalReason, _ sentence: String, _ ack: AckReference?) {
        recordRefusal(reason, address: session.address, role: session.role)
        // Never an `error` event beside the answer: the desktop client shows itself disconnected on any.
        guard let ack else { return refuse(session, reason, sentence, ack: nil) }
        counters.refuse(reason)
        acknowledge(session, ack, Self.failurePayload(sentence, code: reason.code))
    }

    // MARK: Granted

    private func granted(_ session: Session, _ seat: PendingSeat) {
        if shared.blocks.isBlocked(seat.ticket.user) {
            refuseJoin(session, .blocked, "The operator blocked this account.", seat.ack)
            return resumeInput(session)
        }
        if let room = session.room {
            if room.id == seat.ticket.room {
                // Joining the room one is in changes nothing and flickers nothing (both upgrade paths of deployed clients do it).
                acknowledge(session, seat.ack, Self.joinedPayload)
                if let key = seat.newKey { announce(key, to: [session]) }
                return resumeInput(session)
            }
            unseat(session, how: .left)
        }
        let home = seat.ticket.room.home(loopCount: shared.loopCount)
        guard home != index else { return sit(session, seat) }
        session.pendingSeat = seat
        // In the middle of a polling body the rest of it is put aside first; receive() moves the session then.
        if session.engine?.isReceiving != true { moveSession(session, to: home) }
    }

    /// Hands the session and its connections to another loop; it takes its seat there.
    func moveSession(_ session: Session, to home: Int) {
        guard shared.shards.indices.contains(home) else { return close(session, .movedAway) }
        counters.movedSessions &+= 1
        for message in session.takeProgress() { message.release() }
        let target = shared.shards[home].loop
        if session.engine != nil { return moveEngine(session, to: home, target) }
        unregister(session)
        guard let connection = session.connection else { return }
        session.connection = nil
        connection.setHeartbeat(intervalMs: 0, timeoutMs: 0, ping: nil)
        connection.move(to: target)
    }

    func takePendingSeat(_ session: Session) {
        guard let seat = session.pendingSeat else { return resumeInput(session) }
        session.pendingSeat = nil
        sit(session, seat)
    }

    private func sit(_ session: Session, _ seat: PendingSeat) {
        if mayHaveDebts(seat.ticket.room) { takeOver(session, seat) } else { take(session, seat) }
    }

    func take(_ session: Session, _ seat: PendingSeat) {
        if session.isLeaving {
            if let room = rooms[seat.ticket.room] { shelveIfDrained(room) }
            return resumeInput(session)
        }
        if let key = seat.presentedKey, shared.keys.cachedTicket(for: key)?.room != seat.ticket.room {
            refuseJoin(session, .unknownKey, seat.ack)
            return resumeInput(session)
        }
        let room = room(for: seat.ticket)
        guard room.memberCount < limits.membersPerRoom else {
            refuseJoin(session, .roomFull, "This room is full.", seat.ack)
            return resumeInput(session)
        }
        // The answer first: the site asks its opening questions on presence only if it knows already that it is in.
        acknowledge(session, seat.ack, Self.joinedPayload)
        self.seat(session, in: room)
        if let key = seat.newKey { announce(key, to: [session]) }
        resumeInput(session)
    }

    /// A code was exchanged: whoever waits in the room learns the key, also if the extension is gone by now or finds no seat. That one itself
    /// is told after its answer.
    private func codeExchanged(_ key: LinkKey, in id: RoomID, by joiner: UInt64) {
        let home = id.home(loopCount: shared.loopCount)
        guard home != index, shared.shards.indices.contains(home) else { return tellMembers(of: id, key, beside: joiner) }
        shared.shards[home].loop.post { $0.tellMembers(of: id, key, beside: joiner) }
    }

    private func tellMembers(of id: RoomID, _ key: LinkKey, beside joiner: UInt64) {
        takeOvers[id] = takeOvers[id]?.map { waiting in
            var waiting = waiting
            if waiting.serial != joiner { waiting.seat.newKey = key }
            return waiting
        }
        guard let room = rooms[id] else { return }
        announce(key, to: room.members.filter { $0.serial != joiner })
    }

    /// The room a ticket opens, made if it is not there.
    func room(for ticket: RoomTicket) -> Room {
        if let room = rooms[ticket.room] { return room }
        let room = Room(id: ticket.room, user: ticket.user)
        if let past = pastTimelines.take(room.id) { room.timeline = past }
        room.ownPolicy = shared.policies.policy(of: room.id)
        rooms.put(room)
        return room
    }

    func announce(_ key: LinkKey, to sessions: some Sequence<Session>) {
        let payload = Array("{\"key\":\"\(key.hex)\"}".utf8)
        for session in sessions { sendEvent(session, .upgradeKey, payload) }
    }

    /// Lets the session's input flow again after a `join` was answered.
    func resumeInput(_ session: Session) {
        guard !session.isGone, !session.isJoining else { return }
        session.connection?.resume()
        if let engine = session.engine, session.deferredByteCount > 0 { replayDeferred(session, engine) }
    }

    func log(_ level: Log.Level, _ event: StaticString, _ session: Session, _ room: RoomID?, reason: String = "") {
        shared.log.write(
            level, event,
            [
                "session": .int(Int64(bitPattern: session.serial)), "room": .string(room?.description ?? ""),
                "role": .string(session.role?.name ?? "none"), "dialect": .string(session.dialect.name),
                "transport": .string(session.transportName), "address": .string(session.address.description),
                "reason": .string(reason),
            ])
    }
}
