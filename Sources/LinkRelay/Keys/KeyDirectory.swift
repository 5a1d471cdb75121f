// Every live link key's hash and the room it opens, in memory: joins with a link key touch no disk.
//
// Any thread; a lock, held for one dictionary operation, once a join. A cache and no more: what is missing is asked of the
// store, so forgetting is always safe and remembering needs proof. The proof is the epoch: it moves with every change, and
// what was read from the store is only remembered if the epoch has not moved since before the read.
// Another process' writes arrive with the next `replace`. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class KeyDirectory: Sendable {
    private struct Link {
        var hash: HashWords
        var user: UserID

        func ticket(_ instance: InstanceID) -> RoomTicket { RoomTicket(room: RoomID(instance), user: user) }
    }

    private struct State {
        var links: [InstanceID: Link] = [:]
        /// By the hash's first eight bytes, which are as good as random. Of two links that share them the later one is found here, the
        /// other one is asked of the store.
        var index: [UInt64: InstanceID] = [:]
        var epoch: UInt64 = 0

        func ticket(for hash: SecretHash) -> RoomTicket? {
            guard let words = HashWords(hash), let instance = index[words.first], let link = links[instance], link.hash == words else {
                return nil
            }
            return link.ticket(instance)
        }

        mutating func forget(_ instance: InstanceID) {
            guard let link = links.removeValue(forKey: instance), index[link.hash.first] == instance else { return }
            index[link.hash.first] = nil
        }

        mutating func remember(_ hash: SecretHash, _ ticket: RoomTicket) {
            forget(ticket.room.instance)
            guard let words = HashWords(hash) else { return }
            links[ticket.room.instance] = Link(hash: words, user: ticket.user)
            index[words.first] = ticket.room.instance
        }
    }

    private let state = Locked(State())

    var count: Int { state.withLock { $0.links.count } }
    var epoch: UInt64 { state.withLock { $0.epoch } }

    func ticket(for hash: SecretHash) -> RoomTicket? { state.withLock { $0.ticket(for: hash) } }

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
            fresh.links.reserveCapacity(records.count)
            fresh.index.reserveCapacity(records.count)
            for record in records where record.isActivated { fresh.remember(record.secret.hash, RoomTicket(record)) }
            let gone = $0.links.filter { fresh.links[$0.key] == nil }.map { $0.value.ticket($0.key) }
            $0 = fresh
            return gone
        }
    }
}

extension RoomTicket {
    init(_ record: InstanceRecord) { self.init(room: RoomID(record.id), user: record.user) }
}

/// The 32 bytes of a keyed hash as a value of its own: no heap block for each link.
private struct HashWords: Equatable {
    let first: UInt64
    private let rest: (UInt64, UInt64, UInt64)

    /// Nil for a hash of another length: there is none but by failure.
    init?(_ hash: SecretHash) {
        guard hash.bytes.count == 32 else { return nil }
        (first, rest) = hash.bytes.withUnsafeBytes { bytes in
            func word(_ i: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self) }
            return (word(0), (word(1), word(2), word(3)))
        }
    }

    static func == (a: Self, b: Self) -> Bool { a.first == b.first && a.rest == b.rest }
}
