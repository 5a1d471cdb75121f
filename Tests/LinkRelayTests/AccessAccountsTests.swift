// Tokens, tickets, cookies; and that none of the secrets is in the files. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct AccessAccountsTests {
    struct Bench {
        let directory: TemporaryDirectory
        let store: any LinkStore
        let vault = KeyVault(master: [UInt8](0..<32))
        let wall = FakeClock(1_800_000_000_000)
        let accounts: Accounts

        init(_ kind: StoreKind) throws {
            (store, directory) = try kind.open()
            accounts = Accounts(store: store, vault: vault, wallClock: { [wall] in wall.now })
        }
    }

    @Test(arguments: StoreKind.allCases)
    func theOwnerIsMadeOnce(_ kind: StoreKind) async throws {
        let bench = try Bench(kind)
        let (owner, isNew) = try await bench.accounts.ensureOwner()
        #expect(isNew && owner.name == "owner" && owner.role == .owner)
        let (again, isNewAgain) = try await bench.accounts.ensureOwner()
        #expect(again == owner && !isNewAgain)
    }

    @Test func ownersMadeAtOnceAreOne() async throws {
        let directory = try TemporaryDirectory()
        let owners = try await withThrowingTaskGroup(of: (UserRecord, Bool).self) { group in
            let stores = try (0..<4).map { _ in try SQLiteLinkStore.open(path: directory.path + "/relay.db") }
            for store in stores {
                group.addTask {
                    try await Accounts(store: store, vault: KeyVault(master: [UInt8](0..<32)), wallClock: { 1 }).ensureOwner()
                }
            }
            return try await group.reduce(into: [(UserRecord, Bool)]()) { $0.append($1) }
        }
        #expect(Set(owners.map(\.0)).count == 1)
        #expect(owners.count { $0.1 } == 1)
    }

    @Test(arguments: StoreKind.allCases)
    func users(_ kind: StoreKind) async throws {
        let bench = try Bench(kind)
        let ada = try #require(try await bench.accounts.add(name: "ada", role: .user))
        #expect(try await bench.accounts.add(name: "ada", role: .admin) == nil)
        for name in ["", "-x", "a b", "a/b", "ä", "a\n", String(repeating: "a", count: 65)] {
            #expect(try await bench.accounts.add(name: name, role: .user) == nil, "\(name)")
        }
        #expect(try await bench.accounts.user(named: "ada") == ada)
        #expect(try await bench.accounts.remove(ada.id).isEmpty)
        #expect(try await bench.accounts.users().isEmpty)
    }

    @Test(arguments: StoreKind.allCases)
    func bearerTokens(_ kind: StoreKind) async throws {
        let bench = try Bench(kind)
        let (owner, _) = try await bench.accounts.ensureOwner()
        let token = try await bench.accounts.newToken(user: owner.id, label: "cli", scopes: [.link])
        let (user, scopes) = try #require(try await bench.accounts.authenticateBearer(token))
        #expect(user == owner && scopes == [.link])
        for wrong in ["", "lr_", token + "0", String(token.dropLast()), token.uppercased(), String(repeating: "x", count: 100_000)] {
            #expect(try await bench.accounts.authenticateBearer(wrong) == nil)
        }
        #expect(try await bench.accounts.tokens(of: owner.id).map(\.lastUsedAt) == [bench.wall.now])
        let usedAt = bench.wall.now
        bench.wall.advance(3_599_999)
        _ = try await bench.accounts.authenticateBearer(token)
        #expect(try await bench.accounts.tokens(of: owner.id).map(\.lastUsedAt) == [usedAt])
        bench.wall.advance(1)
        _ = try await bench.accounts.authenticateBearer(token)
        #expect(try await bench.accounts.tokens(of: owner.id).map(\.lastUsedAt) == [bench.wall.now])
        let id = try #require(try await bench.accounts.tokens(of: owner.id).first?.id)
        #expect(try await bench.accounts.removeToken(id, of: owner.id))
        #expect(try await bench.accounts.authenticateBearer(token) == nil)
    }

    @Test(arguments: StoreKind.allCases)
    func ticketsBecomeCookiesOnce(_ kind: StoreKind) async throws {
        let bench = try Bench(kind)
        let (owner, _) = try await bench.accounts.ensureOwner()
        let ticket = try await bench.accounts.newTicket(user: owner.id, lifetime: .seconds(60))
        let winners = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<10 { group.addTask { try? await bench.accounts.redeem(ticket: ticket)?.cookie } }
            return await group.reduce(into: [String]()) { if let cookie = $1 { $0.append(cookie) } }
        }
        let cookie = try #require(winners.first)
        #expect(winners.count == 1)
        #expect(try await bench.accounts.webSession(cookie)?.0 == owner)
        #expect(try await bench.accounts.webSession(ticket) == nil)
        bench.wall.advance(StoreRules.webSessionLifeMilliseconds - 1)
        #expect(try await bench.accounts.webSession(cookie)?.0 == owner)
        bench.wall.advance(1)
        #expect(try await bench.accounts.webSession(cookie) == nil)

        let late = try await bench.accounts.newTicket(user: owner.id, lifetime: .seconds(60))
        bench.wall.advance(60_000)
        #expect(try await bench.accounts.redeem(ticket: late) == nil)
    }

    @Test(arguments: StoreKind.allCases)
    func signingOut(_ kind: StoreKind) async throws {
        let bench = try Bench(kind)
        let (owner, _) = try await bench.accounts.ensureOwner()
        var cookies: [String] = []
        for _ in 0..<3 { cookies.append(try await bench.accounts.newWebSession(user: owner.id)) }
        try await bench.accounts.signOut(cookies[0])
        #expect(try await bench.accounts.webSession(cookies[0]) == nil)
        #expect(try await bench.accounts.webSession(cookies[1])?.0 == owner)
        try await bench.accounts.signOutEverywhere(owner.id)
        #expect(try await bench.accounts.webSession(cookies[1]) == nil)
        #expect(try await bench.accounts.webSession(cookies[2]) == nil)
    }

    @Test func noSecretIsInTheFiles() async throws {
        let bench = try await KeyBench(.sqlite)
        let accounts = Accounts(store: bench.store, vault: bench.vault, wallClock: { [wall = bench.wall] in wall.now })
        var texts: [String] = []
        texts.append(try await accounts.newToken(user: bench.user, label: "visible-label", scopes: [.admin]))
        let ticket = try await accounts.newTicket(user: bench.user)
        let cookie = try #require(try await accounts.redeem(ticket: ticket)).cookie
        texts += [ticket, cookie]
        let (_, open, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let (_, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        texts += [open, code, try await bench.exchange(code, install: "visible-install")]
        let (_, paired, _) = try await bench.keys.pairSelf(user: bench.user, installID: "visible-install", name: nil, legacyKey: nil)
        texts.append(paired.hex)

        let needles = texts.map { Array($0.utf8) } + texts.dropFirst(5).map { JoinCredential(parsing: $0.utf8)?.keyBytes ?? [] }
        let files = bench.directory.names.map { bench.directory.bytes(of: $0) }
        #expect(files.contains { $0.contains(Array("visible-label".utf8)) }, "the scan would see plain text")
        for needle in needles {
            #expect(needle.count >= 6)
            for file in files { #expect(!file.contains(needle)) }
        }
        await bench.inner.close()
        for name in bench.directory.names {
            let file = bench.directory.bytes(of: name)
            for needle in needles { #expect(!file.contains(needle)) }
        }
    }
}

extension JoinCredential {
    fileprivate var keyBytes: [UInt8]? { if case .key(let key) = self { key.bytes } else { nil } }
}
