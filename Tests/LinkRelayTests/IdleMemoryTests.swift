// What is kept small for idle links still says what it is told. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct IdleMemoryTests {
    private func session() -> Session {
        Session(serial: 7, dialect: .native, address: PeerAddress(family: .unix, bytes: [], port: 0), openedMs: 1, engine: nil)
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

    @Test(arguments: 0...4)
    func aTimelineKeepsItsOrderFromTheFirstEntryOn(_ count: Int) {
        var timeline = RoomTimeline()
        for number in 0..<count {
            timeline.note(
                TimelineEntry(at: Int64(number), kind: .join, session: 1, role: .sd, dialect: .native, isPolling: false, reason: ""))
        }
        #expect(timeline.isEmpty == (count == 0))
        #expect(timeline.entries.map(\.at) == (0..<count).map(Int64.init))
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
        let room = Room(id: RoomID(InstanceID(1)), user: UserID(1), commandsInFlight: 4)
        #expect(room.isEmpty && room.held.isEmpty && room.heldBytes == 0 && room.ownPolicy == nil && room.lastPresence == nil)
        room.ownPolicy = nil
        #expect(room.aside == nil)
        room.heldBytes += 5
        room.lastPresence = Presence(clientCount: 2, sdCount: 1)
        #expect(room.heldBytes == 5 && room.lastPresence == Presence(clientCount: 2, sdCount: 1))
    }

    @Test func anAddressKeepsItsBytes() {
        let v6 = (1...16).map { UInt8($0) }
        #expect(PeerAddress(family: .v6, bytes: v6, port: 9).bytes == v6)
        #expect(PeerAddress(family: .v4, bytes: v6, port: 9).bytes == [1, 2, 3, 4])
        #expect(PeerAddress(family: .unix, bytes: v6, port: 9).bytes.isEmpty)
        #expect(PeerAddress(family: .v4, bytes: v6, port: 9) == PeerAddress(family: .v4, bytes: [1, 2, 3, 4], port: 9))
    }

    @Test func twoKeysWhoseHashesBeginAlikeAreToldApart() {
        func hash(_ last: UInt8) -> SecretHash { SecretHash(bytes: [UInt8](repeating: 9, count: 31) + [last]) }
        func record(_ id: Int64) -> InstanceRecord {
            InstanceRecord(
                id: InstanceID(id), user: UserID(1), name: nil, secret: .key(hash: hash(UInt8(id)), sealed: SealedKey(bytes: [])),
                origin: nil, installID: nil, isOAuthPaired: false, createdAt: 0, lastSeenAt: nil)
        }
        let directory = KeyDirectory()
        for id in Int64(1)...2 { directory.settle(record(id), since: directory.epoch) }
        #expect(directory.ticket(for: hash(1)) == nil)
        #expect(directory.ticket(for: hash(2))?.room == RoomID(InstanceID(2)))
        directory.forget([record(1)])
        #expect(directory.ticket(for: hash(2)) != nil && directory.ticket(for: hash(3)) == nil)
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
