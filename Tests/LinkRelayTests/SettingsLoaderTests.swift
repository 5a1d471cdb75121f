// Precedence, the file's syntax, and errors that say what to do. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct SettingsLoaderTests {
    @Test func laterSourcesWin() throws {
        let file = "loops = 1\njson-depth = 11\nmembers-per-room = 12\n"
        let loaded = try load(["--loops", "3"], ["RELAYD_LOOPS": "2", "RELAYD_JSON_DEPTH": "21"], file: file)
        #expect(loaded.settings.loops == 3)
        #expect(loaded.settings.jsonDepth == 21)
        #expect(loaded.settings.membersPerRoom == 12)
        #expect(loaded.settings.headBytes == Settings().headBytes)
        #expect(loaded.sources["loops"] == .flag("--loops"))
        #expect(loaded.sources["json-depth"] == .environment(variable: "RELAYD_JSON_DEPTH"))
        #expect(loaded.sources["members-per-room"] == .file(path: SettingsLoader.defaultPath, line: 3))
        #expect(loaded.sources["head-bytes"] == nil)
    }

    @Test func aListIsLongerInOneSourceAndNewInTheNext() throws {
        let file = "hosts = a.example, b.example\nhosts = c.example\n"
        #expect(try load(file: file).settings.hosts == ["a.example", "b.example", "c.example"])
        #expect(try load(["--hosts", "d.example", "--hosts", "E.example"], file: file).settings.hosts == ["d.example", "e.example"])
        #expect(try load([], ["RELAYD_HOSTS": ""], file: file).settings.hosts == [])
    }

    @Test func theFileHasCommentsAndBlanks() throws {
        let text = "# all of it\r\n\r\n  loops=2 # two\n\tuser-header = X-User\t# who\ntrusted-proxies = 10.0.0.0/8\ndata-dir = /srv/a#b\n"
        let settings = try load(file: text).settings
        #expect(settings.loops == 2 && settings.userHeader == "x-user" && settings.dataDir == "/srv/a#b")
    }

    @Test func anotherFileIsNamedByFlagOrVariable() throws {
        #expect(try load(["--config", "/etc/x"], file: "loops = 2", path: "/etc/x").settings.loops == 2)
        #expect(try load([], ["RELAYD_CONFIG": "/etc/x"], file: "loops = 2", path: "/etc/x").settings.loops == 2)
        #expect(try load(["--config=/etc/y"], ["RELAYD_CONFIG": "/etc/x"], file: "loops = 3", path: "/etc/y").settings.loops == 3)
        let missing = settingsError { try load(["--config", "/etc/x"]) }
        #expect(missing?.description.contains("/etc/x does not exist") == true)
    }

    @Test func theDataDirectoryFollowsTheEnvironment() throws {
        #expect(try load().settings.dataDir == "/home/anna/.local/share/linkrelay")
        #expect(try load([], ["XDG_DATA_HOME": "/x"]).settings.dataDir == "/x/linkrelay")
        #expect(try load([], ["XDG_DATA_HOME": "/x", "STATE_DIRECTORY": "/var/lib/linkrelay:/b"]).settings.dataDir == "/var/lib/linkrelay")
        #expect(try load(["--data-dir", "d"], ["STATE_DIRECTORY": "/v"]).settings.dataDir == "d")
        let line = try SettingsLoader.parse([])
        #expect(throws: SettingsError.self) { try SettingsLoader.load(line, environment: [:]) { _ in nil } }
    }

    struct BadCase: Sendable, CustomTestStringConvertible {
        var flags: [String] = []
        var environment: [String: String] = [:]
        var file: String?
        /// The whole line, or a part of it.
        var says: String
        var testDescription: String { says }
    }

    @Test(arguments: [
        BadCase(flags: ["--loop", "2"], says: "--loop: is not a setting; did you mean --loops? `relayd --help` lists them."),
        BadCase(flags: ["--xyzzyplugh", "2"], says: "--xyzzyplugh: is not a setting; see `relayd --help` for the settings."),
        BadCase(flags: ["-v"], says: "-v: is not a setting"),
        BadCase(flags: ["--loops"], says: "--loops: has no value; write --loops VALUE."),
        BadCase(environment: ["RELAYD_LOOPZ": "1"], says: "RELAYD_LOOPZ: is not a setting; did you mean RELAYD_LOOPS?"),
        BadCase(environment: ["RELAYD_BANANA_SPLIT": "1"], says: "RELAYD_BANANA_SPLIT: is not a setting; unset it;"),
        BadCase(environment: ["RELAYD_loops": "1"], says: "RELAYD_loops: is not a setting"),
        BadCase(file: "\n\nlopps = 2\n", says: "/etc/linkrelay/relayd.conf:3: \"lopps\" is not a setting; did you mean loops?"),
        BadCase(file: "drain_window = 2s\n", says: "did you mean drain-window?"),
        BadCase(file: "loops\n", says: "/etc/linkrelay/relayd.conf:1: \"loops\" is no setting; write name = value."),
        BadCase(file: "loops = 1\nloops = 2\n", says: ":2: \"loops\" is already set on line 1; keep one of the two lines."),
        BadCase(file: "\u{FEFF}loops = 1\n", says: "is not a setting"),
        BadCase(
            flags: ["--drain-window", "5"],
            says: "--drain-window: \"5\" has no unit (ms, s, m, h or d); write a duration from 0s to 10m (default: 5s)."),
        BadCase(flags: ["--drain-window", "5 parsecs"], says: "is no duration"),
        BadCase(flags: ["--drain-window", "99999999999999999999s"], says: "is no duration"),
        BadCase(flags: ["--drain-window", "999999999999999999d"], says: "is no duration"),
        BadCase(flags: ["--drain-window", "-5s"], says: "is no duration"),
        BadCase(flags: ["--head-bytes", "16KB"], says: "\"16KB\" is no size; write a size from 1 KiB to 1 MiB (default: 16 KiB)."),
        BadCase(flags: ["--head-bytes", "999999999999999999GiB"], says: "is no size"),
        BadCase(flags: ["--loops", "2.5"], says: "is no whole number"),
        BadCase(flags: ["--tls-self-signed", "yes"], says: "--tls-self-signed: \"yes\" is neither on nor off; write on or off (default: off)."),
        BadCase(flags: ["--tls-cert", "/c.pem"], says: "tls-cert is set but tls-key is not; set both"),
        BadCase(flags: ["--tls-key", "/k.pem"], says: "tls-key is set but tls-cert is not; set both"),
        BadCase(
            flags: ["--tls-key", "/k", "--tls-cert", "/c", "--tls-self-signed", "on"],
            says: "tls-cert and tls-self-signed are both set; leave out tls-self-signed"),
        BadCase(flags: ["--proxy-protocol", "on"], says: "proxy-protocol is on but trusted-proxies is not set"),
        BadCase(flags: ["--listen", ""], says: "names no address to listen on"),
        BadCase(flags: ["--listen", "example.org:80"], says: "\"example.org:80\" is no address to listen on"),
        BadCase(flags: ["--listen", "::1:80"], says: "is no address to listen on"),
        BadCase(flags: ["--listen", "127.0.0.1:65536"], says: "is no address to listen on"),
        BadCase(flags: ["--listen", "127.0.0.1"], says: "is no address to listen on"),
        BadCase(flags: ["--listen", "unix:relative"], says: "is no address to listen on"),
        BadCase(flags: ["--listen", "unix:/" + String(repeating: "x", count: 107)], says: "is no address to listen on"),
        BadCase(flags: ["--origins", "https://a.example/path"], says: "is no origin"),
        BadCase(flags: ["--origins", "*"], says: "is no origin"),
        BadCase(flags: ["--origins", "null"], says: "is no origin"),
        BadCase(flags: ["--trusted-proxies", "10.1.2.3/8"], says: "is no network"),
        BadCase(flags: ["--trusted-proxies", "10.0.0.0/33"], says: "is no network"),
        BadCase(flags: ["--log-level", "loud"], says: "write one of debug, info, notice, warning, error (default: info)."),
        BadCase(flags: ["--user-header", "X-User"], says: "trusted-proxies is not, so anybody could claim to be anybody"),
        BadCase(flags: ["--user-header", "X User", "--trusted-proxies", "unix"], says: "is no header name"),
        BadCase(flags: ["--room-memory-bytes", "2GiB"], says: "room-memory-bytes is larger than process-memory-bytes"),
        BadCase(flags: ["--sd-message-bytes", "65MiB"], says: "room-memory-bytes is smaller than the largest message (65 MiB)"),
    ])
    func says(_ bad: BadCase) throws {
        let error = try #require(settingsError { try load(bad.flags, bad.environment, file: bad.file) })
        #expect(error.description.contains(bad.says), "\(error.description)")
        #expect(!error.description.contains("\n"))
    }

    @Test func unreadableAndOversizeFilesAreRefused() throws {
        let line = try SettingsLoader.parse([])
        let environment = ["HOME": "/h"]
        #expect(throws: SettingsError.self) {
            try SettingsLoader.load(line, environment: environment) { (_) throws(FileProblem) in throw FileProblem("denied") }
        }
        #expect(throws: SettingsError.self) {
            try SettingsLoader.load(line, environment: environment) { _ in [UInt8](repeating: 0x23, count: SettingsFile.maxBytes + 1) }
        }
        #expect(throws: SettingsError.self) { try SettingsLoader.load(line, environment: environment) { _ in [0x23, 0xFF] } }
    }

    @Test func wordsOptionsAndHelpAreSortedOut() throws {
        let line = try SettingsLoader.parse(
            ["token", "new", "anna", "--label", "my tool", "--loops=2", "--man", "-h"], options: ["label"], switches: ["man"])
        #expect(line.words == ["token", "new", "anna"])
        #expect(line.options == ["label": "my tool", "man": ""])
        #expect(line.flags.map(\.name) == ["loops"] && line.wantsHelp)
        #expect(throws: SettingsError.self) { try SettingsLoader.parse(["--label", "x"]) }
        #expect(throws: SettingsError.self) { try SettingsLoader.parse(["--label"], options: ["label"]) }
    }

    @Test func thePublicAddressIsAnAcceptedHost() throws {
        let settings = try load(["--public-url", "https://Link.example:8443/", "--hosts", "other.example"]).settings
        #expect(settings.publicURL == "https://link.example:8443")
        #expect(settings.acceptedHosts == ["other.example", "link.example"])
        #expect(settings.acceptedOrigins == ["https://link.example:8443"])
    }

    @Test func trustedProxiesContainWhomTheyShould() throws {
        let proxies = try load(["--trusted-proxies", "10.0.0.0/9,fd00::/8,192.0.2.1"]).settings.trustedProxies
        func contains(_ family: PeerAddress.Family, _ bytes: [UInt8]) -> Bool {
            proxies.contains { $0.contains(PeerAddress(family: family, bytes: bytes, port: 1)) }
        }
        #expect(contains(.v4, [10, 127, 255, 255]) && !contains(.v4, [10, 128, 0, 0]))
        #expect(contains(.v4, [192, 0, 2, 1]) && !contains(.v4, [192, 0, 2, 2]))
        #expect(contains(.v6, [0xFD] + [UInt8](repeating: 7, count: 15)) && !contains(.v6, [0xFE] + [UInt8](repeating: 7, count: 15)))
        #expect(!contains(.unix, []))
        #expect(NetworkPrefix(parsing: "unix")?.contains(PeerAddress(family: .unix, bytes: [], port: 0)) == true)
        #expect(NetworkPrefix(parsing: "0.0.0.0/0")?.contains(PeerAddress(family: .unix, bytes: [], port: 0)) == false)
    }

    @Test(arguments: [
        ("127.0.0.1:8787", "127.0.0.1:8787"), ("localhost:1", "127.0.0.1:1"), ("*:80", "0.0.0.0:80"), ("[::]:80", "[::]:80"),
        ("[0:0:0:0:0:0:0:1]:0", "[::1]:0"), ("unix:/a b", "unix:/a b"),
    ])
    func addressesReadBack(_ text: String, _ shown: String) {
        let address = ListenAddress(parsing: text)
        #expect(address?.description == shown)
        #expect(ListenAddress(parsing: shown) == address)
    }
}
