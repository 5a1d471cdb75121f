// Where a setting came from and what is wrong with it, in one line that says what to do. Pure, any thread.
//
// Values are quoted with everything unprintable escaped: the line goes to a terminal or a log.
// SPDX-License-Identifier: Apache-2.0

/// Where a value was given. Later cases win over earlier ones.
package enum SettingSource: Sendable, Hashable, CustomStringConvertible {
    case standard
    case file(path: String, line: Int)
    case environment(variable: String)
    case flag(String)

    package var description: String {
        switch self {
        case .standard: "default"
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let variable): variable
        case .flag(let flag): flag
        }
    }
}

package struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nil when the error concerns the file as a whole or two settings together.
    package var source: SettingSource?
    /// The bad value, if a value is bad.
    package var value: String?
    package var problem: String
    /// What to do, as an imperative.
    package var advice: String

    init(source: SettingSource? = nil, value: String? = nil, problem: String, advice: String) {
        self.source = source
        self.value = value
        self.problem = problem
        self.advice = advice
    }

    /// One line, without a line end.
    package var description: String {
        var out = ""
        if let source { out += "\(source): " }
        if let value { out += LogText.quoted(value) + " " }
        return LogText.printable(out + problem + "; " + advice + ".")
    }
}
