// Every live link key's hash and the room it opens, in memory: joins with a link key touch no disk.
//
// Any thread; a lock, held for one dictionary operation, once a join. A cache and no more: what is missing is asked of the
// store, so forgetting is always safe and remembering needs proof. The proof is the epoch: it moves with every change, and
// what was read from the store is only remembered if the epoch has not moved since before the read.
// Another process' writes arrive with the next `replace`. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class KeyDirectory: Sendable {
    private struct Link {
        var hash: HashStart
        var instance: InstanceID
        var user: UserID

        var ticket: RoomTicket { RoomTicket(room: RoomID(instance), user: user) }
    }

    private struct State {
        var links: ContiguousArray<Link> = []
        private var byInstance = SlotIndex()
        private var byHash = SlotIndex()
        var epoch: UInt64 = 0

        init(epoch: UInt64 = 0) { self.epoch = epoch }

        func ticket(for hash: SecretHash) -> RoomTicket? {
            guard let start = HashStart(hash) else { return nil }
            return byHash.find(start.first) { links[$0].hash == start }.map { links[$0].ticket }
        }

        func contains(_ instance: InstanceID) -> Bool { place(of: instance) != nil }

        private func place(of instance: InstanceID) -> Int? {
            byInstance.find(instance.spread) { links[$0].instance == instance }
        }

        mutating func forget(_ instance: InstanceID) {
            guard let place = place(of: instance) else { return }
            byInstance.remove(instance.spread, place: place) { [links] in links[$0].instance.spread }
            byHash.remove(links[place].hash.first, place: place) { [links] in links[$0].hash.first }
            let last = links.count - 1
            if place != last {
                byInstance.move(links[last].instance.spread, from: last, to: place)
                byHash.move(links[last].hash.first, from: last, to: place)
                links.swapAt(place, last)
            }
            links.removeLast()
        }

        mutating func remember(_ hash: SecretHash, _ ticket: RoomTicket) {
            forget(ticket.room.instance)
            guard let start = HashStart(hash) else { return }
            links.append(Link(hash: start, instance: ticket.room.instance, user: ticket.user))
            byInstance.insert(ticket.room.instance.spread, place: links.count - 1) { [links] in links[$0].instance.spread }
            byHash.insert(start.first, place: links.count - 1) { [links] in links[$0].hash.first }
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
            for record in records where record.isActivated { fresh.remember(record.secret.hash, RoomTicket(record)) }
            let gone = $0.links.filter { !fresh.contains($0.instance) }.map(\.ticket)
            $0 = fresh
            return gone
        }
    }
}

extension RoomTicket {
    init(_ record: InstanceRecord) { self.init(room: RoomID(record.id), user: record.user) }
}

/// The first 16 of a keyed hash's 32 bytes, as a value of its own: no heap block for each link. Whoever does not have the key of the hash
/// cannot make another link key that begins alike but by trying 2^128 of them here.
private struct HashStart: Equatable {
    /// As good as random.
    let first: UInt64
    private let second: UInt64

    /// Nil for a hash of another length: there is none but by failure.
    init?(_ hash: SecretHash) {
        guard hash.bytes.count == 32 else { return nil }
        (first, second) = hash.bytes.withUnsafeBytes {
            ($0.loadUnaligned(fromByteOffset: 0, as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
    }
}
