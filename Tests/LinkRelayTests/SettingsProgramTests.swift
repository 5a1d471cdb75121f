// The built relayd as an operator meets it: exit codes, the one line on standard error, what stays off standard output.
//
// Needs .build/debug/relayd, which `swift build` makes beside the tests; without it these tests are skipped.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinkRelay

private struct ProgramRun {
    var code: Int32
    var out: String
    var err: String
}

private enum Program {
    static let path: String = {
        if let named = getenv("LINKRELAY_TEST_PROGRAM") { return String(cString: named) }
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/.build/debug/relayd"
    }()

    static var isBuilt: Bool { access(path, X_OK) == 0 }

    /// Runs to the end; its files land in `directory`.
    static func run(_ arguments: [String], _ environment: [String: String] = [:], in directory: String) throws -> ProgramRun {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "\(directory)/out", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, "\(directory)/err", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.merging(["HOME": directory]) { given, _ in given }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var pid = pid_t()
        try #require(posix_spawn(&pid, path, &actions, nil, &words, &variables) == 0)
        var status: Int32 = 0
        try #require(waitpid(pid, &status, 0) == pid)
        // The exit code, or minus the signal.
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
        return ProgramRun(code: code, out: contents("\(directory)/out"), err: contents("\(directory)/err"))
    }

    static func contents(_ path: String) -> String {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var block = [UInt8](repeating: 0, count: 1 << 18)
        let count = read(file, &block, block.count)
        return count > 0 ? String(decoding: block.prefix(count), as: UTF8.self) : ""
    }
}

@Suite(.enabled(if: Program.isBuilt), .serialized) final class SettingsProgramTests {
    private let directory: String

    init() throws {
        var template = Array("/tmp/linkrelay-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["out", "err", "relayd.conf", "data/linkrelay.sqlite", "data/linkrelay.key", "data/relay.lock"] {
            unlink("\(directory)/\(name)")
        }
        rmdir("\(directory)/data")
        rmdir(directory)
    }

    private func run(_ words: String..., environment: [String: String] = [:]) throws -> ProgramRun {
        try Program.run(words, environment, in: directory)
    }

    private func account(_ words: String...) throws -> ProgramRun {
        try Program.run(words + ["--data-dir", "\(directory)/data"], in: directory)
    }

    @Test func textsGoToStandardOutput() throws {
        #expect(try run("--help").out == SettingsHelp.text() + "\n")
        #expect(try run("help", "--man").out.hasPrefix(".TH RELAYD 8"))
        #expect(try run("help", "--markdown").out == SettingsHelp.markdown() + "\n")
        let version = try run("version")
        #expect(version.code == 0 && version.out == "relayd \(Version.text)\n" && version.err.isEmpty)
    }

    @Test(
        arguments: [
            (["frobnicate"], 64), (["user"], 64), (["user", "add"], 64), (["token", "new", "a", "b"], 64),
            (["version", "--label", "x"], 64),
            (["check-config", "--frobnicate", "1"], 78), (["check-config", "--loops", "many"], 78), (["--loops"], 78),
            (["check-config", "--config", "/nowhere/at/all"], 78), (["user", "list", "--data-dir", "/proc/nowhere"], 74),
            (["serve", "--listen", "192.0.2.1:9", "--data-dir", "DATA"], 69), (["check-config"], 0),
        ] as [([String], Int32)])
    func exitCodes(_ words: [String], _ code: Int32) throws {
        let outcome = try Program.run(words.map { $0 == "DATA" ? "\(directory)/data" : $0 }, in: directory)
        #expect(outcome.code == code, "\(outcome)")
        if code == 0 { return }
        let complaints = outcome.err.split(separator: "\n").filter { $0.hasPrefix("relayd: ") }
        #expect(complaints.count == 1 && outcome.out.isEmpty, "\(outcome)")
    }

    /// What a start would refuse, `check-config` does, and it makes nothing.
    @Test(arguments: [
        ["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"],
        ["--jwt-keys", "/nowhere/keys.json", "--jwt-issuer", "https://id.example", "--jwt-audience", "relay"],
        [
            "--introspection-url", "https://id.example/introspect", "--introspection-client-id", "relay", "--introspection-secret",
            "/nowhere/secret",
        ],
    ])
    func filesAreChecked(_ words: [String]) throws {
        let outcome = try Program.run(["check-config"] + words, in: directory)
        #expect(outcome.code == 78 && outcome.out.isEmpty && outcome.err.contains("/nowhere/"), "\(outcome)")
        #expect(try run("check-config", "--tls-self-signed", "on").code == 0)
        #expect(access("\(directory)/.local", F_OK) != 0)
    }

    @Test func unknownVariablesStopTheStart() throws {
        let outcome = try run("check-config", environment: ["RELAYD_LOOPZ": "1"])
        #expect(outcome.code == 78)
        #expect(
            outcome.err == "relayd: RELAYD_LOOPZ: is not a setting; did you mean RELAYD_LOOPS? `relayd --help` lists them.\n")
    }

    @Test func accountsLinksAndTokens() throws {
        let early = try account("token", "new")
        #expect(early.code == 74 && early.err.contains("start a relay there first"), "\(early)")
        #expect(access("\(directory)/data", F_OK) != 0)
        // A relay that cannot listen has made its data by then.
        #expect(try account("serve", "--listen", "192.0.2.1:9").code == 69)
        let token = try account("token", "new", "--label", "test")
        #expect(token.code == 0 && token.err.isEmpty)
        #expect(token.out.hasPrefix("lr_") && token.out.split(separator: "\n").count == 1)
        #expect(try account("user", "add", "anna").out.contains("/#ticket="))
        #expect(try account("user", "add", "anna").code == 64)
        #expect(try account("user", "list").out == "owner\towner\nanna\tuser\n")
        let link = try account("link", "new", "--user", "anna", "--name", "Studio").out.split(separator: "\n")
        #expect(link.count == 2 && link.first?.count == 12 && link.last?.hasPrefix("expires: 20") == true)
        let other = try account("sign-in", "anna")
        #expect(other.code == 0 && other.err.contains("no relay runs on \(directory)/data now"), "\(other)")
        let named = try account("sign-in", "anna", "--public-url", "https://link.example")
        let address = named.out
        #expect(named.err.isEmpty && address.hasPrefix("https://link.example/#ticket=") && address.utf8.count == 29 + 64 + 1)
        #expect(try account("user", "remove", "anna").out == "removed anna and 1 links\n")
        #expect(try account("user", "remove", "anna").code == 64)
        #expect(try account("user", "remove", "owner").code == 64)
        var status = stat()
        #expect(stat("\(directory)/data", &status) == 0 && status.st_mode & 0o777 == 0o700)
    }
}
