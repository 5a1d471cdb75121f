// The arithmetic of wrong codes. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct KeysLimiterTests {
    /// How many of so many wrong codes, one after the other, are looked at.
    private func tries(_ limiter: WrongCodeLimiter, _ prefix: [UInt8], _ count: Int, at now: Int64) async -> Int {
        var evaluated = 0
        for _ in 0..<count where await limiter.admit(prefix: prefix, now: now) {
            limiter.settle(prefix: prefix, wasWrong: true, now: now)
            evaluated += 1
        }
        return evaluated
    }

    @Test func aBurstThenOneEachInterval() async {
        let limiter = WrongCodeLimiter()
        #expect(await tries(limiter, [1], 20, at: 0) == 5)
        #expect(await tries(limiter, [2], 1, at: 0) == 1)
        #expect(await tries(limiter, [1], 9, at: 29_999) == 0)
        #expect(await tries(limiter, [1], 9, at: 30_000) == 1)
        #expect(await tries(limiter, [1], 9, at: 59_999) == 0)
        #expect(await tries(limiter, [1], 9, at: 60_000) == 1)
        #expect(limiter.wrongCount == 8)
    }

    @Test func waitsDoubleUpToAnHour() {
        let limiter = WrongCodeLimiter()
        let table: [(Int, Int64)] = [
            (0, 30), (9, 30), (10, 60), (19, 60), (20, 120), (30, 240), (40, 480), (50, 960), (60, 1920), (70, 3600), (1_000_000, 3600),
        ]
        for (failures, seconds) in table { #expect(limiter.waitMilliseconds(failures: failures) == seconds * 1000, "\(failures)") }
    }

    /// A guesser that never lets up from one address, for a day.
    @Test func aDayOfGuessing() async {
        let limiter = WrongCodeLimiter()
        var evaluated = 0
        for second in Int64(0)..<86_400 { evaluated += await tries(limiter, [1], 1, at: second * 1000) }
        #expect(evaluated > 20 && evaluated < 110, "\(evaluated)")
    }

    @Test func aQuietDayForgives() async {
        let limiter = WrongCodeLimiter()
        var now: Int64 = 0
        for _ in 0..<30 {
            #expect(await tries(limiter, [1], 1, at: now) == 1)
            now += 3_600_000
        }
        #expect(await tries(limiter, [1], 9, at: now + 86_400_000) == 5)
    }

    @Test func everybodyTogether() async {
        let limiter = WrongCodeLimiter()
        var evaluated = 0
        for number in 0..<200 { evaluated += await tries(limiter, [UInt8(number)], 1, at: Int64(number)) }
        #expect(evaluated == 60)
        #expect(await tries(limiter, [250], 1, at: 59_999) == 0)
        #expect(await tries(limiter, [250], 1, at: 60_000) == 1)
    }

    @Test func aRightCodeGivesNothingBack() async {
        let limiter = WrongCodeLimiter()
        #expect(await tries(limiter, [1], 4, at: 0) == 4)
        for _ in 0..<3 {
            #expect(await limiter.admit(prefix: [1], now: 0))
            limiter.settle(prefix: [1], wasWrong: false, now: 0)
        }
        #expect(await tries(limiter, [1], 9, at: 0) == 1)
        #expect(limiter.refusedCount == 8)
    }

    @Test func triesUnderWayAreCounted() async {
        let limiter = WrongCodeLimiter(burst: 2)
        #expect(await limiter.admit(prefix: [1], now: 0))
        #expect(await limiter.admit(prefix: [1], now: 0))
        async let third = limiter.admit(prefix: [1], now: 0)
        async let fourth = limiter.admit(prefix: [1], now: 0)
        while limiter.waitingCount < 2 { await Task.yield() }
        limiter.settle(prefix: [1], wasWrong: true, now: 0)
        #expect(limiter.waitingCount == 2)
        limiter.settle(prefix: [1], wasWrong: false, now: 0)
        while limiter.waitingCount > 1 { await Task.yield() }
        limiter.settle(prefix: [1], wasWrong: true, now: 0)
        let answers = await [third, fourth]
        #expect(answers.count { $0 } == 1)
    }

    @Test func theTableIsBoundedAndTheOldestGivesWay() async {
        let limiter = WrongCodeLimiter(burst: 1, totalPerMinute: .max)
        for number in 0..<(WrongCodeLimiter.prefixCount + 10) {
            let prefix = [UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16)]
            #expect(await tries(limiter, prefix, 1, at: 100_000 * Int64(number)) == 1)
        }
        #expect(limiter.rememberedCount == WrongCodeLimiter.prefixCount)
    }

    @Test func rightCodesLeaveNothingBehind() async {
        let limiter = WrongCodeLimiter()
        for number in 0..<1000 {
            let prefix = [UInt8(number & 255), UInt8(number >> 8)]
            #expect(await limiter.admit(prefix: prefix, now: 0))
            limiter.settle(prefix: prefix, wasWrong: false, now: 0)
        }
        #expect(limiter.rememberedCount == 0)
    }

    @Test func addressesAreCountedByWhatOnePersonHas() {
        func v6(_ bytes: [UInt8]) -> [UInt8] { PeerAddress(family: .v6, bytes: bytes, port: 1).limitPrefix }
        let network: [UInt8] = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 7]
        #expect(v6(network + [0, 0, 0, 0, 0, 0, 0, 1]) == v6(network + [9, 9, 9, 9, 9, 9, 9, 9]))
        #expect(v6([0x20, 1, 0xD, 0xB8, 0, 0, 0, 8] + [UInt8](repeating: 0, count: 8)) != v6(network + [UInt8](repeating: 0, count: 8)))
    }
}
