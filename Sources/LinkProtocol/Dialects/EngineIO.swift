// Engine.IO protocol v4 without I/O: packets, polling bodies, and the texts the server itself sends.
//
// Pure values, any thread. A polling body is split by position: nothing is copied, nothing is sized by what a body claims,
// and the number of packets is bounded (CVE-2020-36048/36049). SPDX-License-Identifier: Apache-2.0

public enum EngineIOPacketType: UInt8, Sendable, Hashable, CaseIterable {
    case open = 0x30
    case close, ping, pong, message, upgrade, noop
}

/// One packet. The range is an offset range into the bytes it was decoded from.
public struct EngineIOPacket: Sendable, Hashable {
    public var type: EngineIOPacketType
    /// What follows the type digit; for a binary message in a polling body, its base64 text.
    public var content: ByteRange
    /// A binary message (`b` and base64 in a polling body).
    public var isBinary = false
}

public enum EngineIOError: Error, Hashable, Sendable {
    case emptyPacket
    case unknownType
    case badBase64
    case tooManyPackets(limit: Int)

    /// One sentence for the peer.
    public var sentence: String {
        switch self {
        case .emptyPacket: "An Engine.IO packet is empty."
        case .unknownType: "An Engine.IO packet has an unknown type."
        case .badBase64: "A binary Engine.IO packet is not base64."
        case .tooManyPackets(let limit): "A polling body may hold \(limit) packets."
        }
    }

    /// A machine code for the peer, a label for the metrics.
    public var code: StaticString {
        switch self {
        case .emptyPacket: "empty_packet"
        case .unknownType: "unknown_packet_type"
        case .badBase64: "bad_base64"
        case .tooManyPackets: "too_many_packets"
        }
    }
}

public enum EngineIO {
    /// What separates the packets of a polling body.
    public static let separator: UInt8 = 0x1E

    /// Decodes a WebSocket text message, which is exactly one packet.
    public static func decode(_ bytes: RawSpan) throws(EngineIOError) -> EngineIOPacket {
        try packet(bytes, 0, bytes.byteCount)
    }

    @inline(__always)
    static func packet(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(EngineIOError) -> EngineIOPacket {
        guard start < end else { throw .emptyPacket }
        guard let type = EngineIOPacketType(rawValue: JSONLexer.peek(bytes, start)) else { throw .unknownType }
        return EngineIOPacket(type: type, content: ByteRange(start &+ 1, end))
    }

    /// Walks the packets of a polling body.
    ///
    /// A cursor that holds positions and no bytes: pass the same body to every `next(in:)`.
    public struct Payload: Sendable {
        private var position = 0
        private var packetCount = 0
        private let limit: Int

        /// - Parameter maxPackets: the most packets that `next` gives before it throws.
        public init(maxPackets: Int) { limit = maxPackets }

        /// The next packet; nil after the last. After an error the whole body is to be refused.
        public mutating func next(in body: RawSpan) throws(EngineIOError) -> EngineIOPacket? {
            // One past the end: a separator that ends the body announces a packet, which is then found empty.
            guard position <= body.byteCount else { return nil }
            guard packetCount < limit else { throw .tooManyPackets(limit: limit) }
            let start = position
            let end = EngineIO.packetEnd(body, start)
            position = end &+ 1
            packetCount &+= 1
            if JSONLexer.peek(body, start) == 0x62, start < end {
                guard EngineIO.isBase64(body, start &+ 1, end) else { throw .badBase64 }
                return EngineIOPacket(type: .message, content: ByteRange(start &+ 1, end), isBinary: true)
            }
            return try EngineIO.packet(body, start, end)
        }
    }

    /// The offset of the next separator at or after `start`, or the end of the body.
    @inline(__always)
    private static func packetEnd(_ body: RawSpan, _ start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var position = start
        while position &+ 8 <= body.byteCount {
            let difference = JSONLexer.word(body, position) ^ 0x1E1E_1E1E_1E1E_1E1E
            let marks = (difference &- ones) & ~difference & 0x8080_8080_8080_8080
            if marks != 0 { return position &+ (marks.trailingZeroBitCount >> 3) }
            position &+= 8
        }
        while position < body.byteCount, JSONLexer.peek(body, position) != separator { position &+= 1 }
        return position
    }

    /// Whether the range is base64 with its padding, or none (RFC 4648, section 4).
    private static func isBase64(_ body: RawSpan, _ start: Int, _ end: Int) -> Bool {
        var contentEnd = end
        while contentEnd > start, end &- contentEnd < 2, JSONLexer.peek(body, contentEnd &- 1) == 0x3D {
            contentEnd &-= 1
        }
        var position = start
        while position < contentEnd {
            switch JSONLexer.peek(body, position) {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2B, 0x2F: position &+= 1
            default: return false
            }
        }
        let isPadded = contentEnd < end
        return (contentEnd &- start) & 3 != 1 && (!isPadded || (end &- start) & 3 == 0)
    }

    /// The server's first packet. Times in milliseconds, `maxPayload` in bytes.
    public static func openPacket(
        sid: String, upgrades: Bool, pingIntervalMs: Int, pingTimeoutMs: Int, maxPayload: Int
    ) -> [UInt8] {
        let body: JSONValue = [
            "sid": .string(sid),
            "upgrades": upgrades ? ["websocket"] : [],
            "pingInterval": .int(Int64(pingIntervalMs)),
            "pingTimeout": .int(Int64(pingTimeoutMs)),
            "maxPayload": .int(Int64(maxPayload)),
        ]
        return [EngineIOPacketType.open.rawValue] + body.encoded()
    }

    /// The body of a refused request, with the published codes 0–5; an unknown code is sent as 3.
    public static func errorJSON(code: Int) -> [UInt8] {
        let messages = [
            "Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
            "Unsupported protocol version",
        ]
        let known = messages.indices.contains(code) ? code : 3
        let body: JSONValue = ["code": .int(Int64(known)), "message": .string(messages[known])]
        return body.encoded()
    }
}
