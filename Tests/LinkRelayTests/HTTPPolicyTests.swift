// The owner's view of a link: what may be downloaded, what happened lately; and what a session opened by a token may do.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct HTTPPolicyTests {
    @Test func seenAndChangedByTheOwner() async throws {
        let rest = try await RestFixture()
        let (id, _) = try await rest.issue()
        let path = "/api/link/policy?id=\(id)"
        let before = try await rest.call("GET", path).object
        #expect(before["mode"] == "default" && before["hosts"] == [] && before["relay"]?["mode"] == "strict")
        let json = #"{"mode":"strict","hosts":[" Civitai.com ","civitai.com"],"suffixes":[".Engine"],"lanHosts":["NAS.local:8080"]}"#
        let answer = await rest.call("PUT", path, json: json)
        let after = try answer.object
        #expect(answer.status == 200 && after["hosts"] == ["civitai.com"] && after["suffixes"] == [".engine"])
        #expect(try await rest.call("GET", path).object == after)
        let policy = InstancePolicy(mode: .strict, hosts: ["civitai.com"], suffixes: [".engine"], lanHosts: ["nas.local:8080"])
        #expect(rest.rooms.calls == [.policy(RoomID(InstanceID(id)), policy)])
        #expect(try await rest.call("PUT", path, json: "{}").object["mode"] == "default")
        #expect(rest.rooms.calls.last == .policy(RoomID(InstanceID(id)), InstancePolicy()))
    }

    @Test(arguments: [
        #"{"mode":"loose"}"#, #"{"mode":1}"#, #"{"hosts":"civitai.com"}"#, #"{"hosts":[1]}"#, #"{"hosts":["10.0.0.1"]}"#,
        #"{"hosts":["a b.com"]}"#, #"{"suffixes":["zip"]}"#, #"{"lanHosts":["169.254.169.254"]}"#, #"{"lanHosts":["http://nas"]}"#,
        "{\"hosts\":[" + (0..<33).map { "\"a\($0).com\"" }.joined(separator: ",") + "]}",
    ])
    func nonsenseChangesNothing(_ json: String) async throws {
        let rest = try await RestFixture()
        let (id, _) = try await rest.issue()
        let answer = await rest.call("PUT", "/api/link/policy?id=\(id)", json: json)
        #expect(answer.status == 400 && answer.code == "invalid_policy")
        #expect(rest.rooms.calls.isEmpty)
    }

    @Test func nobodyElses() async throws {
        let rest = try await RestFixture()
        let (id, _) = try await rest.issue()
        let stranger = try await rest.stranger()
        for path in ["/api/link/policy?id=\(id)", "/api/link/events?id=\(id)", "/api/link/policy?id=999999", "/api/link/events?id=999999"] {
            #expect(await rest.call("GET", path, token: stranger).code == "no_such_instance")
        }
        #expect(await rest.call("PUT", "/api/link/policy?id=\(id)", json: "{}", token: stranger).code == "no_such_instance")
        #expect(await rest.send("GET", "/api/link/policy?id=\(id)").code == "sign_in_required")
        #expect(rest.rooms.calls.isEmpty)
    }

    /// The policy is there to hold other pages in check: they cannot change it with the owner's cookie.
    @Test func notFromOtherPages() async throws {
        let rest = try await RestFixture()
        let (id, _) = try await rest.issue()
        let cookie = try await rest.cookie()
        let path = "/api/link/policy?id=\(id)"
        for method in ["GET", "PUT"] {
            let answer = await rest.send(
                method, path, json: method == "PUT" ? #"{"mode":"open"}"# : nil, ["cookie": cookie, "origin": RestFixture.friend])
            #expect(answer.code == "cross_site")
            #expect(answer.header("access-control-allow-origin") == nil)
        }
        let own = await rest.send("PUT", path, json: #"{"mode":"open"}"#, ["cookie": cookie, "origin": RestFixture.ownOrigin])
        #expect(own.status == 200)
    }

    @Test func eventsTellOfPairingAndWrongTries() async throws {
        let rest = try await RestFixture()
        let (id, code) = try await rest.issue()
        let home = PeerAddress(family: .v4, bytes: [192, 0, 2, 7], port: 1)
        let wrong = try #require(JoinCredential(parsing: (code == "000000" ? "000001" : "000000").utf8))
        _ = try await rest.keys.resolve(wrong, role: .sd, address: home, installID: nil)
        #expect(try await rest.call("GET", "/api/link/events?id=\(id)").object["wrongTriesSince"]?.intValue == 1)
        let right = try #require(JoinCredential(parsing: code.utf8))
        _ = try await rest.keys.resolve(right, role: .sd, address: home, installID: nil)
        let answer = try await rest.call("GET", "/api/link/events?id=\(id)").object
        let events = try #require(answer["events"]?.arrayValue)
        #expect(events.map { $0["what"]?.stringValue } == ["code_made", "paired"])
        #expect(events.last?["from"]?.stringValue == "192.0.2.0/24" && events.last?["wrongTries"]?.intValue == 1)
        #expect(answer["wrongTriesSince"]?.intValue == 0)
        let entry = try await rest.call("GET", "/api/link").object.arrayValue?.first
        #expect(entry?["pairedFrom"]?.stringValue == "192.0.2.0/24" && entry?["pairedAt"]?.stringValue != nil)
    }

    @Test func eventsAreBounded() {
        let events = LinkEvents()
        for number in 0..<100 { events.note(.codeMade, of: InstanceID(1), at: WallTime(number), wrongTries: UInt64(number)) }
        let known = events.of(InstanceID(1), wrongTries: 107)
        #expect(known?.events.count == LinkEvents.eventCount && known?.events.last?.at == 99 && known?.since == 8)
        for number in 2...Int64(LinkEvents.linkCount + 1) { events.note(.codeMade, of: InstanceID(number), at: 0, wrongTries: 0) }
        #expect(events.of(InstanceID(1), wrongTries: 0) == nil && events.of(InstanceID(2), wrongTries: 0) != nil)
    }

    @Test func aSessionPermitsWhatItsTokenDoes() async throws {
        let rest = try await RestFixture()
        let page = ["origin": RestFixture.ownOrigin]
        let signedIn = await rest.send("POST", "/api/session", json: #"{"token":"\#(rest.token)"}"#, page)
        #expect(signedIn.status == 200)
        #expect(try signedIn.object["scopes"] == ["link"])
        let cookie = try #require(signedIn.header("set-cookie")?.split(separator: ";").first.map(String.init))
        #expect(try await rest.send("GET", "/api/session", ["cookie": cookie]).object["scopes"] == ["link"])
        let secret = try #require(cookie.split(separator: "=", maxSplits: 1).last.map(String.init))
        #expect(try await rest.accounts.webSession(secret)?.1 == [.link])

        let ticket = try await rest.accounts.newTicket(user: rest.user.id)
        let byTicket = await rest.send("POST", "/api/session", json: #"{"ticket":"\#(ticket)"}"#, page)
        #expect(try byTicket.object["scopes"] == ["admin", "link"])
        let record = try #require(try await rest.accounts.tokens(of: rest.user.id).first)
        #expect(try await rest.accounts.removeToken(record.id, of: rest.user.id))
        #expect(await rest.send("GET", "/api/session", ["cookie": cookie]).code == "sign_in_required")
    }
}
