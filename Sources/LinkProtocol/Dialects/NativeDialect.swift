// The native dialect at /link: one JSON object a message, `{"event":…,"data":…,"ack":…}` (PROTOCOL.md, "native").
//
// Decoding is the hot path: one pass over the message, payload included, no allocation, any thread. Unknown members are
// skipped. Never interprets a payload beyond its routing fields, and never re-encodes one.
// SPDX-License-Identifier: Apache-2.0

/// One decoded message. All ranges are offsets into the message's bytes.
public struct NativeMessage: Sendable {
    /// Nil for a name the relay does not know, or one written with escapes.
    public var event: Event?
    /// The contents of the `event` string, escapes unresolved.
    public var eventName = ByteRange.none
    /// The raw JSON of `data`; empty if there is no such member.
    public var data = ByteRange.none
    /// The raw JSON of `ack`, a string or a number of at most `NativeDialect.maxAckBytes`; empty if absent or null.
    public var ack = ByteRange.none
    /// The routing fields of `data` if that is an object.
    public var fields = EnvelopeFields()
    /// The contents of `data` if that is a string without escapes.
    public var dataString = ByteRange.none
}

public enum NativeError: Error, Hashable, Sendable {
    case json(JSONError)
    case notAnObject
    case missingEvent
    case badAck
    /// `event`, `data` or `ack` twice: two readers might each believe another one.
    case repeatedMember

    /// One sentence for the peer.
    public var sentence: String {
        switch self {
        case .json(let error): error.sentence
        case .notAnObject: "A message must be one JSON object."
        case .missingEvent: "A message must name its event in the string \"event\"."
        case .badAck: "\"ack\" must be a number or a string of at most \(NativeDialect.maxAckBytes) bytes."
        case .repeatedMember: "\"event\", \"data\" and \"ack\" may each appear once."
        }
    }

    /// A machine code for the peer, a label for the metrics.
    public var code: StaticString {
        switch self {
        case .json: "bad_json"
        case .notAnObject: "not_an_object"
        case .missingEvent: "missing_event"
        case .badAck: "bad_ack"
        case .repeatedMember: "repeated_member"
        }
    }
}

public enum NativeDialect {
    /// The longest `ack`, quotes included: it is echoed, so it must not be a way to have large text stored.
    public static let maxAckBytes = 128

    /// Decodes a whole text message.
    ///
    /// `maxDepth` limits the nesting of the payload alone, the same as for the other dialect, so that what one dialect
    /// accepts the other one can carry. Offsets in errors count from the start of the message.
    public static func decode(_ bytes: RawSpan, maxDepth: Int) throws(NativeError) -> NativeMessage {
        guard bytes.byteCount <= Int(UInt32.max) else { throw .json(.malformed(offset: 0)) }
        var decoder = NativeDecoder()
        let start = JSONLexer.skipBlanks(bytes, 0)
        guard JSONLexer.peek(bytes, start) == 0x7B else { throw notAnObject(bytes, maxDepth: maxDepth) }
        do throws(JSONError) {
            try decoder.read(bytes, start, maxDepth: maxDepth)
        } catch {
            throw .json(error)
        }
        if decoder.hasRepeats { throw .repeatedMember }
        if decoder.hasBadEvent || decoder.message.eventName.start == 0 { throw .missingEvent }
        if decoder.hasBadAck { throw .badAck }
        if decoder.message.event == nil { decoder.message.event = Event(bytes, decoder.message.eventName) }
        return decoder.message
    }

    /// Tells JSON of the wrong kind from text that is no JSON at all.
    @inline(never)
    private static func notAnObject(_ bytes: RawSpan, maxDepth: Int) -> NativeError {
        do throws(JSONError) {
            _ = try JSON.validate(bytes, maxDepth: maxDepth)
            return .notAnObject
        } catch {
            return .json(error)
        }
    }

    /// What goes before the payload of an event that has one.
    public static func prefix(_ e: Event) -> StaticString {
        switch e {
        case .iam: "{\"event\":\"iam\",\"data\":"
        case .join: "{\"event\":\"join\",\"data\":"
        case .leave: "{\"event\":\"leave\",\"data\":"
        case .command: "{\"event\":\"command\",\"data\":"
        case .commandStatus: "{\"event\":\"commandStatus\",\"data\":"
        case .roomPresence: "{\"event\":\"roomPresence\",\"data\":"
        case .upgradeKey: "{\"event\":\"upgradeKey\",\"data\":"
        case .kicked: "{\"event\":\"kicked\",\"data\":"
        case .error: "{\"event\":\"error\",\"data\":"
        }
    }

    public static let suffix: StaticString = "}"

    /// The answer to a request; `ackJSON` is the raw JSON of its `ack`.
    public static func ack(_ ackJSON: [UInt8], payload: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(ackJSON.count + payload.count + 32)
        out.append("{\"event\":\"ack\",\"ack\":")
        out.append(contentsOf: ackJSON)
        out.append(",\"data\":")
        out.append(contentsOf: payload)
        out.append(suffix)
        return out
    }

    /// An event from the relay; without a payload there is no `data` member at all.
    public static func event(_ e: Event, payload: [UInt8]?) -> [UInt8] {
        var out: [UInt8] = []
        if let payload {
            out.append(prefix(e))
            out.append(contentsOf: payload)
        } else {
            out.append("{\"event\":\"")
            out.append(e.name)
            out.append("\"")
        }
        out.append(suffix)
        return out
    }
}

/// The wrapper's members as they come by. Faults of meaning are noted and not thrown, so that JSON errors come first
/// wherever in the text they are.
private struct NativeDecoder {
    var message = NativeMessage()
    var hasRepeats = false
    var hasBadEvent = false
    var hasBadAck = false
    private var hasEvent = false
    private var hasData = false
    private var hasAck = false

    /// Reads the object that opens at `start` and is the whole rest of the message.
    @inline(__always)
    mutating func read(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) {
        var position = 0
        if let payload = readUsualHead(bytes, start) {
            position = try readPayload(bytes, payload, maxDepth: maxDepth)
        } else {
            position = JSONLexer.skipBlanks(bytes, start &+ 1)
            if JSONLexer.peek(bytes, position) == 0x7D { return try readEnd(bytes, position &+ 1) }
            position = try readMember(bytes, position, maxDepth: maxDepth)
        }
        while true {
            position = JSONLexer.skipBlanks(bytes, position)
            let next = JSONLexer.peek(bytes, position)
            if next == 0x7D { return try readEnd(bytes, position &+ 1) }
            guard next == 0x2C else { throw JSONLexer.failure(bytes, position) }
            position = try readMember(bytes, JSONLexer.skipBlanks(bytes, position &+ 1), maxDepth: maxDepth)
        }
    }

    @inline(__always)
    private func readEnd(_ bytes: RawSpan, _ start: Int) throws(JSONError) {
        let position = JSONLexer.skipBlanks(bytes, start)
        guard position == bytes.byteCount else { throw .malformed(offset: position) }
    }

    /// The two events that are relayed, begun as `JSON.stringify` writes them: known at a glance, not member by member.
    /// - Returns: where the value of `data` starts; nil for any other beginning.
    @inline(__always)
    private mutating func readUsualHead(_ bytes: RawSpan, _ start: Int) -> Int? {
        if let payload = usualHead(bytes, start, NativeDialect.prefix(.command)) {
            message.event = .command
            message.eventName = ByteRange(start &+ 10, start &+ 17)
            return payload
        }
        if let payload = usualHead(bytes, start, NativeDialect.prefix(.commandStatus)) {
            message.event = .commandStatus
            message.eventName = ByteRange(start &+ 10, start &+ 23)
            return payload
        }
        return nil
    }

    @inline(__always)
    private mutating func usualHead(_ bytes: RawSpan, _ start: Int, _ head: StaticString) -> Int? {
        let end = start &+ head.utf8CodeUnitCount
        guard JSONLexer.equals(bytes, ByteRange(start, end), head) else { return nil }
        hasEvent = true
        hasData = true
        return JSONLexer.skipBlanks(bytes, end)
    }

    /// Reads a member's name and value. - Returns: the offset after them.
    @inline(never)
    private mutating func readMember(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        var position = start
        let name = try JSONLexer.memberName(bytes, start, value: &position)
        return try readValue(bytes, name, position, maxDepth: maxDepth)
    }

    /// - Returns: the offset after the value that starts at `start`.
    @inline(__always)
    private mutating func readValue(
        _ bytes: RawSpan, _ name: ByteRange, _ start: Int, maxDepth: Int
    ) throws(JSONError) -> Int {
        if JSONLexer.equals(bytes, name, "data") {
            hasRepeats = hasRepeats || hasData
            hasData = true
            return try readPayload(bytes, start, maxDepth: maxDepth)
        }
        let end = try JSONLexer.value(bytes, start, maxDepth: maxDepth)
        if JSONLexer.equals(bytes, name, "event") {
            hasRepeats = hasRepeats || hasEvent
            hasEvent = true
            if JSONLexer.peek(bytes, start) == 0x22 {
                message.eventName = ByteRange(start &+ 1, end &- 1)
            } else {
                hasBadEvent = true
            }
        } else if JSONLexer.equals(bytes, name, "ack") {
            hasRepeats = hasRepeats || hasAck
            hasAck = true
            takeAck(bytes, start, end)
        }
        return end
    }

    /// Reads the value of `data`. - Returns: the offset after it.
    @inline(__always)
    private mutating func readPayload(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        var scan = PayloadScan()
        try scan.read(bytes, start, maxDepth: maxDepth)
        message.data = ByteRange(start, scan.end)
        message.fields = scan.fields
        message.dataString = scan.plainString
        return scan.end
    }

    @inline(__always)
    private mutating func takeAck(_ bytes: RawSpan, _ start: Int, _ end: Int) {
        switch JSONLexer.peek(bytes, start) {
        case 0x22, 0x2D, 0x30...0x39:
            if end &- start <= NativeDialect.maxAckBytes {
                message.ack = ByteRange(start, end)
            } else {
                hasBadAck = true
            }
        case 0x6E: break
        default: hasBadAck = true
        }
    }
}
