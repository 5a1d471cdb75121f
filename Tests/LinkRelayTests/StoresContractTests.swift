// What every LinkStore must do, run against each. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct StoresContractTests {
    @Test(arguments: StoreKind.allCases)
    func usersAndTokens(_ kind: StoreKind) async throws {
        let (store, directory) = try kind.open()
        let ada = try #require(try await store.addUser(name: "ada", role: .owner, now: 5))
        #expect(try await store.addUser(name: "ada", role: .user, now: 6) == nil)
        let bob = try #require(try await store.addUser(name: "bob", role: .admin, now: 7))
        #expect(try await store.users() == [ada, bob])
        #expect(ada.createdAt == 5 && ada.role == .owner)

        let token = try await store.addToken(user: ada.id, hash: hash(1), label: "cli", scopes: [.link, .admin], now: 8)
        #expect(token.lastUsedAt == nil)
        let (owner, found) = try #require(try await store.tokenOwner(hash(1)))
        #expect(owner == ada && found == token)
        #expect(try await store.tokenOwner(hash(2)) == nil)
        try await store.touchToken(token.id, at: 50)
        try await store.touchToken(token.id, at: 40)
        #expect(try await store.tokens(of: ada.id).map(\.lastUsedAt) == [50])
        #expect(try await store.tokens(of: bob.id).isEmpty)
        #expect(try await !store.removeToken(token.id, of: bob.id))
        #expect(try await store.removeToken(token.id, of: ada.id))
        #expect(try await store.tokenOwner(hash(1)) == nil)
        await store.close()
        withExtendedLifetime(directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func unknownUserIsAnErrorNotARow(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let nobody = UserID(77)
        #expect(await storeFailure { _ = try await store.addToken(user: nobody, hash: hash(1), label: "", scopes: [], now: 0) } == .io)
        #expect(await storeFailure { try await store.addTicket(hash(1), user: nobody, expiresAt: 10) } == .io)
        #expect(await storeFailure { try await store.addWebSession(hash(1), user: nobody, token: nil, expiresAt: 10) } == .io)
        #expect(
            await storeFailure {
                _ = try await store.createInstance(
                    user: nobody, name: nil, origin: nil, code: code(1, until: 10), limit: 0, now: 0)
            } == .io)
        #expect(try await store.lookup(hash(1)) == .unknown)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func ticketsWorkOnceAndNeverLongerThanTheirLife(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        try await store.addTicket(hash(1), user: ada, expiresAt: 1000)
        #expect(try await store.redeemTicket(hash(1), now: 999)?.id == ada)
        #expect(try await store.redeemTicket(hash(1), now: 999) == nil)
        try await store.addTicket(hash(2), user: ada, expiresAt: 1000)
        #expect(try await store.redeemTicket(hash(2), now: 1000) == nil)
        // The clock was set back by more than a ticket may live.
        try await store.addTicket(hash(3), user: ada, expiresAt: 1000)
        #expect(try await store.redeemTicket(hash(3), now: 999 - StoreRules.ticketLifeMilliseconds) == nil)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func theShelfGivesOnceWhatItShowsOften(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let id = try await store.newInstance(try await store.newUser(), code: 1).id
        try await store.shelveRoom(id, [1], at: 100)
        try await store.shelveRoom(id, [2], at: 200)
        try await store.shelveRoom(InstanceID(77), [3], at: 200)
        #expect(try await store.shelvedRooms() == [id])
        for _ in 0..<2 { #expect(try await store.shelvedRoom(id, notBefore: 200) == [2]) }
        #expect(try await store.shelvedRoom(id, notBefore: 201) == nil)
        #expect(try await store.unshelveRoom(id, notBefore: 200) == [2])
        #expect(try await store.unshelveRoom(id, notBefore: 0) == nil)
        #expect(try await store.shelvedRooms().isEmpty)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func webSessions(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        for (number, user) in [(1, ada), (2, ada), (3, bob)] {
            try await store.addWebSession(hash(UInt64(number)), user: user, token: nil, expiresAt: 1000)
        }
        #expect(try await store.webSessionOwner(hash(1), now: 999)?.0.id == ada)
        #expect(try await store.webSessionOwner(hash(1), now: 1000) == nil)
        #expect(try await store.webSessionOwner(hash(1), now: 999 - StoreRules.webSessionLifeMilliseconds) == nil)
        try await store.removeWebSession(hash(1))
        #expect(try await store.webSessionOwner(hash(1), now: 1) == nil)
        try await store.removeWebSessions(of: ada)
        #expect(try await store.webSessionOwner(hash(2), now: 1) == nil)
        #expect(try await store.webSessionOwner(hash(3), now: 1)?.0.id == bob)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func removingAUserTakesEverythingAndLeavesTombstones(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        let mine = try await store.newInstance(ada, code: 1)
        _ = try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 60, now: 1)
        _ = try await store.newInstance(ada, code: 2)
        let theirs = try await store.newInstance(bob, code: 3)
        _ = try await store.addToken(user: ada, hash: hash(50), label: "", scopes: [.link], now: 0)
        try await store.addWebSession(hash(51), user: ada, token: nil, expiresAt: 1000)
        let removed = try await store.removeUser(ada, now: 5)
        #expect(removed.count == 2 && removed.first?.id == mine.id)
        #expect(try await store.lookup(hash(101)) == .tombstone)
        #expect(try await store.lookup(hash(1)) == .unknown)
        #expect(try await store.lookup(hash(2)) == .unknown)
        #expect(try await store.tokenOwner(hash(50)) == nil)
        #expect(try await store.webSessionOwner(hash(51), now: 1) == nil)
        #expect(try await store.lookup(hash(3)) == .live(theirs))
        #expect(try await store.users().map(\.id) == [bob])
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func limitsAndTakenCodes(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        func create(_ number: UInt64, _ user: UserID, limit: Int) async throws -> CreateResult {
            try await store.createInstance(
                user: user, name: nil, origin: nil, code: code(number, until: 1000), limit: limit, now: 0)
        }
        let first = try #require(try await create(1, ada, limit: 2).record)
        #expect(try await create(1, bob, limit: 2) == .codeTaken)
        guard case .created(_, let count) = try await create(2, ada, limit: 2) else { Issue.record("not created"); return }
        #expect(count == 2)
        #expect(try await create(3, ada, limit: 2) == .limitReached(count: 2))
        #expect(try await create(3, bob, limit: 2).record != nil)
        // A spent code is taken as long as it is remembered.
        _ = try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 60, now: 1)
        #expect(try await create(1, bob, limit: 0) == .codeTaken)
        #expect(try await store.rekeyInstance(first.id, of: ada, code: code(2, until: 9), now: 2) == .codeTaken)
        #expect(try await store.instance(first.id)?.isActivated == true)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func ownersSeeAndChangeOnlyTheirOwn(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        let mine = try await store.newInstance(ada, code: 1)
        #expect(try await !store.renameInstance(mine.id, of: bob, name: "stolen"))
        #expect(try await store.deleteInstance(mine.id, of: bob, now: 1) == nil)
        #expect(try await store.rekeyInstance(mine.id, of: bob, code: code(2, until: 9), now: 1) == .notFound)
        #expect(try await store.instances(of: bob).isEmpty)
        #expect(try await store.renameInstance(mine.id, of: ada, name: "Ünï \u{1F600}"))
        #expect(try await store.instances(of: ada).map(\.name) == ["Ünï \u{1F600}"])
        #expect(try await store.deleteInstance(mine.id, of: ada, now: 1)?.id == mine.id)
        #expect(try await store.instance(mine.id) == nil)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func idsAreNeverGivenTwice(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let first = try await store.newInstance(ada, code: 1)
        _ = try await store.deleteInstance(first.id, of: ada, now: 1)
        #expect(try await store.newInstance(ada, code: 2).id != first.id)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func vaultMarkIsKeptForEver(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        #expect(try await store.bindVault(hash(1)))
        #expect(try await store.bindVault(hash(1)))
        #expect(try await !store.bindVault(hash(2)))
        #expect(try await store.bindVault(hash(1)))
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func afterCloseEverythingSaysSo(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        try await store.probe()
        await store.close()
        await store.close()
        #expect(await storeFailure { try await store.probe() } == .closed)
        #expect(await storeFailure { _ = try await store.users() } == .closed)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func aSessionOpenedByATokenIsTheTokenInAnotherForm(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let token = try await store.addToken(user: ada, hash: hash(1), label: "", scopes: [.link], now: 1)
        try await store.addWebSession(hash(2), user: ada, token: token.id, expiresAt: 1000)
        try await store.addWebSession(hash(3), user: ada, token: nil, expiresAt: 1000)
        #expect(try await store.webSessionOwner(hash(2), now: 1)?.1 == [.link])
        #expect(try await store.webSessionOwner(hash(3), now: 1)?.1 == [.link, .admin])
        #expect(try await store.removeToken(token.id, of: ada))
        #expect(try await store.webSessionOwner(hash(2), now: 1) == nil)
        #expect(try await store.webSessionOwner(hash(3), now: 1)?.0.id == ada)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func policiesBelongToTheOwnerAndGoWithTheInstance(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        let bob = try await store.newUser("bob")
        guard case .created(let made, _) = try await store.createInstance(
            user: ada, name: nil, origin: nil, code: code(1, until: 1000), limit: 0, now: 1)
        else { Issue.record("not made"); return }
        let policy = InstancePolicy(mode: .open, hosts: ["a.com", "*.b.com"], suffixes: [".x"], lanHosts: ["nas:80"])
        #expect(try await store.policy(of: made.id, of: ada) == InstancePolicy())
        #expect(try await store.policy(of: made.id, of: bob) == nil)
        #expect(try await !store.setPolicy(policy, of: made.id, of: bob))
        #expect(try await !store.setPolicy(policy, of: InstanceID(999), of: ada))
        #expect(try await store.policies().isEmpty)
        #expect(try await store.setPolicy(policy, of: made.id, of: ada))
        #expect(try await store.policy(of: made.id, of: ada) == policy)
        #expect(try await store.policies() == [made.id: policy])
        #expect(try await store.setPolicy(InstancePolicy(suffixes: [".y"]), of: made.id, of: ada))
        #expect(try await store.policies() == [made.id: InstancePolicy(suffixes: [".y"])])
        #expect(try await store.setPolicy(InstancePolicy(), of: made.id, of: ada))
        #expect(try await store.policies().isEmpty)
        #expect(try await store.setPolicy(policy, of: made.id, of: ada))
        _ = try await store.deleteInstance(made.id, of: ada, now: 2)
        #expect(try await store.policies().isEmpty)
        withExtendedLifetime(_directory) {}
    }

    @Test(arguments: StoreKind.allCases)
    func pairingIsRememberedUntilTheNextCode(_ kind: StoreKind) async throws {
        let (store, _directory) = try kind.open()
        let ada = try await store.newUser()
        guard case .created(let made, _) = try await store.createInstance(
            user: ada, name: nil, origin: nil, code: code(1, until: 1000), limit: 0, now: 1)
        else { Issue.record("not made"); return }
        #expect(made.pairedAt == nil && made.pairedFrom == nil)
        let result = try await store.exchange(code: hash(1), by: hash(900), from: "192.0.2.0/24", newKey: key(101), repeatableUntil: 60, now: 5)
        guard case .exchanged(let paired) = result else { Issue.record("\(result)"); return }
        #expect(paired.pairedAt == 5 && paired.pairedFrom == "192.0.2.0/24")
        #expect(try await store.instance(made.id) == paired)
        _ = try await store.rekeyInstance(made.id, of: ada, code: code(2, until: 1000), now: 6)
        #expect(try await store.instance(made.id)?.pairedAt == nil)
        withExtendedLifetime(_directory) {}
    }
}
