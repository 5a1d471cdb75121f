// What is kept small for idle links still says what it is told. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct IdleMemoryTests {
    private func session(_ serial: UInt64 = 7) -> Session {
        Session(serial: serial, address: PeerAddress(family: .unix, bytes: [], port: 0), openedMs: 1, engine: nil)
    }

    /// What the allocator gives for it: a multiple of 16, less its own eight bytes.
    private func instanceSize(_ object: AnyObject) throws -> Int {
        typealias UsableSize = @convention(c) (UnsafeMutableRawPointer) -> Int
        let symbol = try #require(dlsym(nil, "malloc_usable_size"))
        return unsafeBitCast(symbol, to: UsableSize.self)(Unmanaged.passUnretained(object).toOpaque())
    }

    @Test func aSessionAndARoomFillTheirBlocks() throws {
        // One byte more and each takes 16 more of the allocator, for every connection there is.
        #expect(try instanceSize(session()) <= 136)
        #expect(try instanceSize(Room(id: RoomID(InstanceID(1)), user: UserID(1))) <= 120)
    }

    private func remove(_ session: Session, _ seats: inout Seats, wasThere: Bool) {
        let isRemoved = seats.remove(session)
        #expect(isRemoved == wasThere)
    }

    @Test func seatsKeepTheOrderOfComing() {
        let all = (1...3).map { session($0) }
        for first in 0..<3 {
            for second in 0..<3 where second != first {
                var seats = Seats()
                #expect(seats.isEmpty)
                remove(all[0], &seats, wasThere: false)
                for session in all { seats.append(session) }
                #expect(seats.map(\.serial) == [1, 2, 3] && seats.last === all[2])
                remove(all[first], &seats, wasThere: true)
                remove(all[first], &seats, wasThere: false)
                #expect(seats.map(\.serial) == (UInt64(1)...3).filter { $0 != all[first].serial })
                remove(all[second], &seats, wasThere: true)
                #expect(seats.count == 1 && seats.all.map(\.serial) == [6 - all[first].serial - all[second].serial])
                remove(seats[0], &seats, wasThere: true)
                #expect(seats.isEmpty && seats.all.isEmpty)
            }
        }
    }

    @Test func trafficGoesOnWhereTheSmallCountersEnd() {
        let session = session()
        for _ in 0..<9 { session.takeIn(1 << 30) }
        session.giveOut(7)
        let traffic = session.traffic
        #expect(traffic.messagesIn == 9 && traffic.bytesIn == 9 << 30 && traffic.messagesOut == 1 && traffic.bytesOut == 7)
        session.resetTraffic()
        #expect(session.traffic.isZero && session.aside == nil)
    }

    @Test(arguments: TimelineEntry.Kind.allCases)
    func aPackedEntryUnpacksToItself(_ kind: TimelineEntry.Kind) {
        for role in [nil] + Role.allCases.map(Optional.some) {
            for dialect in [nil] + Dialect.allCases.map(Optional.some) {
                for isPolling in [false, true] {
                    let entry = TimelineEntry(
                        at: 1_790_000_000_123, kind: kind, session: .max - 1, role: role, dialect: dialect, isPolling: isPolling,
                        reason: kind == .join ? "" : "heartbeat_timeout")
                    let again = PackedEntry(entry).entry
                    #expect(PackedEntry(entry) != .none)
                    #expect(again.at == entry.at && again.kind == kind && again.session == entry.session && again.role == role)
                    #expect(again.dialect == dialect && again.isPolling == isPolling && again.reason == entry.reason)
                }
            }
        }
    }

    @Test func aPackedMomentOutOfRangeIsTheNearest() {
        func packed(_ at: WallTime) -> WallTime {
            PackedEntry(
                TimelineEntry(at: at, kind: .expire, session: 1, role: .sd, dialect: nil, isPolling: false, reason: "")
            ).entry.at
        }
        #expect(packed(.min) == 0)
        #expect(packed(.max) == 1 << 44 - 1)
    }

    @Test(arguments: [0, 1, 2, 3, 4, 64, 65, 200])
    func aTimelineKeepsItsOrderFromTheFirstEntryOn(_ count: Int) {
        var timeline = RoomTimeline()
        for number in 0..<count {
            timeline.note(
                TimelineEntry(at: Int64(number), kind: .join, session: 1, role: .sd, dialect: .native, isPolling: false, reason: ""))
        }
        #expect(timeline.isEmpty == (count == 0))
        #expect(timeline.entries.map(\.at) == (0..<count).suffix(RoomTimeline.limit).map(Int64.init))
    }

    @Test func aSessionRemembersWhatItSaidAndNothingMore() {
        let session = session()
        session.identity = Identity(role: .sd)
        #expect(session.aside == nil)
        session.identity = Identity(role: .sd, installID: "one")
        session.endReason = "kicked"
        #expect(session.identity?.installID == "one" && session.endReason == "kicked")
        session.identity = Identity(role: .sd)
        session.endReason = nil
        #expect(session.aside == nil)
    }

    @Test func inputPutAsideComesBackOnceAsOneBody() {
        let session = session()
        for part in ["42a", "42b"] { Array(part.utf8).withUnsafeBytes { session.deferInput($0) } }
        #expect(session.deferredByteCount == 7)
        #expect(session.takeDeferredInput() == Array("42a\u{1E}42b".utf8))
        #expect(session.takeDeferredInput().isEmpty && session.aside == nil)
    }

    @Test func readingARoomMakesNothing() {
        let room = Room(id: RoomID(InstanceID(1)), user: UserID(1))
        #expect(room.isEmpty && room.held.isEmpty && room.heldBytes == 0 && room.ownPolicy == nil && room.lastPresence == nil)
        room.ownPolicy = nil
        #expect(room.aside == nil)
        room.heldBytes += 5
        room.lastPresence = Presence(clientCount: 2, sdCount: 1)
        #expect(room.heldBytes == 5 && room.lastPresence == Presence(clientCount: 2, sdCount: 1))
        room.lastPresence = Presence(clientCount: 1, sdCount: 70_000)
        #expect(room.lastPresence == nil)
    }

    @Test func anAddressKeepsItsBytes() {
        let v6 = (1...16).map { UInt8($0) }
        #expect(PeerAddress(family: .v6, bytes: v6, port: 9).bytes == v6)
        #expect(PeerAddress(family: .v4, bytes: v6, port: 9).bytes == [1, 2, 3, 4])
        #expect(PeerAddress(family: .unix, bytes: v6, port: 9).bytes.isEmpty)
        #expect(PeerAddress(family: .v4, bytes: v6, port: 9) == PeerAddress(family: .v4, bytes: [1, 2, 3, 4], port: 9))
    }

    @Test func keysWhoseHashesBeginAlikeAreToldApart() {
        func hash(_ middle: UInt8) -> SecretHash { SecretHash(bytes: [UInt8](repeating: 9, count: 15) + [middle] + [UInt8](repeating: 9, count: 16)) }
        func record(_ id: Int64) -> InstanceRecord {
            InstanceRecord(
                id: InstanceID(id), user: UserID(1), name: nil, secret: .key(hash: hash(UInt8(id)), sealed: SealedKey(bytes: [])),
                origin: nil, installID: nil, isOAuthPaired: false, createdAt: 0, lastSeenAt: nil)
        }
        let directory = KeyDirectory()
        for id in Int64(1)...100 { directory.settle(record(id), since: directory.epoch) }
        for id in Int64(1)...100 { #expect(directory.ticket(for: hash(UInt8(id)))?.room == RoomID(InstanceID(id))) }
        directory.forget((1...99).map { record($0) })
        #expect(directory.ticket(for: hash(100)) != nil && directory.ticket(for: hash(99)) == nil && directory.count == 1)
    }

    private enum ByHalf: Keying {
        static func key(of number: UInt64) -> UInt64 { number >> 1 }
        /// Worse than any real one: many alike.
        static func hash(_ key: UInt64) -> UInt64 { (key % 50).spread }
    }

    @Test func aTableAgreesWithADictionary() {
        var table = DenseTable<ByHalf>()
        var model: [UInt64: UInt64] = [:]
        var seed: UInt64 = 1
        for step in 0..<20_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = seed >> 33 % 600
            // Grows at first, shrinks in the end.
            if seed >> 20 % 10 < (step < 10_000 ? 7 : 3) {
                table.put(number)
                model[number >> 1] = number
            } else {
                let removed = table.remove(number >> 1)
                #expect(removed == model.removeValue(forKey: number >> 1))
            }
            if step % 100 == 0 { #expect(table.values.sorted() == model.values.sorted()) }
        }
        for key in UInt64(0)..<300 { #expect(table[key] == model[key]) }
        #expect(table.count == model.count)
    }

    @Test func aTableGivesBackWhatABurstTook() {
        var table = DenseTable<ByHalf>()
        for number in UInt64(0)..<3000 { table.put(number << 1) }
        for number in UInt64(10)..<3000 { table.remove(number) }
        #expect(table.count == 10 && table.values.capacity <= 1024)
        #expect(table.values.sorted() == (0..<10).map { $0 << 1 })
    }

    @Test func aQueueOfDeadlinesDropsWhatIsOverBeforeItGrows() {
        var queue = TimerQueue<UInt64>()
        for n in UInt64(0)..<5000 { queue.add(atMs: n * 7919 % 5000, n) { $0 % 8 != 0 } }
        #expect(queue.count < 2000)
        var kept: [UInt64] = []
        while let event = queue.popDue(nowMs: .max) { kept.append(event) }
        #expect(kept.map { $0 * 7919 % 5000 } == kept.map { $0 * 7919 % 5000 }.sorted())
        #expect(Set(kept).isSuperset(of: (UInt64(0)..<5000).filter { $0 % 8 == 0 }))
    }

    @Test func aQueueOfDeadlinesThatShrinksKeepsItsOrder() {
        var queue = TimerQueue<UInt64>()
        for n in UInt64(0)..<5000 { queue.add(atMs: n * 7919 % 5000, n) }
        var last: UInt64 = 0
        while let event = queue.popDue(nowMs: .max) {
            let at = event * 7919 % 5000
            #expect(at >= last)
            last = at
        }
        #expect(queue.isEmpty && last == 4999)
    }
}
