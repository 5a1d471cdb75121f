// `relayd top`: the relay and its busiest rooms, redrawn every two seconds; one print when nobody watches.
//
// In the task of a command; blocks. Puts the terminal back as it was, whatever ends it. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import LinkRelay

struct TopScreen {
    private static let periodMs: Int32 = 2000
    /// The surface is asked for the rooms with the smallest ids first; beyond this many the busiest may be missed.
    private static let roomCount = 200

    let client: AdminClient
    let printsJSON: Bool

    private struct Look {
        var status: JSONValue
        var rooms: [JSONValue]
        var atMs: Int64
    }

    func run() async throws(Failure) {
        guard Terminal.isInteractive, isatty(STDIN_FILENO) == 1, !printsJSON else {
            let look = try look()
            if printsJSON {
                let value: JSONValue = ["status": look.status, "rooms": .array(look.rooms)]
                return Terminal.say(String(decoding: value.encoded(), as: UTF8.self))
            }
            return Terminal.say(text(look, before: nil, width: 120, height: 200))
        }
        var old = termios()
        tcgetattr(STDIN_FILENO, &old)
        var raw = old
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        // The other screen, without a cursor.
        Terminal.write("\u{1B}[?1049h\u{1B}[?25l")
        defer {
            Terminal.write("\u{1B}[?25h\u{1B}[?1049l")
            tcsetattr(STDIN_FILENO, TCSANOW, &old)
        }
        var before: Look?
        repeat {
            let now = try look()
            let (width, height) = Self.size()
            let lines = text(now, before: before, width: width, height: height).split(separator: "\n", omittingEmptySubsequences: false)
            Terminal.write("\u{1B}[H" + lines.map { "\($0)\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
            before = now
        } while !Self.waitsForQuit()
    }

    private func look() throws(Failure) -> Look {
        let status = try client.call("GET", "/status")
        let rooms = try client.call("GET", "/rooms?limit=\(Self.roomCount)")["items"]?.arrayValue ?? []
        return Look(status: status, rooms: rooms, atMs: LogClock.system.monotonic())
    }

    /// True when `q` was pressed, or the terminal is gone.
    private static func waitsForQuit() -> Bool {
        var key = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&key, 1, periodMs) > 0 else { return false }
        var byte: UInt8 = 0
        let count = read(STDIN_FILENO, &byte, 1)
        return count <= 0 || byte == UInt8(ascii: "q") || byte == 3
    }

    private static func size() -> (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (100, 30) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    // MARK: What it shows

    private func text(_ now: Look, before: Look?, width: Int, height: Int) -> String {
        let status = now.status
        let seconds = before.map { Double(max(1, now.atMs - $0.atMs)) / 1000 }
        let rate = { (name: String) -> String in
            guard let seconds, let older = before?.status["totals"]?[name]?.intValue, let newer = status["totals"]?[name]?.intValue
            else { return "-" }
            return OperatorText.size(Int64(Double(max(0, newer - older)) / seconds)).replacing(" B", with: "")
        }
        let head = [
            "relayd \(OperatorText.text(status["version"]))  "
                + (status["isDraining"]?.boolValue == true ? "draining" : "up since \(OperatorText.text(status["startedAt"]))")
                + (before == nil ? "" : "  (q quits)"),
            "\(OperatorText.count(status["rooms"])) rooms  \(OperatorText.count(status["members"]?["sd"])) extensions  "
                + "\(OperatorText.count(status["members"]?["client"])) clients  \(OperatorText.count(status["connections"])) connections  "
                + "\(OperatorText.count(status["commandsInFlight"])) commands in flight",
            "messages/s \(rate("messagesIn")) in, \(rate("messagesOut")) out   bytes/s \(rate("bytesIn")) in, \(rate("bytesOut")) out   "
                + "memory \(OperatorText.size(status["residentBytes"]))",
            "",
        ]
        let former = Dictionary((before?.rooms ?? []).map { (OperatorText.count($0["id"]), $0) }) { first, _ in first }
        let busy = now.rooms.map { room in (room, rates(room, former[OperatorText.count(room["id"])], seconds)) }
            .sorted { ($0.1.sum, Self.bytes($0.0)) > ($1.1.sum, Self.bytes($1.0)) }
        let titles = ["ROOM", "SD", "CLIENTS", "IN FLIGHT", "IN/s", "OUT/s", "QUEUED", "NAME"]
        let rows = busy.prefix(max(0, height - head.count - 2)).map { room, rate in
            let sd = room["members"]?.arrayValue?.first { $0["role"]?.stringValue == "sd" }
            return [
                OperatorText.count(room["id"]), OperatorText.count(room["presence"]?["sd"]), OperatorText.count(room["presence"]?["client"]),
                OperatorText.count(room["commandsInFlight"]), seconds == nil ? "-" : OperatorText.size(rate.bytesIn),
                seconds == nil ? "-" : OperatorText.size(rate.bytesOut), OperatorText.size(room["queuedBytes"]), OperatorText.text(sd?["name"]),
            ]
        }
        let table = OperatorText.table([titles] + rows, rightAligned: Set(0...6))
        return (head + table.split(separator: "\n").map(String.init)).map { String($0.prefix(width)) }.joined(separator: "\n")
    }

    private static func bytes(_ room: JSONValue) -> Int64 {
        (room["traffic"]?["bytesIn"]?.intValue ?? 0).addingReportingOverflow(room["traffic"]?["bytesOut"]?.intValue ?? 0).partialValue
    }

    private func rates(_ room: JSONValue, _ former: JSONValue?, _ seconds: Double?) -> (bytesIn: Int64, bytesOut: Int64, sum: Int64) {
        guard let seconds, let former else { return (0, 0, 0) }
        let rate = { (name: String) -> Int64 in
            let newer = room["traffic"]?[name]?.intValue ?? 0
            let older = former["traffic"]?[name]?.intValue ?? 0
            return Int64(Double(max(0, newer - older)) / seconds)
        }
        let (bytesIn, bytesOut) = (rate("bytesIn"), rate("bytesOut"))
        return (bytesIn, bytesOut, bytesIn &+ bytesOut)
    }
}
