// An entry as one line: logfmt or JSON. Pure, any thread.
//
// The rule that matters: text from a peer can neither end a line, nor begin a field, nor reorder what a terminal shows. So
// control characters, quotes, line separators and direction marks are escaped, and each value is cut at 256 bytes.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

package enum LogFormat: String, Sendable, CaseIterable { case logfmt, json }

package struct LogText: Sendable {
    package static let valueBytes = 256

    package var format: LogFormat
    /// Lines begin with `<N>` and have no time: the journal adds its own.
    package var isForJournal: Bool

    package init(format: LogFormat, isForJournal: Bool) {
        self.format = format
        self.isForJournal = isForJournal
    }

    /// UTF-8 with its line end.
    package func line(_ entry: LogEntry) -> [UInt8] {
        var out = isForJournal ? "<\(entry.level.priority)>" : ""
        switch format {
        case .logfmt: logfmt(entry, to: &out)
        case .json: json(entry, to: &out)
        }
        out += "\n"
        return Array(out.utf8)
    }

    private func logfmt(_ entry: LogEntry, to out: inout String) {
        if !isForJournal { out += "ts=\(Timestamp.iso8601(milliseconds: entry.time)) level=\(entry.level.name) " }
        out += "event=\(entry.event)"
        for (name, value) in entry.fields {
            out += " \(name)="
            switch value {
            case .string(let text): out += Self.isBare(text) ? text : Self.quoted(text)
            case .int(let number): out += String(number)
            case .double(let number): out += String(number)
            case .bool(let flag): out += String(flag)
            }
        }
        if entry.suppressedCount > 0 { out += " suppressed=\(entry.suppressedCount)" }
    }

    private func json(_ entry: LogEntry, to out: inout String) {
        out += "{"
        if !isForJournal { out += "\"ts\":\"\(Timestamp.iso8601(milliseconds: entry.time))\",\"level\":\"\(entry.level.name)\"," }
        out += "\"event\":\"\(entry.event)\""
        for (name, value) in entry.fields {
            out += ",\"\(name)\":"
            switch value {
            case .string(let text): out += Self.quoted(text)
            case .int(let number): out += String(number)
            case .double(let number): out += number.isFinite ? String(number) : "null"
            case .bool(let flag): out += String(flag)
            }
        }
        if entry.suppressedCount > 0 { out += ",\"suppressed\":\(entry.suppressedCount)" }
        out += "}"
    }

    /// Needs no quotes in logfmt.
    private static func isBare(_ text: String) -> Bool {
        (1...valueBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                case 0x2D, 0x2E, 0x2F, 0x3A, 0x5F, 0x2B, 0x2C, 0x40, 0x5B, 0x5D: true  // - . / : _ + , @ [ ]
                default: false
                }
            }
    }

    /// In double quotes, escaped as JSON, cut at `valueBytes` bytes of the original with an ellipsis.
    package static func quoted(_ text: String) -> String {
        var out = "\""
        var usedBytes = 0
        for scalar in text.unicodeScalars {
            usedBytes += UTF8.width(scalar)
            if usedBytes > valueBytes {
                out += "…"
                break
            }
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            default: append(scalar, to: &out)
            }
        }
        return out + "\""
    }

    /// The whole text on one line, quotes left alone: for sentences of our own that contain quoted parts.
    package static func printable(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars { append(scalar, to: &out) }
        return out
    }

    private static func append(_ scalar: Unicode.Scalar, to out: inout String) {
        guard isHarmful(scalar) else {
            out.unicodeScalars.append(scalar)
            return
        }
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    /// Controls (C0, DEL, C1), line separators, direction marks, invisible joiners, interlinear marks. All in the BMP.
    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0xAD, 0x061C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
            0xFFF9...0xFFFB:
            true
        default: false
        }
    }
}
