// What is proved and what is sent again: the log's rules, with real messages of a loop that does not run.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket
import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct DeliveryLogTests {
    private let loop: EventLoop

    init() throws {
        loop = try #require(EventLoop(index: 0, limits: cws_limits_default()))
    }

    private func note(_ log: DeliveryLog, _ sequence: UInt64, count: Int = 100, bytes: Int = 1 << 20) throws {
        let message = try #require(loop.frame(.command, .native, bytes: Array("{\"n\":\(sequence)}".utf8)))
        log.note(
            FramedPayload(message: message, dialect: .native, event: .command), sequence: sequence, countCeiling: count,
            byteCeiling: bytes)
    }

    private func sequences(_ log: DeliveryLog) -> [UInt64] {
        log.takeAll().map { entry in
            entry.command.message.release()
            return entry.sequence
        }
    }

    @Test func anAnsweredBarrierProvesWhatCameBeforeItOnly() throws {
        let log = DeliveryLog()
        try note(log, 1)
        try note(log, 2)
        #expect(log.beginBarrier(nowMs: 1_000) == .now)
        try note(log, 3)
        #expect(log.beginBarrier(nowMs: 2_000) == .nothing)
        log.confirmBarrier()
        #expect(sequences(log) == [3])
    }

    @Test func barriersKeepADistance() throws {
        let log = DeliveryLog()
        try note(log, 1)
        #expect(log.beginBarrier(nowMs: 1_000) == .now)
        log.confirmBarrier()
        try note(log, 2)
        #expect(log.beginBarrier(nowMs: 1_000 + DeliveryLog.barrierGapMs - 1) == .later)
        #expect(log.beginBarrier(nowMs: 1_000 + DeliveryLog.barrierGapMs - 1) == .nothing)
        log.isBarrierDue = false
        #expect(log.beginBarrier(nowMs: 1_000 + DeliveryLog.barrierGapMs) == .now)
        _ = sequences(log)
    }

    @Test func anEmptyLogSendsNoBarrier() {
        let log = DeliveryLog()
        #expect(log.beginBarrier(nowMs: 5_000) == .nothing)
    }

    @Test func theCeilingsGiveUpTheOldest() throws {
        let log = DeliveryLog()
        for n in 1...5 { try note(log, UInt64(n), count: 3) }
        #expect(sequences(log) == [3, 4, 5])
        for n in 1...5 { try note(log, UInt64(n), bytes: 1) }
        #expect(sequences(log) == [5])
        #expect(log.byteCount == 0)
    }

    @Test func aLongRunKeepsOrderAndForgetsWhatIsProved() throws {
        let log = DeliveryLog()
        var now: UInt64 = 1_000
        for n in 1...1_000 {
            try note(log, UInt64(n))
            now += 50
            if n.isMultiple(of: 7) {
                #expect(log.beginBarrier(nowMs: now) == .now)
                log.confirmBarrier()
            }
        }
        #expect(sequences(log) == [995, 996, 997, 998, 999, 1_000])
    }

    @Test func aFramedPayloadGivesBackItsBytes() throws {
        for dialect in Dialect.allCases {
            let bytes = Array(#"{"id":"ü","n":9007199254740993}"#.utf8)
            let message = try #require(loop.frame(.commandStatus, dialect, bytes: bytes))
            #expect(Array(FramedPayload(message: message, dialect: dialect, event: .commandStatus).payload) == bytes)
            message.release()
        }
    }
}
