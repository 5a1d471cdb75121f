// The table and the struct belong together, and every setting works through every source.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

/// What a settings file of the given text gives; nil text = there is no file.
func load(
    _ flags: [String] = [], _ environment: [String: String] = [:], file: String? = nil, path: String = SettingsLoader.defaultPath
) throws -> LoadedSettings {
    var environment = environment
    if environment["HOME"] == nil { environment["HOME"] = "/home/anna" }
    let line = try SettingsLoader.parse(flags)
    return try SettingsLoader.load(line, environment: environment) { asked in asked == path ? file.map { Array($0.utf8) } : nil }
}

func settingsError(_ body: () throws -> LoadedSettings) -> SettingsError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? SettingsError
    }
}

@Suite struct SettingsTableTests {
    /// `drainWindow` is `drain-window`, `publicURL` is `public-url`.
    private func kebab(_ property: String) -> String {
        var out = ""
        var isAfterCapital = false
        for letter in property {
            if letter.isUppercase, !isAfterCapital { out += "-" }
            isAfterCapital = letter.isUppercase
            out += letter.lowercased()
        }
        return out
    }

    /// A value that is valid and not the default.
    private func sample(_ setting: Setting) -> String {
        switch setting.kind {
        case .duration(_, let range), .expiry(_, let range):
            let low = DurationText.describe(range.lowerBound)
            return low == setting.defaultText ? DurationText.describe(range.upperBound) : low
        case .bytes(_, let range): return ByteText.describe(range.upperBound)
        case .count(_, let range, _):
            return String(range.lowerBound) == setting.defaultText ? String(range.upperBound) : String(range.lowerBound)
        case .addresses: return "127.0.0.2:90,[::1]:0,unix:/run/a.sock"
        case .admin: return "127.0.0.1:8788"
        case .networks: return "10.0.0.0/8,::1/128,unix"
        case .origins: return "https://a.example,http://b.example:81"
        case .hosts: return "a.example,b.example:81"
        case .origin: return "https://link.example"
        case .headerName: return "x-forwarded-user"
        case .toggle: return setting.defaultText == "on" ? "off" : "on"
        case .directory, .file: return "/srv/a place/x"
        case .level: return "debug"
        case .format: return "json"
        case .word: return "https://login.example"
        case .service: return "https://login.example/introspect"
        case .claim: return "preferred_username"
        case .policy: return "open"
        case .words(_, .host): return "a.example.org,*.b.example.org"
        case .words(_, .lanHost): return "nas.local,192.168.1.20:8080"
        case .words(_, .suffix): return ".zip,.vae.pt"
        }
    }

    /// What some settings need beside them.
    private func companions(of setting: Setting) -> [String] {
        let all = [
            ("process-memory-bytes", "1024GiB"), ("room-memory-bytes", "64GiB"), ("trusted-proxies", "10.0.0.0/8"),
            ("jwt-issuer", "https://login.example.org"), ("jwt-audience", "linkrelay"),
            ("introspection-client-id", "relay"), ("introspection-secret", "/s"),
        ]
        let pairs = ["tls-cert": [("tls-key", "/k")], "tls-key": [("tls-cert", "/c")]]
        return (all.filter { $0.0 != setting.name } + (pairs[setting.name] ?? [])).flatMap { ["--\($0.0)", $0.1] }
    }

    @Test func everyPropertyHasARowAndEveryRowAProperty() {
        let properties = Mirror(reflecting: Settings()).children.compactMap { $0.label }.map(kebab)
        #expect(Set(properties) == Set(SettingsTable.all.map(\.name)))
        #expect(properties.count == SettingsTable.all.count)
    }

    @Test(arguments: SettingsTable.all.map(\.name))
    func worksThroughEverySource(_ name: String) throws {
        let setting = try #require(SettingsTable.setting(named: name))
        let text = sample(setting)
        let others = companions(of: setting)
        #expect(text != setting.defaultText)
        #expect(setting.value(in: try load(["--" + name, text] + others).settings) == text)
        #expect(setting.value(in: try load(["--\(name)=\(text)"] + others).settings) == text)
        #expect(setting.value(in: try load(others, [setting.variable: text]).settings) == text)
        #expect(setting.value(in: try load(others, file: "\(name) = \(text)\n").settings) == text)
        #expect(try load(others, [setting.variable: text]).sources[name] == .environment(variable: setting.variable))
    }

    @Test(arguments: SettingsTable.all.map(\.name))
    func defaultsReadBack(_ name: String) throws {
        let setting = try #require(SettingsTable.setting(named: name))
        var settings = Settings()
        let text = setting.value(in: settings)
        if !text.isEmpty { try setting.apply(text, to: &settings) }
        #expect(settings == Settings())
    }

    @Test(arguments: SettingsTable.all.map(\.name))
    func nonsenseIsRefusedWithAdvice(_ name: String) throws {
        let setting = try #require(SettingsTable.setting(named: name))
        let error = try #require(settingsError { try load(["--" + name, "\u{1}//"]) })
        #expect(error.source == .flag("--" + name))
        #expect(error.description.contains(setting.accepted))
        #expect(!error.description.contains("\u{1}"))
    }

    @Test func rangesHoldAtBothEnds() throws {
        for setting in SettingsTable.all {
            let (below, above): (String?, String)
            switch setting.kind {
            case .duration(_, let range), .expiry(_, let range):
                below = range.lowerBound == .zero ? nil : DurationText.describe(range.lowerBound - .milliseconds(1))
                above = DurationText.describe(range.upperBound + .milliseconds(1))
            case .bytes(_, let range), .count(_, let range, _):
                below = range.lowerBound == 0 ? nil : String(range.lowerBound - 1)
                above = String(range.upperBound + 1)
            default: continue
            }
            for text in [below, above].compactMap({ $0 }) {
                let error = settingsError { try load(["--" + setting.name, text]) }
                #expect(error?.problem == "is out of range", "\(setting.name) \(text)")
            }
        }
    }

    @Test func reloadChangesWhatItMayAndNamesTheRest() throws {
        var new = Settings()
        new.logLevel = .debug
        new.presenceGrace = .seconds(3)
        new.loops = 7
        new.dataDir = "/elsewhere"
        let change = try Settings().reloading(new)
        #expect(change.applied == ["log-level", "presence-grace"])
        #expect(change.waiting == ["data-dir", "loops"])
        #expect(change.settings.logLevel == .debug && change.settings.presenceGrace == .seconds(3))
        #expect(change.settings.loops == 0 && change.settings.dataDir.isEmpty)
    }

    @Test func everyTextShowsEverySetting() {
        let texts = [SettingsHelp.text(), SettingsHelp.markdown(), ManualPage.text(version: "1.2.3").replacing("\\-", with: "-")]
        for text in texts {
            for setting in SettingsTable.listed {
                #expect(text.contains(setting.name), "\(setting.name)")
                #expect(text.contains(setting.defaultText), "\(setting.name)")
            }
            #expect(!text.contains("fault-store"))
        }
    }

    @Test func roffIsEscaped() {
        #expect(ManualPage.escaped(".TH a-b\\c\nd") == "\\&.TH a\\-b\\ec d")
        for line in ManualPage.text(version: "1").split(separator: "\n") where line.hasPrefix(".") {
            #expect(line.hasPrefix(".TH ") || line.hasPrefix(".SH ") || line.hasPrefix(".SS ") || line.hasPrefix(".TP")
                || line.hasPrefix(".B ") || line.hasPrefix(".RI ") || line.hasPrefix(".RB ") || line.hasPrefix(".IR "))
        }
    }
}
