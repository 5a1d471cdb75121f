// Leaving a room's debts for the next process, and taking them over: sealed on the way to the store.
//
// Any thread. Failing means that unfinished commands end by the clients' own time-outs; it never stops a drain or a join.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension KeyService {
    /// True when it is on disk.
    func shelve(_ room: RoomID, _ bytes: [UInt8]) async -> Bool {
        do {
            try await store.shelveRoom(room.instance, vault.seal(room: bytes), at: wallClock())
            shelved.withLock { _ = $0.insert(room.instance) }
            return true
        } catch {
            return false
        }
    }

    /// Whether an earlier process left something for this room; never asks the store.
    func isShelved(_ room: RoomID) -> Bool { shelved.withLock { $0.contains(room.instance) } }

    /// What an earlier process left for this room, once. If the store cannot say, it stays there and may be asked for again.
    func unshelve(_ room: RoomID) async -> ShelfAnswer {
        let notBefore = wallClock().addingClamped(-StoreRules.shelvedRoomMilliseconds)
        do {
            let sealed = try await store.unshelveRoom(room.instance, notBefore: notBefore)
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
