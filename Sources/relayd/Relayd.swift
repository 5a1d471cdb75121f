// From arguments to an exit code: reads the settings, runs the command, prints what went wrong in one line.
//
// In a task of the process. SPDX-License-Identifier: Apache-2.0

import LinkRelay

enum Relayd {
    static func run(arguments: [String], environment: [String: String]) async -> ExitCode {
        do {
            let line = try SettingsLoader.parse(arguments, options: Command.options, switches: Command.switches)
            let command = try Command(line)
            if let text = constantAnswer(command) {
                Terminal.say(text)
                return .done
            }
            let source = SettingsPlaces(line: line, environment: environment)
            return try await run(command, source)
        } catch let error as SettingsError {
            Terminal.complain(error.description)
            return .settings
        } catch let failure as Failure {
            Terminal.complain(failure.sentence)
            return failure.code
        } catch {
            Terminal.complain("\(error)")
            return .storage
        }
    }

    private static func run(_ command: Command, _ source: SettingsPlaces) async throws -> ExitCode {
        let loaded = try source.load()
        switch command {
        case .serve(let showsWelcome):
            return try await Daemon.run(source, loaded, showsWelcome: showsWelcome)
        case .ask(let order, let asJSON):
            let client = try AdminClient(loaded.settings, environment: source.environment)
            try await OperatorDesk(client: client, printsJSON: asJSON).run(order)
        case .checkConfig:
            try Certificate.check(loaded.settings)
            _ = try OutsideTrust.open(loaded.settings)
            Terminal.say(report(loaded))
        case .backUp(let target, let includesKey):
            try Backup(loaded.settings).write(to: target, includesKey: includesKey)
        case .checkHealth(let url):
            try HealthCheck(loaded.settings, environment: source.environment, url: url).run()
        default:
            let desk = try await AccountDesk(loaded.settings)
            try await desk.run(command)
        }
        return .done
    }

    private static func constantAnswer(_ command: Command) -> String? {
        switch command {
        case .help(.text): SettingsHelp.text()
        case .help(.manual): ManualPage.text(version: Version.text)
        case .help(.markdown): SettingsHelp.markdown()
        case .version: "relayd \(Version.text)"
        default: nil
        }
    }

    /// The settings that were given, as a settings file would have them.
    private static func report(_ loaded: LoadedSettings) -> String {
        var lines = ["# The settings are fine. Everything not listed has its default."]
        for setting in SettingsTable.all {
            guard let source = loaded.sources[setting.name] else { continue }
            lines.append("\(setting.name) = \(setting.value(in: loaded.settings))   # \(source)")
        }
        if loaded.sources["data-dir"] == nil { lines.append("data-dir = \(loaded.settings.dataDir)   # default") }
        return lines.map { LogText.printable($0) }.joined(separator: "\n")
    }
}

/// Where the settings come from, so that a reload reads the same places again.
struct SettingsPlaces: Sendable {
    var line: CommandLineWords
    var environment: [String: String]

    func load() throws(SettingsError) -> LoadedSettings {
        try SettingsLoader.load(line, environment: environment) { (path) throws(FileProblem) in
            try ProcessEnvironment.contents(of: path)
        }
    }
}
