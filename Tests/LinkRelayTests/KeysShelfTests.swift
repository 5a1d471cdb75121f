// What is put aside for a room, by one process after the other, and what of it the last one is given. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct KeysShelfTests {
    private let ceilings = DebtCeilings(commandCount: 10, keptCount: 10, keptBytes: 1000)

    private func debts(_ undelivered: UInt8...) -> RoomDebts {
        var debts = RoomDebts()
        debts.undelivered = undelivered.map { [$0] }
        return debts
    }

    private func given(_ answer: ShelfAnswer) -> RoomDebts? {
        if case .debts(let bytes) = answer { RoomDebts(decoding: bytes) } else { nil }
    }

    private func benchAndRoom(_ kind: StoreKind) async throws -> (KeyBench, RoomID) {
        let bench = try await KeyBench(kind)
        return (bench, RoomID(try await bench.inner.newInstance(bench.user, code: 1).id))
    }

    @Test(arguments: StoreKind.allCases)
    func theNewerStateOfOneProcessWins(_ kind: StoreKind) async throws {
        let (bench, room) = try await benchAndRoom(kind)
        #expect(await bench.keys.shelve(room, debts(1, 2), ceilings) == 0)
        #expect(await bench.keys.shelve(room, debts(2, 3), ceilings) == 0)
        #expect(given(try await bench.restarted().unshelve(room)) == debts(2, 3))
        #expect(await bench.keys.shelve(room, debts(1), ceilings) == 0)
        #expect(await bench.keys.shelve(room, debts(), ceilings) == 0)
        #expect(try await bench.inner.shelvedRooms().isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func whatAnEarlierProcessLeftStaysBeforeIt(_ kind: StoreKind) async throws {
        let (bench, room) = try await benchAndRoom(kind)
        #expect(await bench.keys.shelve(room, debts(1), ceilings) == 0)
        let second = try await bench.restarted()
        bench.store.fail(with: StoreError(.io, "test"))
        #expect(given(await second.unshelve(room)) == nil)
        #expect(await second.shelve(room, debts(9), ceilings) == nil)
        bench.store.fail(with: nil)
        for newer in [debts(2), debts(), debts(3, 4)] { #expect(await second.shelve(room, newer, ceilings) == 0) }
        let third = try await bench.restarted()
        #expect(given(await third.unshelve(room)) == debts(1, 3, 4))
        // Taken: it is not put there again.
        #expect(await third.shelve(room, debts(5), ceilings) == 0)
        #expect(given(try await bench.restarted().unshelve(room)) == debts(5))
    }

    @Test(arguments: StoreKind.allCases)
    func whatIsTooOldDoesNotStay(_ kind: StoreKind) async throws {
        let (bench, room) = try await benchAndRoom(kind)
        #expect(await bench.keys.shelve(room, debts(1), ceilings) == 0)
        let second = try await bench.restarted()
        bench.pass(StoreRules.shelvedRoomMilliseconds + 1)
        #expect(await second.shelve(room, debts(2), ceilings) == 0)
        #expect(given(try await bench.restarted().unshelve(room)) == debts(2))
    }
}
