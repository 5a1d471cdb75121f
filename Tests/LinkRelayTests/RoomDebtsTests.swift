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

    @Test func nothingIsNothing() {
        #expect(RoomDebts().isEmpty)
        #expect(RoomDebts(decoding: RoomDebts().encoded())?.isEmpty == true)
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
