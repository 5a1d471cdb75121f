// Memory budgets: when a room's or the loop's queues are over theirs, whoever fills them is not read until they shrink, or sent to come
// back when that takes too long.
//
// Loop thread. A sender is never held back because of one slow member (that one loses its transport), only for a budget, and for the
// loop's only if its own room has more than a fair share of it: others must not stand still because of somebody else's queues.
// SPDX-License-Identifier: Apache-2.0

extension ShardLimits {
    /// From here on a message counts as large: it does not use up the queue that small ones are held to.
    static let largeMessageBytes = 256 * 1024
    /// Large messages waiting for one member: two of the largest.
    var largeAllowanceBytes: Int { sdMessageBytes * 2 + Shard.framingAllowance }
    /// The engine's hard ceiling on a member's queue; the shard decides before it is met.
    var queueCeiling: Int { memberQueueBytes + largeAllowanceBytes + Self.largeMessageBytes }
    /// As long as a loop holds no more than this, no room can be over its budget, nor the loop short of memory.
    var checkedMemoryBytes: Int { min(roomMemoryBytes, loopMemoryBytes / 4 * 3) }
    /// From here on a member is slow: progress is coalesced until its queue is back at the mark.
    var lowMarkBytes: Int { memberQueueBytes / 4 }
}

extension Shard {
    /// Called after a sender's message was fanned out. Cheap as long as all rooms together hold less than one may.
    @inline(__always)
    func checkRoomMemory(_ room: Room, sender: Session) {
        if loop.heldBytes > limits.checkedMemoryBytes { compareMemory(room, sender) }
    }

    @inline(never)
    private func compareMemory(_ room: Room, _ sender: Session) {
        let queued = queuedBytes(room)
        if queued > limits.roomMemoryBytes || loop.heldBytes > limits.loopMemoryBytes / 4 * 3 && queued > fairShareBytes {
            holdBack(sender, room)
        }
    }

    /// A room's part of the loop's last quarter. All rooms together stay below the budget with it.
    private var fairShareBytes: Int { limits.loopMemoryBytes / 4 / max(1, rooms.count) }

    /// What waits in the room for its members, present and away. Not all that it has in memory: a message for many counts many times.
    private func queuedBytes(_ room: Room) -> Int {
        room.keptBytes + room.ledger.statusBytes + room.ghosts.reduce(0) { $0 + $1.unconfirmedBytes }
            + room.sds.reduce(0) { $0 + max($1.queuedBytes, $1.unconfirmed?.byteCount ?? 0) }
            + room.clients.reduce(0) { $0 + $1.queuedBytes }
    }

    private func holdBack(_ sender: Session, _ room: Room) {
        guard !sender.isHeldBack, let connection = sender.connection else { return }
        if queuedBytes(room) > limits.roomMemoryBytes { counters.roomBudgetCount &+= 1 } else { counters.loopBudgetCount &+= 1 }
        sender.heldBackMs = max(1, nowMs)
        schedule(inMs: UInt64(limits.heartbeatTimeoutMs), .heldBack(sender.serial, since: sender.heldBackMs))
        connection.pause()
        room.heldBack.append(sender)
        heldBack.append(sender)
    }

    /// Nobody can tell whether a peer that is not read for so long still lives, and its own pings go unanswered: it had better come back.
    func heldBackTooLong(_ session: Session, since: UInt64) {
        guard session.heldBackMs == since else { return }
        close(session, .overloaded)
    }

    /// A message of its has been half-read for that long while memory is short: it may be one that never ends.
    func onOverdue(_ session: Session, _ connection: Connection) {
        guard session.connection == connection, !session.isGone else { return connection.abortLocally() }
        close(session, .overloaded)
    }

    /// A member caught up.
    func relieve(_ room: Room) {
        guard !room.heldBack.isEmpty, hasShrunk(room) else { return }
        for sender in room.heldBack {
            noLongerHeldBack(sender)
            sender.connection?.resume()
        }
    }

    /// Once a turn: whoever left its room, or whose room has shrunk, is read again.
    func releaseHeldBack() {
        var released: [Session] = []
        heldBack.removeAll { sender in
            guard sender.room.map(hasShrunk) ?? true else { return false }
            released.append(sender)
            return true
        }
        // In one pass: there may be thousands.
        for sender in released {
            forgetHold(sender)
            sender.connection?.resume()
        }
    }

    private func hasShrunk(_ room: Room) -> Bool {
        let queued = queuedBytes(room)
        guard queued <= limits.roomMemoryBytes / 2 else { return false }
        return loop.heldBytes <= limits.loopMemoryBytes / 2 || queued <= fairShareBytes / 2
    }

    /// Whatever ends it.
    func noLongerHeldBack(_ sender: Session) {
        forgetHold(sender)
        heldBack.removeAll { $0 === sender }
    }

    private func forgetHold(_ sender: Session) {
        sender.heldBackMs = 0
        sender.room?.heldBack.removeAll { $0 === sender }
    }
}

extension Session {
    /// What waits to be sent to this member.
    var queuedBytes: Int { connection?.queuedBytes ?? engine?.queueBytes ?? 0 }
}
