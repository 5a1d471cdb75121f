// The ledger as a pure machine: admissions, endings, deadlines, and that rows are reused. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

private func withBytes<R>(_ text: String, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    Array(text.utf8).withUnsafeBytes(body)
}

extension CommandLedger {
    fileprivate mutating func admit(
        _ id: String, _ type: String = "activities:list", deadlineMs: UInt64 = 1_000, limit: Int = 256
    ) -> Admission {
        withBytes(id) { id in
            withBytes(type) { type in admit(id: id, type: type, requester: 7, deadlineMs: deadlineMs, limit: limit) }
        }
    }

    fileprivate func find(_ id: String) -> Int? { withBytes(id) { find(id: $0) } }
}

@Suite struct CommandLedgerTests {
    @Test func aCommandIsFoundUntilItEnds() {
        var ledger = CommandLedger()
        #expect(ledger.admit("a") == .admitted(row: 0))
        #expect(ledger.admit("b", "resources:add") == .admitted(row: 1))
        #expect(ledger.find("b") == 1)
        #expect(ledger.idAndType(row: 1).id == Array("b".utf8))
        #expect(ledger.idAndType(row: 1).type == Array("resources:add".utf8))
        _ = ledger.close(row: 1)
        #expect(ledger.find("b") == nil)
        #expect(ledger.openCount == 1)
    }

    @Test func theSameIdAndTypeIsADuplicateAnotherTypeIsRelated() {
        var ledger = CommandLedger()
        #expect(ledger.admit("a", "resources:add") == .admitted(row: 0))
        #expect(ledger.admit("a", "resources:add") == .duplicate(row: 0))
        #expect(ledger.admit("a", "resources:add:cancel") == .related)
        #expect(ledger.openCount == 1)
    }

    @Test func rowsAreReusedAndTheCeilingHolds() {
        var ledger = CommandLedger()
        for id in ["a", "b", "c"] { _ = ledger.admit(id) }
        #expect(ledger.admit("d", limit: 3) == .full)
        _ = ledger.close(row: 1)
        #expect(ledger.admit("d", limit: 2) == .full)
        #expect(ledger.admit("d", limit: 3) == .admitted(row: 1))
        #expect(ledger.rows.count == 3)
        #expect(ledger.find("d") == 1)
        #expect(ledger.find("b") == nil)
    }

    @Test(arguments: ["", String(repeating: "x", count: CommandLedger.idCapacity + 1)])
    func commandsWithoutAUsableIdAreNotTracked(id: String) {
        var ledger = CommandLedger()
        #expect(ledger.admit(id) == .untracked)
        #expect(ledger.openCount == 0)
    }

    @Test func theLongestIdAndTypeFitAndALongerTypeIsNotKept() {
        var ledger = CommandLedger()
        let id = String(repeating: "i", count: CommandLedger.idCapacity)
        let type = String(repeating: "t", count: CommandLedger.typeCapacity)
        #expect(ledger.admit(id, type) == .admitted(row: 0))
        #expect(ledger.find(id) == 0)
        #expect(ledger.admit(id, type) == .duplicate(row: 0))
        #expect(ledger.idAndType(row: 0).type == Array(type.utf8))
        #expect(ledger.admit("other", type + "é") == .admitted(row: 1))
        #expect(ledger.admit("other", type + "é") == .duplicate(row: 1))
        #expect(ledger.idAndType(row: 1).type == [])
    }

    @Test func deadlinesExpireAndProgressExtendsThem() {
        var ledger = CommandLedger()
        _ = ledger.admit("a", deadlineMs: 100)
        _ = ledger.admit("b", deadlineMs: 200)
        #expect(ledger.nextDeadlineMs == 100)
        #expect(ledger.expired(nowMs: 99) == [])
        #expect(ledger.expired(nowMs: 100) == [0])
        _ = ledger.progress(row: 0, status: nil, deadlineMs: 500)
        #expect(ledger.expired(nowMs: 300) == [1])
        #expect(ledger.nextDeadlineMs == 200)
    }

    @Test func closingTwiceChangesNothing() {
        var ledger = CommandLedger()
        _ = ledger.admit("a")
        _ = ledger.close(row: 0)
        _ = ledger.close(row: 0)
        #expect(ledger.openCount == 0)
    }

    @Test func manyIdsNeverMixUp() {
        var ledger = CommandLedger()
        for i in 0..<256 { #expect(ledger.admit("command-\(i)") == .admitted(row: i)) }
        for i in 0..<256 { #expect(ledger.find("command-\(i)") == i) }
        #expect(ledger.find("command-256") == nil)
    }
}

@Suite struct TimerQueueTests {
    @Test func eventsComeInOrderOfTimeWhateverTheOrderOfAdding() {
        var queue = TimerQueue<UInt64>()
        var seed: UInt64 = 42
        for _ in 0..<500 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            queue.add(atMs: seed >> 50, seed >> 50)
        }
        var last: UInt64 = 0
        var count = 0
        while let at = queue.popDue(nowMs: .max) {
            #expect(at >= last)
            last = at
            count += 1
        }
        #expect(count == 500)
        #expect(queue.isEmpty)
    }

    @Test func nothingComesBeforeItsTime() {
        var queue = TimerQueue<String>()
        queue.add(atMs: 50, "later")
        #expect(queue.popDue(nowMs: 49) == nil)
        #expect(queue.nextMs == 50)
        #expect(queue.popDue(nowMs: 50) == "later")
    }
}

@Suite struct TruncatedEnvelopeTests {
    @Test(arguments: [
        (#"{"event":"commandStatus","data":{"id":"abc","type":"resources:list","resources":[{"id":"no"}"#, "abc", "resources:list"),
        (#"2["commandStatus",{"type":"image:txt2img","nested":{"id":"no"},"id":"yes","images":["AAAA"#, "yes", "image:txt2img"),
        (#"2["commandStatus",{"resources":[{"id":"no","type":"no"}"#, "", ""),
        (#"2["commandStatus",{"id":"cut off"#, "", ""),
        (#"{"event":"x","data":{"a":"\"id\":\"no\"","id":"e\"sc""#, #"e\"sc"#, ""),
        (#"{"event":"x","data":{"id":"a\/\u0062""#, "a/b", ""),
        ("", "", ""), ("}}}]]]\"", "", ""),
    ])
    func whatTheFirstBytesTell(prefix: String, id: String, type: String) {
        let found = withBytes(prefix) { TruncatedEnvelope.routingFields($0) }
        #expect(String(decoding: found.id, as: UTF8.self) == id)
        #expect(String(decoding: found.type, as: UTF8.self) == type)
    }

    @Test(arguments: [
        (#"{"event":"command","ack":17,"data":{"#, "17"), (#"{ "ack" : -3 , "event":"#, "-3"), (#"{"ack":"a-1","data":{"#, #""a-1""#),
        (#"{"event":"ack","data":{"ack":5}"#, ""), (#"{"data":{"ack":5},"ack":6"#, ""), (#"{"ack":1e5,"#, ""), (#"{"ack":12"#, ""),
        (#"{"ack":"a\"b","#, ""), (#"{"ack":01,"#, ""), (#"{"ack":[1],"#, ""), (#"{"x":"ack","y":5,"#, ""), ("", ""),
    ])
    func aNativeAckIsFoundIfItCanBeEchoed(prefix: String, ack: String) {
        #expect(withBytes(prefix) { String(decoding: TruncatedEnvelope.nativeAck($0), as: UTF8.self) } == ack)
    }

    @Test(arguments: [
        (#"217["command",{"#, "17"), (#"2["command",{"#, ""), (#"2/other,5["command",{"#, ""), ("2" + String(repeating: "1", count: 16) + "[", ""),
        ("25", ""), ("3", ""), ("", ""),
    ])
    func aSocketIOAckIsFound(prefix: String, ack: String) {
        #expect(withBytes(prefix) { String(decoding: TruncatedEnvelope.socketIOAck($0), as: UTF8.self) } == ack)
    }
}

@Suite struct AddressCensusTests {
    @Test func anAddressMeetsItsLimitAndLoopbackDoesNot() {
        let census = AddressCensus(limit: 2)
        let remote = PeerAddress(family: .v4, bytes: [192, 0, 2, 1], port: 1)
        #expect(census.enter(remote))
        #expect(census.enter(remote))
        #expect(!census.enter(remote))
        census.leave(remote)
        #expect(census.enter(remote))
        let local = PeerAddress(family: .v4, bytes: [127, 0, 0, 1], port: 1)
        for _ in 0..<10 { #expect(census.enter(local)) }
    }

    @Test func anIPv6NetworkCountsAsOne() {
        let census = AddressCensus(limit: 1)
        func address(_ last: UInt8) -> PeerAddress {
            PeerAddress(family: .v6, bytes: [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, last], port: 1)
        }
        #expect(census.enter(address(1)))
        #expect(!census.enter(address(2)))
    }
}
