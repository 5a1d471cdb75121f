// The shapes of what the operator's surface takes and answers, as JSON Schema for the OpenAPI document. The end-to-end tests hold the
// running relay to them.
//
// Constant, any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum AdminSchemas {
    static let all: [(key: String, value: JSONValue)] = shared + rooms + accounts + process

    static func reference(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }

    // MARK: Pieces

    private static let text: JSONValue = ["type": "string"]
    private static let flag: JSONValue = ["type": "boolean"]
    private static let count: JSONValue = ["type": "integer", "minimum": 0]
    private static let id: JSONValue = ["type": "integer", "minimum": 1]
    private static let time: JSONValue = ["type": "string", "format": "date-time"]
    private static let optionalText: JSONValue = ["type": ["string", "null"]]
    private static let optionalID: JSONValue = ["type": ["integer", "null"], "minimum": 1]
    private static let optionalCount: JSONValue = ["type": ["integer", "null"], "minimum": 0]
    private static let optionalTime: JSONValue = ["type": ["string", "null"], "format": "date-time"]

    private static func words(_ words: [String], mayBeNull: Bool = false) -> JSONValue {
        .object([("enum", .array(words.map { .string($0) } + (mayBeNull ? [.null] : [])))])
    }

    private static func list(_ item: JSONValue) -> JSONValue { ["type": "array", "items": item] }

    /// Every member is required, unless it is named in `optional`, and there are no others.
    private static func object(_ members: [(key: String, value: JSONValue)], optional: Set<String> = []) -> JSONValue {
        [
            "type": "object", "properties": .object(members),
            "required": .array(members.map(\.key).filter { !optional.contains($0) }.map { .string($0) }), "additionalProperties": false,
        ]
    }

    private static func counts(_ names: [String]) -> JSONValue { object(names.map { ($0, count) }) }

    private static func page(_ item: String) -> JSONValue {
        object([("items", list(reference(item))), ("total", count), ("next", optionalID)])
    }

    private static let roles = words(["sd", "client"], mayBeNull: true)
    private static let dialects = words(["native", "socketio"])
    private static let transports = words(["websocket", "polling"])
    private static let presence = counts(["client", "sd"])
    private static let traffic = counts(["messagesIn", "messagesOut", "bytesIn", "bytesOut"])
    private static let levels = words(Log.Level.allCases.map(\.name))

    // MARK: By subject

    private static let shared: [(key: String, value: JSONValue)] = [
        ("Error", object([("error", text), ("code", text)])),
        ("Done", object([("success", ["const": true])])),
    ]

    private static let room: [(key: String, value: JSONValue)] = [
        ("id", id), ("user", optionalID), ("loop", count), ("presence", presence), ("away", count), ("commandsInFlight", count),
        ("heldCommands", count), ("heldBytes", count), ("queuedBytes", count), ("traffic", traffic),
        ("members", list(reference("Member"))), ("lastClosings", list(reference("TimelineEntry"))),
    ]

    private static let rooms: [(key: String, value: JSONValue)] = [
        (
            "Member",
            object([
                ("session", id), ("role", roles), ("dialect", dialects), ("transport", transports), ("address", text),
                ("name", optionalText), ("version", optionalText), ("installId", optionalText), ("connectedAt", time), ("joinedAt", time),
                ("traffic", traffic), ("queuedBytes", count), ("queuedMessages", count), ("unconfirmedCommands", count),
                ("isHeldBack", flag),
            ])
        ),
        (
            "TimelineEntry",
            object([
                ("at", time), ("event", words(TimelineEntry.Kind.allCases.map(\.rawValue))), ("reason", text), ("session", optionalID),
                ("role", roles), ("dialect", words(["native", "socketio"], mayBeNull: true)), ("transport", transports),
            ])
        ),
        (
            "Command",
            object([("id", text), ("type", text), ("requester", id), ("endsInMs", count), ("isHeld", flag)])
        ),
        ("Room", object(room)),
        ("RoomPage", page("Room")),
        ("RoomDetail", object(room + [("commands", list(reference("Command"))), ("timeline", list(reference("TimelineEntry")))])),
        (
            "Recent",
            object([
                ("at", time), ("kind", words(RecentEvent.Kind.allCases.map(\.rawValue))), ("name", text), ("room", optionalID),
                ("role", roles), ("address", optionalText), ("actor", text), ("target", text),
            ])
        ),
        (
            "RecentList",
            object([("items", list(reference("Recent"))), ("totals", counts(RecentEvent.Kind.allCases.map(\.rawValue)))])
        ),
    ]

    private static let accounts: [(key: String, value: JSONValue)] = [
        (
            "Instance",
            object([
                ("id", id), ("user", id), ("name", optionalText), ("activated", flag), ("origin", optionalText),
                ("installId", optionalText), ("oauthPaired", flag), ("createdAt", time), ("lastSeenAt", optionalTime),
                ("codeExpiresAt", optionalTime), ("presence", presence),
            ])
        ),
        ("InstancePage", page("Instance")),
        ("NewCode", object([("id", id), ("code", ["type": "string", "pattern": "^[0-9a-f]{6}$"]), ("expiresAt", time)])),
        (
            "User",
            object([
                ("id", id), ("name", text), ("role", words(UserRole.allCases.map(\.rawValue))), ("createdAt", time),
                ("instances", count), ("blocked", flag),
            ])
        ),
        ("UserPage", page("User")),
        (
            "Token",
            object([
                ("id", id), ("label", text), ("scopes", list(words(TokenScope.allCases.map(\.rawValue)))), ("createdAt", time),
                ("lastUsedAt", optionalTime), ("user", id),
            ])
        ),
        ("TokenPage", page("Token")),
        (
            "Block",
            object([("id", id), ("network", optionalText), ("user", optionalID), ("note", text), ("createdAt", time)])
        ),
        ("BlockList", object([("items", list(reference("Block")))])),
        ("AddedBlock", object([("block", reference("Block")), ("disconnected", count)])),
        ("NewBlock", newBlock),
    ]

    private static var newBlock: JSONValue {
        let network: JSONValue = ["type": "string", "minLength": 2, "examples": ["203.0.113.0/24", "2001:db8::/48"]]
        let note: JSONValue = ["type": "string", "maxLength": 200]
        return ["oneOf": [
            object([("network", network), ("note", note)], optional: ["note"]),
            object([("user", id), ("note", note)], optional: ["note"]),
        ]]
    }

    private static let process: [(key: String, value: JSONValue)] = [
        (
            "Status",
            object([
                ("version", text), ("startedAt", time), ("now", time), ("isDraining", flag), ("loops", count), ("logLevel", levels),
                ("rooms", count), ("sessions", count), ("members", presence), ("commandsInFlight", count), ("links", count),
                ("connections", count), ("websockets", count), ("queuedBytes", count), ("messageBytes", count), ("bufferedBytes", count), ("residentBytes", count),
                ("openFiles", count), ("openFilesLimit", count),
                (
                    "totals",
                    counts([
                        "messagesIn", "messagesOut", "bytesIn", "bytesOut", "commands", "statuses", "joins", "refusals", "drops",
                        "busyNanoseconds",
                    ])
                ),
            ])
        ),
        (
            "Connections",
            object([
                ("open", count), ("websocket", count), ("http", count), ("accepted", count),
                ("sessions", counts(SessionCensus.State.allCases.map(\.label))),
                ("transports", counts(["native", "socketioWebsocket", "socketioPolling"])), ("heldBack", count),
                ("ended", ["type": "object", "additionalProperties": count]), ("closedByRelay", counts(CloseReason.allCases.map(\.label))),
            ])
        ),
        (
            "Limit",
            object([
                ("name", text), ("value", text), ("default", text), ("bites", optionalCount), ("counter", optionalText), ("text", text),
            ])
        ),
        ("LimitList", object([("items", list(reference("Limit")))])),
        (
            "Consistency",
            object([
                ("isConsistent", flag),
                (
                    "checks",
                    list(
                        object([("name", text), ("ok", flag), ("expected", ["type": "integer"]), ("actual", ["type": "integer"])]))
                ),
            ])
        ),
        ("LogLevel", object([("level", levels)])),
    ]
}
