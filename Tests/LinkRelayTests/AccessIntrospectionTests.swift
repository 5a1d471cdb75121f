// Asking a provider: what is remembered, for how long, and what happens while it cannot answer. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct AccessIntrospectionTests {
    /// A provider that answers from a script, and clocks that stand still.
    private final class Bench: Sendable {
        let answers = Locked<[String: String]>([:])
        let questions = Locked<[String]>([])
        let ticks = Locked<Int64>(0)

        func introspector() throws -> Introspector {
            let service = IntrospectionService(url: "https://a.example", clientID: "c", secret: "s", userClaim: "sub")
            return try #require(
                Introspector(service, wallClock: { 1_000_000_000 }, monotonic: { self.ticks.withLock { $0 } }) { _, token in
                    self.questions.withLock { $0.append(token) }
                    return self.answers.withLock { $0[token] }.map { Array($0.utf8) }
                })
        }
    }

    private static let ada = #"{"active":true,"sub":"ada","scope":"link"}"#

    @Test func remembersForAMinute() async throws {
        let bench = Bench()
        let introspector = try bench.introspector()
        bench.answers.withLock { $0 = ["a": Self.ada, "b": #"{"active":false}"#] }
        for _ in 0..<3 {
            #expect(try await introspector.identity(of: "a") == OutsideIdentity(name: "ada", scopes: [.link]))
            #expect(try await introspector.identity(of: "b") == nil)
        }
        #expect(bench.questions.withLock { $0 } == ["a", "b"])
        bench.answers.withLock { $0["a"] = #"{"active":false}"# }
        bench.ticks.withLock { $0 = Introspector.lifeMilliseconds - 1 }
        #expect(try await introspector.identity(of: "a")?.name == "ada")
        bench.ticks.withLock { $0 += 1 }
        #expect(try await introspector.identity(of: "a") == nil)
    }

    @Test func neverBeyondTheTokensEnd() async throws {
        let bench = Bench()
        let introspector = try bench.introspector()
        bench.answers.withLock {
            $0 = ["short": #"{"active":true,"sub":"ada","scope":"link","exp":1000010}"#, "over": #"{"active":true,"sub":"ada","exp":1000000}"#]
        }
        #expect(try await introspector.identity(of: "over") == nil)
        #expect(try await introspector.identity(of: "short")?.name == "ada")
        bench.ticks.withLock { $0 = 10_000 }
        #expect(try await introspector.identity(of: "short")?.name == "ada")
        #expect(bench.questions.withLock { $0 } == ["over", "short", "short"])
    }

    @Test func awayIsNotNoAndIsNotAskedAgainAtOnce() async throws {
        let bench = Bench()
        let introspector = try bench.introspector()
        for _ in 0..<5 { await #expect(throws: Introspector.Unavailable.self) { try await introspector.identity(of: "a") } }
        #expect(bench.questions.withLock { $0 } == ["a"])
        bench.answers.withLock { $0 = ["a": Self.ada] }
        await #expect(throws: Introspector.Unavailable.self) { try await introspector.identity(of: "a") }
        bench.ticks.withLock { $0 = Introspector.pauseMilliseconds }
        #expect(try await introspector.identity(of: "a")?.name == "ada")
    }

    @Test func remembersSoManyAtMost() async throws {
        let bench = Bench()
        let introspector = try bench.introspector()
        let count = Introspector.rememberedCount + 1
        bench.answers.withLock { for number in 0..<count { $0[String(number)] = Self.ada } }
        for number in 0..<count { _ = try await introspector.identity(of: String(number)) }
        _ = try await introspector.identity(of: String(count - 1))
        _ = try await introspector.identity(of: "0")
        #expect(bench.questions.withLock { $0.count } == count + 1)
    }

    @Test func formsAreEncoded() {
        #expect(IntrospectionCall.encoded("aZ0-._~ &=%+/\u{E4}") == "aZ0-._%7E%20%26%3D%25%2B%2F%C3%A4")
    }
}
