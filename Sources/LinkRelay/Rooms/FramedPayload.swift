// A payload inside an outbound message that is already framed for one dialect, kept to be sent again.
//
// Loop thread. Holds one reference to its message, released by whoever drops the value (never by ARC).
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct FramedPayload {
    let message: Message
    let dialect: Dialect
    let event: Event

    /// The payload's bytes, exactly as their sender wrote them.
    var payload: UnsafeRawBufferPointer {
        let all = message.bytes
        let (before, after) = Framing.overhead(event, dialect)
        guard all.count >= before + after else { return UnsafeRawBufferPointer(rebasing: all[0..<0]) }
        return UnsafeRawBufferPointer(rebasing: all[before..<all.count - after])
    }

    var byteCount: Int { message.count }
}

/// The bytes around a payload, by dialect.
enum Framing {
    @inline(__always)
    static func prefix(_ event: Event, _ dialect: Dialect) -> StaticString {
        dialect == .native ? NativeDialect.prefix(event) : SocketIO.prefix(event)
    }

    @inline(__always)
    static func suffix(_ dialect: Dialect) -> StaticString {
        dialect == .native ? NativeDialect.suffix : SocketIO.suffix
    }

    static func overhead(_ event: Event, _ dialect: Dialect) -> (before: Int, after: Int) {
        (prefix(event, dialect).utf8CodeUnitCount, suffix(dialect).utf8CodeUnitCount)
    }
}

extension EventLoop {
    /// Smaller payloads are copied without asking whether they must be.
    private static let adoptedBytes = 16 * 1024

    /// An event frame around `payload`, built once for every receiver of that dialect. One reference owned by the caller.
    ///
    /// May overwrite what a received message holds around `payload`, of which nothing else may be read afterwards.
    @inline(__always)
    func frame(_ event: Event, _ dialect: Dialect, payload: UnsafeRawBufferPointer) -> Message? {
        let prefix = Framing.prefix(event, dialect)
        let suffix = Framing.suffix(dialect)
        let before = prefix.utf8CodeUnitCount
        let after = suffix.utf8CodeUnitCount
        if payload.count >= Self.adoptedBytes, let message = adopt(payload, before: prefix, after: suffix) { return message }
        guard let message = makeText(count: before + payload.count + after), let out = message.mutableBytes.baseAddress else { return nil }
        out.copyMemory(from: UnsafeRawPointer(prefix.utf8Start), byteCount: before)
        if let source = payload.baseAddress { (out + before).copyMemory(from: source, byteCount: payload.count) }
        (out + before + payload.count).copyMemory(from: UnsafeRawPointer(suffix.utf8Start), byteCount: after)
        return message
    }

    /// An event frame with no argument at all (`kicked`), or with a payload of bytes.
    func frame(_ event: Event, _ dialect: Dialect, bytes: [UInt8]?) -> Message? {
        makeText(dialect == .native ? NativeDialect.event(event, payload: bytes) : SocketIO.event(event, payload: bytes))
    }
}
