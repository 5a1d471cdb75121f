// The settings file: `name = value` lines, blank lines, and comments from `#` at a line's start or after a blank.
//
// Pure apart from the reader it is given; any thread. Bounded in size, since anything may be named after --config.
// SPDX-License-Identifier: Apache-2.0

/// Why a file that exists could not be read.
package struct FileProblem: Error, Sendable {
    package var sentence: String
    package init(_ sentence: String) { self.sentence = sentence }
}

enum SettingsFile {
    struct Line {
        var name: String
        var value: String
        var path: String
        var line: Int
    }

    static let maxBytes = 1 << 20

    /// Nil when the file is not there and need not be.
    static func read(
        _ path: String, isRequired: Bool, _ readFile: (String) throws(FileProblem) -> [UInt8]?
    ) throws(SettingsError) -> [Line]? {
        let bytes: [UInt8]?
        do {
            bytes = try readFile(path)
        } catch {
            throw SettingsError(
                problem: "the settings file \(path) cannot be read: \(error.sentence)",
                advice: "make it readable for the user that runs relayd, or name another one with --config FILE")
        }
        guard let bytes else {
            if !isRequired { return nil }
            throw SettingsError(
                problem: "the settings file \(path) does not exist", advice: "create it, or name another one with --config FILE")
        }
        guard bytes.count <= maxBytes, let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError(
                problem: "the settings file \(path) is over \(ByteText.describe(maxBytes)) or not UTF-8 text",
                advice: "name the right file with --config FILE")
        }
        return try parse(text, path: path)
    }

    private static func parse(_ text: String, path: String) throws(SettingsError) -> [Line] {
        var lines: [Line] = []
        var firstSeen: [String: Int] = [:]
        var number = 0
        for raw in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
            number += 1
            let place = SettingSource.file(path: path, line: number)
            let content = withoutComment(raw).withoutOuterBlanks
            if content.isEmpty { continue }
            guard let equals = content.firstIndex(of: "=") else {
                throw SettingsError(source: place, value: content, problem: "is no setting", advice: "write name = value")
            }
            let name = content[..<equals].withoutOuterBlanks
            guard let setting = SettingsTable.setting(named: name) else {
                var error = SettingsLoader.unknown(place, name, "")
                error.value = name
                throw error
            }
            if !setting.isList, let first = firstSeen[name] {
                throw SettingsError(
                    source: place, value: name, problem: "is already set on line \(first)", advice: "keep one of the two lines")
            }
            firstSeen[name] = number
            let value = content[content.index(after: equals)...].withoutOuterBlanks
            lines.append(Line(name: name, value: value, path: path, line: number))
        }
        return lines
    }

    private static func withoutComment(_ line: Substring) -> Substring {
        var previous: Character = " "
        for index in line.indices {
            if line[index] == "#", previous == " " || previous == "\t" { return line[..<index] }
            previous = line[index]
        }
        return line
    }
}
