// `/api/tokens`: for the page's cookie, one's own tokens, the link scope, and nothing told twice.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct HTTPTokensTests {
    private func page(_ fixture: RestFixture) async throws -> [String: String] {
        ["cookie": try await fixture.cookie(), "sec-fetch-site": "same-origin"]
    }

    @Test func areMadeListedAndRevoked() async throws {
        let fixture = try await RestFixture()
        let page = try await page(fixture)
        let made = await fixture.send("POST", "/api/tokens", json: "{\"label\":\" my rig \"}", page)
        #expect(made.status == 200)
        let token = try #require(try made.object["token"]?.stringValue)
        let id = try #require(try made.object["id"]?.intValue)
        #expect(try made.object["scopes"] == ["link"])
        #expect(await fixture.call("GET", "/api/link", token: token).status == 200)
        let list = await fixture.send("GET", "/api/tokens", page)
        #expect(!list.text.contains(token) && !list.text.contains(fixture.token))
        #expect(try list.object.arrayValue?.compactMap { $0["label"]?.stringValue } == ["test", "my rig"])
        #expect(await fixture.send("DELETE", "/api/tokens?id=\(id)", page).status == 200)
        #expect(await fixture.call("GET", "/api/link", token: token).code == "bad_token")
        #expect(await fixture.send("DELETE", "/api/tokens?id=\(id)", page).code == "no_such_token")
        #expect(!fixture.lines.all.joined().contains(token))
    }

    @Test func areForThePageAlone() async throws {
        let fixture = try await RestFixture()
        for (method, json) in [("GET", nil), ("POST", "{\"label\":\"x\"}"), ("DELETE", nil)] {
            #expect(await fixture.call(method, "/api/tokens?id=1", json: json).code == "page_only")
            #expect(await fixture.send(method, "/api/tokens?id=1", json: json).code == "sign_in_required")
        }
        let cookie = ["cookie": try await fixture.cookie()]
        #expect(await fixture.send("POST", "/api/tokens", json: "{\"label\":\"x\"}", cookie).code == "cross_site")
    }

    @Test func othersAreNotSeenNorRevoked() async throws {
        let fixture = try await RestFixture()
        let stranger = try await fixture.stranger()
        let page = try await page(fixture)
        #expect(try await fixture.send("GET", "/api/tokens", page).object.arrayValue?.count == 1)
        for id in 1...10 where id != 1 { _ = await fixture.send("DELETE", "/api/tokens?id=\(id)", page) }
        #expect(await fixture.call("GET", "/api/link", token: stranger).status == 200)
    }

    @Test(arguments: ["{}", "{\"label\":\"\"}", "{\"label\":7}", "{\"label\":\"  \"}"])
    func needALabel(_ json: String) async throws {
        let fixture = try await RestFixture()
        #expect(await fixture.send("POST", "/api/tokens", json: json, try await page(fixture)).code == "invalid_label")
    }

    @Test func areNotWithoutLimit() async throws {
        let fixture = try await RestFixture()
        let page = try await page(fixture)
        var last: HTTPResponse?
        for _ in 0..<50 { last = await fixture.send("POST", "/api/tokens", json: "{\"label\":\"x\"}", page) }
        #expect(last?.code == "token_limit")
    }
}
