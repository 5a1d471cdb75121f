// What a running relay answered, as tables for a terminal. Pure; everything a peer named itself is made harmless first.
//
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import LinkRelay

enum OperatorText {
    static func status(_ status: JSONValue) -> String {
        let totals = status["totals"]
        let rows: [[String]] = [
            ["version", text(status["version"])],
            ["started", text(status["startedAt"])],
            ["state", status["isDraining"]?.boolValue == true ? "draining" : "relaying"],
            ["rooms", "\(count(status["rooms"])), of \(count(status["links"])) links"],
            ["members", "\(count(status["members"]?["sd"])) extensions, \(count(status["members"]?["client"])) clients"],
            ["connections", "\(count(status["connections"])), \(count(status["websockets"])) of them WebSockets"],
            ["commands", "\(count(status["commandsInFlight"])) in flight, \(count(totals?["commands"])) in total"],
            ["messages", "\(count(totals?["messagesIn"])) in, \(count(totals?["messagesOut"])) out"],
            ["traffic", "\(size(totals?["bytesIn"])) in, \(size(totals?["bytesOut"])) out"],
            ["refused", "\(count(totals?["refusals"])) requests; \(count(totals?["drops"])) messages dropped"],
            ["memory", "\(size(status["residentBytes"])) resident, \(size(status["queuedBytes"])) queued"],
            ["files", "\(count(status["openFiles"])) of \(count(status["openFilesLimit"]))"],
            ["log", text(status["logLevel"])],
        ]
        return table(rows)
    }

    static func rooms(_ page: JSONValue) -> String {
        let rooms = page["items"]?.arrayValue ?? []
        if rooms.isEmpty { return "nobody is in a room" }
        let head = ["ROOM", "USER", "SD", "AWAY", "CLIENTS", "IN FLIGHT", "HELD", "IN", "OUT", "QUEUED", "NAME", "LAST CLOSE"]
        return table([head] + rooms.map(roomRow), rightAligned: Set(0...9))
    }

    private static func roomRow(_ room: JSONValue) -> [String] {
        let members = room["members"]?.arrayValue ?? []
        let install = members.first { $0["role"]?.stringValue == "sd" }
        let last = room["lastClosings"]?.arrayValue?.first
        return [
            count(room["id"]), count(room["user"]), String(members.count { $0["role"]?.stringValue == "sd" }), count(room["away"]),
            count(room["presence"]?["client"]), count(room["commandsInFlight"]), count(room["heldCommands"]),
            size(room["traffic"]?["bytesIn"]), size(room["traffic"]?["bytesOut"]), size(room["queuedBytes"]), text(install?["name"]),
            last.map { "\(text($0["event"])) \(text($0["reason"]))" } ?? "",
        ]
    }

    static func room(_ room: JSONValue) -> String {
        var parts: [String] = [
            "room \(count(room["id"])) of user \(count(room["user"])): \(count(room["commandsInFlight"])) commands in flight, "
                + "\(count(room["heldCommands"])) held, \(count(room["away"])) extensions away"
        ]
        let members = room["members"]?.arrayValue ?? []
        if !members.isEmpty {
            let head = ["SESSION", "ROLE", "DIALECT", "TRANSPORT", "ADDRESS", "SINCE", "IN", "OUT", "QUEUED", "NAME", "VERSION"]
            let rows = members.map { one in
                [
                    count(one["session"]), text(one["role"]), text(one["dialect"]), text(one["transport"]), text(one["address"]),
                    text(one["joinedAt"]), size(one["traffic"]?["bytesIn"]), size(one["traffic"]?["bytesOut"]), size(one["queuedBytes"]),
                    text(one["name"]), text(one["version"]),
                ]
            }
            parts.append(table([head] + rows, rightAligned: [0, 6, 7, 8]))
        }
        let commands = room["commands"]?.arrayValue ?? []
        if !commands.isEmpty {
            let rows = commands.map { [text($0["id"]), text($0["type"]), "\((($0["endsInMs"]?.intValue) ?? 0) / 1000) s", $0["isHeld"]?.boolValue == true ? "held" : ""] }
            parts.append(table([["COMMAND", "TYPE", "ENDS IN", ""]] + rows))
        }
        let events = room["timeline"]?.arrayValue ?? []
        if !events.isEmpty {
            let rows = events.map { one in
                [text(one["at"]), text(one["event"]), text(one["role"]), count(one["session"]), text(one["transport"]), text(one["reason"])]
            }
            parts.append(table([["TIME", "EVENT", "ROLE", "SESSION", "TRANSPORT", "REASON"]] + rows, rightAligned: [3]))
        }
        return parts.joined(separator: "\n\n")
    }

    // MARK: Pieces

    static func count(_ value: JSONValue?) -> String { value?.intValue.map { String($0) } ?? "-" }

    /// At most 40 characters, nothing that moves a cursor.
    static func text(_ value: JSONValue?) -> String {
        guard let text = value?.stringValue else { return "" }
        let harmless = LogText.printable(text)
        return harmless.count > 40 ? harmless.prefix(39) + "…" : harmless
    }

    static func size(_ value: JSONValue?) -> String { value?.intValue.map { size($0) } ?? "-" }

    static func size(_ bytes: Int64) -> String {
        var value = Double(max(0, bytes))
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1000 || unit == "GB" {
                let tenths = (value * 10).rounded() / 10
                return unit == "B" || tenths >= 100 ? "\(Int64(value.rounded())) \(unit)" : "\(tenths) \(unit)"
            }
            value /= 1000
        }
        return ""
    }

    /// Columns as wide as their widest cell, two blanks apart.
    static func table(_ rows: [[String]], rightAligned: Set<Int> = []) -> String {
        let columnCount = rows.map(\.count).max() ?? 0
        let widths = (0..<columnCount).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let blanks = String(repeating: " ", count: max(0, widths[column] - cell.count))
                line += (column > 0 ? "  " : "") + (rightAligned.contains(column) ? blanks + cell : cell + blanks)
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
