// Socket.IO protocol v5 packets, the text after Engine.IO's `4` (PROTOCOL.md, "socketio"): what a packet is allowed to say.
//
// Pure values, any thread; decoding is in SocketIODecoder.swift. Binary events are recognised so that the session can refuse
// them politely; attachments are never collected and placeholders never resolved (CVE-2022-2421, CVE-2026-33151).
// SPDX-License-Identifier: Apache-2.0

/// One decoded packet. All ranges are offsets into the decoded bytes.
public struct SocketIOPacket: Sendable {
    public enum Kind: UInt8, Sendable, Hashable, CaseIterable {
        case connect = 0x30
        case disconnect, event, ack, connectError, binaryEvent, binaryAck
    }

    public var kind: Kind
    public var isRootNamespace = true
    /// The namespace as written, `/` included; empty if the packet names none. Printable ASCII.
    public var namespace = ByteRange.none
    /// The digits of the acknowledgement id, 15 at most; empty if there is none.
    public var ackID = ByteRange.none
    /// What a binary packet claims will follow, 10 at most. Nothing is allocated by it.
    public var attachmentCount = 0
    /// Nil for a packet that is no event, an unknown name, or a name written with escapes.
    public var event: Event?
    /// The contents of the event name's string, escapes unresolved.
    public var eventName = ByteRange.none
    /// The first argument (of CONNECT and CONNECT_ERROR: the whole payload) as raw JSON; empty if there is none.
    public var payload = ByteRange.none
    /// Arguments after the event name; for an acknowledgement, all of them.
    public var argumentCount = 0
    /// The routing fields of `payload` if that is an object.
    public var fields = EnvelopeFields()
    /// The contents of `payload` if that is a string without escapes.
    public var payloadString = ByteRange.none
    /// Further arguments as raw text with their commas, `,{"a":1},2`; normally empty.
    public var payloadRest = ByteRange.none

    init(kind: Kind) { self.kind = kind }
}

public enum SocketIOError: Error, Hashable, Sendable {
    case json(JSONError)
    case malformedPacket
    case unknownType
    case eventNameNotString
    case reservedEventName
    case tooManyArguments(limit: Int)
    case tooManyAttachments(limit: Int)
    case ackIDTooLong

    /// One sentence for the peer.
    public var sentence: String {
        switch self {
        case .json(let error): error.sentence
        case .malformedPacket: "The Socket.IO packet is malformed."
        case .unknownType: "The Socket.IO packet has an unknown type."
        case .eventNameNotString: "An event must start with its name, a string."
        case .reservedEventName: "The event's name is reserved."
        case .tooManyArguments(let limit): "An event may carry \(limit) arguments."
        case .tooManyAttachments(let limit): "A packet may announce \(limit) binary attachments."
        case .ackIDTooLong: "An acknowledgement id may have \(SocketIO.maxAckIDDigits) digits."
        }
    }

    /// A machine code for the peer, a label for the metrics.
    public var code: StaticString {
        switch self {
        case .json: "bad_json"
        case .malformedPacket: "malformed_packet"
        case .unknownType: "unknown_packet_type"
        case .eventNameNotString: "event_name_not_string"
        case .reservedEventName: "reserved_event_name"
        case .tooManyArguments: "too_many_arguments"
        case .tooManyAttachments: "too_many_attachments"
        case .ackIDTooLong: "ack_id_too_long"
        }
    }
}

public enum SocketIO {
    public static let maxArguments = 16
    public static let maxAttachments = 10
    /// 15 digits stay below 2^53, so that a JavaScript peer reads the same number.
    public static let maxAckIDDigits = 15
    /// A namespace is echoed in CONNECT_ERROR, so it is bounded.
    public static let maxNamespaceBytes = 256

    /// What goes before the first argument of an event, Engine.IO's `4` included.
    public static func prefix(_ e: Event) -> StaticString {
        switch e {
        case .iam: "42[\"iam\","
        case .join: "42[\"join\","
        case .leave: "42[\"leave\","
        case .command: "42[\"command\","
        case .commandStatus: "42[\"commandStatus\","
        case .roomPresence: "42[\"roomPresence\","
        case .upgradeKey: "42[\"upgradeKey\","
        case .kicked: "42[\"kicked\","
        case .error: "42[\"error\","
        }
    }

    public static let suffix: StaticString = "]"

    /// The acknowledgement of the packet whose id had the digits `id`, with one argument.
    public static func ack(id: [UInt8], payload: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(id.count + payload.count + 4)
        out.append("43")
        out.append(contentsOf: id)
        out.append("[")
        out.append(contentsOf: payload)
        out.append(suffix)
        return out
    }

    /// An event from the relay; without a payload the name stands alone, `42["kicked"]`.
    public static func event(_ e: Event, payload: [UInt8]?) -> [UInt8] {
        var out: [UInt8] = []
        if let payload {
            out.append(prefix(e))
            out.append(contentsOf: payload)
        } else {
            out.append("42[\"")
            out.append(e.name)
            out.append("\"")
        }
        out.append(suffix)
        return out
    }

    /// The answer to a CONNECT on the root namespace.
    public static func connected(sid: String) -> [UInt8] {
        var out: [UInt8] = []
        out.append("40{\"sid\":")
        JSONText.appendQuoted(sid, to: &out)
        out.append("}")
        return out
    }

    /// The refusal of a CONNECT; `namespace` as the peer wrote it.
    public static func connectError(namespace: [UInt8], message: String) -> [UInt8] {
        var out: [UInt8] = []
        out.append("44")
        if !namespace.isEmpty {
            out.append(contentsOf: namespace)
            out.append(",")
        }
        out.append("{\"message\":")
        JSONText.appendQuoted(message, to: &out)
        out.append("}")
        return out
    }
}
