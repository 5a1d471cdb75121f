// What the relay looks at in a JSON payload, and nothing more: where the routing fields of a command envelope lie.
//
// Pure values, any thread. Ranges are byte offsets into the message that was scanned, valid only as long as those bytes are.
// SPDX-License-Identifier: Apache-2.0

/// A half-open byte range of a message. 32-bit, because a message is under 4 GiB and this is on the hot path.
public struct ByteRange: Hashable, Sendable {
    public var start: UInt32
    public var end: UInt32
    @inline(__always) public init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.end = UInt32(truncatingIfNeeded: end)
    }
    @inline(__always) public var count: Int { end > start ? Int(end - start) : 0 }
    @inline(__always) public var isEmpty: Bool { end <= start }
    public static let none = ByteRange(0, 0)
}

/// The routing fields of a payload that is a JSON object; empty ranges where absent or not a string.
///
/// Ranges cover a string's contents between its quotes, escapes unresolved. Ids are compared by
/// `JSONString.plain` of them, which only one that `hasEscapedID` differs from.
public struct EnvelopeFields: Sendable {
    public var id = ByteRange.none
    public var type = ByteRange.none
    /// The `status` string if it is one of the five known words.
    public var status: CommandState?
    public var isObject = false
    /// The id is written with escapes: another spelling may be the same id.
    public var hasEscapedID = false
    /// One of the object's own member names is written with escapes, so a receiver may read a routing field that is not here.
    public var hasEscapedName = false
    public init() {}
}

/// Why a JSON text was refused. The offset is in bytes from where the text began.
public enum JSONError: Error, Hashable, Sendable {
    case malformed(offset: Int)
    case tooDeep(limit: Int)
    case invalidUTF8(offset: Int)
    case truncated

    /// One sentence for the peer.
    public var sentence: String {
        switch self {
        case .malformed(let offset): "The JSON is malformed at byte \(offset)."
        case .tooDeep(let limit): "The JSON is nested deeper than \(limit) levels."
        case .invalidUTF8(let offset): "The text is not valid UTF-8 at byte \(offset)."
        case .truncated: "The JSON ends too early."
        }
    }
}
