// The page's sign-in: tickets work once, cookies are as strict as the connection allows, and every way out works.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: sign-in")
struct HTTPSignInTests {
    /// `name=value` of the answer's Set-Cookie.
    private func cookie(in response: HTTPResponse) throws -> String {
        String(try #require(response.header("Set-Cookie")).prefix { $0 != ";" })
    }

    @Test("a ticket signs in once")
    func ticket() async throws {
        let fixture = try await RestFixture()
        let ticket = try await fixture.accounts.newTicket(user: fixture.user.id)
        let body = "{\"ticket\":\"\(ticket)\"}"
        let first = await fixture.send("POST", "/api/session", json: body, ["origin": RestFixture.ownOrigin])
        #expect(first.status == 200)
        #expect(first.text == "{\"user\":{\"name\":\"owner\",\"role\":\"owner\"},\"scopes\":[\"admin\",\"link\"],\"approvesExtensions\":false}")
        let who = await fixture.send("GET", "/api/session", ["cookie": try cookie(in: first)])
        #expect(who.status == 200)
        #expect(who.text == first.text)
        let second = await fixture.send("POST", "/api/session", json: body)
        #expect(second.status == 401)
        #expect(second.code == "bad_ticket")
        #expect(second.header("Set-Cookie") == nil)
    }

    @Test("a token with the link scope signs in; others do not")
    func token() async throws {
        let fixture = try await RestFixture()
        let good = await fixture.send("POST", "/api/session", json: "{\"token\":\"\(fixture.token)\"}")
        #expect(good.status == 200)
        #expect(await fixture.send("GET", "/api/link", ["cookie": try cookie(in: good)]).status == 200)
        let weak = try await fixture.stranger(scopes: [.admin])
        for (token, code) in [("lr_wrong", "bad_token"), (weak, "missing_scope")] {
            let response = await fixture.send("POST", "/api/session", json: "{\"token\":\"\(token)\"}")
            #expect(response.status == 401)
            #expect(response.code == code)
            #expect(response.header("Set-Cookie") == nil)
        }
    }

    @Test("the cookie is HttpOnly and SameSite=Strict, and over TLS it is bound to this host")
    func attributes() async throws {
        let fixture = try await RestFixture()
        let body = "{\"token\":\"\(fixture.token)\"}"
        let plain = try #require(await fixture.send("POST", "/api/session", json: body).header("Set-Cookie"))
        #expect(plain.hasPrefix("linkrelay_session="))
        #expect(plain.hasSuffix("; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"))
        let secure = try #require(await fixture.send("POST", "/api/session", json: body, isSecure: true).header("Set-Cookie"))
        #expect(secure.hasPrefix("__Host-linkrelay_session="))
        #expect(secure.hasSuffix("; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000; Secure"))
    }

    @Test("over TLS a cookie that a neighbour may have planted does not count")
    func planted() async throws {
        let fixture = try await RestFixture()
        let plain = try await fixture.cookie()
        #expect(await fixture.send("GET", "/api/session", ["cookie": plain], isSecure: true).status == 401)
        let bound = try await fixture.cookie(isSecure: true)
        #expect(await fixture.send("GET", "/api/session", ["cookie": "\(plain); \(bound)"], isSecure: true).status == 200)
    }

    @Test(
        "cookie headers that name no session",
        arguments: [
            "", "linkrelay_session=", "linkrelay_session", "linkrelay_session=wrong", "Linkrelay_session=GOOD",
            "xlinkrelay_session=GOOD",
            "linkrelay_session =GOOD", "linkrelay_session=GOOD; linkrelay_session=wrong",
            "linkrelay_session=wrong; linkrelay_session=GOOD",
            "a=linkrelay_session=GOOD", "linkrelay_session=\"GOOD\"",
        ])
    func noSession(_ header: String) async throws {
        let fixture = try await RestFixture()
        let good = String(try await fixture.cookie().dropFirst("linkrelay_session=".count))
        let sent = String(header.split(separator: "GOOD", omittingEmptySubsequences: false).joined(separator: good))
        let response = await fixture.send("GET", "/api/session", ["cookie": sent])
        #expect(response.status == 401)
        #expect(response.code == "sign_in_required")
        #expect(response.header("WWW-Authenticate") == "Bearer")
    }

    @Test("the cookie is found among others")
    func among() async throws {
        let fixture = try await RestFixture()
        let header = "a=1; b=\"x;y\"; \(try await fixture.cookie());c"
        #expect(await fixture.send("GET", "/api/session", ["cookie": header]).status == 200)
    }

    @Test("a bad token is not rescued by a good cookie, but another scheme leaves the cookie alone")
    func precedence() async throws {
        let fixture = try await RestFixture()
        let cookie = try await fixture.cookie()
        #expect(await fixture.send("GET", "/api/link", ["cookie": cookie, "authorization": "Bearer x"]).code == "bad_token")
        #expect(await fixture.send("GET", "/api/link", ["cookie": cookie, "authorization": "Basic eDp5"]).status == 200)
    }

    @Test("signing out ends this browser's session alone, and may be repeated")
    func signOut() async throws {
        let fixture = try await RestFixture()
        let (here, there) = (try await fixture.cookie(), try await fixture.cookie())
        let headers = ["cookie": here, "origin": RestFixture.ownOrigin]
        for _ in 0..<2 {
            let out = await fixture.send("DELETE", "/api/session", headers)
            #expect(out.text == "{\"success\":true}")
            #expect(out.header("Set-Cookie") == "linkrelay_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
        }
        #expect(await fixture.send("GET", "/api/session", ["cookie": here]).status == 401)
        #expect(await fixture.send("GET", "/api/session", ["cookie": there]).status == 200)
    }

    @Test("signing out everywhere ends every browser and leaves tokens", arguments: [true, false])
    func everywhere(_ byCookie: Bool) async throws {
        let fixture = try await RestFixture()
        let (here, there) = (try await fixture.cookie(), try await fixture.cookie())
        let headers =
            byCookie ? ["cookie": here, "origin": RestFixture.ownOrigin] : ["authorization": "Bearer \(fixture.token)"]
        #expect(await fixture.send("POST", "/api/session/everywhere", headers).status == 200)
        for cookie in [here, there] { #expect(await fixture.send("GET", "/api/session", ["cookie": cookie]).status == 401) }
        #expect(await fixture.call("GET", "/api/session").status == 200)
    }

    @Test(
        "exactly one of ticket and token, as text",
        arguments: [
            "{}", "{\"ticket\":1}", "{\"ticket\":\"\"}", "{\"token\":null}", "{\"ticket\":\"a\",\"token\":\"b\"}",
            "{\"ticket\":[\"a\"]}",
            "{\"ticket\":\"\(String(repeating: "a", count: 513))\"}",
        ])
    func credentials(_ body: String) async throws {
        let response = await (try await RestFixture()).send("POST", "/api/session", json: body)
        #expect(response.status == 400)
        #expect(response.code == "invalid_credential")
    }

    @Test("a page of another origin cannot sign anybody in")
    func forged() async throws {
        let fixture = try await RestFixture()
        let body = "{\"token\":\"\(fixture.token)\"}"
        let response = await fixture.send("POST", "/api/session", json: body, ["origin": "https://evil.example"])
        #expect(response.status == 403)
        #expect(response.header("Set-Cookie") == nil)
    }
}
