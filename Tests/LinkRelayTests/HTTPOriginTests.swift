// Origins and hosts: whole comparison only, whatever somebody makes of a suffix, a prefix, a port or a case.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite("HTTP: origins and hosts")
struct HTTPOriginTests {
    private let policy = OriginPolicy(
        allowed: ["https://front.example", "http://lan.example:8080", "https://[2001:db8::1]"],
        hosts: ["relay.example", "other.example:8443"])

    @Test(
        "an origin on the list is named as it stands there",
        arguments: ["https://front.example", "http://lan.example:8080", "https://[2001:db8::1]"])
    func allowed(_ origin: String) {
        #expect(policy.judge(origin: origin, host: "relay.example", isSecure: true) == .allowed(origin))
    }

    @Test(
        "whatever resembles an origin on the list is refused",
        arguments: [
            "https://front.example.evil.example", "https://evilfront.example", "https://evil-front.example",
            "https://sub.front.example", "https://front.exampl", "https://front.example:8443", "https://front.example:443",
            "https://front.example:0443", "http://front.example", "https://FRONT.example", "HTTPS://front.example",
            "https://front.example/", "https://front.example/path", "https://front.example.", "https://front.example:",
            "https://front.example@evil.example", "https://user@front.example", "https://user:pass@front.example",
            "https://front.example?x", "https://front.example#x", "https://front.example\\evil", "https://front.example evil",
            " https://front.example", "https://front.example ", "https://front.example, https://evil.example",
            "https://front.example%00", "https://front%2eexample", "https://fr\u{F6}nt.example", "https:front.example",
            "//front.example", "front.example", "null", "NULL", "*", "", "file://", "https://",
            "chrome-extension://front.example",
            "http://lan.example", "http://lan.example:80800", "http://lan.example:808", "https://lan.example:8080",
            "https://[2001:db8::1", "https://[2001:db8::1]evil", "https://[2001:DB8::1]", "https://2001:db8::1",
            "https://front.example:99999999999999999999",
        ])
    func refused(_ origin: String) {
        #expect(policy.judge(origin: origin, host: "relay.example", isSecure: true) == .refused)
    }

    struct Own: Sendable, CustomTestStringConvertible {
        let origin: String
        let host: String
        let isSecure: Bool
        let isOwn: Bool
        init(_ origin: String, _ host: String, secure: Bool = false, _ isOwn: Bool) {
            self.origin = origin; self.host = host; isSecure = secure; self.isOwn = isOwn
        }
        var testDescription: String { "\(origin) at \(host)" }
    }

    @Test(
        "the relay's own page is one whose scheme, host and port are the request's",
        arguments: [
            Own("http://relay.example", "relay.example", true),
            Own("http://relay.example", "RELAY.example", true),
            Own("http://relay.example", "relay.example:80", true),
            Own("https://relay.example", "relay.example", secure: true, true),
            Own("https://relay.example", "relay.example:443", secure: true, true),
            Own("http://127.0.0.1:8787", "127.0.0.1:8787", true),
            Own("http://[::1]:8787", "[::1]:8787", true),
            Own("http://localhost:8787", "localhost:8787", true),
            Own("https://relay.example", "relay.example", false),
            Own("http://relay.example", "relay.example", secure: true, false),
            Own("http://relay.example:81", "relay.example", false),
            Own("http://relay.example", "relay.example:8787", false),
            Own("http://localhost:8787", "127.0.0.1:8787", false),
            Own("http://rebound.example", "rebound.example", false),
            Own("http://other.example", "other.example", false),
            Own("https://other.example:8443", "other.example:8443", secure: true, true),
        ])
    func own(_ row: Own) {
        let verdict = policy.judge(origin: row.origin, host: row.host, isSecure: row.isSecure)
        #expect(verdict == (row.isOwn ? .sameOrigin : .refused))
    }

    @Test("no Origin is no verdict, and no Host makes nobody's origin our own")
    func absent() {
        #expect(policy.judge(origin: nil, host: nil, isSecure: false) == .none)
        #expect(policy.judge(origin: "http://relay.example", host: nil, isSecure: false) == .refused)
    }

    @Test(
        "hosts that name this relay",
        arguments: [
            "localhost", "localhost:8787", "LocalHost:1", "127.0.0.1", "127.0.0.1:8787", "192.168.1.20:8787", "[::1]",
            "[::1]:8787",
            "[fe80::1:2]", "[::]", "[1:2:3:4:5:6:7:8]", "[1::]", "relay.example", "relay.example:8787", "other.example:8443",
        ])
    func knownHost(_ host: String) {
        #expect(policy.isHostAllowed(host))
    }

    @Test(
        "hosts that do not",
        arguments: [
            "", "evil.example", "relay.example.evil.example", "evilrelay.example", "relay.example.", "other.example",
            "other.example:8444", "localhost.", "localhost.evil.example", "relay.example:", "relay.example:0",
            "relay.example:080",
            "relay.example:65536", "relay.example:80:80", "user@relay.example", "relay.example/", "127.0.0.1.evil.example",
            "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.01", "256.0.0.1", "1.2.3", "[::1", "::1", "[::1]x", "[:::1]",
            "[1::2::3]", "[12345::]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7]", "[fe80::1%eth0]", "[]", "local\u{212A}host",
        ])
    func unknownHost(_ host: String) {
        #expect(!policy.isHostAllowed(host))
    }

    @Test("a person's spelling is normalised in the settings; nonsense is reported, not half understood")
    func configured() {
        let policy = OriginPolicy(
            allowed: ["HTTPS://Front.Example:443/", "https://a.example/path", "a.example", "*", "null", "https://*.a.example"],
            hosts: ["Relay.Example", "bad host", "*"])
        #expect(policy.allowed == ["https://front.example"])
        #expect(policy.unusable == ["https://a.example/path", "a.example", "*", "null", "https://*.a.example", "bad host", "*"])
        #expect(policy.isHostAllowed("relay.example"))
    }
}
