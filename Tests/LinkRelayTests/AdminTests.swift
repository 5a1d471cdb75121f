// The operator's surface without sockets: rings, blocks, tables that belong together.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

private func entry(_ number: Int, _ kind: TimelineEntry.Kind = .join) -> TimelineEntry {
    TimelineEntry(at: Int64(number), kind: kind, session: 1, role: .sd, dialect: .native, isPolling: false, reason: "")
}

@Suite struct TimelineTests {
    @Test func keepsTheNewestInOrder() {
        var timeline = RoomTimeline()
        for number in 0..<200 { timeline.note(entry(number)) }
        #expect(timeline.entries.map(\.at) == (136..<200).map(Int64.init))
    }

    @Test func closingsAreNewestFirstAndOnlyEndings() {
        var timeline = RoomTimeline()
        for (number, kind) in [TimelineEntry.Kind.join, .leave, .return, .vanish, .connect, .kick].enumerated() {
            timeline.note(entry(number, kind))
        }
        #expect(timeline.lastClosings(2).map(\.kind) == [.kick, .vanish])
    }

    @Test func shelfForgetsTheOldestAndGivesBackOnce() {
        var past = PastTimelines()
        var timeline = RoomTimeline()
        timeline.note(entry(1))
        past.put(RoomTimeline(), for: RoomID(InstanceID(9_999)))
        #expect(past.count == 0)
        for id in 1...Int64(5000) {
            past.put(timeline, for: RoomID(InstanceID(id)))
            // One that comes and goes stays young.
            if let kept = past.take(RoomID(InstanceID(1))) { past.put(kept, for: RoomID(InstanceID(1))) }
        }
        #expect(past.count == PastTimelines.limit)
        #expect(past[RoomID(InstanceID(1))] != nil)
        #expect(past[RoomID(InstanceID(2))] == nil)
        #expect(past.take(RoomID(InstanceID(5000)))?.entries.count == 1)
        #expect(past.take(RoomID(InstanceID(5000))) == nil)
    }

    @Test func recentEventsAreARingOfEachKind() {
        let recent = RecentEvents()
        recent.note(RecentEvent(at: 0, kind: .pairing, name: "code_exchanged"))
        for number in 1...Int64(1000) { recent.note(RecentEvent(at: number, kind: .refusal, name: "bad_key")) }
        let all = recent.latest(RecentEvent.Kind.allCases, limit: 1000)
        #expect(all.count == RecentEvents.limit + 1)
        #expect(all.first?.at == 1000)
        #expect(all.last?.kind == .pairing)
        #expect(recent.totalCount(.refusal) == 1000)
        #expect(recent.latest([.action], limit: 5).isEmpty)
    }
}

@Suite struct BlockTests {
    @Test(arguments: StoreKind.allCases)
    func areKeptOnceAndGoWithTheirUser(_ kind: StoreKind) async throws {
        let (store, directory) = try kind.open()
        let user = try await store.newUser()
        let prefix = try #require(NetworkPrefix(parsing: "203.0.113.0/24"))
        let first = try #require(try await store.addBlock(.network(prefix), note: "noise", now: 5))
        #expect(try await store.addBlock(.network(prefix), note: "again", now: 6) == nil)
        let second = try #require(try await store.addBlock(.user(user), note: "", now: 7))
        #expect(try await store.addBlock(.user(user), note: "", now: 8) == nil)
        #expect(try await store.blocks() == [first, second])
        _ = try await store.removeUser(user, now: 9)
        #expect(try await store.blocks() == [first])
        #expect(try await store.removeBlock(first.id))
        #expect(try await !store.removeBlock(first.id))
        #expect(await storeFailure { _ = try await store.addBlock(.user(user), note: "", now: 10) } != nil)
        await store.close()
        withExtendedLifetime(directory) {}
    }

    @Test func matchesNetworksAndUsers() throws {
        let blocks = AccessBlocks()
        let v4 = PeerAddress(family: .v4, bytes: [203, 0, 113, 9], port: 1)
        let v6 = PeerAddress(family: .v6, bytes: [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 12), port: 1)
        #expect(!blocks.isBlocked(v4) && !blocks.isBlocked(UserID(1)))
        let network = try #require(NetworkPrefix(parsing: "203.0.113.0/24"))
        blocks.replace([
            BlockRecord(id: 1, subject: .network(network), note: "", createdAt: 0),
            BlockRecord(id: 2, subject: .user(UserID(1)), note: "", createdAt: 0),
        ])
        #expect(blocks.isBlocked(v4) && !blocks.isBlocked(v6) && blocks.isBlocked(UserID(1)) && !blocks.isBlocked(UserID(2)))
        blocks.remove(1)
        #expect(!blocks.isBlocked(v4) && blocks.isBlocked(UserID(1)))
        blocks.add(BlockRecord(id: 3, subject: .network(network), note: "", createdAt: 0))
        #expect(blocks.isBlocked(v4) && blocks.all.map(\.id) == [2, 3])
        blocks.replace([])
        #expect(!blocks.isBlocked(v4) && !blocks.isBlocked(UserID(1)))
    }
}

@Suite struct AdminTableTests {
    @Test func operationsAndPathsAreUnique() {
        #expect(Set(AdminRoute.all.map(\.id)).count == AdminRoute.all.count)
        #expect(Set(AdminRoute.all.map { "\($0.method) \($0.path)" }).count == AdminRoute.all.count)
    }

    /// Every schema that is named exists, and the document parses as what it says.
    @Test func documentHoldsTogether() throws {
        let document = try JSONValue(parsing: AdminDocument.openAPI.encoded())
        let names = Set(AdminSchemas.all.map(\.key))
        #expect(names.count == AdminSchemas.all.count)
        let text = String(decoding: document.encoded(), as: UTF8.self)
        let used = Set(text.split(separator: "#/components/schemas/").dropFirst().map { String($0.prefix { $0 != "\"" }) })
        #expect(used.subtracting(names).isEmpty)
        #expect(names.subtracting(used).isEmpty)
        for route in AdminRoute.all {
            let path = try #require(document["paths"]?[AdminRoute.root + route.path])
            let operation = try #require(path[route.method.rawValue.lowercased()])
            #expect(operation["operationId"]?.stringValue == route.id)
            #expect((operation["requestBody"] != nil) == (route.body != nil))
        }
    }

    @Test func everyBiteNamesALimit() {
        let limits = Set(SettingsTable.listed.filter(\.isLimit).map(\.name))
        let bitten = SettingsTable.all.map(\.name).filter { LimitBite.of($0) != nil }
        #expect(bitten.count == LimitBite.settings.count)
        #expect(Set(bitten).isSubset(of: limits))
    }

    @Test(arguments: [
        ("data-dir", true), ("off", true), ("127.0.0.1:0", true), ("[::1]:8788", true), ("localhost:1", true), ("unix:/run/a.sock", true),
        ("127.1.2.3:1", true), ("0.0.0.0:1", false), ("*:1", false), ("[::]:1", false), ("192.168.0.1:1", false), ("", false),
        ("unix:a", false), ("on", false),
    ])
    func listensOnThisMachineOnly(_ text: String, _ isFine: Bool) {
        #expect((AdminListen(parsing: text) != nil) == isFine)
    }

    @Test func parametersHaveOneSpelling() throws {
        for (text, isFine) in [("1", true), ("200", true), ("201", false), ("0", false), ("01", false), ("+1", false), ("", false), ("1.0", false)] {
            #expect(AdminParameter.limit.accepts(text) == isFine, "\(text)")
        }
        let route = try #require(AdminRoute.all.first { $0.id == "getRoom" })
        #expect(route.match(["rooms", "7"]) == 7)
        for path in [["rooms", "07"], ["rooms", "0"], ["rooms", "x"], ["rooms"], ["rooms", "7", "kick"], ["rooms", ""]] {
            #expect(route.match(path.map { Substring($0) }) == nil)
        }
    }
}
