// Leaving a room's debts for the next process, and taking them over: sealed on the way to the store.
//
// Any thread. Failing means that unfinished commands end by the clients' own time-outs; it never stops a drain or a join.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension KeyService {
    /// Puts aside what this process owes, in place of what it put aside before and behind what an earlier one left and nobody took. How much
    /// did not fit; nil when it is not on disk.
    func shelve(_ room: RoomID, _ debts: RoomDebts, _ ceilings: DebtCeilings) async -> Int? {
        do {
            let (all, droppedCount) = try await debts.behind(earlierDebts(of: room), ceilings)
            if all.isEmpty {
                _ = try await store.unshelveRoom(room.instance, notBefore: oldestShelved)
            } else {
                try await store.shelveRoom(room.instance, vault.seal(room: all.encoded()), at: wallClock())
            }
            return droppedCount
        } catch {
            return nil
        }
    }

    /// Read once a room: from the first writing on, what is on the shelf is both.
    private func earlierDebts(of room: RoomID) async throws(StoreError) -> RoomDebts {
        if let known = earlierDebts.withLock({ $0[room.instance] }) { return known }
        guard isShelved(room) else { return RoomDebts() }
        let sealed = try await store.shelvedRoom(room.instance, notBefore: oldestShelved)
        let debts = sealed.flatMap { vault.openRoom($0) }.flatMap { RoomDebts(decoding: $0) } ?? RoomDebts()
        earlierDebts.withLock { $0[room.instance] = debts }
        return debts
    }

    private var oldestShelved: WallTime { wallClock().addingClamped(-StoreRules.shelvedRoomMilliseconds) }

    /// Whether an earlier process left something for this room; never asks the store.
    func isShelved(_ room: RoomID) -> Bool { shelved.withLock { $0.contains(room.instance) } }

    /// What an earlier process left for this room, once. If the store cannot say, it stays there and may be asked for again.
    func unshelve(_ room: RoomID) async -> ShelfAnswer {
        do {
            let sealed = try await store.unshelveRoom(room.instance, notBefore: oldestShelved)
            shelved.withLock { _ = $0.remove(room.instance) }
            return sealed.flatMap { vault.openRoom($0) }.map { .debts($0) } ?? .nothing
        } catch {
            return .unavailable
        }
    }
}

enum ShelfAnswer: Sendable {
    case debts([UInt8])
    case nothing
    case unavailable
}
