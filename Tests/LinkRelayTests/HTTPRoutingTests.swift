// Paths, methods, hosts, health, counters, and what a broken store looks like from outside. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: routing and health")
struct HTTPRoutingTests {
    @Test(
        "what is not there is a JSON 404, whatever the method",
        arguments: [
            "/api", "/api/", "/api/link/", "/API/link", "/api/links", "/api/link/self/", "/api/socketio/", "/link", "/index.htm",
            "/.git/config",
            "/api//link", "/api/link/../link", "/api/link%2fself", "/api/link;x", "/healthz/",
        ])
    func unknown(_ path: String) async throws {
        let fixture = try await RestFixture()
        for method in ["GET", "POST", "DELETE", "OPTIONS", "BREW"] {
            let response = await fixture.call(method, path)
            #expect(response.status == 404)
            #expect(response.code == "not_found")
            #expect(response.header("Content-Type") == "application/json; charset=utf-8")
        }
    }

    struct Methods: Sendable, CustomTestStringConvertible {
        let path: String
        let allow: String
        init(_ path: String, _ allow: String) { self.path = path; self.allow = allow }
        var testDescription: String { path }
    }

    @Test(
        "a method the path does not know is 405 with those it does",
        arguments: [
            Methods("/api/link", "GET, HEAD, POST, PUT, DELETE, OPTIONS"), Methods("/api/link/self", "POST, OPTIONS"),
            Methods("/api/session", "GET, HEAD, POST, DELETE, OPTIONS"), Methods("/api/session/everywhere", "POST, OPTIONS"),
            Methods("/api/qr", "POST, OPTIONS"), Methods("/healthz", "GET, HEAD, OPTIONS"),
            Methods("/readyz", "GET, HEAD, OPTIONS"),
            Methods("/metrics", "GET, HEAD, OPTIONS"),
        ])
    func methods(_ row: Methods) async throws {
        let fixture = try await RestFixture()
        let known = row.allow.split(separator: ", ").map(String.init)
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PROPFIND", ""] {
            let response = await fixture.call(method, row.path)
            #expect((response.status == 405) == !known.contains(method), "\(method)")
            if response.status == 405 {
                #expect(response.header("Allow") == row.allow)
                #expect(response.code == "method_not_allowed")
            }
        }
        #expect(await fixture.call("OPTIONS", row.path).header("Allow") == row.allow)
    }

    @Test("an unknown host is 421 and told which setting to change; health answers any host")
    func host() async throws {
        let fixture = try await RestFixture()
        for path in ["/api/link", "/", "/metrics", "/nothing"] {
            let response = await fixture.send("GET", path, ["host": "rebound.example"])
            #expect(response.status == 421)
            #expect(response.code == "unknown_host")
            #expect(try response.object["error"]?.stringValue?.contains("\"hosts\"") == true)
        }
        for path in ["/healthz", "/readyz"] {
            #expect(await fixture.send("GET", path, ["host": "anything.internal"]).status == 200)
            #expect(await fixture.send("GET", path, ["host": ""]).status == 200)
        }
    }

    @Test("alive is one word")
    func health() async throws {
        let response = await (try await RestFixture()).send("GET", "/healthz")
        #expect(response.text == "{\"status\":\"ok\"}")
        #expect(response.header("Cache-Control") == "no-store")
        #expect(response.header("X-Content-Type-Options") == "nosniff")
    }

    @Test("ready until draining")
    func draining() async throws {
        let fixture = try await RestFixture()
        #expect(await fixture.send("GET", "/readyz").text == "{\"status\":\"ok\",\"store\":\"ok\"}")
        fixture.rooms.drain()
        let response = await fixture.send("GET", "/readyz")
        #expect(response.status == 503)
        #expect(response.text == "{\"status\":\"draining\"}")
        #expect(await fixture.send("GET", "/healthz").status == 200)
    }

    @Test("metrics: the rooms' text, then every route and reason from the start")
    func metrics() async throws {
        let fixture = try await RestFixture()
        _ = await fixture.send("GET", "/api/link")
        let response = await fixture.send("GET", "/metrics")
        #expect(response.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(response.text.hasPrefix("rooms 1\n# HELP linkrelay_rest_requests_total"))
        #expect(response.text.contains("linkrelay_rest_requests_total{route=\"link\"} 1\n"))
        #expect(response.text.contains("linkrelay_rest_requests_total{route=\"unknown\"} 0\n"))
        for refusal in RestRefusal.allCases {
            let count = refusal == .signInRequired ? 1 : 0
            #expect(response.text.contains("linkrelay_rest_refusals_total{reason=\"\(refusal.rawValue)\"} \(count)\n"))
        }
        #expect(response.text.hasSuffix("\n"))
    }

    @Test("each refusal is counted under its own name, and a route's label is always a registered one")
    func counters() async throws {
        let fixture = try await RestFixture()
        for path in ["/api/link", "/api/link/self", "/api/session", "/api/session/everywhere", "/api/qr", "/healthz", "/x"] {
            _ = await fixture.send("PATCH", path)
        }
        let snapshot = fixture.rest.counters.snapshot
        #expect(snapshot.refusals(.methodNotAllowed) == 6)
        #expect(snapshot.refusals(.notFound) == 1)
        #expect(snapshot.requests.reduce(0) { $0 + $1.value } == 7)
        #expect(Set(Route.labels).count == Route.labels.count)
    }

    @Test("machine codes are unique, and every refusal has an error status and a sentence", arguments: RestRefusal.allCases)
    func refusals(_ refusal: RestRefusal) throws {
        let response = RestFailure(refusal).response
        #expect((400..<600).contains(response.status))
        #expect(try response.object["error"]?.stringValue?.isEmpty == false)
        #expect(response.code == refusal.rawValue)
        #expect((response.header("WWW-Authenticate") != nil) == (response.status == 401))
        #expect((response.header("Retry-After") != nil) == (response.status == 503))
    }
}
