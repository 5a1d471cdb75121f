// The commands that ask a running relay: status, rooms, room, kick, drain. Prints tables for people, or the relay's JSON.
//
// In the task of a command; blocks. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import LinkRelay

struct OperatorDesk {
    enum Order: Sendable {
        case status
        case rooms
        case room(Int64)
        case kick(Int64)
        case drain
        case top
    }

    let client: AdminClient
    let printsJSON: Bool

    func run(_ order: Order) async throws(Failure) {
        switch order {
        case .status:
            try show(try client.call("GET", "/status")) { OperatorText.status($0) }
        case .rooms:
            try show(try allRooms()) { OperatorText.rooms($0) }
        case .room(let id):
            try show(try client.call("GET", "/rooms/\(id)")) { OperatorText.room($0) }
        case .kick(let id):
            try show(try client.call("POST", "/rooms/\(id)/kick")) { _ in "kicked everybody in room \(id)" }
        case .drain:
            try show(try client.call("POST", "/drain")) { _ in "the relay is draining and then ends" }
        case .top:
            try await TopScreen(client: client, printsJSON: printsJSON).run()
        }
    }

    private func show(_ value: JSONValue, _ text: (JSONValue) -> String) throws(Failure) {
        Terminal.say(printsJSON ? String(decoding: value.encoded(), as: UTF8.self) : text(value))
    }

    /// Every page as one.
    private func allRooms() throws(Failure) -> JSONValue {
        var items: [JSONValue] = []
        var cursor: Int64 = 0
        while true {
            let page = try client.call("GET", "/rooms?limit=200&cursor=\(cursor)")
            items += page["items"]?.arrayValue ?? []
            guard let next = page["next"]?.intValue, next > cursor else { break }
            cursor = next
        }
        return ["items": .array(items), "total": .int(Int64(items.count)), "next": .null]
    }
}
