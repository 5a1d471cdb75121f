// Who is kept out by the operator: networks at the handshake, users at the join. Kept in the store, read from memory.
//
// Any thread; a lock per handshake and per join, never per message. Never consulted on the admin's own listener: nobody can lock the
// operator out. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Synchronization

final class AccessBlocks: Sendable {
    /// More would make every handshake slow; a firewall does that better.
    static let limit = 1000

    private struct State: Sendable {
        var records: [Int64: BlockRecord] = [:]
        var networks: [NetworkPrefix] = []
        var users: Set<UserID> = []
    }

    private let state = Locked(State())
    private let isEmpty = Atomic<Bool>(true)

    func load(from store: any LinkStore) async throws(StoreError) { replace(try await store.blocks()) }

    func add(_ record: BlockRecord) { change { $0[record.id] = record } }

    func remove(_ id: Int64) { change { $0[id] = nil } }

    func replace(_ records: [BlockRecord]) {
        change { $0 = Dictionary(records.map { ($0.id, $0) }, uniquingKeysWith: { $1 }) }
    }

    private func change(_ body: @Sendable (inout [Int64: BlockRecord]) -> Void) {
        let isNone = state.withLock { state in
            var records = state.records
            body(&records)
            state = State(records: records)
            for record in records.values {
                switch record.subject {
                case .network(let prefix): state.networks.append(prefix)
                case .user(let user): state.users.insert(user)
                }
            }
            return records.isEmpty
        }
        isEmpty.store(isNone, ordering: .relaxed)
    }

    /// In the order of their making.
    var all: [BlockRecord] { state.withLock { $0.records.values.sorted { $0.id < $1.id } } }

    func isBlocked(_ address: PeerAddress) -> Bool {
        if isEmpty.load(ordering: .relaxed) { return false }
        return state.withLock { state in state.networks.contains { $0.contains(address) } }
    }

    func isBlocked(_ user: UserID) -> Bool {
        if isEmpty.load(ordering: .relaxed) { return false }
        return state.withLock { $0.users.contains(user) }
    }
}

extension Shard {
    /// True when the request's address is blocked; it has been refused then.
    func refusesBlocked(_ connection: Connection, _ source: RequestSource) -> Bool {
        guard shared.blocks.isBlocked(source.address) else { return false }
        counters.refuse(.blocked)
        recordRefusal(.blocked, address: source.address)
        refuse(connection, status: 403, .blocked, "This address is blocked by the operator.")
        return true
    }

    /// Ends every session that a block means, as soon as the block is there.
    func enforceBlocks() -> Int {
        let blocked = sessions.values.filter { session in
            shared.blocks.isBlocked(session.address) || (session.room.map { shared.blocks.isBlocked($0.user) } ?? false)
        }
        for session in blocked { close(session, .blocked) }
        return blocked.count
    }

    func recordRefusal(_ reason: RefusalReason, address: PeerAddress, role: Role? = nil, room: RoomID? = nil) {
        shared.recent.note(
            RecentEvent(at: shared.wallClock(), kind: .refusal, name: reason.code, room: room, role: role, address: address))
    }
}
