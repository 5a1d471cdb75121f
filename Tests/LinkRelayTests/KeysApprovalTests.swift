// "The owner approves each new extension": who waits, what the owner's word changes, and for how long.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("Keys: approval")
struct KeysApprovalTests {
    private static let asking = KeyPolicy(approvesExtensions: true)

    /// What an applicant's session was told.
    private final class Told: Sendable {
        let words = Locked<[Bool]>([])
        func presenter(_ serial: UInt64, name: String? = nil) -> Presenter {
            Presenter(serial: serial, name: name) { word in self.words.withLock { $0.append(word) } }
        }
    }

    @Test("An extension waits, is approved, and gets the key; the code is spent", arguments: StoreKind.allCases)
    func approved(kind: StoreKind) async throws {
        let bench = try await KeyBench(kind, Self.asking)
        let issued = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let told = Told()
        #expect(try await bench.join(issued.text, presenter: told.presenter(7, name: "Studio")) == .awaitsApproval)
        let waiting = try await bench.keys.applicants(of: bench.user)
        #expect(waiting.count == 1 && waiting.first?.id == issued.0.id)
        #expect(waiting.first?.applicants.map(\.number) == [7] && waiting.first?.applicants.first?.name == "Studio")
        #expect(waiting.first?.applicants.first?.from == "10.0.0.0/24")
        try await bench.keys.decide(7, of: issued.0.id, by: bench.user, isApproved: true)
        #expect(told.words.withLock { $0 } == [true])
        guard case .exchanged = try await bench.join(issued.text, presenter: told.presenter(7)) else {
            Issue.record("an approved extension was not let in")
            return
        }
        #expect(try await bench.keys.applicants(of: bench.user).isEmpty)
        #expect(try await bench.join(issued.text, from: 200, install: "other", presenter: told.presenter(8)) == .refused(.spentCode))
    }

    @Test("A refused extension may not ask again with the code, another one may")
    func refused() async throws {
        let bench = try await KeyBench(.sqlite, Self.asking)
        let issued = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let told = Told()
        #expect(try await bench.join(issued.text, install: "stranger", presenter: told.presenter(1)) == .awaitsApproval)
        #expect(try await bench.join(issued.text, install: "mine", presenter: told.presenter(2)) == .awaitsApproval)
        try await bench.keys.decide(1, of: issued.0.id, by: bench.user, isApproved: false)
        #expect(told.words.withLock { $0 } == [false])
        #expect(try await bench.join(issued.text, install: "stranger", presenter: told.presenter(3)) == .refused(.notApproved))
        try await bench.keys.decide(2, of: issued.0.id, by: bench.user, isApproved: true)
        guard case .exchanged = try await bench.join(issued.text, install: "mine", presenter: told.presenter(2)) else {
            Issue.record("the approved one was not let in")
            return
        }
    }

    @Test("Only the owner may decide, once, about somebody who waits")
    func ownersOnly() async throws {
        let bench = try await KeyBench(.sqlite, Self.asking)
        let issued = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let stranger = try await bench.store.newUser("stranger")
        #expect(try await bench.join(issued.text, presenter: Told().presenter(1)) == .awaitsApproval)
        for (number, user) in [(UInt64(1), stranger), (2, bench.user)] {
            await #expect(throws: KeyError.self) {
                try await bench.keys.decide(number, of: issued.0.id, by: user, isApproved: true)
            }
        }
        #expect(try await bench.keys.applicants(of: stranger).isEmpty)
        bench.keys.withdraw(1)
        await #expect(throws: KeyError.self) {
            try await bench.keys.decide(1, of: issued.0.id, by: bench.user, isApproved: true)
        }
    }

    @Test("A new code knows nothing of the old one's approvals")
    func rekeyed() async throws {
        let bench = try await KeyBench(.sqlite, Self.asking)
        let issued = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        #expect(try await bench.join(issued.text, presenter: Told().presenter(1)) == .awaitsApproval)
        try await bench.keys.decide(1, of: issued.0.id, by: bench.user, isApproved: true)
        let again = try await bench.keys.rekey(issued.0.id, of: bench.user)
        #expect(try await bench.join(again.text, presenter: Told().presenter(1)) == .awaitsApproval)
    }

    @Test("So many may wait at one code; clients with a code need no approval")
    func bounds() async throws {
        let bench = try await KeyBench(.sqlite, Self.asking)
        let issued = try await bench.keys.issue(user: bench.user, name: nil, origin: nil)
        let told = Told()
        for number in 0..<UInt64(Approvals.applicantCount) {
            #expect(try await bench.join(issued.text, install: "\(number)", presenter: told.presenter(number)) == .awaitsApproval)
        }
        #expect(try await bench.join(issued.text, install: "late", presenter: told.presenter(99)) == .refused(.tooManyTries))
        #expect(try await bench.join(issued.text, .client) == .admitted(issued.0.id))
    }
}
