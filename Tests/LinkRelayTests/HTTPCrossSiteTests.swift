// What browsers on other sites can do: read nothing, change nothing, unless their origin is on the list.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite("HTTP: other origins")
struct HTTPCrossSiteTests {
    @Test(
        "a refused origin gets a JSON error and no CORS header, on every route",
        arguments: [
            "/api/link", "/api/session", "/healthz", "/metrics", "/nothing",
        ])
    func refused(_ path: String) async throws {
        let fixture = try await RestFixture()
        let response = await fixture.send(
            "GET", path, ["origin": "https://evil.example", "authorization": "Bearer \(fixture.token)"])
        #expect(response.status == 403)
        #expect(response.code == "origin_refused")
        #expect(!response.headers.contains { $0.name.lowercased().hasPrefix("access-control") })
    }

    @Test("two Origin headers are refused, in either order")
    func doubled() async throws {
        let fixture = try await RestFixture()
        let response = await fixture.rest.respond(
            to: HTTPRequest(
                method: "GET", path: "/api/link",
                headers: [("host", RestFixture.host), ("origin", RestFixture.friend), ("origin", "https://evil.example")]))
        #expect(response.code == "origin_refused")
    }

    @Test("an origin on the list is named exactly, with credentials, on success and on error alike")
    func allowed() async throws {
        let fixture = try await RestFixture()
        let good = await fixture.send(
            "GET", "/api/link", ["origin": RestFixture.friend, "authorization": "Bearer \(fixture.token)"])
        let bad = await fixture.send("GET", "/api/link", ["origin": RestFixture.friend])
        #expect(good.status == 200)
        #expect(bad.status == 401)
        for response in [good, bad] {
            #expect(response.header("Access-Control-Allow-Origin") == RestFixture.friend)
            #expect(response.header("Access-Control-Allow-Credentials") == "true")
            #expect(response.header("Vary") == "Origin")
        }
    }

    @Test("the answer varies by origin even when none was sent, so that a cache cannot mix them up")
    func vary() async throws {
        let fixture = try await RestFixture()
        #expect(await fixture.call("GET", "/api/link").header("Vary") == "Origin")
    }

    @Test("a preflight from the list is granted, another is refused")
    func preflight() async throws {
        let fixture = try await RestFixture()
        let asked = ["access-control-request-method": "DELETE", "access-control-request-headers": "authorization"]
        let granted = await fixture.send("OPTIONS", "/api/link", asked.merging(["origin": RestFixture.friend]) { $1 })
        #expect(granted.status == 204)
        #expect(granted.header("Access-Control-Allow-Origin") == RestFixture.friend)
        #expect(granted.header("Access-Control-Allow-Credentials") == "true")
        #expect(granted.header("Access-Control-Allow-Methods") == "GET, POST, PUT, DELETE")
        #expect(granted.header("Access-Control-Allow-Headers") == "authorization, content-type")
        #expect(granted.header("Vary") == "Origin")
        for origin in ["https://evil.example", "null"] {
            let refused = await fixture.send("OPTIONS", "/api/link", asked.merging(["origin": origin]) { $1 })
            #expect(refused.status == 403)
            #expect(refused.header("Access-Control-Allow-Origin") == nil)
        }
        let none = await fixture.send("OPTIONS", "/api/link", asked)
        #expect(none.status == 204)
        #expect(none.header("Access-Control-Allow-Origin") == nil)
    }

    @Test("what is not the API is granted to no other origin")
    func notTheAPI() async throws {
        let fixture = try await RestFixture()
        let response = await fixture.send("GET", "/metrics", ["origin": RestFixture.friend])
        #expect(response.status == 200)
        #expect(response.header("Access-Control-Allow-Origin") == nil)
    }

    struct Write: Sendable, CustomTestStringConvertible {
        let headers: [String: String]
        let isTrusted: Bool
        init(_ headers: [String: String], _ isTrusted: Bool) { self.headers = headers; self.isTrusted = isTrusted }
        var testDescription: String { "\(headers)" }
    }

    @Test(
        "a change by cookie needs a trusted page",
        arguments: [
            Write(["origin": RestFixture.ownOrigin], true),
            Write(["origin": RestFixture.friend], true),
            Write(["origin": RestFixture.friend, "sec-fetch-site": "cross-site"], true),
            Write(["sec-fetch-site": "same-origin"], true),
            Write([:], false),
            Write(["sec-fetch-site": "same-site"], false),
            Write(["sec-fetch-site": "cross-site"], false),
            Write(["sec-fetch-site": "none"], false),
            Write(["referer": "http://relay.example/"], false),
        ],
        [
            ("POST", "/api/link"), ("PUT", "/api/link"), ("DELETE", "/api/link?id=1"), ("POST", "/api/session/everywhere"),
            ("POST", "/api/qr"), ("DELETE", "/api/session"),
        ])
    func forgery(_ row: Write, _ target: (String, String)) async throws {
        let fixture = try await RestFixture()
        let headers = row.headers.merging(["cookie": try await fixture.cookie()]) { $1 }
        let response = await fixture.send(target.0, target.1, json: "{}", headers)
        #expect((response.code == "cross_site") == !row.isTrusted)
        if !row.isTrusted {
            #expect(response.status == 403)
            #expect(await fixture.send("GET", "/api/session", headers).status == 200)
        }
    }

    @Test(
        "a form's content types are refused, a cookie or a token notwithstanding",
        arguments: [
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
            "application/json, text/plain",
            "text/plain; application/json", "application/ json", "",
        ])
    func formTypes(_ type: String) async throws {
        let fixture = try await RestFixture()
        for credentials in [
            ["authorization": "Bearer \(fixture.token)"],
            ["cookie": try await fixture.cookie(), "origin": RestFixture.ownOrigin],
        ] {
            let headers = credentials.merging(["content-type": type]) { $1 }
            for (method, path) in [("POST", "/api/link"), ("PUT", "/api/link"), ("POST", "/api/qr")] {
                let response = await fixture.send(method, path, json: "{\"name\":\"x\"}", headers)
                #expect(response.status == 415)
                #expect(response.code == "unsupported_media_type")
            }
        }
    }

    @Test(
        "two content types are none, in either order",
        arguments: [["application/json", "text/plain"], ["text/plain", "application/json"]])
    func doubledType(_ types: [String]) async throws {
        let fixture = try await RestFixture()
        let response = await fixture.rest.respond(
            to: HTTPRequest(
                method: "POST", path: "/api/link",
                headers: [("host", RestFixture.host), ("authorization", "Bearer \(fixture.token)")]
                    + types.map { ("content-type", $0) }, body: Array("{}".utf8)))
        #expect(response.code == "unsupported_media_type")
    }

    @Test(
        "JSON by any usual spelling of its type is taken",
        arguments: [
            "application/json", "application/json; charset=utf-8", "Application/JSON", "application/json ;x=y",
        ])
    func jsonTypes(_ type: String) async throws {
        let fixture = try await RestFixture()
        let response = await fixture.send(
            "POST", "/api/link", json: "{}", ["content-type": type, "authorization": "Bearer \(fixture.token)"])
        #expect(response.status == 200)
    }

    @Test("the cookie works for reading without an Origin, which a same-origin GET does not send")
    func reading() async throws {
        let fixture = try await RestFixture()
        #expect(await fixture.send("GET", "/api/link", ["cookie": try await fixture.cookie()]).status == 200)
    }
}
