// relayd(8) in roff (man(7) macros), made from the same tables as --help. Pure, any thread.
//
// Must escape whatever it prints: a dash that is a minus, a line that begins with a dot.
// SPDX-License-Identifier: Apache-2.0

package enum ManualPage {
    package static func text(version: String) -> String {
        var out = """
            .TH RELAYD 8 "" "linkrelay \(escaped(version))" "System administration"
            .SH NAME
            relayd \\- a self\\-hosted relay for Civitai Link clients
            .SH SYNOPSIS
            .B relayd
            .RI [ command ]
            .RB [ \\-\\-\\fIsetting\\fR
            .IR value ]...
            .SH DESCRIPTION
            relayd joins Stable Diffusion installs to web front ends: it pairs them by a short code, then carries commands
            one way and their reports the other. It stores users, links and keys in one directory and needs no other service.
            .SH COMMANDS

            """
        for command in CommandTable.all { out += paragraph(command.words, command.text) }
        out += """
            .SH SETTINGS
            Each setting is given as a flag, as a variable named \\fBRELAYD_\\fR and the setting's name in capitals with
            underscores, or as a line \\fIname\\fR = \\fIvalue\\fR of the settings file. A flag wins over a variable, a variable over
            the file. Lists are separated by commas, or the setting is repeated.

            """
        out += paragraph(
            "--config FILE",
            "The settings file. Default: \(SettingsLoader.defaultPath), if it exists. Variable: \(SettingsLoader.configVariable)."
        )
        for group in SettingGroup.allCases {
            out += ".SS \(escaped(group.rawValue))\n"
            for setting in SettingsTable.listed where setting.group == group {
                out += paragraph(
                    "--\(setting.name) VALUE", "\(SettingsHelp.sentence(setting)) Default: \(setting.defaultText).")
            }
        }
        out += ".SH SIGNALS\n"
        out += paragraph("SIGTERM, SIGINT", "Drains and exits with 0. A second SIGINT exits at once.")
        out += paragraph(
            "SIGHUP",
            "Reads the settings again and applies those that allow it. Settings that are not acceptable are logged and change nothing."
        )
        out += ".SH EXIT STATUS\n"
        for (code, meaning) in CommandTable.exitCodes { out += paragraph(String(code), meaning) }
        out += ".SH ENVIRONMENT\n"
        for (name, meaning) in environment { out += paragraph(name, meaning) }
        out += ".SH FILES\n"
        for (name, meaning) in files { out += paragraph(name, meaning) }
        return out
    }

    private static let environment = [
        ("STATE_DIRECTORY, XDG_DATA_HOME, HOME", "Where the data directory is by default."),
        ("CREDENTIALS_DIRECTORY", "If it holds linkrelay.key, that is the master key."),
        ("NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS", "The service manager's; see systemd.service(5) and systemd.socket(5)."),
        (SettingsLoader.adminTokenVariable, "A token with the scope admin for the commands that ask a running relay, needed when admin-listen is an address."),
        ("JOURNAL_STREAM", "If standard error is the journal, lines carry its priority prefix."),
    ]

    private static let files = [
        (SettingsLoader.defaultPath, "The settings file."),
        (
            "DATA-DIR/linkrelay.sqlite, DATA-DIR/linkrelay.key",
            "The database and the master key. Back up both, and apart from each other."
        ),
    ]

    private static func paragraph(_ tag: String, _ text: String) -> String {
        ".TP\n.B \(escaped(tag))\n\(escaped(text))\n"
    }

    /// Text as roff shows it, on one input line.
    static func escaped(_ text: String) -> String {
        var out = ""
        for character in text {
            switch character {
            case "\\": out += "\\e"
            case "-": out += "\\-"
            case "\n": out += " "
            default: out.append(character)
            }
        }
        return out.hasPrefix(".") || out.hasPrefix("'") ? "\\&" + out : out
    }
}
