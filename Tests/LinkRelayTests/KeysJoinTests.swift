// What a code or a key presented in `join` leads to (PROTOCOL.md, "Life of a key"). SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct KeysJoinTests {
    @Test(arguments: StoreKind.allCases)
    func aCodeBecomesAKey(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, count, limit) = try await bench.keys.issue(user: bench.user, name: "rig", origin: nil)
        #expect(code.count == 6 && count == 1 && limit == 10)
        #expect(try await bench.join(code, .client) == .admitted(made.id))
        #expect(try await bench.join(code, .client) == .admitted(made.id))
        let key = try await bench.exchange(code)
        #expect(key.count == 128)
        #expect(try await bench.join(key, .sd) == .admitted(made.id))
        #expect(try await bench.join(key.uppercased(), .client, from: 9) == .admitted(made.id))
        #expect(try await bench.join(code, .client, from: 2) == .refused(.spentCode))
        let list = try await bench.keys.list(of: bench.user)
        #expect(list.map(\.keyText) == [key] && list.first?.0.isActivated == true)
        let parsed = try #require(JoinCredential(parsing: key.utf8))
        guard case .key(let linkKey) = parsed else { Issue.record("no key"); return }
        #expect(bench.keys.cachedTicket(for: linkKey) == RoomTicket(room: RoomID(made.id), user: bench.user))
    }

    @Test(arguments: StoreKind.allCases)
    func aRepeatGetsTheSameKeyForTheSameExtensionForAWhile(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code, install: "rig")
        #expect(try await bench.join(code, from: 77, install: "rig") == .exchanged(made.id, key: key, isRepeat: true))
        #expect(try await bench.join(code, from: 1, install: "other") == .refused(.spentCode))
        #expect(try await bench.join(code, from: 1) == .refused(.spentCode))
        #expect(try await bench.join(code, .client, install: "rig") == .refused(.spentCode))
        bench.pass(59_999)
        #expect(try await bench.join(code, install: "rig") == .exchanged(made.id, key: key, isRepeat: true))
        bench.pass(1)
        #expect(try await bench.join(code, install: "rig") == .refused(.spentCode))
    }

    @Test func withoutAnInstallIDTheAddressDecides() async throws {
        let bench = try await KeyBench(.memory)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code, from: 4)
        #expect(try await bench.join(code, from: 4) == .exchanged(made.id, key: key, isRepeat: true))
        #expect(try await bench.join(code, from: 5) == .refused(.spentCode))
        // An address cannot be claimed as an install id.
        #expect(try await bench.join(code, from: 5, install: "\u{4}\u{A}\0\0\u{4}") == .refused(.spentCode))
    }

    @Test(arguments: StoreKind.allCases)
    func concurrentExchangesOfOneCodeGiveOneKey(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind, limiter: WrongCodeLimiter(burst: 1000, totalPerMinute: 1000))
        let (_, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let outcomes = await withTaskGroup(of: (Bool, Outcome?).self) { group in
            for number in 0..<30 {
                let isOurs = number % 3 == 0
                group.addTask { (isOurs, try? await bench.join(code, from: UInt8(number), install: isOurs ? "ours" : "theirs")) }
            }
            return await group.reduce(into: [(Bool, Outcome?)]()) { $0.append($1) }
        }
        var keys: Set<String> = []
        var firsts = 0
        var holders: Set<Bool> = []
        for (isOurs, outcome) in outcomes {
            switch outcome {
            case .exchanged(_, let key, let isRepeat):
                keys.insert(key)
                holders.insert(isOurs)
                firsts += isRepeat ? 0 : 1
            case .refused(.spentCode): break
            default: Issue.record("\(String(describing: outcome))")
            }
        }
        #expect(keys.count == 1 && firsts == 1)
        #expect(holders.count == 1, "two extensions hold one key")
    }

    @Test(arguments: StoreKind.allCases)
    func unknownExpiredAndDeletedAreToldApart(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let stranger = String(repeating: "ab", count: 64)
        #expect(try await bench.join("000000", from: 2) == .refused(.unknownCode))
        #expect(try await bench.join(stranger) == .refused(.unknownKey))

        let (_, late, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        bench.pass(600_000)
        #expect(try await bench.join(late, from: 3) == .refused(.expiredCode))
        #expect(try await bench.keys.expire().count == 1)
        #expect(try await bench.join(late, from: 3) == .refused(.expiredCode))

        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        #expect(try await bench.keys.delete(made.id, of: bench.user)?.id == made.id)
        #expect(try await bench.keys.delete(made.id, of: bench.user) == nil)
        #expect(try await bench.join(key) == .refused(.deletedKey))
        #expect(try await bench.join(code, from: 4) == .refused(.unknownCode))
    }

    @Test(arguments: StoreKind.allCases)
    func aStoreThatFailsIsNeverARefusal(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code)
        let (_, open, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        for kind in StoreError.Kind.allCases {
            bench.store.fail(with: StoreError(kind, "test"))
            // The directory answers for what it knows.
            #expect(try await bench.join(key) == .admitted(made.id))
            #expect(await storeFailure { _ = try await bench.join(String(repeating: "cd", count: 64)) } == kind)
            #expect(await storeFailure { _ = try await bench.join(open) } == kind)
            #expect(await storeFailure { _ = try await bench.keys.expire() } == kind)
        }
        bench.store.fail(with: nil)
        // Failed look-ups were no wrong guesses.
        #expect(bench.limiter.wrongCount == 0)
        #expect(try await bench.exchange(open).count == 128)
    }

    @Test(arguments: StoreKind.allCases)
    func wrongCodesAreLimitedAndKeysAreNot(_ kind: StoreKind) async throws {
        let bench = try await KeyBench(kind)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let key = try await bench.exchange(code, from: 9)
        let (_, right, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        for _ in 0..<5 { #expect(try await bench.join("ffffff", from: 1) == .refused(.unknownCode)) }
        #expect(try await bench.join("ffffff", from: 1) == .refused(.tooManyTries))
        #expect(try await bench.join(right, from: 1) == .refused(.tooManyTries))
        #expect(try await bench.join(key, from: 1) == .admitted(made.id))
        #expect(try await bench.join(right, .client, from: 2) != .refused(.tooManyTries))
        bench.pass(30_000)
        // One more, and being right gives nothing back.
        #expect(try await bench.join(right, .client, from: 1) != .refused(.tooManyTries))
        #expect(try await bench.join("ffffff", from: 1) == .refused(.unknownCode))
        #expect(try await bench.join(right, .client, from: 1) == .refused(.tooManyTries))
    }

    @Test func aBurstOfParallelGuessesSeesNoMoreThanItsBudget() async throws {
        let bench = try await KeyBench(.sqlite)
        let outcomes = await withTaskGroup(of: Outcome?.self) { group in
            for _ in 0..<200 { group.addTask { try? await bench.join("ffffff", from: 1) } }
            return await group.reduce(into: [Outcome?]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == .refused(.unknownCode) }.count == 5)
        #expect(outcomes.filter { $0 == .refused(.tooManyTries) }.count == 195)
        #expect(bench.limiter.waitingCount == 0)
    }

    @Test func manyRightCodesAtOnceAllGetThrough() async throws {
        let bench = try await KeyBench(.sqlite, KeyPolicy(instanceLimit: 0))
        var codes: [String] = []
        for number in 0..<60 {
            let user = try await bench.store.newUser("user\(number)")
            codes.append(try await bench.keys.issue(user: user, name: nil, origin: nil).text)
        }
        let outcomes = await withTaskGroup(of: Outcome?.self) { group in
            for code in codes { group.addTask { try? await bench.join(code, from: 1) } }
            return await group.reduce(into: [Outcome?]()) { $0.append($1) }
        }
        #expect(outcomes.count { if case .exchanged = $0 { true } else { false } } == 60)
    }

    // Clocks.

    @Test func aClockSetBackEndsCodesSoonerNeverLater() async throws {
        let bench = try await KeyBench(.memory)
        let (_, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        bench.wall.advance(-300_000)
        bench.ticks.advance(599_999)
        #expect(try await bench.join(code, .client, from: 1) == .refused(.expiredCode), "more time left than codes are given")
        bench.wall.advance(300_000)
        #expect(try await bench.join(code, .client, from: 2) != .refused(.expiredCode))
        bench.ticks.advance(1)
        #expect(try await bench.join(code, .client, from: 3) == .refused(.expiredCode), "its ten minutes are over")
    }

    @Test func aRestartDoesNotRenewACode() async throws {
        let bench = try await KeyBench(.memory)
        let (made, code, _, _) = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        bench.pass(400_000)
        let keys = try await bench.restarted()
        let credential = try #require(JoinCredential(parsing: code.utf8))
        let address = PeerAddress(family: .v4, bytes: [10, 0, 0, 1], port: 1)
        func look() async throws -> String {
            "\(try await keys.resolve(credential, role: .client, address: address, installID: nil))"
        }
        #expect(try await look().contains("room-\(made.id)"))
        bench.wall.advance(-399_000)
        bench.ticks.advance(200_000)
        #expect(try await look().contains("expired"))
    }
}
