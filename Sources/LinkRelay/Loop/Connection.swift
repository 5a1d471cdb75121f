// A connection and an outbound message as Swift sees them: thin names for the engine's pointers.
//
// Loop thread only; a Connection is valid until its on_closed has been delivered, so sessions drop theirs there. Messages are counted by
// hand (retain/release) because a message never leaves its loop and ARC's atomics would cost more than the relay itself.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket

struct Connection: Equatable {
    let raw: OpaquePointer

    var id: UInt64 { cws_conn_id(raw) }
    var isTLS: Bool { cws_conn_is_tls(raw) }
    var listenerTag: UInt16 { cws_conn_listener_tag(raw) }
    var queuedBytes: Int { cws_queued_bytes(raw) }
    var queuedCount: Int { Int(cws_queued_count(raw)) }

    /// The session that owns this connection; the connection holds one reference to it.
    var session: Session? {
        cws_conn_user(raw).map { Unmanaged<Session>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Replaces the owner, keeping the reference count right.
    func setSession(_ session: Session?) {
        let old = cws_conn_user(raw)
        cws_conn_set_user(raw, session.map { Unmanaged.passRetained($0).toOpaque() })
        if let old { Unmanaged<Session>.fromOpaque(old).release() }
    }

    var peer: PeerAddress {
        var address = cws_address()
        cws_conn_peer(raw, &address)
        return PeerAddress(address)
    }

    var isStarved: Bool { cws_conn_is_starved(raw) }
    func pause() { cws_conn_pause(raw) }
    func resume() { cws_conn_resume(raw) }
    func abortLocally() { cws_abort(raw, CWS_R_LOCAL_ABORT) }
    func abortAsSlow() { cws_abort(raw, CWS_R_QUEUE_OVERFLOW) }
    func move(to loop: EventLoop) { cws_conn_move(raw, loop.raw) }

    /// False: the queue is at its ceiling, nothing was queued.
    func send(_ message: Message) -> Bool { cws_send(raw, message.raw) == CWS_OK }

    /// `hearingOut`: what the peer sent before it knew is still delivered.
    func close(_ reason: CloseReason, hearingOut: Bool = false) {
        reason.text.withUTF8Buffer { text in
            cws_close(raw, reason.code, cws_slice(p: text.baseAddress, n: text.count), hearingOut)
        }
    }

    /// A larger message is skipped, not fatal.
    func setMessageCeiling(_ bytes: Int) { cws_set_message_ceiling(raw, bytes, true) }
    /// The engine's own ceiling, above what the relay counts (Shard.transmit).
    func setQueueCeiling(_ limits: ShardLimits) {
        cws_set_queue_ceiling(raw, limits.queueCeiling, UInt32(clamping: limits.memberQueueCount))
    }
    func setHeartbeat(intervalMs: UInt32, timeoutMs: UInt32, ping: Message?) {
        cws_set_heartbeat(raw, intervalMs, timeoutMs, ping?.raw)
    }
}

extension PeerAddress {
    init(_ address: cws_address) {
        let bytes = withUnsafeBytes(of: address.bytes) { Array($0) }
        self.init(family: Family(rawValue: address.family) ?? .unix, bytes: bytes, port: address.port)
    }
}

/// An outbound WebSocket message of one loop, reference-counted by hand.
struct Message {
    let raw: OpaquePointer

    var count: Int { cws_message_size(raw) }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: cws_message_bytes(raw), count: count) }
    var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: cws_message_bytes(raw), count: count)
    }
    /// A hint to the processor that the message is about to be released.
    @inline(__always)
    func expect() { cws_message_expect(raw) }
    func retain() { cws_message_retain(raw) }
    func release() { cws_message_release(raw) }
}

extension EventLoop {
    /// Loop thread: a text message of `count` uninitialised bytes, one reference owned by the caller. Nil when out of memory.
    func makeText(count: Int) -> Message? { cws_message_new(raw, CWS_TEXT, count).map { Message(raw: $0) } }

    /// Loop thread: a text message of `before`, `payload` and `after` that is the memory of the message just received, if `payload` is
    /// most of it; nil if it has to be copied. The rest of what was received is overwritten: only `payload` may be read afterwards.
    func adopt(_ payload: UnsafeRawBufferPointer, before: StaticString, after: StaticString) -> Message? {
        cws_message_around(
            raw, cws_slice(p: payload.baseAddress?.assumingMemoryBound(to: UInt8.self), n: payload.count),
            cws_slice(p: before.utf8Start, n: before.utf8CodeUnitCount), cws_slice(p: after.utf8Start, n: after.utf8CodeUnitCount)
        ).map { Message(raw: $0) }
    }

    /// Loop thread: a text message with these bytes.
    func makeText(_ bytes: some Collection<UInt8>) -> Message? {
        guard let message = makeText(count: bytes.count) else { return nil }
        message.mutableBytes.copyBytes(from: bytes)
        return message
    }

    /// Loop thread: an empty WebSocket ping.
    func makePing() -> Message? { cws_message_new(raw, CWS_PING, 0).map { Message(raw: $0) } }

    /// Loop thread: a WebSocket ping that carries eight bytes, to be recognised in its pong.
    func makePing(number: UInt64) -> Message? {
        guard let raw = cws_message_new(raw, CWS_PING, 8) else { return nil }
        let message = Message(raw: raw)
        message.mutableBytes.storeBytes(of: number, as: UInt64.self)
        return message
    }

    /// Loop thread: the connection with this id if it is still this loop's.
    func connection(id: UInt64) -> Connection? { cws_loop_find(raw, id).map { Connection(raw: $0) } }

    /// Runs `body` with this loop's shard after everything posted before; unlike an actor hop it keeps its place among connections moved
    /// here. Any thread.
    func post(_ body: @escaping @Sendable (Shard) -> Void) {
        let box = Unmanaged.passRetained(PostBox(self, body))
        let status = cws_loop_post(
            raw,
            { argument in
                guard let argument else { return }
                let box = Unmanaged<PostBox>.fromOpaque(argument).takeRetainedValue()
                box.loop.box.shard?._withUnsafeGuaranteedRef(box.body)
            }, box.toOpaque())
        if status != CWS_OK { box.release() }
    }
}

/// Carries what is not Sendable to the loop that will own it.
///
/// Proof for @unchecked: whoever makes one gives up what is in it (a session that was unregistered here), and the mailbox's lock orders
/// what was done before with what is done there.
struct HandedOver<Value>: @unchecked Sendable {
    let value: Value
}

private final class PostBox: Sendable {
    let loop: EventLoop
    let body: @Sendable (Shard) -> Void
    init(_ loop: EventLoop, _ body: @escaping @Sendable (Shard) -> Void) {
        self.loop = loop
        self.body = body
    }
}
