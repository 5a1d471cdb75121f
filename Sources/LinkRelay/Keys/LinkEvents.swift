// What happened to a link lately, for its owner's eyes: codes made, installs paired, and how many wrong codes were tried meanwhile.
//
// Any thread; a lock, never on the way of a message. In memory only, bounded: the newest of each link, and of the links those that
// had something happen last. Holds no secret and no whole address. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct LinkEvent: Sendable, Hashable {
    enum What: Sendable, Hashable {
        case codeMade
        /// An install got the link key; `from` is where it is, blurred.
        case paired(from: String)
    }

    var what: What
    var at: WallTime
    /// Wrong codes from all addresses since the event before. Nobody can say which code a wrong one was meant for.
    var wrongTries: UInt64
}

final class LinkEvents: Sendable {
    static let eventCount = 16
    static let linkCount = 4096

    private struct Entry {
        let id: InstanceID
        /// Most links have one event and no more: it needs no array.
        var newest: LinkEvent
        var former: [LinkEvent] = []
        /// The limiter's count at the newest event.
        var wrongCount: UInt64
        var serial: UInt64
    }

    private enum ByID: Keying {
        static func key(of entry: Entry) -> InstanceID { entry.id }
        static func hash(_ id: InstanceID) -> UInt64 { id.spread }
    }

    private struct State {
        var entries = DenseTable<ByID>()
        var serial: UInt64 = 0
    }

    private let state = Locked(State())

    /// `wrongTries`: how many wrong codes there were since the process began.
    func note(_ what: LinkEvent.What, of id: InstanceID, at: WallTime, wrongTries: UInt64) {
        state.withLock { state in
            state.serial &+= 1
            guard var entry = state.entries[id] else {
                if state.entries.count >= Self.linkCount, let oldest = state.entries.values.min(by: { $0.serial < $1.serial }) {
                    state.entries.remove(oldest.id)
                }
                let event = LinkEvent(what: what, at: at, wrongTries: 0)
                return state.entries.put(Entry(id: id, newest: event, wrongCount: wrongTries, serial: state.serial))
            }
            entry.former.append(entry.newest)
            if entry.former.count >= Self.eventCount { entry.former.removeFirst() }
            entry.newest = LinkEvent(what: what, at: at, wrongTries: wrongTries &- entry.wrongCount)
            entry.wrongCount = wrongTries
            entry.serial = state.serial
            state.entries.put(entry)
        }
    }

    func forget(_ records: [InstanceRecord]) {
        guard !records.isEmpty else { return }
        state.withLock { state in for record in records { state.entries.remove(record.id) } }
    }

    /// Oldest first, and how many wrong codes were tried since the newest; nil for a link with which nothing happened lately.
    func of(_ id: InstanceID, wrongTries: UInt64) -> (events: [LinkEvent], since: UInt64)? {
        state.withLock { state in
            state.entries[id].map { ($0.former + [$0.newest], wrongTries &- $0.wrongCount) }
        }
    }
}
