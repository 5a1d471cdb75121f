// `/api/link` and `/api/link/self` as deployed clients call them. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: instances")
struct HTTPInstancesTests {
    @Test("no body and no content type makes an instance with a short key, listed right after")
    func create() async throws {
        let fixture = try await RestFixture()
        let made = await fixture.call("POST", "/api/link")
        #expect(made.status == 200)
        let object = try made.object
        let code = try #require(object["key"]?.stringValue)
        #expect(code.utf8.count == 6)
        #expect(object["instanceCount"]?.intValue == 1)
        #expect(object["instanceLimit"]?.intValue == 3)
        #expect(object["name"] == .null)
        #expect(object["expiresAt"]?.stringValue == "2026-01-31T12:44:56.789Z")
        let list = try await fixture.call("GET", "/api/link").object
        let expected: JSONValue = [
            "id": object["id"] ?? .null, "key": .string(code), "name": .null, "activated": false, "origin": .null,
            "oauthPaired": false, "createdAt": "2026-01-31T12:34:56.789Z",
            "pairedAt": .null, "pairedFrom": .null, "lastSeenAt": .null,
            "presence": ["client": 0, "sd": 0], "codeExpiresAt": "2026-01-31T12:44:56.789Z",
        ]
        #expect(list == .array([expected]))
    }

    @Test("the list is an empty array before anything is made, and never cached")
    func empty() async throws {
        let response = await (try await RestFixture()).call("GET", "/api/link")
        #expect(response.text == "[]")
        #expect(response.header("Cache-Control") == "no-store")
    }

    @Test("a browser's origin and a name are kept")
    func named() async throws {
        let fixture = try await RestFixture()
        let made = await fixture.send(
            "POST", "/api/link", json: "{\"name\":\"  Büro \\\"PC\\\"\\t\"}",
            ["cookie": try await fixture.cookie(), "origin": RestFixture.friend])
        #expect(try made.object["name"] == "Büro \"PC\"")
        let entry = try await fixture.call("GET", "/api/link").object.arrayValue?.first
        #expect(entry?["origin"] == .string(RestFixture.friend))
        #expect(entry?["name"] == "Büro \"PC\"")
    }

    @Test("fields that are none of the caller's business are ignored")
    func massAssignment() async throws {
        let fixture = try await RestFixture()
        let other = try await fixture.stranger()
        let body =
            "{\"user\":999,\"userId\":999,\"key\":\"000000\",\"activated\":true,\"oauthPaired\":true,"
            + "\"origin\":\"https://x.example\",\"instanceLimit\":99,\"id\":null}"
        #expect(await fixture.call("POST", "/api/link", json: body).status == 200)
        let entry = try await fixture.call("GET", "/api/link").object.arrayValue?.first
        #expect(entry?["activated"] == false)
        #expect(entry?["oauthPaired"] == false)
        #expect(entry?["origin"] == .null)
        #expect(entry?["key"] != "000000")
        #expect(await fixture.call("GET", "/api/link", token: other).text == "[]")
    }

    @Test("the limit is 400 with the text that clients compare")
    func limit() async throws {
        let fixture = try await RestFixture(instanceLimit: 1)
        _ = try await fixture.issue()
        for (path, body) in [("/api/link", nil), ("/api/link/self", "{\"installId\":\"a\",\"name\":\"b\"}")] {
            let response = await fixture.call("POST", path, json: body)
            #expect(response.status == 400)
            #expect(try response.object["error"] == "Instance limit reached")
            #expect(response.code == "instance_limit")
        }
        #expect(fixture.rooms.calls.isEmpty)
    }

    @Test("an id re-keys: same id, new code, and the room is left alone")
    func rekey() async throws {
        let fixture = try await RestFixture(instanceLimit: 1)
        let (id, code) = try await fixture.issue()
        let again = try await fixture.call("POST", "/api/link", json: "{\"id\":\(id)}").object
        #expect(again["id"]?.intValue == id)
        #expect(again["key"]?.stringValue?.utf8.count == 6)
        #expect(again["key"]?.stringValue != code)
        #expect(again["instanceCount"]?.intValue == 1)
        #expect(fixture.rooms.calls.isEmpty)
    }

    @Test("a rename answers the name as it is kept")
    func rename() async throws {
        let fixture = try await RestFixture()
        let (id, _) = try await fixture.issue()
        let response = await fixture.call("PUT", "/api/link", json: "{\"id\":\(id),\"name\":\" Desk \"}")
        #expect(response.text == "{\"id\":\(id),\"name\":\"Desk\"}")
        #expect(try await fixture.call("GET", "/api/link").object.arrayValue?.first?["name"] == "Desk")
    }

    @Test("a deletion kicks the room, once")
    func delete() async throws {
        let fixture = try await RestFixture()
        let (id, _) = try await fixture.issue()
        let response = await fixture.call("DELETE", "/api/link?id=\(id)")
        #expect(response.text == "{\"success\":true}")
        #expect(fixture.rooms.calls == [.kick(RoomID(InstanceID(id)), .deleted)])
        #expect(await fixture.call("DELETE", "/api/link?id=\(id)").code == "no_such_instance")
        #expect(fixture.rooms.calls.count == 1)
    }

    @Test("what belongs to somebody else does not exist")
    func strangers() async throws {
        let fixture = try await RestFixture()
        let other = try await fixture.stranger()
        let (id, _) = try await fixture.issue()
        let before = await fixture.call("GET", "/api/link").text
        let tries = [
            await fixture.call("POST", "/api/link", json: "{\"id\":\(id)}", token: other),
            await fixture.call("PUT", "/api/link", json: "{\"id\":\(id),\"name\":\"mine\"}", token: other),
            await fixture.call("DELETE", "/api/link?id=\(id)", token: other),
        ]
        for response in tries {
            #expect(response.status == 404)
            #expect(response.code == "no_such_instance")
        }
        #expect(await fixture.call("GET", "/api/link").text == before)
        #expect(fixture.rooms.calls.isEmpty)
    }

    static let badIDs = [
        "0", "-1", "-0", "1.0", "1.5", "1e3", "1E3", "1e400", "9223372036854775808", "18446744073709551617", "\"1\"", "true",
        "[]",
        "{}", "[1]", "99999999999999999999999999999999",
    ]

    @Test("an id in a body is a positive whole number in its one spelling", arguments: badIDs)
    func bodyIDs(_ id: String) async throws {
        let fixture = try await RestFixture()
        _ = try await fixture.issue()
        for method in ["POST", "PUT"] {
            let response = await fixture.call(method, "/api/link", json: "{\"id\":\(id),\"name\":\"x\"}")
            #expect(response.status == 400)
            #expect(response.code == "invalid_id")
        }
        #expect(try await fixture.call("GET", "/api/link").object.arrayValue?.count == 1)
    }

    @Test("padded numbers are not even JSON", arguments: ["01", "+1", "0x1", ".1", "1.", "NaN", "Infinity"])
    func notJSON(_ id: String) async throws {
        let response = await (try await RestFixture()).call("POST", "/api/link", json: "{\"id\":\(id)}")
        #expect(response.status == 400)
        #expect(response.code == "bad_json")
    }

    @Test(
        "an id in a query is digits, once",
        arguments: [
            "", "id", "id=", "id=0", "id=01", "id=-1", "id=+1", "id=1e3", "id=1.0", "id=%31", "id=1%20", "id= 1",
            "id=9223372036854775808",
            "id=1&id=1", "id=1&id=2", "ID=1", "xid=1", "id=0x1", "id=1;id=2", "id=\u{661}", "id=18446744073709551617",
            "id=11111111111111111111111111",
        ])
    func queryIDs(_ query: String) async throws {
        let fixture = try await RestFixture()
        _ = try await fixture.issue()
        let response = await fixture.call("DELETE", query.isEmpty ? "/api/link" : "/api/link?\(query)")
        #expect(response.status == 400)
        #expect(response.code == "invalid_id")
        #expect(fixture.rooms.calls.isEmpty)
    }

    @Test("the largest id is an id, and merely unknown")
    func largestID() async throws {
        let fixture = try await RestFixture()
        #expect(await fixture.call("DELETE", "/api/link?x=1&id=9223372036854775807").status == 404)
        #expect(await fixture.call("POST", "/api/link", json: "{\"id\":9223372036854775807}").status == 404)
    }

    @Test(
        "names that are refused",
        arguments: [
            "1", "true", "[]", "{}", "\"a\\u0000b\"", "\"a\\nb\"", "\"a\\u007fb\"", "\"a\\u0085b\"", "\"a\\u2028b\"",
            "\"a\\u202eb\"",
            "\"\(String(repeating: "a", count: 101))\"", "\"a\(String(repeating: "\\u0301", count: 300))\"",
        ])
    func badNames(_ name: String) async throws {
        let fixture = try await RestFixture()
        let (id, _) = try await fixture.issue()
        for (method, body) in [("PUT", "{\"id\":\(id),\"name\":\(name)}"), ("POST", "{\"name\":\(name)}")] {
            let response = await fixture.call(method, "/api/link", json: body)
            #expect(response.status == 400)
            #expect(response.code == "invalid_name")
        }
    }

    @Test("a rename needs a name", arguments: ["{\"id\":1}", "{\"id\":1,\"name\":null}", "{\"id\":1,\"name\":\" \"}"])
    func noName(_ body: String) async throws {
        #expect(await (try await RestFixture()).call("PUT", "/api/link", json: body).code == "invalid_name")
    }

    @Test(
        "names that are fine",
        arguments: [
            "a", String(repeating: "a", count: 100), String(repeating: "ä", count: 100), "👩‍👩‍👧‍👦 studio",
            "<script>alert(1)</script>", "'; DROP TABLE instances; --",
        ])
    func goodNames(_ name: String) async throws {
        let fixture = try await RestFixture()
        let body: JSONValue = ["name": .string(name)]
        let made = await fixture.call("POST", "/api/link", json: String(decoding: body.encoded(), as: UTF8.self))
        #expect(try made.object["name"] == .string(name))
    }

    @Test(
        "bodies that are no JSON object",
        arguments: [
            "[]", "1", "null", "\"x\"", "{", "{}}", "{\"id\":1,}", "{'id':1}", "nul", "\u{FEFF}{}",
            String(repeating: "[", count: 60_000),
            "{\"a\":" + String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000) + "}",
        ])
    func badBodies(_ body: String) async throws {
        let fixture = try await RestFixture()
        for path in ["/api/link", "/api/link/self", "/api/session", "/api/qr"] {
            let response = await fixture.call("POST", path, json: body)
            #expect(response.status == 400)
            #expect(response.code == "bad_json")
        }
    }

    @Test("presence comes from the rooms, zero where nobody is")
    func presence() async throws {
        let fixture = try await RestFixture()
        let (first, _) = try await fixture.issue()
        let (second, _) = try await fixture.issue()
        fixture.rooms.seat(Presence(clientCount: 2, sdCount: 1), in: RoomID(InstanceID(first)))
        let list = try await fixture.call("GET", "/api/link").object.arrayValue ?? []
        let presence = Dictionary(uniqueKeysWithValues: list.map { ($0["id"]?.intValue, $0["presence"]) })
        #expect(presence[first] == ["client": 2, "sd": 1])
        #expect(presence[second] == ["client": 0, "sd": 0])
    }

    @Test("no code, key, token or cookie reaches the log")
    func silence() async throws {
        let fixture = try await RestFixture()
        let (id, code) = try await fixture.issue()
        let paired = try await fixture.call("POST", "/api/link/self", json: "{\"installId\":\"i\",\"name\":\"n\"}").object
        _ = await fixture.call("DELETE", "/api/link?id=\(id)")
        _ = await fixture.call("GET", "/api/link", token: "lr_wrong")
        let cookie = try await fixture.cookie()
        _ = await fixture.send("POST", "/api/link", ["cookie": cookie])
        let lines = fixture.lines.all.joined(separator: "\n")
        #expect(lines.contains("instance_created"))
        #expect(lines.contains("cross_site"))
        let secrets = [code, paired["key"]?.stringValue ?? "", fixture.token, "lr_wrong", String(cookie.dropFirst(18))]
        for secret in secrets { #expect(!lines.contains(secret)) }
    }
}
