// A store that cannot answer is 503 with a time to come back, and never a statement about a key, a token or a sign-in.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: a broken store")
struct HTTPFaultTests {
    struct Call: Sendable, CustomTestStringConvertible {
        let method: String
        let target: String
        let body: String?
        init(_ method: String, _ target: String, _ body: String? = nil) {
            self.method = method; self.target = target; self.body = body
        }
        var testDescription: String { "\(method) \(target) \(body ?? "")" }
    }

    @Test(
        "whatever is asked",
        arguments: [
            Call("GET", "/api/link"), Call("POST", "/api/link"), Call("POST", "/api/link", "{\"id\":1}"),
            Call("PUT", "/api/link", "{\"id\":1,\"name\":\"x\"}"), Call("DELETE", "/api/link?id=1"),
            Call("POST", "/api/link/self", "{\"installId\":\"a\",\"name\":\"b\"}"), Call("GET", "/api/session"),
            Call("DELETE", "/api/session"), Call("POST", "/api/session/everywhere"), Call("POST", "/api/qr", "{\"text\":\"x\"}"),
            Call("POST", "/api/session", "{\"ticket\":\"x\"}"), Call("POST", "/api/session", "{\"token\":\"x\"}"),
        ], StoreError.Kind.allCases)
    func unavailable(_ call: Call, _ kind: StoreError.Kind) async throws {
        let store = SwitchedStore()
        let fixture = try await RestFixture(store: store)
        let cookie = try await fixture.cookie()
        store.fail(kind)
        // Self-pairing takes no cookie, signing out is about nothing else.
        var sent = [["authorization": "Bearer \(fixture.token)"], ["cookie": cookie, "origin": RestFixture.ownOrigin]]
        if call.target == "/api/link/self" { sent.removeLast() }
        if call.method == "DELETE" && call.target == "/api/session" { sent.removeFirst() }
        for headers in sent {
            let response = await fixture.send(call.method, call.target, json: call.body, headers)
            #expect(response.status == 503)
            #expect(response.code == "store_unavailable")
            #expect(response.header("Retry-After") == "2")
            #expect(response.header("Set-Cookie") == nil)
            #expect(!response.text.contains("told to"))
        }
        #expect(fixture.rooms.calls.isEmpty)
        #expect(fixture.lines.all.contains { $0.hasPrefix("rest_store_failed") && $0.contains(kind.rawValue) })
        store.fail(nil)
        #expect(await fixture.send("GET", "/api/session", ["cookie": cookie]).status == 200)
    }

    @Test("not ready while the store cannot write, ready again a second later", arguments: StoreError.Kind.allCases)
    func readiness(_ kind: StoreError.Kind) async throws {
        let store = SwitchedStore()
        let fixture = try await RestFixture(store: store)
        store.fail(kind)
        let response = await fixture.send("GET", "/readyz")
        #expect(response.status == 503)
        #expect(response.text == "{\"status\":\"unavailable\",\"store\":\"\(kind.rawValue)\"}")
        #expect(await fixture.send("GET", "/healthz").status == 200)
        store.fail(nil)
        fixture.now.withLock { $0 += 999 }
        #expect(await fixture.send("GET", "/readyz").status == 503)
        fixture.now.withLock { $0 += 1 }
        #expect(await fixture.send("GET", "/readyz").status == 200)
    }

    @Test("whoever asks is answered in time, and the work goes on all the same")
    func deadline() async {
        let gate = Gate()
        let isDone = Gate()
        let answer = await AnswerDeadline.first(within: .milliseconds(1)) {
            await gate.announced()
            isDone.announce()
            return "late"
        } otherwise: { "in time" }
        #expect(answer == "in time")
        gate.announce()
        await isDone.announced()
        #expect(await AnswerDeadline.first(within: .seconds(60)) { "at once" } otherwise: { "in time" } == "at once")
    }

    @Test("however many ask within a second, the disk is asked once")
    func probes() async {
        let store = SwitchedStore()
        let (probe, now) = patientProbe(of: store)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { #expect(await probe.fault() == nil) } }
        }
        #expect(store.probeCount == 1)
        now.withLock { $0 += 1000 }
        #expect(await probe.fault() == nil)
        #expect(store.probeCount == 2)
    }

    @Test("a store that hangs is not ready, and does not collect waiters")
    func hanging() async {
        let store = SwitchedStore()
        let (probe, now) = patientProbe(of: store)
        store.hold()
        let first = Task { await probe.fault() }
        await store.probeArrives()
        now.withLock { $0 += Self.patienceMilliseconds }
        #expect(await probe.fault() == .busy)
        store.release()
        #expect(await first.value == nil)
        #expect(store.probeCount == 1)
    }

    private static let patienceMilliseconds: Int64 = 3_600_000

    /// Only the clock it comes with makes it impatient: a slow machine does not.
    private func patientProbe(of store: SwitchedStore) -> (ReadinessProbe, now: Locked<Int64>) {
        let now = Locked<Int64>(1_000_000)
        let probe = ReadinessProbe(
            store: store, monotonic: { now.withLock { $0 } }, patienceMilliseconds: Self.patienceMilliseconds)
        return (probe, now)
    }
}
