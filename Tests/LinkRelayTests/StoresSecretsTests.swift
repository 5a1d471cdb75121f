// The life of codes and keys as every LinkStore must keep it, run against each. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct StoresSecretsTests {
    @Test(arguments: StoreKind.allCases)
    func exchangeSpendsTheCode(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1, until: 1000)
        #expect(try await store.lookup(hash(1)) == .live(made))
        #expect(try await store.activatedInstances().isEmpty)
        #expect(try await store.exchange(code: hash(2), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 60, now: 5) == .unknown)
        let result = try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 65, now: 5)
        guard case .exchanged(let record) = result else { Issue.record("\(result)"); return }
        #expect(record.id == made.id && record.secret == key(101) && record.lastSeenAt == 5)
        #expect(try await store.lookup(hash(101)) == .live(record))
        #expect(try await store.lookup(hash(1)) == .spent(record, exchangedBy: hash(900), repeatableUntil: 65))
        #expect(
            try await store.exchange(code: hash(1), by: hash(901), from: "here", newKey: key(102), repeatableUntil: 66, now: 6) == .alreadySpent)
        #expect(try await store.activatedInstances() == [record])
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func expiredCodesAreNotExchanged(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        _ = try await store.newInstance(ada, code: 1, until: 1000)
        #expect(try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 9, now: 1000) == .expired)
        #expect(try await store.lookup(hash(101)) == .unknown)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func oneOfManyConcurrentExchangesWins(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1, until: 1000)
        let wins = await withTaskGroup(of: UInt64?.self) { group in
            for number in UInt64(0)..<40 {
                group.addTask {
                    let result = try? await store.exchange(
                        code: hash(1), by: hash(900 + number), from: "here", newKey: key(100 + number), repeatableUntil: 60, now: 5)
                    if case .exchanged = result { return number }
                    return nil
                }
            }
            return await group.reduce(into: [UInt64]()) { if let number = $1 { $0.append(number) } }
        }
        let winner = try #require(wins.first)
        #expect(wins.count == 1)
        #expect(try await store.instance(made.id)?.secret == key(100 + winner))
        guard case .spent(_, let by, _) = try await store.lookup(hash(1)) else { Issue.record("not spent"); return }
        #expect(by == hash(900 + winner))
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func rekeyLeavesNoTombstoneAndEndsRepeats(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1)
        _ = try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 65, now: 5)
        guard case .rekeyed(let record, let count) = try await store.rekeyInstance(made.id, of: ada, code: code(2, until: 99), now: 6)
        else { Issue.record("not re-keyed"); return }
        #expect(record.id == made.id && count == 1)
        #expect(try await store.lookup(hash(101)) == .unknown)
        #expect(try await store.lookup(hash(2)) == .live(record))
        #expect(try await store.lookup(hash(1)) == .spent(record, exchangedBy: hash(900), repeatableUntil: 0))
        // Once activated, an instance outlives the code it was re-keyed with.
        #expect(try await store.expire(now: 100, keysIdleSince: nil).isEmpty)
        #expect(try await store.instance(made.id) == record)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func aNewCodeKillsTheOldOneOfTheSameInstance(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1)
        _ = try await store.rekeyInstance(made.id, of: ada, code: code(2, until: 1000), now: 1)
        #expect(try await store.lookup(hash(1)) == .unknown)
        #expect(try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 9, now: 2) == .unknown)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func onlyTheNewestOpenCodesStayUsable(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        let other = try await store.newInstance(bob, code: 50, until: 900)
        for number in UInt64(1)...5 {
            _ = try await store.newInstance(ada, code: number, until: 1000 + Int64(number), now: Int64(number))
        }
        var open: [UInt64] = []
        for number in UInt64(1)...5 {
            guard case .live(let record) = try await store.lookup(hash(number)),
                case .code(_, _, let expiresAt) = record.secret
            else { Issue.record("code \(number) is gone"); continue }
            if expiresAt > 5 { open.append(number) }
        }
        #expect(open == [3, 4, 5])
        #expect(try await store.lookup(hash(50)) == .live(other))
        // The instances of ended codes are there until those would have run out by themselves.
        #expect(try await store.expire(now: 1000, keysIdleSince: nil).map(\.id) == [other.id])
        #expect(try await store.expire(now: 1002, keysIdleSince: nil).count == 2)
        #expect(try await store.instances(of: ada).count == 3)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func expiryTakesUnusedCodesAndIdleKeys(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let unused = try await store.newInstance(ada, code: 1, until: 1000)
        let idle = try await store.newInstance(ada, code: 2, until: 1000)
        _ = try await store.exchange(code: hash(2), by: hash(900), from: "here", newKey: key(102), repeatableUntil: 65, now: 5)
        let busy = try await store.newInstance(ada, code: 3, until: 1000)
        _ = try await store.exchange(code: hash(3), by: hash(900), from: "here", newKey: key(103), repeatableUntil: 65, now: 5)
        try await store.touch([busy.id: 500, InstanceID(12345): 500])
        try await store.touch([busy.id: 400])
        #expect(try await store.instance(busy.id)?.lastSeenAt == 500)
        #expect(try await store.expire(now: 999, keysIdleSince: nil).isEmpty)
        #expect(try await store.expire(now: 1000, keysIdleSince: 500).map(\.id) == [unused.id, idle.id])
        #expect(try await store.lookup(hash(1)) == .tombstone)
        #expect(try await store.lookup(hash(102)) == .tombstone)
        #expect(try await store.lookup(hash(2)) == .unknown)
        guard case .live = try await store.lookup(hash(103)) else { Issue.record("the busy key died"); return }
        // What is remembered about the dead is forgotten in the end.
        _ = try await store.expire(now: 1001 + StoreRules.codeTombstoneMilliseconds, keysIdleSince: nil)
        #expect(try await store.lookup(hash(1)) == .unknown)
        #expect(try await store.lookup(hash(3)) == .unknown)
        #expect(try await store.lookup(hash(102)) == .tombstone)
        _ = try await store.expire(now: 1001 + StoreRules.keyTombstoneMilliseconds, keysIdleSince: nil)
        #expect(try await store.lookup(hash(102)) == .unknown)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func deletionLeavesATombstoneForKeysOnly(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let coded = try await store.newInstance(ada, code: 1)
        let keyed = try await store.newInstance(ada, code: 2)
        _ = try await store.exchange(code: hash(2), by: hash(900), from: "here", newKey: key(102), repeatableUntil: 65, now: 5)
        _ = try await store.deleteInstance(coded.id, of: ada, now: 6)
        let deleted = try #require(try await store.deleteInstance(keyed.id, of: ada, now: 6))
        #expect(deleted.secret == key(102))
        #expect(try await store.lookup(hash(1)) == .unknown)
        #expect(try await store.lookup(hash(2)) == .unknown)
        #expect(try await store.lookup(hash(102)) == .tombstone)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func selfPairingIsUniquePerUserAndInstall(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        func pair(_ user: UserID, _ install: String, _ number: UInt64, legacy: [SecretHash] = [], name: String? = nil) async throws
            -> SelfPairResult
        {
            try await store.pairSelf(
                user: user, installID: install, name: name, legacy: legacy, from: "here", newKey: key(number), limit: 2, now: 7)
        }
        guard case .paired(let first, false) = try await pair(ada, "rig", 101, name: "Rig") else { Issue.record("1"); return }
        #expect(first.isOAuthPaired && first.isActivated && first.installID == "rig" && first.lastSeenAt == 7)
        guard case .paired(let again, true) = try await pair(ada, "rig", 102) else { Issue.record("2"); return }
        #expect(again.id == first.id && again.name == "Rig")
        // Re-keyed, not deleted: the old socket must not be told to forget the key that is being written.
        #expect(try await store.lookup(hash(101)) == .unknown)
        guard case .paired(let theirs, false) = try await pair(bob, "rig", 103) else { Issue.record("3"); return }
        #expect(theirs.id != first.id)

        let coded = try await store.newInstance(ada, code: 1)
        guard case .paired(let adopted, true) = try await pair(ada, "laptop", 104, legacy: [hash(1)]) else { Issue.record("4"); return }
        #expect(adopted.id == coded.id && adopted.name == "rig" && adopted.installID == "laptop")
        #expect(try await store.lookup(hash(1)) == .unknown)
        #expect(try await pair(ada, "third", 105) == .limitReached(count: 2))
        // Another user's legacy key adopts nothing.
        #expect(try await pair(ada, "third", 105, legacy: [hash(103)]) == .limitReached(count: 2))
        #expect(try await store.lookup(hash(103)) == .live(theirs))
        withExtendedLifetime(_directory) {}
    }
}
