// The settings as an operator reads them: in --help, in the manual page, as a Markdown table. Pure, any thread.
//
// Nothing is written twice: every text comes from the rows of SettingsTable and from CommandTable.
// SPDX-License-Identifier: Apache-2.0

/// A subcommand, for the texts; what it does is relayd's own.
package struct CommandSummary: Sendable {
    package let words: String
    package let text: String
    package init(_ words: String, _ text: String) {
        self.words = words
        self.text = text
    }
}

package enum CommandTable {
    package static let all = [
        CommandSummary(
            "serve [--welcome]",
            "Runs the relay until it is told to stop; the default command. --welcome: says at every start, not only at the first, how to sign in and to link."),
        CommandSummary("check-config", "Reads all settings and prints those that differ from their defaults, and from where."),
        CommandSummary("sign-in [USER]", "Prints an address that signs a browser in once. USER: default the owner."),
        CommandSummary("link new [--user USER] [--name NAME]", "Makes a link; prints its pairing code and when that expires."),
        CommandSummary("token new [USER] [--label LABEL]", "Makes an access token and prints it, once, on standard output."),
        CommandSummary("user add NAME", "Adds a user and prints an address that signs the user in once."),
        CommandSummary("user list", "Lists the users, one a line: name, role."),
        CommandSummary("user remove NAME", "Removes a user with all links and tokens; open links end when the relay notices."),
        CommandSummary("status [--json]", "Prints what the running relay does, in a few lines. Asks it over admin-listen, as the next commands do."),
        CommandSummary("rooms [--json]", "Prints the rooms that somebody is in."),
        CommandSummary("room ID [--json]", "Prints one room's members, commands and timeline: who came and went, and why."),
        CommandSummary("kick ID [--json]", "Sends `kicked` to everybody in a room: extensions forget their key. The link stays."),
        CommandSummary("drain [--json]", "Tells the relay to do what SIGTERM tells it."),
        CommandSummary("top [--json]", "Shows the relay and its busiest rooms, anew every two seconds, until q is pressed."),
        CommandSummary(
            "backup FILE [--with-key]",
            "Copies the database to the new file FILE, also while the relay runs. The copy is of no use without the master key: keep that one apart, or with --with-key have it copied to FILE.key."),
        CommandSummary(
            "health [--url URL]",
            "Asks the relay whether it is ready; exit code 0 or 69. URL: http only; default the address of the relay that runs on the data directory."),
        CommandSummary("help [--man | --markdown]", "Prints this text, the manual page, or the settings as a Markdown table."),
        CommandSummary("version", "Prints the version."),
    ]

    package static let exitCodes: [(code: Int32, meaning: String)] = [
        (0, "The command did what it says; for serve: stopped as told."),
        (64, "The command line asks for what there is not: an unknown command or user, a name that is taken."),
        (69, "An address to listen on is in use or not available; for health: the relay is not ready."),
        (71, "The system has no memory, threads or descriptors to start with."),
        (74, "The data directory or the database cannot be read or written."),
        (78, "A setting is unknown or its value is not acceptable."),
    ]
}

package enum SettingsHelp {
    private static let width = 100

    /// What `relayd --help` prints.
    package static func text() -> String {
        var out = """
            relayd - a self-hosted relay for Civitai Link clients

            Usage: relayd [COMMAND] [--SETTING VALUE]...

            Commands:

            """
        for command in CommandTable.all {
            out += "  \(command.words)\n" + wrapped(command.text, indent: 6)
        }
        out += """

            Each setting is given as a flag (--drain-window 5s), as a variable (RELAYD_DRAIN_WINDOW=5s) or in the
            settings file (drain-window = 5s). A flag wins over a variable, a variable over the file.

              --config FILE   the settings file; default \(SettingsLoader.defaultPath), if it exists
                              (variable: \(SettingsLoader.configVariable))

            """
        for group in SettingGroup.allCases {
            out += "\n\(group.rawValue):\n"
            for setting in SettingsTable.listed where setting.group == group {
                out += "  --\(setting.name) VALUE   [\(setting.defaultText)]\n" + wrapped(sentence(setting), indent: 6)
            }
        }
        out += "\nExit codes:\n"
        for (code, meaning) in CommandTable.exitCodes { out += "  \(code)  \(meaning)\n" }
        return out
    }

    /// The rows for docs/operations.md.
    package static func markdown() -> String {
        var out = ""
        for group in SettingGroup.allCases {
            out += "\n### \(group.rawValue)\n\n| Setting | Default | Accepted | SIGHUP | Meaning |\n| --- | --- | --- | --- | --- |\n"
            for setting in SettingsTable.listed where setting.group == group {
                let cells = [
                    "`\(setting.name)`", code(setting.defaultText), setting.accepted, setting.isReloadable ? "yes" : "no",
                    setting.text,
                ]
                out += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
            }
        }
        return String(out.dropFirst())
    }

    private static func code(_ text: String) -> String { text == "none" ? text : "`\(text)`" }

    /// The row's text and what it accepts.
    static func sentence(_ setting: Setting) -> String {
        "\(setting.text) Accepted: \(setting.accepted)." + (setting.isReloadable ? " Applied on SIGHUP." : "")
    }

    /// Broken at blanks so that lines stay within `width`, each line indented and ended.
    private static func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var out = ""
        var line = margin
        for word in text.split(separator: " ") {
            if line.count > indent, line.count + 1 + word.count > width {
                out += line + "\n"
                line = margin
            }
            line += (line.count > indent ? " " : "") + word
        }
        return out + line + "\n"
    }
}
