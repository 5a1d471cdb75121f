// The ring of the last ends: bounds, order, whose they are. With real messages of a loop that does not run.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket
import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct RecentEndsTests {
    private let loop: EventLoop
    private let ends = RecentEnds()

    init() throws {
        loop = try #require(EventLoop(index: 0, limits: cws_limits_default()))
    }

    private static let capacity = 32

    private func note(_ number: Int, for requester: UInt64 = 1, count: Int = capacity, bytes: Int = 1 << 20) throws {
        let message = try #require(loop.frame(.commandStatus, .native, bytes: Array("{\"n\":\(number)}".utf8)))
        let status = FramedPayload(message: message, dialect: .native, event: .commandStatus)
        ends.note(.init(status: status, requester: requester, atMs: UInt64(number)), countCeiling: count, byteCeiling: bytes)
    }

    /// What is taken, by number.
    private func taken(_ requester: UInt64 = 1, since: UInt64 = 0) -> [String] {
        ends.take(requester: requester, sinceMs: since).map { entry in
            defer { entry.status.message.release() }
            return String(decoding: entry.status.payload, as: UTF8.self)
        }
    }

    @Test func oneTakesItsOwnInOrder() throws {
        for number in 1...4 { try note(number, for: number == 2 ? 7 : 1) }
        #expect(taken() == [#"{"n":1}"#, #"{"n":3}"#, #"{"n":4}"#])
        #expect(taken() == [])
        #expect(taken(7) == [#"{"n":2}"#])
        #expect(ends.byteCount == 0)
    }

    @Test func whatIsOldIsNotTaken() throws {
        for number in 1...4 { try note(number) }
        #expect(taken(since: 3) == [#"{"n":3}"#, #"{"n":4}"#])
        #expect(ends.oldestMs == 1)
    }

    @Test func theOldestGivesWay() throws {
        for number in 1...(Self.capacity * 2 + 3) { try note(number) }
        #expect(ends.oldestMs == UInt64(Self.capacity + 4))
        let all = taken()
        #expect(all.count == Self.capacity)
        #expect(all.first == "{\"n\":\(Self.capacity + 4)}" && all.last == "{\"n\":\(Self.capacity * 2 + 3)}")
    }

    @Test func whatExpiresMakesRoom() throws {
        for number in 1...(Self.capacity + 5) { try note(number) }
        ends.keep { $0.atMs > UInt64(Self.capacity + 3) }
        try note(Self.capacity + 6)
        #expect(taken() == (4...6).map { "{\"n\":\(Self.capacity + $0)}" })
    }

    @Test func bytesAreBounded() throws {
        try note(1, bytes: 10)
        #expect(ends.byteCount == 0 && ends.oldestMs == nil)
        try note(2)
        let one = ends.byteCount
        try note(3, bytes: one * 2)
        try note(4, bytes: one * 2)
        #expect(ends.byteCount == one * 2)
        #expect(taken() == [#"{"n":3}"#, #"{"n":4}"#])
        #expect(ends.byteCount == 0)
    }

    @Test func aCeilingThatChangesKeepsTheOrder() throws {
        for number in 1...5 { try note(number, count: 3) }
        try note(6, count: 4)
        #expect(ends.oldestMs == 3)
        try note(7, count: 2)
        #expect(taken() == (4...7).map { "{\"n\":\($0)}" })
        try note(8, count: 0)
        #expect(taken() == [])
    }
}
