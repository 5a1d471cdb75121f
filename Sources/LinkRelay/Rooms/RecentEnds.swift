// The last ends of commands in a room: their requesters were sent them, but whether they arrived nobody knows.
//
// TCP tells nobody what the far application read; a client whose connection breaks is sent its own again when it is back. A ring, so that a
// room's cost is bounded. Loop thread; holds one reference per kept message. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class RecentEnds {
    struct Entry {
        let status: FramedPayload
        /// The serial of the session that sent the command.
        let requester: UInt64
        /// When it was sent (the loop's milliseconds).
        let atMs: UInt64
    }

    private var entries: ContiguousArray<Entry> = []
    /// The oldest one's place.
    private var head = 0
    private(set) var byteCount = 0

    var oldestMs: UInt64? { entries.isEmpty ? nil : entries[head].atMs }

    /// Takes over the caller's reference. The oldest gives way; one larger than `byteCeiling` is not kept.
    func note(_ entry: Entry, countCeiling: Int, byteCeiling: Int) {
        let bytes = entry.status.byteCount
        guard countCeiling > 0, bytes <= byteCeiling else { return entry.status.message.release() }
        var excess = byteCount + bytes - byteCeiling
        // A ceiling that was raised finds the ring turned.
        if excess > 0 || (entries.count < countCeiling && head > 0) {
            keep { entry in
                guard excess > 0 else { return true }
                excess -= entry.status.byteCount
                return false
            }
        }
        byteCount += bytes
        if entries.count < countCeiling { return entries.append(entry) }
        let oldest = entries[head].status
        byteCount -= oldest.byteCount
        oldest.message.release()
        entries[head] = entry
        head = head + 1 == entries.count ? 0 : head + 1
    }

    /// Gives up what `isWorth` says no to.
    func keep(_ isWorth: (Entry) -> Bool) {
        var kept: ContiguousArray<Entry> = []
        byteCount = 0
        for i in entries.indices {
            let entry = entries[(head + i) % entries.count]
            if isWorth(entry) {
                kept.append(entry)
                byteCount += entry.status.byteCount
            } else {
                entry.status.message.release()
            }
        }
        entries = kept
        head = 0
    }

    /// Gives up one requester's ends from `sinceMs` on; the references in what it returns become the caller's. In order.
    func take(requester: UInt64, sinceMs: UInt64) -> [Entry] {
        var taken: [Entry] = []
        keep { entry in
            guard entry.requester == requester, entry.atMs >= sinceMs else { return true }
            entry.status.message.retain()
            taken.append(entry)
            return false
        }
        return taken
    }
}
