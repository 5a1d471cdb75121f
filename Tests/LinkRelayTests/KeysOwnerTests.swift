// What owners do to their instances, and what time does. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct KeysOwnerTests {
    @Test(arguments: StoreKind.allCases)
    func theLimitHasItsCount(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind, KeyPolicy(instanceLimit: 2))
        for count in 1...2 { #expect(try await bench.keys.issue(user: bench.user, name: nil, origin: nil).count == count) }
        do {
            _ = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
            Issue.record("no limit")
        } catch {
            guard case .limitReached(2, 2) = error else { Issue.record("\(error)"); return }
        }
        let first = try #require(try await bench.keys.list(of: bench.user).first?.0)
        let (_, _, count, limit) = try await bench.keys.rekey(first.id, of: bench.user)
        #expect(count == 2 && limit == 2)
    }

    @Test(arguments: StoreKind.allCases)
    func rekeyingStrandsTheOldKeyWithoutCallingItDeleted(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code, install: "rig")
        let (rekeyed, text, _, _) = try await bench.keys.rekey(made.id, of: bench.user)
        #expect(rekeyed.id == made.id && text.count == 6)
        #expect(try await bench.join(key) == .refused(.unknownKey))
        #expect(try await bench.join(code, install: "rig") == .refused(.spentCode))
        let second = try await bench.exchange(text, from: 2, install: "rig")
        #expect(second != key)
        #expect(try await bench.join(code, from: 3, install: "rig") == .refused(.spentCode), "the old code gives no new key")
        await #expect(throws: KeyError.self) { _ = try await bench.keys.rekey(InstanceID(999), of: bench.user) }
        await #expect(throws: KeyError.self) { try await bench.keys.rename(InstanceID(999), of: bench.user, name: "x") }
    }

    @Test(arguments: StoreKind.allCases)
    func selfPairing(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (first, key, known) = try await bench.keys.pairSelf(user: bench.user, installID: "rig", name: "Rig", legacyKey: nil)
        #expect(!known)
        #expect(bench.keys.cachedTicket(for: key)?.room == RoomID(first.id))
        let (again, second, knownThen) = try await bench.keys.pairSelf(user: bench.user, installID: "rig", name: nil, legacyKey: nil)
        #expect(knownThen && again.id == first.id && second != key)
        #expect(bench.keys.cachedTicket(for: key) == nil)
        #expect(try await bench.join(key.hex) == .refused(.unknownKey))
        #expect(try await bench.join(second.hex) == .admitted(first.id))

        let (coded, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let legacy = try await bench.exchange(code)
        let (adopted, third, wasKnown) = try await bench.keys.pairSelf(
            user: bench.user, installID: "laptop", name: "Laptop", legacyKey: legacy.uppercased())
        #expect(wasKnown && adopted.id == coded.id)
        #expect(try await bench.join(third.hex) == .admitted(coded.id))
        #expect(try await bench.join(legacy) == .refused(.unknownKey))
        // Nonsense as a legacy key is no legacy key.
        let (other, _, isKnown) = try await bench.keys.pairSelf(user: bench.user, installID: "x", name: nil, legacyKey: "zz")
        #expect(!isKnown && other.id != coded.id)
    }

    @Test(arguments: StoreKind.allCases)
    func idleKeysExpireUnlessTheyWereSeen(_ kind: StoreKind) async throws {
        let policy = KeyPolicy(keyIdleLifetime: .seconds(3600))
        let bench = try await KeyBench(kind, policy)
        var keys: [(InstanceID, String)] = []
        for _ in 0..<2 {
            let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
            keys.append((made.id, try await bench.exchange(code)))
        }
        bench.pass(3_000_000)
        bench.keys.touch(RoomID(keys[1].0))
        bench.pass(600_001)
        #expect(try await bench.keys.expire().map(\.id) == [keys[0].0])
        #expect(try await bench.join(keys[0].1) == .refused(.deletedKey))
        #expect(try await bench.join(keys[1].1) == .admitted(keys[1].0))
    }

    @Test(arguments: StoreKind.allCases)
    func aClockThatJumpsForwardEndsNoKey(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind, KeyPolicy(keyIdleLifetime: .seconds(3600)))
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        bench.wall.advance(315_360_000_000)
        #expect(try await bench.keys.expire().isEmpty)
        #expect(try await bench.join(key) == .admitted(made.id))
        bench.wall.advance(-315_360_000_000)
        bench.pass(3_600_001)
        #expect(try await bench.keys.expire().map(\.id) == [made.id])
    }

    @Test func whatWasSeenIsNotLostWhenTheStoreFails() async throws {
        let bench = try await KeyBench(.memory)
        let (made, _, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        bench.keys.touch(RoomID(made.id))
        let seenAt = bench.wall.now
        bench.store.fail(with: StoreError(.full, "test"))
        #expect(await storeFailure { try await bench.keys.flushSeen() } == .full)
        bench.store.fail(with: nil)
        try await bench.keys.flushSeen()
        #expect(try await bench.store.instance(made.id)?.lastSeenAt == seenAt)
    }

    @Test func theDirectoryFollowsAnotherProcess() async throws {
        let bench = try await KeyBench(.sqlite)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        let (kept, other, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let otherKey = try await bench.exchange(other)
        #expect(try await bench.keys.reconcile().isEmpty)

        let command = try SQLiteLinkStore.open(path: bench.directory.path + "/relay.db")
        let commandKeys = KeyService(
            store: command, vault: bench.vault, policy: KeyPolicy(), wrongCodes: WrongCodeLimiter(),
            wallClock: { [wall = bench.wall] in wall.now }, monotonic: { 0 })
        _ = try await commandKeys.delete(made.id, of: bench.user)
        let (_, linkText, _, _) = try await commandKeys.issue(user: bench.user, name: "by hand", origin: nil)
        await command.close()

        #expect(try await bench.join(key) == .admitted(made.id), "not noticed yet")
        #expect(try await bench.keys.reconcile() == [RoomTicket(room: RoomID(made.id), user: bench.user)])
        #expect(try await bench.join(key) == .refused(.deletedKey))
        #expect(try await bench.join(otherKey) == .admitted(kept.id))
        #expect(try await bench.exchange(linkText).count == 128)
        #expect(try await bench.keys.reconcile().isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func aRestartFindsEveryKey(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        let keys = try await bench.restarted()
        #expect(keys.liveKeyCount == 1)
        guard case .key(let linkKey)? = JoinCredential(parsing: key.utf8) else { Issue.record("no key"); return }
        #expect(keys.cachedTicket(for: linkKey)?.room == RoomID(made.id))
    }

    @Test(arguments: StoreKind.allCases)
    func removingAUserForgetsTheKeys(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (_, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        #expect(try await bench.keys.removeUser(bench.user).count == 1)
        #expect(try await bench.join(key) == .refused(.deletedKey))
    }

    /// Re-keying, pairing and joining in a tangle: afterwards exactly the stored key opens the room.
    @Test func theDirectoryNeverKeepsADeadKey() async throws {
        let bench = try await KeyBench(.sqlite, KeyPolicy(instanceLimit: 0))
        let (first, firstKey, _) = try await bench.keys.pairSelf(user: bench.user, installID: "rig", name: nil, legacyKey: nil)
        let keys = await withTaskGroup(of: LinkKey?.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let paired = try? await bench.keys.pairSelf(user: bench.user, installID: "rig", name: nil, legacyKey: nil)
                    if number % 2 == 0, let key = paired?.key { _ = try? await bench.join(key.hex) }
                    return paired?.key
                }
            }
            return await group.reduce(into: [firstKey]) { if let key = $1 { $0.append(key) } }
        }
        #expect(keys.count == 61)
        let live = try #require(try await bench.keys.list(of: bench.user).first?.keyText)
        for key in keys {
            let expected: Outcome = key.hex == live ? .admitted(first.id) : .refused(.unknownKey)
            #expect(try await bench.join(key.hex) == expected)
        }
        #expect(bench.keys.liveKeyCount == 1)
    }

    @Test func longNamesAreCutBetweenCharacters() async throws {
        let bench = try await KeyBench(.memory)
        let (made, _, _, _) = try await bench.keys.issue(
            user: bench.user, name: "a" + String(repeating: "\u{1F600}", count: 100), origin: nil)
        #expect(made.name == "a" + String(repeating: "\u{1F600}", count: 49))
    }
}
