// An install pairs itself: one call, a full key, one instance per install. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: self-pairing")
struct HTTPSelfPairTests {
    private static let body = "{\"installId\":\"8f14e45f\",\"name\":\"ComfyUI\"}"

    @Test("a first pairing answers id, key and name, and tells nobody")
    func first() async throws {
        let fixture = try await RestFixture()
        let response = await fixture.call("POST", "/api/link/self", json: Self.body)
        #expect(response.status == 200)
        let object = try response.object
        #expect(object["key"]?.stringValue?.utf8.count == 128)
        #expect(object["name"] == "ComfyUI")
        #expect(fixture.rooms.calls.isEmpty)
        let entry = try await fixture.call("GET", "/api/link").object.arrayValue?.first
        #expect(entry?["id"] == object["id"])
        #expect(entry?["key"] == object["key"])
        #expect(entry?["activated"] == true)
        #expect(entry?["oauthPaired"] == true)
        #expect(entry?["codeExpiresAt"] == nil)
    }

    @Test("the same install again gets a new key under the same id; browsers are told, nobody is kicked")
    func again() async throws {
        let fixture = try await RestFixture()
        let first = try await fixture.call("POST", "/api/link/self", json: Self.body).object
        let second = try await fixture.call("POST", "/api/link/self", json: Self.body).object
        #expect(second["id"] == first["id"])
        #expect(second["key"] != first["key"])
        let id = try #require(second["id"]?.intValue)
        guard case .key(let key)? = JoinCredential(parsing: (second["key"]?.stringValue ?? "").utf8) else {
            Issue.record("no link key")
            return
        }
        #expect(fixture.rooms.calls == [.announce(RoomID(InstanceID(id)), key)])
    }

    @Test("a legacy key, short or long, adopts its instance instead of adding one", arguments: [true, false])
    func adopt(_ isShort: Bool) async throws {
        let fixture = try await RestFixture(instanceLimit: 1)
        var id: Int64?
        var legacy: String?
        if isShort {
            (id, legacy) = try await fixture.issue()
        } else {
            let paired = try await fixture.call("POST", "/api/link/self", json: "{\"installId\":\"old\",\"name\":\"n\"}").object
            (id, legacy) = (paired["id"]?.intValue, paired["key"]?.stringValue)
        }
        let body = "{\"installId\":\"new\",\"name\":\"n\",\"legacyKey\":\"\(legacy ?? "")\"}"
        let adopted = try await fixture.call("POST", "/api/link/self", json: body).object
        #expect(adopted["id"]?.intValue == id)
        #expect(try await fixture.call("GET", "/api/link").object.arrayValue?.count == 1)
    }

    @Test("a stranger's key adopts nothing")
    func stranger() async throws {
        let fixture = try await RestFixture()
        let (id, code) = try await fixture.issue()
        let other = try await fixture.stranger()
        let body = "{\"installId\":\"new\",\"name\":\"n\",\"legacyKey\":\"\(code)\"}"
        let paired = try await fixture.call("POST", "/api/link/self", json: body, token: other).object
        #expect(paired["id"]?.intValue != id)
        #expect(try await fixture.call("GET", "/api/link").object.arrayValue?.count == 1)
    }

    @Test("a bad token and one without the scope are both 401, with a challenge")
    func unauthorised() async throws {
        let fixture = try await RestFixture()
        let weak = try await fixture.stranger(scopes: [.admin])
        for (authorization, code) in [
            ("Bearer lr_wrong", "bad_token"), ("Bearer ", "bad_token"), ("Bearer", "bad_token"), ("bearer lr_wrong", "bad_token"),
            ("Bearer \(String(repeating: "a", count: 5000))", "bad_token"), ("Bearer \(weak)", "missing_scope"),
            ("Basic b3duZXI6b3duZXI=", "sign_in_required"), ("", "sign_in_required"), (fixture.token, "sign_in_required"),
        ] {
            let response = await fixture.send("POST", "/api/link/self", json: Self.body, ["authorization": authorization])
            #expect(response.status == 401)
            #expect(response.code == code)
            #expect(response.header("WWW-Authenticate")?.hasPrefix("Bearer") == true)
        }
        #expect(try await fixture.call("GET", "/api/link").object == [])
    }

    @Test("a cookie does not pair an install")
    func cookie() async throws {
        let fixture = try await RestFixture()
        let headers = ["cookie": try await fixture.cookie(), "origin": RestFixture.ownOrigin]
        #expect(await fixture.send("POST", "/api/link/self", json: Self.body, headers).code == "sign_in_required")
    }

    @Test("two Authorization headers are no token, even if one is good")
    func doubled() async throws {
        let fixture = try await RestFixture()
        let response = await fixture.rest.respond(
            to: HTTPRequest(
                method: "GET", path: "/api/link",
                headers: [
                    ("host", RestFixture.host), ("authorization", "Bearer \(fixture.token)"), ("authorization", "Bearer other"),
                ]))
        #expect(response.code == "bad_token")
    }

    @Test("the scheme's case and several blanks make no difference to a good token")
    func scheme() async throws {
        let fixture = try await RestFixture()
        for scheme in ["Bearer", "bearer", "BEARER"] {
            #expect(await fixture.send("GET", "/api/link", ["authorization": "\(scheme) \(fixture.token)"]).status == 200)
        }
    }

    struct Field: Sendable, CustomTestStringConvertible {
        let body: String
        let code: String
        init(_ body: String, _ code: String) { self.body = body; self.code = code }
        var testDescription: String { body.count > 80 ? "\(code) (\(body.count) characters)" : body }
    }

    @Test(
        "fields that are refused",
        arguments: [
            Field("{}", "invalid_install_id"), Field("{\"installId\":1}", "invalid_install_id"),
            Field("{\"installId\":\"\"}", "invalid_install_id"), Field("{\"installId\":\" \"}", "invalid_install_id"),
            Field("{\"installId\":\"a\\u0000\"}", "invalid_install_id"),
            Field("{\"installId\":\"\(String(repeating: "a", count: 201))\"}", "invalid_install_id"),
            Field("{\"installId\":\"a\",\"name\":7}", "invalid_name"),
            Field("{\"installId\":\"a\",\"legacyKey\":7}", "invalid_legacy_key"),
            Field("{\"installId\":\"a\",\"legacyKey\":\"abc\"}", "invalid_legacy_key"),
            Field("{\"installId\":\"a\",\"legacyKey\":\"\(String(repeating: "a", count: 129))\"}", "invalid_legacy_key"),
        ])
    func fields(_ row: Field) async throws {
        let response = await (try await RestFixture()).call("POST", "/api/link/self", json: row.body)
        #expect(response.status == 400)
        #expect(response.code == row.code)
    }

    @Test(
        "name and legacyKey may be absent, null or blank",
        arguments: [
            "{\"installId\":\"a\"}", "{\"installId\":\"a\",\"name\":null,\"legacyKey\":null}",
            "{\"installId\":\"a\",\"name\":\"\",\"legacyKey\":\"\"}",
        ])
    func optional(_ body: String) async throws {
        #expect(await (try await RestFixture()).call("POST", "/api/link/self", json: body).status == 200)
    }
}
