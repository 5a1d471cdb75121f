// Every live link key's hash and the room it opens, in memory: joins with a link key touch no disk.
//
// Any thread; a lock, held for one dictionary operation, once a join. A cache and no more: what is missing is asked of the
// store, so forgetting is always safe and remembering needs proof. The proof is the epoch: it moves with every change, and
// what was read from the store is only remembered if the epoch has not moved since before the read.
// Another process' writes arrive with the next `replace`. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class KeyDirectory: Sendable {
    private struct State {
        var tickets: [SecretHash: RoomTicket] = [:]
        var hashes: [InstanceID: SecretHash] = [:]
        var epoch: UInt64 = 0

        mutating func forget(_ instance: InstanceID) {
            if let hash = hashes.removeValue(forKey: instance) { tickets[hash] = nil }
        }

        mutating func remember(_ hash: SecretHash, _ ticket: RoomTicket) {
            forget(ticket.room.instance)
            tickets[hash] = ticket
            hashes[ticket.room.instance] = hash
        }
    }

    private let state = Locked(State())

    var count: Int { state.withLock { $0.tickets.count } }
    var epoch: UInt64 { state.withLock { $0.epoch } }

    func ticket(for hash: SecretHash) -> RoomTicket? { state.withLock { $0.tickets[hash] } }

    /// Remembers what the store was read to say after `epoch`; false, and nothing remembered, if a key may have died since.
    func remember(_ record: InstanceRecord, readAfter epoch: UInt64) -> Bool {
        state.withLock {
            guard $0.epoch == epoch else { return false }
            if record.isActivated { $0.remember(record.secret.hash, RoomTicket(record)) }
            return true
        }
    }

    /// After a commit that gave an instance its secret: the former one opens nothing from now on, and the new one is
    /// remembered if nothing else changed since `epoch`, which was taken before the operation began.
    func settle(_ record: InstanceRecord, since epoch: UInt64) {
        state.withLock {
            if record.isActivated && $0.epoch == epoch {
                $0.remember(record.secret.hash, RoomTicket(record))
            } else {
                $0.forget(record.id)
            }
            $0.epoch &+= 1
        }
    }

    /// After a commit that deleted instances.
    func forget(_ records: [InstanceRecord]) {
        guard !records.isEmpty else { return }
        state.withLock {
            for record in records { $0.forget(record.id) }
            $0.epoch &+= 1
        }
    }

    /// Replaces everything by what the store was read to say after `epoch`, and returns the rooms that no key opens any
    /// more. Nil, and nothing replaced, if something changed since.
    func replace(with records: [InstanceRecord], readAfter epoch: UInt64) -> [RoomTicket]? {
        state.withLock {
            guard $0.epoch == epoch else { return nil }
            var fresh = State(epoch: epoch &+ 1)
            fresh.tickets.reserveCapacity(records.count)
            fresh.hashes.reserveCapacity(records.count)
            for record in records where record.isActivated { fresh.remember(record.secret.hash, RoomTicket(record)) }
            let gone = $0.tickets.values.filter { fresh.hashes[$0.room.instance] == nil }
            $0 = fresh
            return gone
        }
    }
}

extension RoomTicket {
    init(_ record: InstanceRecord) { self.init(room: RoomID(record.id), user: record.user) }
}
