// Engine.IO protocol v4 without I/O: polling bodies, and the texts the server itself sends.
//
// Pure values, any thread. A polling body is split by position: nothing is copied, nothing is sized by what a body claims,
// and the number of packets is bounded (CVE-2020-36048/36049). SPDX-License-Identifier: Apache-2.0

/// Why a polling body was refused.
public enum EngineIOError: Error, Hashable, Sendable {
    case emptyPacket, tooManyPackets
}

public enum EngineIO {
    /// What separates the packets of a polling body.
    public static let separator: UInt8 = 0x1E

    /// Walks the packets of a polling body, each a type digit (or `b`) and what follows it.
    ///
    /// A cursor that holds positions and no bytes: pass the same body to every `next(in:)`.
    public struct Payload: Sendable {
        /// Where the next packet begins; past the end of the body after the last.
        public private(set) var position = 0
        private var packetCount = 0
        private let limit: Int

        /// - Parameter maxPackets: the most packets that `next` gives before it throws.
        public init(maxPackets: Int) { limit = maxPackets }

        /// The next packet, never empty; nil after the last. After an error the whole body is to be refused.
        public mutating func next(in body: RawSpan) throws(EngineIOError) -> ByteRange? {
            // One past the end: a separator that ends the body announces a packet, which is then found empty.
            guard position <= body.byteCount else { return nil }
            guard packetCount < limit else { throw .tooManyPackets }
            let packet = ByteRange(position, EngineIO.packetEnd(body, position))
            guard !packet.isEmpty else { throw .emptyPacket }
            position = Int(packet.end) &+ 1
            packetCount &+= 1
            return packet
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
        return [0x30] + body.encoded()
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
