// Download addresses by table: what is let through, and the rule that each other one breaks.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct PolicyAddressTests {
    static let allowed = [
        "https://civitai.com/api/download/models/1", "HTTPS://Civitai.COM/x", "https://civitai.com", "https://civitai.com.",
        "https://civitai.com:443/a", "https://civitai.com:8443/a?b=c#d", "https://b2.a-b.co.uk/a%20b/ü.safetensors",
        "https://x_y.example.org/", "https://8.8.8.8/a", "https://[2606:4700::1111]/a", "https://[2606:4700::1111]:8443/a",
        "https://1password.com/", "https://0xcafe.org/", "https://a.com?http://10.0.0.1/", "https://a.com#@10.0.0.1",
        "https://a.com/@10.0.0.1/", "https://xn--mbel-5qa.de/", "https://localhost.example.com/", "https://172.32.0.1/",
        "https://100.128.0.1/", "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::808:808]/",
    ]

    @Test(arguments: allowed) func lets(_ text: String) { #expect(CommandPolicy().rule(forAddress: text) == nil) }

    static let refused: [(String, PolicyRule)] = [
        // Scheme.
        ("", .scheme), ("http://civitai.com/a", .scheme), ("ftp://civitai.com/a", .scheme), ("file:///etc/passwd", .scheme),
        ("//civitai.com/a", .scheme), ("civitai.com/a", .scheme), ("https:civitai.com", .scheme), ("https:/civitai.com", .scheme),
        (" https://civitai.com/a", .scheme), ("\thttps://civitai.com", .scheme), ("data:text/plain,a", .scheme),
        ("javascript:alert(1)", .scheme), ("gopher://civitai.com", .scheme), ("https\u{3A}\\\\civitai.com", .scheme),
        ("ht\ntps://civitai.com", .scheme), ("http://169.254.169.254/latest/meta-data", .scheme),
        // Form.
        ("https://", .malformedAddress), ("https:///a", .malformedAddress), ("https://?a", .malformedAddress),
        ("https://civitai.com/a b", .malformedAddress), ("https://civitai.com/a\n", .malformedAddress),
        ("https://civi\ttai.com/", .malformedAddress), ("https://civitai.com\\@10.0.0.1/", .malformedAddress),
        ("https://10.0.0.1\\.civitai.com/", .malformedAddress), ("https://civitai.com:/a", .malformedAddress),
        ("https://civitai.com:0/a", .malformedAddress), ("https://civitai.com:65536/", .malformedAddress),
        ("https://civitai.com:80x/", .malformedAddress), ("https://civitai.com:08443/", .malformedAddress),
        ("https://[2606:4700::1]x/", .malformedAddress), ("https://a.com/\u{0}", .malformedAddress),
        // A user before the host.
        ("https://civitai.com@10.0.0.1/", .userinfo), ("https://user:pw@civitai.com/", .userinfo), ("https://@civitai.com/", .userinfo),
        ("https://a.com:443@127.0.0.1/", .userinfo), ("https://127.0.0.1%2f@civitai.com", .userinfo),
        // Numbers in disguise.
        ("https://2130706433/", .oddHost), ("https://0x7f000001/", .oddHost), ("https://0x7F.1/", .oddHost),
        ("https://017700000001/", .oddHost), ("https://0177.0.0.1/", .oddHost), ("https://127.1/", .oddHost),
        ("https://127.0.1/", .oddHost), ("https://127.0.0.01/", .oddHost), ("https://127.0.0.1./", .oddHost),
        ("https://0/", .oddHost), ("https://0x/", .oddHost), ("https://1.0x/", .oddHost), ("https://256.1.1.1/", .oddHost),
        ("https://1.2.3.4.5/", .oddHost), ("https://4294967296/", .oddHost), ("https://134744072/", .oddHost),
        ("https://%31%32%37.0.0.1/", .oddHost), ("https://civitai%2ecom/", .oddHost), ("https://１２７.0.0.1/", .oddHost),
        ("https://loc\u{AD}alhost/", .oddHost), ("https://civitai。com/", .oddHost), ("https://a..com/", .oddHost),
        ("https://.com/", .oddHost), ("https://a.com../", .oddHost), ("https://[::1/", .oddHost), ("https://[::1%25eth0]/", .oddHost),
        ("https://[127.0.0.1]/", .oddHost), ("https://[]/", .oddHost), ("https://[1:2]/", .oddHost), ("https://a!b.com/", .oddHost),
        ("https://" + String(repeating: "a", count: 64) + ".com/", .oddHost),
        // Private and special networks.
        ("https://127.0.0.1/", .privateTarget), ("https://127.255.255.254:8443/", .privateTarget), ("https://0.0.0.0/", .privateTarget),
        ("https://10.1.2.3/", .privateTarget), ("https://172.16.0.1/", .privateTarget), ("https://172.31.255.255/", .privateTarget),
        ("https://192.168.178.1/", .privateTarget), ("https://169.254.169.254/latest", .privateTarget),
        ("https://100.100.100.200/", .privateTarget), ("https://100.64.0.1/", .privateTarget), ("https://192.0.0.192/", .privateTarget),
        ("https://168.63.129.16/", .privateTarget), ("https://224.0.0.251/", .privateTarget), ("https://255.255.255.255/", .privateTarget),
        ("https://198.18.0.1/", .privateTarget), ("https://203.0.113.9/", .privateTarget), ("https://240.0.0.1/", .privateTarget),
        ("https://[::1]/", .privateTarget), ("https://[::]/", .privateTarget), ("https://[0:0:0:0:0:0:0:1]/", .privateTarget),
        ("https://[fe80::1]/", .privateTarget), ("https://[fd00:ec2::254]/", .privateTarget), ("https://[fc00::1]/", .privateTarget),
        ("https://[ff02::fb]/", .privateTarget), ("https://[fec0::1]/", .privateTarget), ("https://[::ffff:127.0.0.1]/", .privateTarget),
        ("https://[::FFFF:7f00:1]/", .privateTarget), ("https://[::127.0.0.1]/", .privateTarget),
        ("https://[64:ff9b::7f00:1]/", .privateTarget), ("https://[64:ff9b:1::1]/", .privateTarget),
        ("https://[2002:7f00:1::]/", .privateTarget), ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", .privateTarget),
        ("https://[2001:db8::1]/", .privateTarget), ("https://[2606:4700::5efe:10.0.0.1]/", .privateTarget),
        ("https://[2606:4700::200:5efe:a00:1]/", .privateTarget), ("https://[4000::1]/", .privateTarget),
        // Names of a local network.
        ("https://localhost/", .localName), ("https://LOCALHOST:8443/", .localName), ("https://localhost./", .localName),
        ("https://a.localhost/", .localName), ("https://nas.local/", .localName), ("https://metadata.google.internal/", .localName),
        ("https://router.lan/", .localName), ("https://nas/", .localName), ("https://fritz.home.arpa/", .localName),
        ("https://a.b.internal./x", .localName), ("https://intranet/", .localName), ("https://printer.home/", .localName),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ rule: PolicyRule) {
        #expect(CommandPolicy().rule(forAddress: text) == rule, "\(text)")
    }

    @Test func longAddresses() {
        let start = "https://a.com/"
        #expect(CommandPolicy().rule(forAddress: start + String(repeating: "a", count: 8192 - start.utf8.count)) == nil)
        #expect(CommandPolicy().rule(forAddress: start + String(repeating: "a", count: 8193 - start.utf8.count)) == .malformedAddress)
    }

    @Test(arguments: [
        ("https://civitai.com/", nil), ("https://CIVITAI.com./", nil), ("https://b.r2.example.org/", nil),
        ("https://a.b.r2.example.org:8443/", nil), ("https://8.8.8.8/", nil), ("https://[2606:4700::1]/", nil),
        ("https://evil.com/", .hostNotListed), ("https://a.civitai.com/", .hostNotListed), ("https://r2.example.org/", .hostNotListed),
        ("https://xr2.example.org/", .hostNotListed), ("https://civitai.com.evil.com/", .hostNotListed),
        ("https://8.8.4.4/", .hostNotListed), ("https://10.0.0.1/", .privateTarget), ("http://civitai.com/", .scheme),
    ] as [(String, PolicyRule?)])
    func listedHosts(_ text: String, _ rule: PolicyRule?) throws {
        let words = try ["civitai.com", "*.R2.example.org", "8.8.8.8", "[2606:4700::1]"].map { try #require(PolicyWord.host.parse($0)) }
        #expect(CommandPolicy(hosts: words).rule(forAddress: text) == rule)
    }

    @Test(arguments: [
        ("http://nas.local/a", nil), ("https://NAS.local:8443/a", nil), ("http://192.168.1.20:8080/a", nil), ("http://[fd00::1]/", nil),
        ("http://nas/a", nil), ("http://192.168.1.20/a", .scheme), ("https://192.168.1.20:80/a", .privateTarget),
        ("http://192.168.1.21:8080/", .scheme), ("https://a.nas.local/", .localName), ("http://nas.local@10.0.0.1/", .userinfo),
        ("http://0xc0a80114:8080/", .oddHost), ("ftp://nas.local/", .scheme), ("http://nas.local.evil.com/", .scheme),
        ("http://plain.local/", nil), ("http://plain.local:81/", .scheme),
    ] as [(String, PolicyRule?)])
    func hostsOfTheOwnNetwork(_ text: String, _ rule: PolicyRule?) throws {
        let words = try ["nas.local", "192.168.1.20:8080", "[fd00::1]", "nas", "plain.local:80"].map {
            try #require(PolicyWord.lanHost.parse($0))
        }
        #expect(CommandPolicy(hosts: ["civitai.com"], lanHosts: words).rule(forAddress: text) == rule)
    }

    @Test func words() {
        for word in ["", "*", "*.", "a b", "http://a.com", "a.com/x", "a.com:80", "10.0.0.1", "nas", "nas.local", "*.8.8.8.8", "*.*.com"] {
            #expect(PolicyWord.host.parse(word) == nil, "\(word)")
        }
        for word in ["", "169.254.169.254", "169.254.1.1:80", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "224.0.0.1", "0.0.0.0",
            "0x7f.1", "a@b", "nas/x", "nas?x", "nas#", "nas:0", "http://nas", "168.63.129.16", "*.local", "[::]"]
        {
            #expect(PolicyWord.lanHost.parse(word) == nil, "\(word)")
        }
        #expect(PolicyWord.lanHost.parse("NAS.Local.") == "nas.local")
        #expect(PolicyWord.lanHost.parse("nas:80") == "nas:80")
        #expect(PolicyWord.lanHost.parse("[::1]:81") == "[::1]:81")
        for word in ["", ".", "zip", "..zip", ".a/b", ".a b", ".z\u{0}", ".zip."] { #expect(PolicyWord.suffix.parse(word) == nil, "\(word)") }
        #expect(PolicyWord.suffix.parse(".VAE.pt") == ".vae.pt")
    }
}
