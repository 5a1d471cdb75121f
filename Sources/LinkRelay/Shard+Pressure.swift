// Memory budgets: when a room's or the loop's queues are over theirs, whoever fills them is not read until they shrink.
//
// Loop thread. A sender is never held back because of one slow member (that one loses its transport), only for a budget.
// SPDX-License-Identifier: Apache-2.0

extension ShardLimits {
    /// The engine's hard ceiling on a member's queue: the soft one plus one message, so that a large list can overshoot once.
    var queueCeiling: Int { memberQueueBytes + sdMessageBytes + Shard.framingAllowance }
}

extension Shard {
    /// Called after a sender's message was fanned out. Cheap unless somebody in the room is behind.
    @inline(__always)
    func checkRoomMemory(_ room: Room, sender: Session) {
        let queued = queuedBytes(room)
        if queued > limits.roomMemoryBytes { holdBack(sender, room) }
    }

    private func queuedBytes(_ room: Room) -> Int {
        var sum = room.heldBytes + room.unheardBytes
        for sd in room.sds { sum &+= sd.queuedBytes }
        for client in room.clients { sum &+= client.queuedBytes }
        return sum
    }

    private func holdBack(_ sender: Session, _ room: Room) {
        guard !sender.isHeldBack, let connection = sender.connection else { return }
        sender.isHeldBack = true
        connection.pause()
        room.heldBack.append(sender)
        heldBack.append(sender)
    }

    /// A member caught up.
    func relieve(_ room: Room) {
        guard !room.heldBack.isEmpty, queuedBytes(room) <= limits.roomMemoryBytes / 2 else { return }
        let waiting = room.heldBack
        room.heldBack.removeAll()
        for sender in waiting { release(sender) }
    }

    /// Once a turn: whoever left its room, or whose room has shrunk, is read again.
    func releaseHeldBack() {
        heldBack.removeAll { sender in
            if sender.isGone || !sender.isHeldBack { return true }
            guard let room = sender.room else {
                release(sender)
                return true
            }
            guard queuedBytes(room) <= limits.roomMemoryBytes / 2 else { return false }
            room.heldBack.removeAll { $0 === sender }
            release(sender)
            return true
        }
    }

    private func release(_ sender: Session) {
        sender.isHeldBack = false
        sender.connection?.resume()
    }
}

extension Session {
    /// What waits to be sent to this member.
    var queuedBytes: Int { connection?.queuedBytes ?? engine?.queueBytes ?? 0 }
}
