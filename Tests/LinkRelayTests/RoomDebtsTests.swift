// A room's debts survive their encoding byte for byte, and damage costs no more than itself. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct RoomDebtsTests {
    private var sample: RoomDebts {
        var debts = RoomDebts()
        debts.commands = [
            .init(id: Array("a".utf8), type: Array("image:txt2img".utf8), remainingMs: 12_345, lastStatus: Array(#"{"id":"a"}"#.utf8)),
            .init(id: [], type: [], remainingMs: 0, lastStatus: nil),
        ]
        debts.undelivered = [Array(#"{"id":"b","n":9007199254740993}"#.utf8), []]
        debts.unheard = [Array("é".utf8)]
        debts.absent = [.init(installID: nil), .init(installID: "install-ü")]
        return debts
    }

    @Test func whatGoesInComesOut() { #expect(RoomDebts(decoding: sample.encoded()) == sample) }

    /// As many as the settings let a room have.
    @Test func thereMayBeManyOfEach() {
        var debts = RoomDebts()
        let many = 65_536
        debts.commands = (0..<many).map { .init(id: Array("\($0)".utf8), type: [], remainingMs: 1, lastStatus: nil) }
        debts.undelivered = Array(repeating: [1], count: many)
        debts.unheard = Array(repeating: [], count: many)
        debts.absent = Array(repeating: .init(installID: nil), count: many)
        #expect(RoomDebts(decoding: debts.encoded()) == debts)
    }

    @Test func nothingIsNothing() {
        #expect(RoomDebts().isEmpty)
        #expect(RoomDebts(decoding: RoomDebts().encoded())?.isEmpty == true)
    }

    private let ceilings = DebtCeilings(commandCount: 3, keptCount: 3, keptBytes: 30)

    @Test func whatWasThereFirstStaysFirst() {
        var earlier = RoomDebts()
        earlier.commands = [.init(id: [1], type: [], remainingMs: 5, lastStatus: nil), .init(id: [2], type: [], remainingMs: 6, lastStatus: nil)]
        earlier.undelivered = [[1], [2]]
        earlier.unheard = [[7]]
        earlier.absent = [.init(installID: nil), .init(installID: "b")]
        var newer = RoomDebts()
        newer.commands = [.init(id: [2], type: [], remainingMs: 9, lastStatus: [3]), .init(id: [3], type: [], remainingMs: 9, lastStatus: nil)]
        newer.undelivered = [[3]]
        newer.unheard = [[8], [9]]
        newer.absent = [.init(installID: "a"), .init(installID: "b")]
        let (all, droppedCount) = newer.behind(earlier, ceilings)
        #expect(all.commands.map(\.id) == [[1], [2], [3]])
        #expect(all.commands[1] == newer.commands[0])
        #expect(all.undelivered == [[1], [2], [3]])
        #expect(all.unheard == [[7], [8], [9]])
        #expect(all.absent.map(\.installID) == ["a", "b", nil])
        #expect(droppedCount == 0)
    }

    @Test func newerOnesStayWithinTheCeilings() {
        var earlier = RoomDebts()
        earlier.commands = [.init(id: [1], type: [], remainingMs: 5, lastStatus: nil), .init(id: [2], type: [], remainingMs: 6, lastStatus: nil)]
        earlier.undelivered = [[1], [2]]
        earlier.unheard = [Array(repeating: 7, count: 20)]
        var newer = RoomDebts()
        newer.commands = [.init(id: [3], type: [], remainingMs: 9, lastStatus: nil), .init(id: [4], type: [], remainingMs: 9, lastStatus: nil)]
        newer.undelivered = [[3], [4], [5]]
        newer.unheard = [[8], Array(repeating: 9, count: 10), [10]]
        let (all, droppedCount) = newer.behind(earlier, ceilings)
        #expect(all.commands.map(\.id) == [[1], [2], [3]])
        #expect(all.undelivered == [[1], [2], [3]])
        #expect(all.unheard == [earlier.unheard[0], [8]])
        #expect(droppedCount == 1 + 2 + 2)
    }

    /// One process alone leaves what it has: its room was within its ceilings.
    @Test func nothingIsDroppedWhereNothingWas() {
        let (all, droppedCount) = sample.behind(RoomDebts(), DebtCeilings(commandCount: 0, keptCount: 0, keptBytes: 0))
        #expect(all == sample && droppedCount == 0)
    }

    @Test func everyTruncationIsRefused() {
        let bytes = sample.encoded()
        for n in 0..<bytes.count { #expect(RoomDebts(decoding: Array(bytes.prefix(n))) == nil) }
        #expect(RoomDebts(decoding: bytes + [0]) == nil)
    }

    @Test func everyFlippedByteIsSurvived() {
        let bytes = sample.encoded()
        for i in bytes.indices {
            for flip in [UInt8(1), 0x80, 0xFF] {
                var damaged = bytes
                damaged[i] ^= flip
                if let read = RoomDebts(decoding: damaged) { #expect(read.encoded().count <= bytes.count + 8) }
            }
        }
    }
}
