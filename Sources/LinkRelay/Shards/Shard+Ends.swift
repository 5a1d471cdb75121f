// Who has heard that a command ended, and what is kept for those that may not have.
//
// An end whose requester is away or unknown waits for the next clients. One that was sent to its requester is kept for as long as it takes
// to notice that a connection is dead; when it breaks in that time, the end waits likewise. So a client may hear an end twice, but not never.
// Loop thread of the room's home. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// Closes the row of a command that ended with `status`, which the room's clients have been sent.
    @inline(__always)
    func closeRow(_ row: Int, _ status: FramedPayload?, in room: Room) {
        let requester = room.ledger.requester(row: row)
        room.ledger.close(row: row)?.message.release()
        if let status { remember(status, for: requester, in: room) }
        if room.isEmpty { markDirty(room) }
    }

    /// A command taken over from an earlier process has no requester here: whoever sits in the room hears its end, and it waits all the same
    /// for the others, since the one that asked may not be back yet.
    private func remember(_ status: FramedPayload, for requester: UInt64, in room: Room) {
        let isTakenOver = requester == 0
        let isSent = room.clients.contains { ($0.serial == requester || isTakenOver) && !$0.isLeaving }
        if isSent && limits.resultRetentionMs == 0 { return }
        status.message.retain()
        guard isSent && !isTakenOver else { return keepUnheard(status, room) }
        let ends = recentEnds(of: room)
        let byteCeiling = min(limits.heldCommandBytes, limits.keptMemoryBytes - keptBytes + ends.byteCount)
        let end = RecentEnds.Entry(status: status, requester: requester, atMs: nowMs)
        change(ends) { $0.note(end, countCeiling: limits.heldCommandCount, byteCeiling: byteCeiling) }
    }

    private func recentEnds(of room: Room) -> RecentEnds {
        if let ends = room.recentEnds { return ends }
        let ends = RecentEnds()
        room.recentEnds = ends
        schedule(inMs: limits.noticedMs, .recentEnds(room))
        return ends
    }

    @inline(__always)
    private func change<Result>(_ ends: RecentEnds, _ work: (RecentEnds) -> Result) -> Result {
        let before = ends.byteCount
        defer { keptBytes += ends.byteCount - before }
        return work(ends)
    }

    /// A client's connection broke: what it was sent lately may not have arrived. Its owner may be back already, by a connection made before
    /// the old one was known to be dead: those who sat down since are told now.
    func reviveEnds(of client: Session, in room: Room) {
        guard let ends = room.recentEnds else { return }
        let since = nowMs &- min(nowMs, limits.noticedMs)
        for end in change(ends, { $0.take(requester: client.serial, sinceMs: since) }) {
            for other in room.clients.all where other.seatedMs >= end.atMs {
                counters.replayedStatusCount &+= 1
                sendStatus(end.status, to: other)
            }
            keepUnheard(end.status, room)
        }
    }

    func recentEndsExpired(_ room: Room) {
        guard let ends = room.recentEnds else { return }
        let since = nowMs &- min(nowMs, limits.noticedMs)
        change(ends) { $0.keep { $0.atMs > since } }
        guard let oldest = ends.oldestMs else { return room.recentEnds = nil }
        schedule(inMs: oldest &+ limits.noticedMs &- nowMs, .recentEnds(room))
    }

    func dropEnds(of room: Room) {
        if let ends = room.recentEnds { change(ends) { $0.keep { _ in false } } }
        room.recentEnds = nil
        for unheard in room.unheard { unheard.status.message.release() }
        room.unheard.removeAll()
        setUnheardBytes(room, 0)
    }

    // MARK: For those who come back

    /// Takes over the caller's reference. Where too many wait the oldest gives way: it has been told to everybody who came since.
    func keepUnheard(_ status: FramedPayload, _ room: Room) {
        let count = limits.heldCommandCount
        let byteCeiling = min(limits.heldCommandBytes, limits.keptMemoryBytes - keptBytes + room.unheardBytes)
        guard limits.resultRetentionMs > 0, count > 0, status.byteCount <= byteCeiling else { return dropUnheard(status) }
        while room.unheard.count >= count || room.unheardBytes + status.byteCount > byteCeiling {
            let oldest = room.unheard.removeFirst().status
            setUnheardBytes(room, room.unheardBytes - oldest.byteCount)
            dropUnheard(oldest)
        }
        room.unheard.append(UnheardStatus(status: status, expiresMs: nowMs &+ limits.resultRetentionMs))
        setUnheardBytes(room, room.unheardBytes + status.byteCount)
        schedule(inMs: limits.resultRetentionMs, .unheard(room))
    }

    private func dropUnheard(_ status: FramedPayload) {
        counters.drop(.unheardFull)
        status.message.release()
    }

    private func setUnheardBytes(_ room: Room, _ bytes: Int) {
        keptBytes += bytes - room.unheardBytes
        room.unheardBytes = bytes
    }

    func unheardExpired(_ room: Room) {
        let now = nowMs
        var left = room.unheardBytes
        room.unheard.removeAll { unheard in
            guard unheard.expiresMs <= now else { return false }
            left -= unheard.status.byteCount
            unheard.status.message.release()
            return true
        }
        setUnheardBytes(room, left)
        if room.isEmpty { markDirty(room) }
    }

    /// A client that (re)joins is told the last status of each unfinished command, and the ends that somebody may not have heard. Those stay:
    /// nobody knows which of the clients that come back is the one that asked.
    func replay(to client: Session, in room: Room) {
        for row in room.ledger.openRows {
            guard let status = room.ledger.rows[row].lastStatus else { continue }
            counters.replayedStatusCount &+= 1
            sendStatus(status, to: client)
        }
        for kept in room.unheard {
            counters.replayedStatusCount &+= 1
            sendStatus(kept.status, to: client)
        }
    }

    func sendStatus(_ status: FramedPayload, to client: Session) {
        if status.dialect == client.dialect { return _ = transmit(client, status.message) }
        guard let message = loop.frame(.commandStatus, client.dialect, payload: status.payload) else { return counters.drop(.noMemory) }
        transmit(client, message)
        message.release()
    }
}
