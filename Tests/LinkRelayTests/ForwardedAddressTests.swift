// Who a request is from behind proxies: table tests. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct ForwardedAddressTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var peer: String
        var trusted: [String]
        var headers: [String]
        var source: String
        var testDescription: String { "\(peer) via \(trusted): \(headers)" }
    }

    private func peer(_ text: String) throws -> PeerAddress {
        text == "unix" ? PeerAddress(family: .unix, bytes: [], port: 0) : try #require(ForwardedAddress.address(text))
    }

    private func source(
        _ peer: String, _ trusted: [String], isTLS: Bool = false, forwardedFor: [String] = [], proto: [String] = []
    ) throws -> RequestSource {
        ForwardedAddress.source(
            peer: try self.peer(peer), isTLS: isTLS, trusted: try trusted.map { try #require(NetworkPrefix(parsing: $0)) },
            forwardedFor: forwardedFor, forwardedProto: proto)
    }

    @Test(arguments: [
        // Nobody is declared, or somebody else: the peer it is, loopback included.
        Case(peer: "192.0.2.1", trusted: [], headers: ["203.0.113.9"], source: "192.0.2.1"),
        Case(peer: "127.0.0.1", trusted: [], headers: ["203.0.113.9"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["10.0.0.0/8", "::1"], headers: ["203.0.113.9"], source: "127.0.0.1"),
        Case(peer: "unix", trusted: ["0.0.0.0/0"], headers: ["203.0.113.9"], source: "unix"),
        Case(peer: "2001:db8::1", trusted: ["0.0.0.0/0"], headers: ["203.0.113.9"], source: "2001:db8::1"),
        // A declared one.
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: [], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9"], source: "203.0.113.9"),
        Case(peer: "unix", trusted: ["unix"], headers: ["203.0.113.9"], source: "203.0.113.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["2001:db8::9"], source: "2001:db8::9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9:5555"], source: "203.0.113.9:5555"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["[2001:db8::9]:5555"], source: "[2001:db8::9]:5555"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["[2001:db8::9]"], source: "2001:db8::9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["::ffff:203.0.113.9"], source: "203.0.113.9"),
        // What stands further left was written by the client.
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["198.51.100.1, 203.0.113.9"], source: "203.0.113.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["127.0.0.1,203.0.113.9"], source: "203.0.113.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9", "198.51.100.1"], source: "198.51.100.1"),
        // Proxies behind proxies.
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1", "10.0.0.0/8"], headers: ["198.51.100.1, 203.0.113.9 ,\t10.1.2.3"], source: "203.0.113.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1", "10.0.0.0/8"], headers: ["203.0.113.9", "10.9.9.9", "10.1.2.3"], source: "203.0.113.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1", "10.0.0.0/8"], headers: ["10.9.9.9, 10.1.2.3"], source: "10.9.9.9"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9, 10.1.2.3"], source: "10.1.2.3"),
        // An entry that is no address: nothing beyond it can be known.
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: [""], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9,"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9, unknown"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1", "10.0.0.0/8"], headers: ["203.0.113.9, _hidden, 10.1.2.3"], source: "10.1.2.3"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9:"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9:99999"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.9:-1"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["203.0.113.09"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["[203.0.113.9]"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["[2001:db8::9"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["[2001:db8::9]x1"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["\"203.0.113.9\""], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["fe80::1%eth0"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: ["for=203.0.113.9"], source: "127.0.0.1"),
        Case(peer: "127.0.0.1", trusted: ["127.0.0.1"], headers: [String(repeating: "1", count: 9000)], source: "127.0.0.1"),
    ])
    func theClient(_ row: Case) throws {
        #expect(try source(row.peer, row.trusted, forwardedFor: row.headers).address == peer(row.source))
    }

    @Test func longListsAreNotWalkedToTheirBeginning() throws {
        let list = ["203.0.113.9"] + Array(repeating: "127.0.0.1", count: 5000)
        #expect(try source("127.0.0.1", ["127.0.0.1"], forwardedFor: [list.joined(separator: ",")]).address == peer("127.0.0.1"))
    }

    @Test(arguments: [
        ([], false, false), ([], true, true), (["https"], false, true), (["HTTPS"], false, true), (["wss"], false, true),
        (["http"], false, false), (["http"], true, false), (["http, https"], false, true), (["https,http"], false, false),
        (["http", "https"], false, true), (["https", "http"], true, false), (["httpsx"], false, false), ([""], false, false),
    ])
    func theScheme(_ headers: [String], _ isTLS: Bool, _ isSecure: Bool) throws {
        #expect(try source("127.0.0.1", ["127.0.0.1"], isTLS: isTLS, proto: headers).isSecure == isSecure)
        #expect(try source("127.0.0.1", ["10.0.0.0/8"], isTLS: isTLS, proto: headers).isSecure == isTLS)
    }
}
