// The two secrets that open a room, and how text becomes one of them.
//
// Pure values, any thread. A key exists only by parsing or by being made from random bytes; it prints redacted, so that no
// log line, error or debugger description can carry one by accident. SPDX-License-Identifier: Apache-2.0

/// A link key: 64 random bytes, on the wire 128 lower-case hex digits.
///
/// The length is load-bearing: deployed clients accept exactly 6 or exactly 128 digits (PROTOCOL.md, "Keys").
public struct LinkKey: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    public static let byteCount = 64

    /// The 64 bytes. Secret: hash or seal them, never print them.
    public let bytes: [UInt8]

    /// From exactly 64 random bytes; nil for another count.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// The 128 hex digits that go on the wire, to the key's holder only.
    public var hex: String { Hex.encode(bytes) }

    public var description: String { "LinkKey(redacted)" }
    public var debugDescription: String { description }
}

/// A pairing code: 24 random bits, on the wire 6 lower-case hex digits; single use and short-lived.
public struct PairingCode: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    public let value: UInt32

    /// From the low 24 bits of `value`.
    public init(truncating value: UInt32) { self.value = value & 0xFF_FFFF }

    /// The 6 hex digits shown to the person who pairs.
    public var hex: String { Hex.encode(bytes) }

    /// The three bytes, most significant first.
    public var bytes: [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 16), UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    public var description: String { "PairingCode(redacted)" }
    public var debugDescription: String { description }
}

/// What a peer presents in `join`: a pairing code or a link key.
public enum JoinCredential: Hashable, Sendable {
    case code(PairingCode)
    case key(LinkKey)

    /// Parses what a person may have typed: any case, with spaces and dashes. Nil unless 6 or 128 hex digits remain.
    public init?(parsing text: some Sequence<UInt8>) {
        var nibbles: [UInt8] = []
        nibbles.reserveCapacity(128)
        for byte in text {
            if byte == 0x20 || byte == 0x2D || byte == 0x09 { continue }
            guard nibbles.count < 128, let nibble = Hex.nibble(byte) else { return nil }
            nibbles.append(nibble)
        }
        switch nibbles.count {
        case 6:
            self = .code(PairingCode(truncating: nibbles.reduce(0) { $0 << 4 | UInt32($1) }))
        case 128:
            var bytes: [UInt8] = []
            bytes.reserveCapacity(64)
            for i in stride(from: 0, to: 128, by: 2) { bytes.append(nibbles[i] << 4 | nibbles[i + 1]) }
            guard let key = LinkKey(bytes: bytes) else { return nil }
            self = .key(key)
        default:
            return nil
        }
    }
}
