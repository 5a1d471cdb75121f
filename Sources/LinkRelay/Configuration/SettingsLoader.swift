// Puts settings together: defaults, then the file, then RELAYD_ variables, then flags; later wins. Any thread.
//
// The environment and the file come in as arguments, so that this decides and never looks around. Nothing unknown is ignored:
// a misspelt limit that silently keeps its default is worse than a daemon that does not start.
// SPDX-License-Identifier: Apache-2.0

/// What a command line was.
package struct CommandLineWords: Sendable, Equatable {
    /// Settings in order, with the flag as written.
    package var flags: [(name: String, flag: String, value: String)] = []
    /// Options of the subcommand, such as `--label`.
    package var options: [String: String] = [:]
    /// What is no flag: the subcommand and its arguments.
    package var words: [String] = []
    package var configPath: String?
    package var wantsHelp = false

    package static func == (a: Self, b: Self) -> Bool {
        a.options == b.options && a.words == b.words && a.configPath == b.configPath && a.wantsHelp == b.wantsHelp
            && a.flags.count == b.flags.count && zip(a.flags, b.flags).allSatisfy { $0 == $1 }
    }
}

package struct LoadedSettings: Sendable {
    package var settings: Settings
    /// By setting name; a name that is missing has its default.
    package var sources: [String: SettingSource]
}

package enum SettingsLoader {
    package static let defaultPath = "/etc/linkrelay/relayd.conf"
    package static let configVariable = "RELAYD_CONFIG"
    /// A token for commands that ask a relay whose admin-listen is an address; not a setting.
    package static let adminTokenVariable = "RELAYD_ADMIN_TOKEN"
    private static let prefix = "RELAYD_"

    /// Sorts the arguments (without the program's name). `options` are flags with a value and `switches` flags without one
    /// that belong to subcommands; everything else after `--` must be a setting.
    package static func parse(
        _ arguments: [String], options: Set<String> = [], switches: Set<String> = []
    ) throws(SettingsError) -> CommandLineWords {
        var out = CommandLineWords()
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--help" || word == "-h" {
                out.wantsHelp = true
                continue
            }
            guard word.hasPrefix("-"), word != "-" else {
                out.words.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(parts[0])
            let name = String(flag.drop { $0 == "-" })
            if flag.hasPrefix("--"), parts.count == 1, switches.contains(name) {
                out.options[name] = ""
                continue
            }
            let isOption = options.contains(name) || name == "config"
            guard flag.hasPrefix("--"), isOption || SettingsTable.setting(named: name) != nil else {
                throw unknown(.flag(flag), name, "--")
            }
            guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
                throw SettingsError(source: .flag(flag), problem: "has no value", advice: "write \(flag) VALUE")
            }
            if name == "config" {
                out.configPath = value
            } else if isOption {
                out.options[name] = value
            } else {
                out.flags.append((name, flag, value))
            }
        }
        return out
    }

    /// `readFile` gives a file's bytes, nil if there is none, and throws a sentence if there is one that cannot be read.
    package static func load(
        _ line: CommandLineWords, environment: [String: String], readFile: (String) throws(FileProblem) -> [UInt8]?
    ) throws(SettingsError) -> LoadedSettings {
        var assembly = Assembly()
        let given = line.configPath ?? environment[configVariable]
        if let file = try SettingsFile.read(given ?? defaultPath, isRequired: given != nil, readFile) {
            try assembly.take(file.map { ($0.name, .file(path: $0.path, line: $0.line), $0.value) })
        }
        try assembly.take(variables(environment))
        try assembly.take(line.flags.map { ($0.name, .flag($0.flag), $0.value) })
        var loaded = LoadedSettings(settings: assembly.settings, sources: assembly.sources)
        if loaded.settings.dataDir.isEmpty { loaded.settings.dataDir = try defaultDataDir(environment) }
        try SettingsCheck.together(loaded.settings)
        return loaded
    }

    private static func variables(
        _ environment: [String: String]
    ) throws(SettingsError) -> [(name: String, source: SettingSource, value: String)] {
        var out: [(name: String, source: SettingSource, value: String)] = []
        for (variable, value) in environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix(prefix) && variable != configVariable && variable != adminTokenVariable {
            let name = variable.dropFirst(prefix.count).lowercased().replacing("_", with: "-")
            guard let setting = SettingsTable.setting(named: name), setting.variable == variable else {
                throw unknown(.environment(variable: variable), name, prefix)
            }
            out.append((name, .environment(variable: variable), value))
        }
        return out
    }

    private static func defaultDataDir(_ environment: [String: String]) throws(SettingsError) -> String {
        // systemd lists several directories separated by colons; ours is the first.
        if let state = environment["STATE_DIRECTORY"]?.split(separator: ":").first { return String(state) }
        if let base = environment["XDG_DATA_HOME"], base.hasPrefix("/") { return base + "/linkrelay" }
        if let home = environment["HOME"], home.hasPrefix("/") { return home + "/.local/share/linkrelay" }
        throw SettingsError(problem: "there is no place for the data: HOME is not set", advice: "give --data-dir DIRECTORY")
    }

    /// The error for a name that no row has, with the nearest name that one has.
    static func unknown(_ source: SettingSource, _ name: String, _ prefix: String) -> SettingsError {
        let near = Spelling.nearest(to: name, among: SettingsTable.listed.map(\.name) + (prefix == "--" ? ["config"] : []))
        var advice = "see `relayd --help` for the settings"
        if let near {
            let variable = SettingsTable.setting(named: near)?.variable ?? near
            advice = "did you mean \(prefix == "RELAYD_" ? variable : prefix + near)? `relayd --help` lists them"
        } else if prefix == "RELAYD_" {
            advice = "unset it; `relayd --help` lists the settings"
        }
        return SettingsError(source: source, problem: "is not a setting", advice: advice)
    }
}

/// The sources on top of each other. A list given twice in one source is one longer list; in a later source it is a new list.
private struct Assembly {
    var settings = Settings()
    var sources: [String: SettingSource] = [:]

    mutating func take(_ source: [(name: String, source: SettingSource, value: String)]) throws(SettingsError) {
        var lists: [String: String] = [:]
        for (name, place, value) in source {
            guard let setting = SettingsTable.setting(named: name) else { throw SettingsLoader.unknown(place, name, "") }
            var text = value
            if setting.isList {
                text = lists[name].map { $0 + "," + value } ?? value
                lists[name] = text
            }
            do {
                try setting.apply(text, to: &settings)
            } catch {
                throw SettingsError(
                    source: place, value: error.text, problem: error.complaint,
                    advice: "\(error.advice) (default: \(setting.defaultText))")
            }
            sources[name] = place
        }
    }
}
